#!/usr/bin/env bash
# Builds the fuzzers of the readers (clang-14, ASan, UBSan) and runs each for SECONDS, as many beside each other as there
# are processors.
# Usage: test/fuzz/run.sh SECONDS [FUZZER ...]     FTC_FUZZ_SEED: what chance starts from (default: 0, a new one each time)
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
cmake --build --preset fuzz -j "$(nproc)"
python3 test/fuzz/make_corpus.py build-fuzz/corpus
mkdir -p build-fuzz/found

fuzzers=("$@")
if [ ${#fuzzers[@]} -eq 0 ]; then
  for program in build-fuzz/fuzz/*Fuzz; do
    fuzzers+=("$(basename "$program")")
  done
fi
run() { # a fuzzer
  local log=build-fuzz/$1.log
  if build-fuzz/fuzz/"$1" "build-fuzz/corpus/$1" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
    -seed="${FTC_FUZZ_SEED:-0}" -artifact_prefix=build-fuzz/found/"$1"- >"$log" 2>&1; then
    echo "$1: $(tail -n 1 "$log")"
  else
    echo "$1: found something"
    grep -vE '^#[0-9]+[[:space:]]' "$log" | tail -n 40
    return 1
  fi
}
failed=0
running=0
for fuzzer in "${fuzzers[@]}"; do
  if [ "$running" -ge "$(nproc)" ]; then
    wait -n || failed=1
    running=$((running - 1))
  fi
  run "$fuzzer" &
  running=$((running + 1))
done
while [ "$running" -gt 0 ]; do
  wait -n || failed=1
  running=$((running - 1))
done
if [ "$failed" -ne 0 ]; then
  echo "run.sh: found something (build-fuzz/found)" >&2
  exit 1
fi
