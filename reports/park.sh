#!/usr/bin/env bash
# Values on the host between forward and backward, on the GPU of this machine: tokens/s and memory beside predictions, and
# the same bits as without.
# park.sh BIN_DIR OUT_DIR [RECIPE [STEPS]]: BIN_DIR holds ftrun, and ftc where OUT_DIR does not hold the plans already.
set -eu
bin=$1 out=$2 recipe=${3:-bench_lora_7b} steps=${4:-8}
here=$(cd "$(dirname "$0")/.." && pwd)
target=${FTC_TARGET:-h200}
mkdir -p "$out"
out=$(cd "$out" && pwd)
cd "$here"

if [ -x "$bin/ftc" ]; then
  for mode in NONE SELECTIVE FULL; do
    for park in nothing inputs stream; do
      [ $mode.$park = FULL.stream ] && continue # as FULL.inputs
      "$bin/ftc" compile "recipes/$recipe.textproto" --gpu "$target" --set deterministic=TRUE \
        --set gradient_checkpointing=$mode --park $park -o "$out/$recipe.$mode.$park.bin" > "$out/$recipe.$mode.$park.txt"
    done
  done
fi
[ -x "$bin/ftrun" ] || exit 0

printf '%-22s %12s %12s %10s %10s %10s  %s\n' plan 'predicted ms' 'measured ms' tokens/s 'device GB' 'host GB' bits
first=
for mode in NONE SELECTIVE FULL; do
  for park in nothing inputs stream; do
    name=$recipe.$mode.$park
    [ -e "$out/$name.bin" ] || continue
    if ! "$bin/ftrun" "$out/$name.bin" --model seeded:1 --init-adapters normal --stop-after "$steps" --overwrite \
      --out "$out/run" > "$out/$name.log" 2>&1; then
      printf '%-22s %s\n' "$mode, $park" "$(tail -n 1 "$out/$name.log")"
      continue
    fi
    python3 - "$out" "$name" "$mode, $park" "${first:-}" << 'PYTHON'
import hashlib, json, pathlib, re, statistics, sys
out, name, title, first = sys.argv[1:]
text = (pathlib.Path(out) / f"{name}.txt").read_text()
number = lambda pattern: float(found[1]) if (found := re.search(pattern, text)) else 0
run = pathlib.Path(out) / "run"
steps = [line for line in map(json.loads, (run / "metrics.jsonl").read_text().splitlines()) if "step_ms" in line]
ms = statistics.median(line["step_ms"] for line in steps[3:] or steps)
tokens = statistics.median(line["tokens_per_second"] for line in steps[3:] or steps)
digest = hashlib.sha256((run / "adapter_model.safetensors").read_bytes()).hexdigest()[:12]
mark = pathlib.Path(out) / "first.digest"
if not first:
    mark.write_text(digest)
same = "first" if not first else "the same" if digest == mark.read_text() else "DIFFER"
print(f"{title:<22} {number(r'predicted step ([0-9.]+) ms'):>12.1f} {ms:>12.1f} {tokens:>10.0f} "
      f"{number(r'  needs +([0-9]+)') / 1e9:>10.2f} {number(r'  host needs +([0-9]+)') / 1e9:>10.2f}  {same}")
PYTHON
    first=yes
  done
done
