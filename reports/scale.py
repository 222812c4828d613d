#!/usr/bin/env python3
"""Makes the tables of reports/scale.md: scale.py BUILD_DIR [TARGET…]. Needs neither GPUs nor hosts: what ftc predicts from the
target files' links, the size of plans, and the start of 1,024 simulated ranks."""
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
CARDS = 8


def compiled(build, target, settings):
    with tempfile.TemporaryDirectory() as folder:
        plan = pathlib.Path(folder) / "plan.bin"
        command = [build / "bin/ftc", "compile", ROOT / "recipes/bench_full_7b.textproto", "--gpu", target, "-o", plan]
        for name, value in {"precision": "BF16_MIXED", "optimizer_state_dtype": "F32", "max_steps": 4,
                            **settings}.items():
            command += ["--set", f"{name}={value}"]
        said = subprocess.run(command, capture_output=True, text=True)
        if said.returncode not in (0, 2):
            sys.exit(said.stdout + said.stderr)
        text = said.stdout + said.stderr
        step = float(re.search(r"predicted step ([\d.]+) ms", text).group(1))
        moved, total, exposed = re.search(r"ranks exchange (\d+) bytes a step: ([\d.]+) ms, ([\d.]+) ms", text).groups()
        return dict(step=step, gb=int(moved) / 1e9, total=float(total), exposed=float(exposed),
                    plan=f"{plan.stat().st_size / 1e6:.2f}" if plan.exists() else "–")


def row(nodes, got, alone):
    print(f"| {nodes} | {nodes * CARDS} | {got['gb']:.1f} | {got['total']:.0f} | {got['exposed']:.0f} | {got['step']:.0f} | "
          f"{100 * alone / got['step']:.0f} % | {got['plan']} |")


def table(build, target, strategy):
    print(f"\n{strategy} on {target}:\n")
    print("| hosts | ranks | GB a rank and step | ms of exchange | exposed | step | of one host's speed | plan, MB |")
    print("|---|---|---|---|---|---|---|---|")
    alone = None
    for nodes in (1, 2, 4, 8, 16, 32, 64, 128):
        ranks = nodes * CARDS
        split = {"parallelism.strategy": "FSDP", "parallelism.dp_shard_size": ranks}
        if strategy == "HSDP" and nodes > 1:
            split = {"parallelism.strategy": "HSDP", "parallelism.dp_shard_size": CARDS,
                     "parallelism.dp_replicate_size": nodes}
        got = compiled(build, target, split)
        alone = alone or got["step"]
        row(nodes, got, alone)


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    for target in sys.argv[2:] or ["h200"]:
        for strategy in ("FSDP", "HSDP"):
            table(build, target, strategy)
    said = subprocess.run([build / "test/bin/RendezvousScaleTest"], capture_output=True,
                          text=True)
    print("\nThe start of 1,024 ranks, threads of two processes:", *re.findall(r"^\d+ ranks in .*$", said.stdout, re.M))


main()
