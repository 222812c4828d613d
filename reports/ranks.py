#!/usr/bin/env python3
"""ranks.py NAME ONE TWO [SAME…]: what two ranks' run folder says beside one rank's; further runs must be the same bits."""
import hashlib
import json
import pathlib
import statistics
import sys


def steps(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if "step_ms" in line]


def digest(folder):
    files = sorted(folder.glob("*.safetensors"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def main(name, *folders):
    one, two, *same = map(pathlib.Path, folders)
    a, b = steps(one), steps(two)
    losses = max(abs(y["loss"] / x["loss"] - 1) for x, y in zip(a, b))
    print(f"{name}: {len(b)} steps" + (f", losses differ by at most {losses:.1e}" if same else ""))
    if same:
        print("  runs of two ranks again, and poisoned: the same bits:", [digest(other) == digest(two) for other in same])
        return
    speed = [statistics.median(line["tokens_per_second"] for line in run[3:]) for run in (a, b)]
    memory = [json.loads((run / "summary.json").read_text())["memory"] for run in (one, two)]
    print(f"  tokens/s {speed[0]:.0f} and {speed[1]:.0f}: {speed[1] / speed[0]:.3f} times")
    print(f"  step ms {statistics.median(l['step_ms'] for l in a[3:]):.2f} and "
          f"{statistics.median(l['step_ms'] for l in b[3:]):.2f}")
    for run in memory:
        print("  memory", json.dumps(run))


main(*sys.argv[1:])
