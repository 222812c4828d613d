#!/usr/bin/env bash
# tools/demo.sh and tools/setup.sh with programs that only pretend: what they choose, print and refuse.
# Usage: demo_test.sh ROOT
set -euo pipefail
root=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin" "$work/fake"
export DEVICES=$work/devices LOSS_AFTER=3.1 WORK=$work

cat >"$work/bin/ftc" <<'FTC'
#!/usr/bin/env bash
echo "ftc $*" >>"$WORK/calls"
while [ "$1" != -o ]; do shift; done
touch "$2"
FTC
cat >"$work/bin/ftrun" <<'FTRUN'
#!/usr/bin/env bash
if [ "$1" = --devices ]; then cat "$DEVICES"; exit; fi
echo "ftrun $*" >>"$WORK/calls"
[ -z "${FTRUN_EXIT:-}" ] || exit "$FTRUN_EXIT"
while [ "$1" != --out ]; do shift; done
mkdir -p "$2"
echo '{ "base_model_name_or_path": "Org/Base" }' >"$2/adapter_config.json"
cat >"$2/summary.json" <<JSON
{
  "eval_before": {
    "eval_loss": 4.6,
    "perplexity": 99.5
  },
  "eval_after": {
    "eval_loss": $LOSS_AFTER,
    "perplexity": 22.2
  },
  "answer_before": "I say \"what\"",
  "answer_after": "good luck",
  "memory": {
    "measured_arenas_bytes": 1073741824,
    "measured_outside_bytes": 104857600,
    "predicted_arenas_bytes": 1610612736,
    "predicted_outside_bytes": 209715200
  }
}
JSON
FTRUN
chmod +x "$work/bin"/*
touch "$work/model.gguf"

cpu="AMD EPYC, 2 processors
  arch x86-64-v4, memory 23.54 GiB, free 21.29 GiB
  target names: cpu
  library oneDNN 2.6.3 (/usr/lib/libdnnl.so.2)"
h200="NVIDIA H200
  arch sm_90, memory 139.81 GiB, free 139.00 GiB
  target names: h200
  library CUDA driver 13.0 (/usr/lib/libcuda.so.1)"
v100="Tesla V100-SXM2-32GB
  arch sm_70, memory 31.74 GiB, free 31.00 GiB
  target names: v100-32gb"

# check NAME CODE PATTERN ARGUMENTS...: the demo exits with CODE and prints PATTERN; its calls are in calls.
check() {
  local title=$1 code=$2 pattern=$3 got=0
  shift 3
  rm -f "$work/calls"
  "$root/tools/demo.sh" "$@" >"$work/text" 2>&1 </dev/null || got=$?
  if [ "$got" -ne "$code" ] || ! grep -qE -- "$pattern" "$work/text"; then
    echo "$title: exit $got instead of $code, or no line matches \"$pattern\" in:"
    cat "$work/text"
    exit 1
  fi
}
called() { grep -qE -- "$1" "$work/calls" || { echo "no call matches \"$1\" in:" && cat "$work/calls" && exit 1; }; }
demo=(--bin "$work/bin" --model "$work/model.gguf" --out "$work/out/run")

echo "$cpu" >"$DEVICES"
check "without a GPU" 0 "running on the CPU: no GPU is listed" "${demo[@]}"
called "^ftc compile recipes/smollm2_lora.textproto -o $work/out/run.plan.bin$"
mkdir "$work/folder"
check "folder of a checkpoint" 0 "running on the CPU" --bin "$work/bin" --model "$work/folder" --out "$work/out/run"
called "^ftrun $work/out/run.plan.bin --model $work/folder --out $work/out/run --overwrite$"
check "loss" 0 "held-out samples: 4.6000 before, 3.1000 after: fell by 1.5000" "${demo[@]}"
check "answers" 0 'answer before: I say "what"$' "${demo[@]}"
check "memory" 0 "memory, arenas: predicted 1.500 GiB, measured 1.000 GiB" "${demo[@]}"
check "files" 0 "^  $work/out/run/adapter_config.json" "${demo[@]}"
check "Python" 0 'PeftModel.from_pretrained\(base, "'"$work/out/run"'"\)' "${demo[@]}"
printf '%s\nmissing: no NVIDIA driver\n' "$cpu" >"$DEVICES"
check "without a driver" 0 "running on the CPU: no NVIDIA driver$" "${demo[@]}"
printf '%s\n%s\n' "$cpu" "$h200" >"$DEVICES"
check "GPU" 0 "running on the GPU: NVIDIA H200, target h200" "${demo[@]}"
called "^ftc .* --gpu h200 "
called "^ftrun .* --gpu 0$"
printf '%s\n%s\n%s\n' "$cpu" "$v100" "$h200" >"$DEVICES"
check "second GPU" 0 "running on the GPU: NVIDIA H200, target h200" "${demo[@]}"
called "^ftrun .* --gpu 1$"
printf '%s\n%s\n' "$cpu" "$v100" >"$DEVICES"
check "GPU without plans" 0 "running on the CPU: Tesla V100.*no plans are made for its targets \(v100-32gb\)" "${demo[@]}"
printf '%s\n%s\n  missing: cuDNN 9 not found\n' "$cpu" "$h200" >"$DEVICES"
check "GPU without its libraries" 0 "running on the CPU: NVIDIA H200: cuDNN 9 not found" "${demo[@]}"

touch "$work/plan.bin"
check "given plan" 0 "running on the plan's target" "${demo[@]}" --plan "$work/plan.bin"
called "^ftrun $work/plan.bin --model $work/model.gguf"
LOSS_AFTER=3.7 check "learned too little" 3 "fell by 0.9000; it must fall by at least 1.0" "${demo[@]}"
FTRUN_EXIT=4 check "interrupted" 4 "running on" "${demo[@]}"
FTRUN_EXIT=2 check "no memory" 2 "running on" "${demo[@]}"
check "unknown argument" 1 'unknown argument "--gpu"' --gpu h200
check "argument without value" 1 "--bin needs a value" --bin
check "missing model" 1 "/nothing.gguf does not exist" --bin "$work/bin" --model "$work/nothing.gguf"
check "missing folder" 1 "/none does not exist" --bin "$work/bin" --model "$work/none"
check "missing programs" 1 "/nothing/ftrun does not exist" --bin "$work/nothing" --model "$work/model.gguf"

# Set-up: a machine that lacks everything, and a user who is not root, or who says no.
printf '#!/bin/sh\nexit 1\n' >"$work/fake/dpkg-query"
printf '#!/bin/sh\necho 1000\n' >"$work/fake/id"
printf '#!/bin/sh\necho "apt-get $*" >>"$WORK/calls"\n' >"$work/fake/apt-get"
chmod +x "$work/fake"/*
export PATH=$work/fake:$PATH
if grep -q '^VERSION_ID="12"' /etc/os-release && grep -q '^ID=debian' /etc/os-release; then
  check "not root" 1 "apt-get update && apt-get install --no-install-recommends .*libmlir-22-dev" --yes --model "$work/model.gguf"
  printf '#!/bin/sh\necho 0\n' >"$work/fake/id"
  check "no answer" 1 "nothing was installed" --model "$work/model.gguf"
  [ ! -e "$work/calls" ] || { echo "apt-get ran without leave" && exit 1; }
else
  check "unknown system" 1 "packages are known for Debian 12 alone" --yes --model "$work/model.gguf"
fi
echo "demo and set-up behave"
