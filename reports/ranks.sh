#!/usr/bin/env bash
# Two GPUs against one: results, then speed and memory. ranks.sh BIN_DIR OUT_DIR [PLANS_DIR]
# BIN_DIR holds ftrun, and ftc unless PLANS_DIR holds the plans already (ranks.sh compiles them there and stops where
# OUT_DIR is "-").
set -eu
bin=$1 out=$2 plans=${3:-$2}
here=$(cd "$(dirname "$0")/.." && pwd)
tiny=(--set base_model=tiny-gqa --set sequence_len=128 --set max_steps=20 --set deterministic=TRUE)
if [ -x "$bin/ftc" ]; then
  mkdir -p "$plans"
  for form in FP32_TRUE BF16_TRUE; do
    for steps in 1 3; do
      common=("${tiny[@]}" --set precision=$form --set gradient_accumulation_steps=$steps)
      "$bin/ftc" compile "$here/recipes/bench_lora_1b.textproto" "${common[@]}" -o "$plans/tiny.$form.$steps.one.bin" > /dev/null
      "$bin/ftc" compile "$here/recipes/bench_lora_1b_ddp2.textproto" "${common[@]}" --set micro_batch_size=4 \
        -o "$plans/tiny.$form.$steps.two.bin" > /dev/null
    done
  done
  for recipe in bench_lora_1b bench_lora_1b_ddp2 bench_lora_7b bench_lora_7b_ddp2 bench_full_1b bench_full_7b; do
    "$bin/ftc" compile "$here/recipes/$recipe.textproto" -o "$plans/$recipe.bin" > "$plans/$recipe.compile"
  done
  for recipe in bench_full_1b bench_full_7b; do
    "$bin/ftc" compile "$here/recipes/$recipe.textproto" --set parallelism.dp_replicate_size=2 -o "$plans/${recipe}_ddp2.bin" \
      > "$plans/${recipe}_ddp2.compile"
  done
fi
[ "$out" = - ] && exit
mkdir -p "$out"
run() { # NAME PLAN OPTIONS…
  local name=$1 plan=$2
  shift 2
  timeout 120 "$bin/ftrun" "$plans/$plan.bin" --model seeded:1 --overwrite --out "$out/$name" "$@" > "$out/$name.log" 2>&1 ||
    { echo "$name: exit $?"; tail -3 "$out/$name.log"; }
}
for form in FP32_TRUE BF16_TRUE; do
  for steps in 1 3; do
    run one tiny.$form.$steps.one
    run two tiny.$form.$steps.two
    run again tiny.$form.$steps.two
    run poison tiny.$form.$steps.two --poison
    python3 "$here/reports/ranks.py" "$form, $steps micro-batches" "$out/one" "$out/two" "$out/again" "$out/poison"
  done
done
for recipe in bench_lora_1b bench_lora_7b bench_full_1b bench_full_7b; do
  run one $recipe --stop-after 16
  run two ${recipe}_ddp2 --stop-after 16
  python3 "$here/reports/ranks.py" $recipe "$out/one" "$out/two"
done
