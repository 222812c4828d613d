#!/usr/bin/env bash
# Builds the fuzzers of the readers (clang-14, ASan, UBSan) and runs each for SECONDS, one after the other.
# Usage: test/fuzz/run.sh SECONDS [FUZZER ...]
# Exits 1 where one finds something; the input then lies in build-fuzz/found, and running the fuzzer on it shows it again.
set -euo pipefail

seconds=${1:-}
if [[ ! "$seconds" =~ ^[1-9][0-9]*$ ]]; then
  echo "run.sh: usage: test/fuzz/run.sh SECONDS [FUZZER ...]" >&2
  exit 1
fi
shift
cd "$(dirname "$0")/../.."
if ! command -v clang++-14 >/dev/null; then
  echo "run.sh: clang++-14 is missing; install it with tools/setup.sh fuzz" >&2
  exit 1
fi

cmake --preset fuzz >/dev/null
cmake --build --preset fuzz
corpus=build-fuzz/corpus
python3 test/fuzz/make_corpus.py "$corpus"
mkdir -p build-fuzz/found

fuzzers=("$@")
if [ ${#fuzzers[@]} -eq 0 ]; then
  for program in build-fuzz/fuzz/*Fuzz; do
    fuzzers+=("$(basename "$program")")
  done
fi
failed=()
for fuzzer in "${fuzzers[@]}"; do
  log=build-fuzz/$fuzzer.log
  if build-fuzz/fuzz/"$fuzzer" "$corpus/$fuzzer" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
    -artifact_prefix=build-fuzz/found/"$fuzzer"- >"$log" 2>&1; then
    echo "$fuzzer: $(tail -n 1 "$log")"
  else
    failed+=("$fuzzer")
    grep -vE '^#[0-9]+[[:space:]]' "$log" | tail -n 40
  fi
done
if [ ${#failed[@]} -gt 0 ]; then
  echo "run.sh: found something: ${failed[*]} (build-fuzz/found)" >&2
  exit 1
fi
