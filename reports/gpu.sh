#!/usr/bin/env bash
# Runs the contract workloads on the GPU of this machine: tokens/s, memory, and time by kind of step.
# gpu.sh BIN_DIR OUT_DIR: BIN_DIR holds ftc and ftrun; logs and profiles go to OUT_DIR.
set -eu
bin=$1 out=$2
here=$(cd "$(dirname "$0")/.." && pwd)
target=${FTC_TARGET:-h200}
mkdir -p "$out"
for recipe in bench_lora_1b bench_lora_3b bench_lora_7b bench_lora_13b bench_full_1b bench_full_7b; do
  "$bin/ftc" compile "$here/recipes/$recipe.textproto" --gpu "$target" -o "$out/$recipe.bin" > "$out/$recipe.compile"
  "$bin/ftrun" "$out/$recipe.bin" --model seeded:1 --stop-after 12 --overwrite --out "$out/run" > "$out/$recipe.log" 2>&1
  "$bin/ftrun" "$out/$recipe.bin" --model seeded:1 --stop-after 4 --profile --overwrite --out "$out/run" > "$out/$recipe.profile" 2>&1
  echo "== $recipe"
  grep -E '^ +(4|8|10|12) |^  together' "$out/$recipe.log"
done
