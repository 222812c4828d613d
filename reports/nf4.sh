#!/usr/bin/env bash
# A base in NF4 on the GPU of this machine: the kernel bit for bit, a tiny model beside the CPU, tokens/s beside bf16.
# nf4.sh BIN_DIR OUT_DIR [SECONDS]: BIN_DIR holds ftc, ftrun (or FTC_FTC and FTC_FTRUN name them) and, for the kernel,
# FusionTest; logs and profiles go to OUT_DIR. Begins no workload after SECONDS (300), the largest model last.
set -eu
bin=$1 out=$2 limit=${3:-300}
ftc=${FTC_FTC:-$bin/ftc} ftrun=${FTC_FTRUN:-$bin/ftrun}
here=$(cd "$(dirname "$0")/.." && pwd)
target=${FTC_TARGET:-h200}
mkdir -p "$out"
cd "$here"
if [ -x "$bin/FusionTest" ]; then
  FTC_TEST_DRIVER=cuda "$bin/FusionTest" --gtest_filter='*Dequantize*' | tail -n 3
else
  echo "no FusionTest in $bin: the kernel was not compared bit for bit"
fi

cat > "$out/tiny.textproto" <<'RECIPE'
base_model: "tiny-gqa"
precision: FP32_TRUE
sequence_len: 24
micro_batch_size: 2
gradient_accumulation_steps: 2
max_document_len: 9
max_documents_per_row: 3
lora { r: 4 lora_alpha: 8 target_modules: "all-linear" }
quantization { type: NF4 double_quant: true }
learning_rate: 1e-3
lr_scheduler_type: CONSTANT
max_steps: 50
data { train: "synthetic:7" }
RECIPE
cp -r recipes/models "$out/" 2> /dev/null || true
for gpu in cpu "$target"; do
  "$ftc" compile "$out/tiny.textproto" --gpu "$gpu" -o "$out/tiny.$gpu.bin" > /dev/null
  "$ftrun" "$out/tiny.$gpu.bin" --model seeded:1 --overwrite --out "$out/tiny.$gpu" > "$out/tiny.$gpu.log" 2>&1
  echo "tiny, $gpu: last steps' losses"
  grep -o '"loss":[^,]*' "$out/tiny.$gpu/metrics.jsonl" | tail -n 2
done

for recipe in bench_lora_1b bench_lora_7b bench_lora_13b; do
  for base in bf16 nf4 nf4_double; do
    name=$recipe.$base
    if [ "$SECONDS" -ge "$limit" ]; then
      echo "== $name: not run, $SECONDS of $limit s are over"
      continue
    fi
    set=()
    [ "$base" = bf16 ] || set=(--set quantization.type=NF4)
    [ "$base" = nf4_double ] && set+=(--set quantization.double_quant=true)
    "$ftc" compile "recipes/$recipe.textproto" --gpu "$target" "${set[@]}" -o "$out/$name.bin" > "$out/$name.compile"
    "$ftrun" "$out/$name.bin" --model seeded:1 --stop-after 12 --overwrite --out "$out/run" > "$out/$name.log" 2>&1
    echo "== $name: $(grep -o 'predicted step.*tokens/s' "$out/$name.compile")"
    grep -E '^ +(4|8|10|12) |^  together|^memory' "$out/$name.log"
  done
  [ -e "$out/$recipe.nf4.bin" ] && [ "$SECONDS" -lt "$limit" ] || continue
  "$ftrun" "$out/$recipe.nf4.bin" --model seeded:1 --stop-after 4 --profile --overwrite --out "$out/run" > "$out/$recipe.profile" 2>&1
done
