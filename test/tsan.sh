#!/usr/bin/env bash
# Builds the runtime under ThreadSanitizer and runs what has threads: ranks that meet, processes that find each other, and
# training of ranks as threads; with PLAN (for CPU ranks), ftrun on it as well, as one process and as two of a launcher.
# Usage: test/tsan.sh [PLAN]
# Exits 1 where it reports something, or a program ends by a signal; logs are in build-tsan. Deadlines in tests are those of
# ordinary builds: a test that fails without a report is said, and no more.
set -euo pipefail

plan=${1:+$(realpath "$1")}
cd "$(dirname "$0")/.."
cmake --preset tsan >/dev/null
cmake --build --preset tsan
export TSAN_OPTIONS="exitcode=66 suppressions=$PWD/test/tsan.supp" OMP_NUM_THREADS=1
failed=()
try() { # NAME COMMAND…
  local name=$1
  shift
  local log=build-tsan/$name.log code=0
  "$@" >"$log" 2>&1 || code=$?
  if grep -q "WARNING: ThreadSanitizer" "$log"; then
    failed+=("$name")
    grep -A 30 "WARNING: ThreadSanitizer" "$log" | head -n 60
  elif [ "$code" -eq 1 ] && grep -q "FAILED TEST" "$log"; then
    echo "$name: nothing reported; $(grep -c '^\[  FAILED  \].* ms)$' "$log") tests failed, see $log"
  elif [ "$code" -ne 0 ]; then
    failed+=("$name")
    echo "$name: exit code $code"
    tail -n 20 "$log"
  else
    echo "$name: clean"
  fi
}
rank() { # NUMBER: one of two processes, which share the plan's ranks
  RANK=$1 WORLD_SIZE=2 MASTER_ADDR=127.0.0.1 MASTER_PORT=29611 build-tsan/bin/ftrun "$plan" --model seeded:1 --threads 1 \
    --max-steps 3 --overwrite --out build-tsan/processes --ranks "$ranks"
}
both() {
  rank 0 &
  local other=$!
  rank 1 && wait "$other"
}

for test in CommunicationTest RendezvousTest TrainingTest; do
  try "$test" "build-tsan/test/bin/$test"
done
if [ -n "$plan" ]; then
  try ftrun build-tsan/bin/ftrun "$plan" --model seeded:1 --threads 2 --max-steps 3 --overwrite --out build-tsan/threads
  ranks=$(($(find build-tsan/threads -name 'rank-*.log' | wc -l) / 2 + 1))
  try processes both
fi
if [ ${#failed[@]} -gt 0 ]; then
  echo "tsan.sh: something was reported: ${failed[*]} (build-tsan/*.log)" >&2
  exit 1
fi
