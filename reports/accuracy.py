#!/usr/bin/env python3
"""What a base in few bits costs in accuracy: gradients of the first step, held-out loss before training and along a run,
beside the same run on a base in bf16. Standard library alone.

    reports/accuracy.py plans   [--bin build/bin] [--gpu h200]      compiles a plan for each base into OUT
    reports/accuracy.py run     --model MODEL [--ftrun build/bin/ftrun] [--steps 200] [--seeds 3]
    reports/accuracy.py report      OUT/accuracy.json -> reports/accuracy.md and reports/accuracy.svg

OUT is out/accuracy, or --out; it must lie in this source tree, since plans name the data by its place beside them. MODEL: the weights
of SmolLM2-135M (a GGUF file, or a folder). `run` needs ftrun, OUT, recipes/data, test/e2e and MODEL alone, takes a minute and a half
on an H200, prints a table, and exits 1 where the gate is missed:

    products of codes (FP8) end within 0.2 % of products of the numbers that these codes mean, and within 0.6 % of bf16.
"""
import argparse
import json
import math
import pathlib
import shutil
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "test/e2e"))
from harness import tensors  # noqa: E402

RECIPE = ROOT / "recipes/smollm2_lora.textproto"
BASES = {
    "bf16": ("bf16", []),
    "fp8": ("FP8, products of codes", ["quantization.type=FP8"]),
    "numbers": ("FP8, products of numbers", ["quantization.type=FP8", "quantization.products=DEQUANTIZED"]),
    "nf4": ("NF4", ["quantization.type=NF4"]),
    "double": ("NF4, scales quantised too", ["quantization.type=NF4", "quantization.double_quant=true"]),
}
COLOURS = {"bf16": "#222222", "fp8": "#d0342c", "numbers": "#e8a33d", "nf4": "#2b6cb0", "double": "#6fb1e0"}
OF_NUMBERS, OF_BF16 = 0.2e-2, 0.6e-2  # the gate


def call(*command):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout[-3000:]}")
    return done.stdout


def relative_errors(actual, expected):
    """|a - e| / |e| of each tensor, 2-norms."""
    return [math.sqrt(math.fsum((x - y) ** 2 for x, y in zip(actual[name], values)) /
                      math.fsum(y * y for y in values))
            for name, values in expected.items() if any(values)]


def compile_plans(options):
    options.out.mkdir(parents=True, exist_ok=True)
    for base, (_, sets) in BASES.items():
        sets = ["precision=BF16_MIXED", "max_steps=200", *sets]
        text = call(options.bin / "ftc", "compile", RECIPE, "--gpu", options.gpu, "-o", options.out / f"{base}.bin",
                    *[word for item in sets for word in ("--set", item)])
        (options.out / f"{base}.txt").write_text(text)
    print(f"wrote {len(BASES)} plans for {options.gpu} into {options.out}")


def train(options, base, seed):
    """[(step, held-out loss)], from before the first step to behind the last."""
    out = options.out / "run"
    shutil.rmtree(out, ignore_errors=True)
    call(options.ftrun, options.out / f"{base}.bin", "--model", options.model, "--overwrite", "--out", out,
         "--max-steps", options.steps, "--set", f"seed={seed}", "--set", f"eval_steps={max(options.steps // 10, 1)}",
         "--set", "generate.max_new_tokens=0")
    lines = map(json.loads, (out / "metrics.jsonl").read_text().splitlines())
    return [(line["step"], line["eval_loss"]) for line in lines if "eval_loss" in line]


def gradients(options, base):
    folder = options.out / "gradients"
    shutil.rmtree(folder, ignore_errors=True)
    call(options.ftrun, options.out / f"{base}.bin", "--model", options.model, "--overwrite", "--out", options.out / "run",
         "--stop-after", 1, "--init-adapters", "normal", "--dump-gradients", folder, "--set",
         "generate.max_new_tokens=0")
    return tensors(folder / "gradients.safetensors")


def run(options):
    result = {"steps": options.steps, "seeds": options.seeds, "model": pathlib.Path(options.model).name, "bases": {}}
    expected = gradients(options, "bf16")
    for base in BASES:
        errors = relative_errors(gradients(options, base), expected) if base != "bf16" else []
        curves = [train(options, base, seed) for seed in range(1, options.seeds + 1)]
        result["bases"][base] = {"gradient_errors": errors, "curves": curves}
        print(f"{BASES[base][0]}: held-out loss {curves[0][0][1]:.4f} before, after "
              f"{' '.join(f'{curve[-1][1]:.4f}' for curve in curves)}", flush=True)
    (options.out / "accuracy.json").write_text(json.dumps(result))
    print(table(result))
    return 0 if all(passed for _, _, _, passed in gate(result)) else 1


