#!/usr/bin/env bash
# The optimizer on the host of the GPU of this machine: bits with and without, and by step what the host did, what travelled
# and what the device waited for, beside what ftc predicts.
# offload.sh plans BIN_DIR OUT_DIR [tiny] [large] [thirteen] [f32] [rates]   compiles the plans, on any machine
# offload.sh run BIN_DIR OUT_DIR [NAME…]   runs them, or those of these names in this order, where "bits" stands for the tiny
# plans and "torch" for what PyTorch makes of the same processors and link (reports/offload_rates.py); OUT_DIR/table is what
# reports/offload.md has. BIN_DIR holds ftc or ftrun. Nothing else should use the processors.
set -eu
what=$1 bin=$2 out=$3
shift 3
here=$(cd "$(dirname "$0")/.." && pwd)
target=${FTC_TARGET:-h200}
mkdir -p "$out"
cd "$here"
host=(--set offload_optimizer.device=CPU)
all=("${host[@]}" --set offload_optimizer.fraction=1)

compile() { # name recipe options…
  local name=$1 recipe=$2
  shift 2
  "$bin/ftc" compile "$recipe" --gpu "$target" "$@" -o "$out/$name.bin" > "$out/$name.compile"
}

tinyPlans() {
  cat > "$out/tiny.textproto" <<RECIPE
base_model: "smollm2-135m"
precision: BF16_MIXED
sequence_len: 256
micro_batch_size: 4
max_documents_per_row: 1
weight_decay: 0.1
deterministic: TRUE
learning_rate: 1e-3
lr_scheduler_type: CONSTANT
max_steps: 6
data { train: "synthetic:7" eval: "synthetic:8" }
RECIPE
  local form set
  for form in plain accumulated clipped lora; do
    case $form in
    plain) set=() ;;
    accumulated) set=(--set gradient_accumulation_steps=3) ;;
    clipped) set=(--set max_grad_norm=0.05 --set eval_steps=2) ;;
    lora) set=(--set lora.r=8 --set lora.target_modules=all-linear) ;;
    esac
    compile "tiny.$form.device" "$out/tiny.textproto" "${set[@]}"
    compile "tiny.$form.half" "$out/tiny.textproto" "${set[@]}" "${host[@]}" --set offload_optimizer.fraction=0.5
    compile "tiny.$form.all" "$out/tiny.textproto" "${set[@]}" "${all[@]}"
    compile "tiny.$form.leave" "$out/tiny.textproto" "${set[@]}" "${all[@]}" --gradients leave
  done
}

# 16,384 tokens a step, and 65,536 in four micro-batches.
largePlans() {
  local size recipe many
  for size in 1b 7b; do
    recipe=recipes/bench_full_$size.textproto
    many=(--set gradient_accumulation_steps=4)
    compile "$size.device" "$recipe"
    compile "$size.all" "$recipe" "${all[@]}"
    compile "$size.all4" "$recipe" "${all[@]}" "${many[@]}"
    compile "$size.half" "$recipe" "${host[@]}" --set offload_optimizer.fraction=0.5
  done
  compile 7b.device4 recipes/bench_full_7b.textproto "${many[@]}"
  compile 7b.auto80 recipes/bench_full_7b.textproto "${host[@]}" --set memory_budget=80GB
  compile 7b.auto80x4 recipes/bench_full_7b.textproto "${host[@]}" --set memory_budget=80GB "${many[@]}" --set gradient_checkpointing=AUTO
  # Masters and moments in f32: 28 bytes a parameter.
  compile 7b.f32 recipes/bench_full_7b.textproto "${all[@]}" --set precision=BF16_MIXED --set optimizer_state_dtype=F32
}

# 13B with remainders and moments in bf16: 32,768 tokens in one micro-batch, in the form that AUTO takes and in the other,
# and 131,072 in four; and bf16 alone.
thirteenPlans() {
  cat > "$out/full13.textproto" <<RECIPE
base_model: "open-llama-13b"
precision: BF16_TRUE
sequence_len: 2048
micro_batch_size: 16
max_documents_per_row: 1
gradient_checkpointing: AUTO
optimizer_state_dtype: BF16
adam_beta2: 0.95
deterministic: FALSE
learning_rate: 1e-4
lr_scheduler_type: CONSTANT
max_steps: 20
data { train: "synthetic:1" }
RECIPE
  local mixed=(--set precision=BF16_MIXED --set master_dtype=BF16_REMAINDER) many=(--set gradient_accumulation_steps=4)
  compile 13b.one "$out/full13.textproto" "${host[@]}" "${mixed[@]}"
  compile 13b.stay "$out/full13.textproto" "${host[@]}" "${mixed[@]}" --gradients stay
  compile 13b.four "$out/full13.textproto" "${host[@]}" "${mixed[@]}" "${many[@]}"
  compile 13b.bf16 "$out/full13.textproto" "${host[@]}"
  compile 13b.bf16x4 "$out/full13.textproto" "${host[@]}" "${many[@]}"
}

