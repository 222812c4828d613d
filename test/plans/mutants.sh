#!/usr/bin/env bash
# Runs COUNT mutants of seven plans (full, adapters with dropout, ranks that hold the same and that hold shares, an
# optimizer on the host, a base in NF4, checkpoints), an equal share of each.
# Usage: test/plans/mutants.sh COUNT [SEED]     (10000 take about an hour on one core)
set -euo pipefail

count=${1:-}
if [[ ! "$count" =~ ^[1-9][0-9]*$ ]]; then
  echo "mutants.sh: usage: test/plans/mutants.sh COUNT [SEED]" >&2
  exit 1
fi
seed=${2:-1}
cd "$(dirname "$0")/../.."
ftc=${FTC_FTC:-build/bin/ftc}
mutants=${FTC_MUTANTS:-build/test/bin/RunMutants}
folder=$(mktemp -d)
trap '[ -n "$(find "$folder" -name "mutant-*.bin")" ] && echo "mutants.sh: what was found lies in $folder" || rm -rf "$folder"' EXIT
export OMP_WAIT_POLICY=PASSIVE

found=0
run() { # name, then what is set
  local plan=$folder/$1.bin settings=()
  for setting in "${@:2}"; do
    settings+=(--set "$setting")
  done
  "$ftc" compile recipes/tiny_llama_cpu.textproto "${settings[@]}" -o "$plan" >"$folder/$1.log"
  echo "== $1"
  "$mutants" "$plan" $(((count + 6) / 7)) "$seed" "$folder/$1" || found=1
}
run full gradient_accumulation_steps=2
run adapters lora.r=2 lora.lora_dropout=0.1
run ranks parallelism.dp_replicate_size=2
run host offload_optimizer.device=CPU offload_optimizer.fraction=0.5 precision=BF16_MIXED weight_decay=0.1
run shares parallelism.dp_shard_size=2 parallelism.strategy=FSDP
run quantized quantization.type=NF4 lora.r=2
run checkpoints save_steps=1 lora.r=2
exit "$found"