def ends(result, base):
    return statistics.mean(curve[-1][1] for curve in result["bases"][base]["curves"])


def gate(result):
    """[(what, how far, bound, passed)] of means over the seeds; better is never too far."""
    fp8 = ends(result, "fp8")
    rows = [("FP8, products of codes beside products of numbers", fp8 / ends(result, "numbers") - 1, OF_NUMBERS),
            ("FP8, products of codes beside bf16", fp8 / ends(result, "bf16") - 1, OF_BF16)]
    return [(what, far, bound, far <= bound) for what, far, bound in rows]


def table(result):
    first = result["bases"]["bf16"]["curves"][0][0][1]
    text = ("| base | loss before | after, mean of seeds | beside bf16 | each seed | gradients: median error, worst |\n"
            "|---|---|---|---|---|---|\n")
    for base, of in result["bases"].items():
        before, end, errors = of["curves"][0][0][1], ends(result, base), of["gradient_errors"]
        text += (f"| {BASES[base][0]} | {before:.4f} ({100 * (before / first - 1):+.2f} %) | {end:.4f} | "
                 f"{100 * (end / ends(result, 'bf16') - 1):+.2f} % | "
                 f"{', '.join(f'{curve[-1][1]:.4f}' for curve in of['curves'])} | "
                 f"{f'{100 * statistics.median(errors):.1f} %, {100 * max(errors):.1f} %' if errors else '–'} |\n")
    for what, far, bound, passed in gate(result):
        text += f"\n- {what}: {100 * far:+.2f} %, at most {100 * bound:.1f} %: {'kept' if passed else 'MISSED'}"
    return text + "\n"


def picture(result):
    """Held-out loss over steps: the mean of the seeds as a line, each seed as a thin one."""
    width, height, left, top, bottom = 860, 460, 60, 20, 50
    points = [point for of in result["bases"].values() for curve in of["curves"] for point in curve if point[0] > 0]
    low, high = min(loss for _, loss in points), max(loss for _, loss in points)
    x = lambda step: left + (width - left - 20) * step / result["steps"]
    y = lambda loss: top + (height - top - bottom) * (high - loss) / (high - low or 1)
    line = lambda curve: " ".join(f"{x(step):.1f},{y(loss):.1f}" for step, loss in curve if step > 0)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
             f'font-size="13"><rect width="{width}" height="{height}" fill="white"/>']
    for i in range(6):
        loss, step = low + (high - low) * i / 5, result["steps"] * i / 5
        parts.append(f'<path d="M{left} {y(loss):.1f}H{width - 20}" stroke="#ddd"/>'
                     f'<text x="{left - 8}" y="{y(loss) + 4:.1f}" text-anchor="end">{loss:.3f}</text>'
                     f'<text x="{x(step):.1f}" y="{height - bottom + 20}" text-anchor="middle">{step:.0f}</text>')
    for number, (base, of) in enumerate(result["bases"].items()):
        mean = [(step, statistics.mean(curve[i][1] for curve in of["curves"]))
                for i, (step, _) in enumerate(of["curves"][0])]
        parts += [f'<polyline points="{line(curve)}" fill="none" stroke="{COLOURS[base]}" stroke-width="0.6" opacity="0.5"/>'
                  for curve in of["curves"]]
        parts.append(f'<polyline points="{line(mean)}" fill="none" stroke="{COLOURS[base]}" stroke-width="2"/>'
                     f'<text x="{width - 240}" y="{top + 20 + 18 * number}" fill="{COLOURS[base]}">{BASES[base][0]}</text>')
    parts.append(f'<text x="{width / 2}" y="{height - 10}" text-anchor="middle">step; held-out loss, mean of '
                 f'{result["seeds"]} seeds and each</text></svg>')
    return "\n".join(parts) + "\n"