# 7B with masters and moments in f32, 65,536 tokens a step in four micro-batches, and in as many as AUTO takes.
f32Plans() {
  local f32=(--set precision=BF16_MIXED --set optimizer_state_dtype=F32) many=(--set gradient_accumulation_steps=4)
  local recipe=recipes/bench_full_7b.textproto
  compile 7b.f32auto "$recipe" "${host[@]}" "${f32[@]}" "${many[@]}" --set gradient_checkpointing=AUTO
  compile 7b.f32all "$recipe" "${all[@]}" "${f32[@]}" "${many[@]}"
  compile 7b.f32x80 "$recipe" "${host[@]}" "${f32[@]}" "${many[@]}" --set gradient_checkpointing=AUTO --set memory_budget=80GB
  compile 7b.f32rows "$recipe" "${host[@]}" "${f32[@]}" --set gradient_checkpointing=AUTO --set micro_batch_size=AUTO --set global_batch_size=32
}

# What updates and transfers do at their fastest: in f32 as PyTorch's AdamW, with a copy in bf16, with remainders, and values
# that travel while the host does nothing; 3B as DeepSpeed has it, all on the host.
ratesPlans() {
  local recipe=recipes/bench_full_1b.textproto mixed=(--set precision=BF16_MIXED)
  compile 1b.fp32 "$recipe" "${all[@]}" --set precision=FP32_TRUE --set optimizer_state_dtype=F32 --set micro_batch_size=1 --gradients leave
  compile 1b.f32 "$recipe" "${all[@]}" "${mixed[@]}" --set optimizer_state_dtype=F32 --gradients leave
  compile 1b.rem "$recipe" "${all[@]}" "${mixed[@]}" --set master_dtype=BF16_REMAINDER --gradients leave
  compile 1b.park "$recipe" --set activation_offload=TRUE
  compile 3b.all "$recipe" "${all[@]}" "${mixed[@]}" --set base_model=open-llama-3b --set optimizer_state_dtype=F32 --set max_grad_norm=1 \
    --set gradient_checkpointing=FULL
}

if [ "$what" = plans ]; then
  [ $# = 0 ] && set -- tiny large thirteen f32 rates
  for group; do
    "${group}Plans"
  done
  exit 0
fi

compareBits() {
  local form share name file
  for form in plain accumulated clipped lora; do
    for share in device half all leave; do
      name=tiny.$form.$share
      "$bin/ftrun" "$out/$name.bin" --model seeded:1 --init-adapters normal --overwrite --out "$out/run.$share" > "$out/$name.log" 2>&1
    done
    file=model.safetensors
    [ $form = lora ] && file=adapter_model.safetensors
    for share in half all leave; do
      cmp "$out/run.device/$file" "$out/run.$share/$file" && echo "tiny $form, $share on the host: same bits" ||
        echo "tiny $form, $share on the host: OTHER BITS"
    done
  done | tee "$out/bits"
  rm -rf "$out"/run.*
}

# Ends before the model is written: what is measured is steps.
available() { awk '/MemAvailable/ { print $2 / 1048576 }' /proc/meminfo; }

measure() { # name
  local before lowest run second
  before=$(available) lowest=$before
  "$bin/ftrun" "$out/$1.bin" --model seeded:1 --overwrite --out "$out/run" > "$out/$1.log" 2>&1 &
  run=$!
  for ((second = 0; second < ${FTC_SECONDS:-100}; ++second)); do
    sleep 1
    lowest=$(available | awk -v b="$lowest" '{ print $1 < b ? $1 : b }')
    kill -0 $run 2> /dev/null || break
    [ "$(grep -c step_ms "$out/run/metrics.jsonl" 2> /dev/null)" -ge 10 ] 2> /dev/null && break
  done
  kill -9 $run 2> /dev/null || true
  wait $run 2> /dev/null || true
  python3 "$here/reports/offload.py" "$1" "$out/$1.compile" "$out/run/metrics.jsonl" "$out/$1.log" \
    "$(awk -v a="$before" -v b="$lowest" 'BEGIN { print a - b }')" | tee -a "$out/table"
  rm -rf "$out/run"
}

if [ $# = 0 ]; then
  for plan in "$out"/1b.*.bin "$out"/7b.*.bin; do
    set -- "$@" "$(basename "$plan" .bin)"
  done
  set -- bits "$@"
fi
python3 "$here/reports/offload.py" | tee "$out/table"
for name; do
  case $name in
  bits) compareBits ;;
  torch) python3 "$here/reports/offload_rates.py" | tee "$out/torch" ;;
  *) measure "$name" ;;
  esac
done
