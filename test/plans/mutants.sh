#!/usr/bin/env bash
# Runs COUNT mutants of the plans of compile.sh, an equal share of each.
# Usage: test/plans/mutants.sh COUNT [SEED]     (10000 take about an hour on one core)
# Under ASan and UBSan: cmake --build --preset fuzz --target RunMutants, and FTC_MUTANTS=build-fuzz/test/bin/RunMutants.
set -euo pipefail

count=${1:-}
if [[ ! "$count" =~ ^[1-9][0-9]*$ ]]; then
  echo "mutants.sh: usage: test/plans/mutants.sh COUNT [SEED]" >&2
  exit 1
fi
seed=${2:-1}
cd "$(dirname "$0")/../.."
mutants=${FTC_MUTANTS:-build/test/bin/RunMutants}
folder=$(mktemp -d)
trap '[ -n "$(find "$folder" -name "mutant-*.bin")" ] && echo "mutants.sh: what was found lies in $folder" || rm -rf "$folder"' EXIT
export OMP_WAIT_POLICY=PASSIVE

test/plans/compile.sh "$folder/plans"
plans=("$folder"/plans/*.bin)
found=0
for plan in "${plans[@]}"; do
  name=$(basename "$plan" .bin)
  echo "== $name"
  "$mutants" "$plan" $(((count + ${#plans[@]} - 1) / ${#plans[@]})) "$seed" "$folder/$name" || found=1
done
exit "$found"