def report(options):
    result = json.loads((options.out / "accuracy.json").read_text())
    (ROOT / "reports/accuracy.svg").write_text(picture(result))
    (ROOT / "reports/accuracy.md").write_text(f"""# Accuracy of a base in few bits

SmolLM2-135M ({result['model']}), LoRA r 16 on all linears, BF16_MIXED, {result['steps']} steps of definitions from WordNet
(`recipes/smollm2_lora.textproto`), {result['seeds']} seeds, by `reports/accuracy.py`. The held-out loss is a mean over
{{1124}} target tokens. Gradients are those of the first step with adapters that are not zero, each tensor against the one on a
base in bf16, by its norm.

{table(result)}
![held-out loss along the runs](accuracy.svg)

## What costs what, on more held-out words

The gate was set from 60 steps of two seeds on these 1,124 targets (+0.4 % of bf16). Their mean is known to ±0.25 % where two bases are
compared after training (standard error over targets, three seeds), so they can decide neither 0.2 % nor 0.6 %.
`test/numerics/fp8_curve.py` trains the same recipe in torch, without a line of this project, with true FP8 products of the library
(`torch._scaled_mm`, scales per token and per output row, groups q k v and gate up), and judges it on 20,755 targets more: definitions of words that are in neither file.
One H200, three seeds, the same batches for each form; beside bf16:

| weights | activations | backward | 1,124 targets | 20,755 targets |
|---|---|---|---|---|
| E4M3 | bf16 | bf16 | +0.09 % ± 0.19 | +0.15 % ± 0.04 |
| E4M3 | bf16 | E4M3 | +0.09 % ± 0.21 | +0.27 % ± 0.05 |
| E4M3 | E4M3 | bf16 | +0.26 % ± 0.24 | +0.56 % ± 0.05 |
| **E4M3** | **E4M3** | **E4M3** (the form of ftc) | +0.57 % ± 0.25 | **+0.67 % ± 0.06** (seeds: 0.68, 0.64, 0.70) |
| E4M3 | E4M3 but of `down_proj` | E4M3 | +0.61 % ± 0.25 | +0.53 % ± 0.06 |
| E4M3 | E4M3 but of `gate_proj`, `up_proj` | E4M3 | +0.27 % ± 0.24 | +0.51 % ± 0.05 |
| E4M3 | E4M3 but of q, k, v | E4M3 | +0.36 % ± 0.23 | +0.64 % ± 0.06 |
| E4M3 | E4M3 but of `o_proj` | E4M3 | +0.90 % ± 0.24 | +0.69 % ± 0.06 |
| E4M3 | E4M3 but of `o_proj`, `down_proj` | E4M3 | +0.31 % ± 0.23 | +0.52 % ± 0.06 |
| E4M3 | E4M3, a scale for each 128 | E4M3 | +0.62 % ± 0.24 | +0.54 % ± 0.06 |

So FP8 costs this model +0.67 % after 200 steps, of which weights are 0.15, activations about 0.4 and the backward pass 0.1: the gate is
missed here by little (0.6) and by much (0.2 beside products of numbers: +0.53 %). No product is to blame: each is 0 to 0.16 %, and with
inputs of `o_proj` and `down_proj` in bf16, which gives up a sixth of what FP8 products win at 7B, +0.52 % are left. What remains is three bits of mantissa: a
scale moves no number of a row by more than that as long as the row spans less than 2^14, so finer scales win little
(0.13 %), smoothing of channels and rotations have nothing to win, and rounding from f32 rather than bf16 changes 0.1 of 2.6 %.

**Before training the loss says little.** Each rounding moves it to either side by up to 1 %, as one direction of the weights does, and on all
targets alike, so that errors over targets do not show it. On the 20,755: weights alone -0.42 %, with activations +0.70 %, with a scale for
each 128 of these -1.00 %, with the activations of q, k, v alone -0.78 %, of a single layer from -0.82 to -0.16 %. The same codes, made numbers of f32 in
`transformers` on a CPU rather than of bf16 on the GPU, give +0.36 % instead of -0.34 % on the 1,124. So +0.43 % and +1.51 % above and what
`test/numerics/fp8_emulated.py` finds in f32 on these texts one by one (+0.72 % weights, +1.40 % with activations; ours in FP32_TRUE on the CPU +0.60 % and
+1.41 %) show that two programs round alike, not what rounding costs. The +0.3 % that the gate was set beside is not found again: the same rounding
of weights and activations on the same rows is 4.275 (+1.0 %) on a CPU in `transformers` and on the GPU, weights alone 4.247.

The model has no outliers that models of a billion parameters and more have: for these FP8 is untested.
""".replace("{1124}", "1,124"))
    print("wrote reports/accuracy.md and reports/accuracy.svg")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["plans", "run", "report"])
    parser.add_argument("--out", type=lambda text: pathlib.Path(text).resolve(), default=ROOT / "out/accuracy")
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/bin")
    parser.add_argument("--ftrun", type=pathlib.Path, default=ROOT / "build/bin/ftrun")
    parser.add_argument("--gpu", default="h200")
    parser.add_argument("--model")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    if options.what == "run" and not options.model:
        parser.error("run needs --model")
    return {"plans": compile_plans, "run": run, "report": report}[options.what](options)


if __name__ == "__main__":
    sys.exit(main())
