#!/usr/bin/env bash
# Compiles into FOLDER the plans that mutants are made of: full, adapters with dropout, ranks that hold the same and that
# hold shares, an optimizer on the host, bases in NF4 and FP8, halves, activations on the host, checkpoints.
# Usage: test/plans/compile.sh FOLDER
set -euo pipefail

if [ $# -ne 1 ]; then
  echo "compile.sh: usage: test/plans/compile.sh FOLDER" >&2
  exit 1
fi
mkdir -p "$1"
folder=$(cd "$1" && pwd)
cd "$(dirname "$0")/../.."
ftc=${FTC_FTC:-build/bin/ftc}

plan() { # name, then what is set
  local settings=()
  for setting in "${@:2}"; do
    settings+=(--set "$setting")
  done
  "$ftc" compile recipes/tiny_llama_cpu.textproto "${settings[@]}" -o "$folder/$1.bin" >"$folder/$1.log"
}
plan full gradient_accumulation_steps=2
plan adapters lora.r=2 lora.lora_dropout=0.1
plan ranks parallelism.dp_replicate_size=2
plan host offload_optimizer.device=CPU offload_optimizer.fraction=0.5 precision=BF16_MIXED weight_decay=0.1
plan shares parallelism.dp_shard_size=2 parallelism.strategy=FSDP
plan quantized quantization.type=NF4 lora.r=2
plan checkpoints save_steps=1 lora.r=2
plan halves precision=FP16_MIXED save_steps=1 offload_optimizer.device=CPU offload_optimizer.fraction=0.5
plan few quantization.type=FP8 lora.r=2 precision=FP16_MIXED parallelism.dp_replicate_size=2 save_steps=1
plan parked activation_offload=TRUE precision=BF16_MIXED optimizer_state_dtype=INT8 base_model=tiny-blocks save_on_signal=true
