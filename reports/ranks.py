#!/usr/bin/env python3
"""ranks.py NAME RUN ONE: speed and memory of a run folder, and beside one rank's where there is one.
ranks.py NAME ONE TWO SAME…: two ranks' losses beside one rank's; further runs must be the same bits."""
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


def compare(name, one, two, *same):
    a, b = steps(one), steps(two)
    losses = max(abs(y["loss"] / x["loss"] - 1) for x, y in zip(a, b))
    print(f"{name}: {len(b)} steps, losses differ by at most {losses:.1e}")
    print("  runs of two ranks again, and poisoned: the same bits:", [digest(other) == digest(two) for other in same])


def median(folder):
    return statistics.median(line["step_ms"] for line in steps(folder)[3:])


def speed(name, run, one):
    memory = json.loads((run / "summary.json").read_text())["memory"]
    beside = f", {median(one) / median(run):.1%} of one GPU" if one.exists() and one != run else ""
    outside = memory["measured_outside_bytes"], memory["predicted_outside_bytes"]
    print(f"{name}: step {median(run):.1f} ms{beside}; arenas as planned: "
          f"{memory['measured_arenas_bytes'] == memory['predicted_arenas_bytes']}, outside {outside[0] / 1e6:.0f} MB of "
          f"{outside[1] / 1e6:.0f}")


name, *folders = sys.argv[1:]
(compare if len(folders) > 2 else speed)(name, *map(pathlib.Path, folders))
