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
  plan() { # NAME RECIPE FIELD=VALUE…
    local name=$1 recipe=$2
    shift 2
    "$bin/ftc" compile "$here/recipes/$recipe.textproto" "${@/#/--set=}" -o "$plans/$name.bin" > "$plans/$name.compile"
  }
  p=parallelism mixed=(precision=BF16_MIXED optimizer_state_dtype=F32)
  for model in lora_1b lora_7b; do
    plan $model.one bench_$model
    plan $model.DDP bench_${model}_ddp2
    plan $model.FSDP bench_$model $p.strategy=FSDP $p.dp_shard_size=2 $p.shard_frozen=TRUE
  done
  for model in full_1b full_3b; do
    base=("${mixed[@]}")
    [ $model = full_1b ] || base+=(base_model=open-llama-3b)
    plan $model.one bench_full_1b "${base[@]}"
    plan $model.DDP bench_full_1b "${base[@]}" $p.dp_replicate_size=2
    plan $model.DDP.reduce_bf16 bench_full_1b "${base[@]}" $p.dp_replicate_size=2 $p.reduce_dtype=BF16
    for strategy in ZERO1 ZERO2 FSDP; do
      plan $model.$strategy bench_full_1b "${base[@]}" $p.strategy=$strategy $p.dp_shard_size=2
    done
    plan $model.FSDP.reduce_bf16 bench_full_1b "${base[@]}" $p.strategy=FSDP $p.dp_shard_size=2 $p.reduce_dtype=BF16
  done
  plan full_7b.FSDP bench_full_7b_fsdp2
  plan full_7b.ZERO2 bench_full_7b_fsdp2 $p.strategy=ZERO2
  plan full_13b.FSDP bench_full_13b_fsdp2
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
for model in lora_1b lora_7b full_1b full_3b full_7b full_13b; do
  for plan in "$plans"/$model.one.bin "$plans"/$model.[DFZ]*.bin; do
    [ -e "$plan" ] || continue # 7B in BF16_MIXED and 13B do not fit one card
    name=$(basename "$plan" .bin)
    run "$name" "$name" --stop-after 14
    python3 "$here/reports/ranks.py" "$name" "$out/$name" "$out/$model.one"
  done
done
