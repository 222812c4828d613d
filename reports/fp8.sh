#!/usr/bin/env bash
# A base in FP8 on the GPU of this machine (sm_90): products, transposes and kernels against double precision and bit for
# bit, a small model beside the CPU, tokens/s beside bf16 with transposes resident, ahead, and with numbers instead.
# fp8.sh BIN_DIR OUT_DIR [MODEL]: BIN_DIR holds ftc, ftrun, FusionTest and DeviceConformanceTest; logs and profiles go to
# OUT_DIR. MODEL: the weights of SmolLM2-135M, for curves of 200 steps and three seeds.
set -eu
bin=$1 out=$2 model=${3:-}
here=$(cd "$(dirname "$0")/.." && pwd)
target=${FTC_TARGET:-h200}
mkdir -p "$out"
cd "$here"
"$bin/DeviceConformanceTest" --gtest_filter='Cuda/GemmConformance.*Codes*:Cuda/GemmConformance.Transposes*' | tail -n 12
FTC_TEST_DRIVER=cuda "$bin/FusionTest" --gtest_filter='*QuantizeRows*:*DequantizeRows*' | tail -n 3

# Products of codes on both; losses differ by what products of f32 sums and bf16 do.
for precision in FP32_TRUE BF16_MIXED; do
  cat > "$out/tiny.textproto" <<RECIPE
base_model: "smollm2-135m"
precision: $precision
sequence_len: 64
micro_batch_size: 2
lora { r: 8 lora_alpha: 16 target_modules: "all-linear" }
quantization { type: FP8 }
learning_rate: 1e-3
lr_scheduler_type: CONSTANT
max_steps: 8
data { train: "synthetic:7" }
RECIPE
  for gpu in cpu "$target"; do
    "$bin/ftc" compile "$out/tiny.textproto" --gpu "$gpu" -o "$out/tiny.$gpu.bin" > /dev/null
    echo "smollm2-135m, $precision, $gpu: first and last losses"
    "$bin/ftrun" "$out/tiny.$gpu.bin" --model seeded:1 --overwrite --out "$out/tiny.$gpu" > "$out/tiny.$gpu.log" 2>&1 ||
      { tail -n 2 "$out/tiny.$gpu.log"; continue; } # of f32 results a library may have no product
    grep -o '"loss":[^,]*' "$out/tiny.$gpu/metrics.jsonl" | sed -n '1p;$p'
  done
done
"$bin/ftrun" "$out/tiny.$target.bin" --model seeded:1 --poison --overwrite --out "$out/tiny.poison" > "$out/poison.log" 2>&1
cmp "$out/tiny.$target/adapter_model.safetensors" "$out/tiny.poison/adapter_model.safetensors" && echo "poison: same bits"

for recipe in bench_lora_1b bench_lora_7b; do
  for base in bf16 resident ahead numbers; do
    case $base in
    bf16) set=() ;;
    resident) set=(--set quantization.type=FP8 --set quantization.resident_transposes=TRUE) ;;
    ahead) set=(--set quantization.type=FP8 --set quantization.resident_transposes=FALSE) ;;
    numbers) set=(--set quantization.type=FP8 --set quantization.products=DEQUANTIZED) ;;
    esac
    name=$recipe.$base
    "$bin/ftc" compile "recipes/$recipe.textproto" --gpu "$target" "${set[@]}" -o "$out/$name.bin" > "$out/$name.compile"
    "$bin/ftrun" "$out/$name.bin" --model seeded:1 --stop-after 12 --overwrite --out "$out/run" > "$out/$name.log" 2>&1
    echo "== $name: $(grep -o 'predicted step.*tokens/s' "$out/$name.compile")"
    grep -E '^ +(4|8|10|12) |^  together|^memory' "$out/$name.log"
    "$bin/ftrun" "$out/$name.bin" --model seeded:1 --stop-after 4 --profile --overwrite --out "$out/run" > "$out/$name.profile" 2>&1
  done
done

[ -n "$model" ] || exit 0
for seed in 1 2 3; do
  for base in bf16 fp8 numbers; do
    set=()
    [ "$base" = bf16 ] || set=(--set quantization.type=FP8)
    [ "$base" = numbers ] && set+=(--set quantization.products=DEQUANTIZED)
    "$bin/ftc" compile recipes/smollm2_lora.textproto --gpu "$target" --set precision=BF16_MIXED --set max_steps=200 \
      --set seed=$seed "${set[@]}" -o "$out/curve.bin" > /dev/null
    "$bin/ftrun" "$out/curve.bin" --model "$model" --overwrite --out "$out/curve.$base.$seed" > "$out/curve.log" 2>&1
    echo "seed $seed, $base: $(grep -o '"eval_loss":[^,]*' "$out/curve.$base.$seed/metrics.jsonl" | tail -n 1)"
  done
done
