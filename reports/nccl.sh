#!/usr/bin/env bash
# Compiles what nccl.py runs, and runs it where there are two GPUs. nccl.sh BIN_DIR PLANS_DIR [PART…]
set -eu
bin=$1 plans=$2
shift 2
here=$(cd "$(dirname "$0")" && pwd)
recipes=$here/../recipes
mkdir -p "$plans"
compile() { # NAME RECIPE SETTING…
  local name=$1 recipe=$2
  shift 2
  "$bin/ftc" compile "$recipes/$recipe.textproto" "${@/#/--set=}" -o "$plans/$name.bin" > "$plans/$name.compile"
}
if [ -x "$bin/ftc" ]; then
  tiny=(base_model=tiny-gqa sequence_len=128 max_steps=20 deterministic=TRUE micro_batch_size=4)
  full=("${tiny[@]}" precision=FP32_TRUE optimizer_state_dtype=F32)
  ddp=parallelism.dp_replicate_size=2 shard=parallelism.dp_shard_size=2
  compile tiny_ddp bench_full_1b "${full[@]}" $ddp
  compile tiny_ddp_3 bench_full_1b "${full[@]}" $ddp gradient_accumulation_steps=3
  compile tiny_fsdp bench_full_1b "${full[@]}" parallelism.strategy=FSDP $shard
  compile tiny_fsdp4 bench_full_1b "${full[@]}" parallelism.strategy=FSDP parallelism.dp_shard_size=4
  compile tiny_hsdp4 bench_full_1b "${full[@]}" parallelism.strategy=HSDP $shard $ddp
  compile tiny_bf16 bench_full_1b "${tiny[@]}" $ddp
  compile tiny_lora_zero1 bench_lora_1b "${tiny[@]}" precision=FP32_TRUE parallelism.strategy=ZERO1 $shard
  compile lora_1b_ddp2 bench_lora_1b_ddp2 max_steps=100
  compile lora_1b_ddp2_det bench_lora_1b_ddp2 max_steps=100 deterministic=TRUE
  compile full_1b_ddp2 bench_full_1b $ddp max_steps=100
  compile full_1b_fsdp2 bench_full_1b precision=BF16_MIXED optimizer_state_dtype=F32 parallelism.strategy=FSDP $shard \
    max_steps=100
fi
command -v nvidia-smi > /dev/null || { echo "nccl.sh: no GPU here; the plans are in $plans"; exit; }
python3 "$here/nccl.py" "$bin/ftrun" "$plans" "$@"
