#!/usr/bin/env python3
"""Rows of targets alone on a GPU: losses step by step against the whole computation, and speed, with half of every row masked.

usage: gpu_targets.py [--steps N] [--rounds N] [--kernels FUSION_TEST] FTC FTRUN       exit 1 where losses part

Plans with the bound, without it, and without it on data of which all is trained run in turn, so that all of them see the
same card; what counts is the median of the later half of each run's steps.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

# recipe, overrides; 8 rows of 2,048 tokens, of which 1,024 have a target.
WORKLOADS = [
    ("bench_lora_1b", [], 1.035),
    ("bench_lora_1b", ['base_model="smollm2-135m"'], 1.04),
    ("bench_lora_1b", ['base_model="llama-3.2-1b"'], 1.08),
]
HALF, BOUND = "synthetic:1:50", 8 * 1024
FORMS = {
    "masked, bound": ["data.train=" + HALF, f"max_target_tokens={BOUND}"],
    "masked": ["data.train=" + HALF],
    "unmasked": [],
}
TOLERANCE = 2e-3  # bf16, and an attention that is not deterministic


def checked(*command, **options):
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, **options)
    if result.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{result.stdout[-2000:]}{result.stderr[-2000:]}")
    return result.stdout


def compile_plan(ftc, folder, recipe, sets, number):
    plan = folder / f"plan-{number}.bin"
    flags = [flag for field in sets for flag in ("--set", field)]
    return plan, checked(ftc, "compile", f"recipes/{recipe}.textproto", *flags, "-o", plan)


def run(ftrun, folder, plan, steps):
    out = folder / "out"
    checked(ftrun, plan, "--model", "seeded:1", "--out", out, "--overwrite", "--stop-after", steps)
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if "step_ms" in line]


def speed(lines):
    return statistics.median(line["tokens_per_second"] for line in lines[len(lines) // 2:])


def measure(given, folder, recipe, sets, wanted):
    plans, runs = {}, {form: [] for form in FORMS}
    for number, (form, more) in enumerate(FORMS.items()):
        plans[form], said = compile_plan(given.ftc, folder, recipe, sets + more, number)
        for line in said.splitlines():
            if line.startswith("predicted"):
                print(f"  {form}: {line}")
    for _ in range(given.rounds):
        for form, plan in plans.items():
            runs[form].append(run(given.ftrun, folder, plan, given.steps))
    bound, whole = runs["masked, bound"][0], runs["masked"][0]
    parted = max(abs(a["loss"] / b["loss"] - 1) for a, b in zip(bound, whole))
    ran = sum(line.get("micro_batches_of_targets", 0) for line in bound)
    rates = {form: statistics.median(map(speed, lines)) for form, lines in runs.items()}
    print(f"  losses part by {parted:.1e} at most; {ran} of {given.steps} micro-batches were of targets")
    for form, rate in rates.items():
        print(f"  {form:<14} {rate:9.0f} tokens/s  ×{rate / rates['unmasked']:.4f} of unmasked")
    print(f"  gain ×{rates['masked, bound'] / rates['unmasked']:.4f}, wanted ×{wanted}")
    return parted < TOLERANCE and ran == given.steps


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--steps", type=int, default=40)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--kernels", help="FusionTest: its row programs run on the GPU first")
    options.add_argument("ftc")
    options.add_argument("ftrun")
    given = options.parse_args()
    if given.kernels:
        said = checked(given.kernels, "--gtest_filter=*GatherRows*:*ScatterRows*",
                       env=dict(os.environ, FTC_TEST_DRIVER="cuda"))
        print("row programs on the GPU:", said.strip().splitlines()[-1])
    good = True
    with tempfile.TemporaryDirectory() as folder:
        for recipe, sets, wanted in WORKLOADS:
            print(f"{recipe} {' '.join(sets)}", flush=True)
            good &= measure(given, pathlib.Path(folder), recipe, sets, wanted)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
