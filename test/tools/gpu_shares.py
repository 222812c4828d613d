#!/usr/bin/env python3
"""Two GPUs that hold shares against two that hold everything: losses step by step, speed and memory.

usage: gpu_shares.py [--steps N] [--small] FTC FTRUN      needs two GPUs of one host; exit 1 where losses part
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

DDP = ["parallelism.dp_replicate_size=2"]


def split(strategy, *more):
    return [f"parallelism.strategy={strategy}", "parallelism.dp_shard_size=2", *more]


MIXED = ["precision=BF16_MIXED", "optimizer_state_dtype=F32"]
# (recipe, overrides, what is whole or None where that does not fit, what is split)
SMALL = [
    ("bench_full_1b", MIXED, DDP, [split("ZERO1"), split("ZERO2"), split("FSDP")]),
    ("bench_lora_1b", [], DDP, [split("FSDP", "parallelism.shard_frozen=TRUE")]),
]
LARGE = [
    ("bench_full_7b", MIXED, None, [split("ZERO2"), split("FSDP")]),
    ("bench_lora_7b", [], DDP, [split("FSDP", "parallelism.shard_frozen=TRUE")]),
    ("bench_lora_13b", [], None, [split("FSDP", "parallelism.shard_frozen=TRUE")]),
]


def run(ftc, ftrun, folder, recipe, sets, steps):
    plan, out = folder / "plan.bin", folder / "out"
    flags = [flag for field in sets for flag in ("--set", field)]
    compiled = subprocess.run([ftc, "compile", f"recipes/{recipe}.textproto", *flags, "-o", plan],
                              capture_output=True, text=True, check=False)
    if compiled.returncode:
        return None, compiled.stderr.strip().splitlines()[-1:]
    ran = subprocess.run([ftrun, plan, "--model", "seeded:1", "--out", out, "--overwrite", "--stop-after", str(steps)],
                         capture_output=True, text=True, check=False)
    if ran.returncode:
        return None, ran.stderr.strip().splitlines()[-1:]
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if "step_ms" in line], json.loads((out / "summary.json").read_text())["memory"]


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--steps", type=int, default=8)
    options.add_argument("--small", action="store_true", help="1.1B alone")
    options.add_argument("ftc")
    options.add_argument("ftrun")
    given = options.parse_args()
    parted = 0
    with tempfile.TemporaryDirectory() as folder:
        for recipe, sets, whole, splits in SMALL + ([] if given.small else LARGE):
            expected = None
            for form in ([whole] if whole else []) + splits:
                lines, more = run(given.ftc, given.ftrun, pathlib.Path(folder), recipe, sets + form, given.steps)
                name = f"{recipe} {' '.join(field.split('.')[-1] for field in form)}"
                if lines is None:
                    print(f"{name}: {more}", flush=True)
                    parted = 1
                    continue
                losses = [line["loss"] for line in lines]
                expected = expected or losses
                apart = max(abs(a - b) / b for a, b in zip(losses, expected))
                parted |= apart > 5e-3
                print(f"{name}: last step {lines[-1]['step_ms']:.1f} ms, loss {losses[-1]:.4f}, apart {apart:.1e}, "
                      f"memory {json.dumps(more)}", flush=True)
    return parted


if __name__ == "__main__":
    sys.exit(main())
