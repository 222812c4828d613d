#!/usr/bin/env python3
"""One row of the table of reports/offload.sh: NAME COMPILE_LOG METRICS RUN_LOG."""
import json
import pathlib
import re
import statistics
import sys

SETTLED = 3 # steps before which a GPU's clocks, and what is allocated lazily, are not what they will be


def first(pattern, text):
    found = re.search(pattern, text)
    return float(found.group(1)) if found else 0.0


def row(name, compiled, metrics, log):
    compiled = pathlib.Path(compiled).read_text()
    predicted = first(r"predicted step ([\d.]+) ms", compiled)
    busy, exposed = first(r"host updates for ([\d.]+) ms", compiled), first(r"a step; ([\d.]+) ms of a step", compiled)
    gib = first(r"host needs +\d+ +([\d.]+)", compiled)
    lines = [json.loads(line) for line in pathlib.Path(metrics).read_text().splitlines()] if pathlib.Path(metrics).exists() else []
    steps = [line for line in lines if "step_ms" in line][SETTLED:]
    if not steps:
        said = pathlib.Path(log).read_text().splitlines()
        return f"{name:12} {predicted:14.1f} did not run: {said[-1] if said else 'nothing said'}"
    ms = statistics.median(step["step_ms"] for step in steps)
    tokens = statistics.median(step["tokens_per_second"] for step in steps)
    return f"{name:12} {predicted:14.1f} {ms:14.1f} {tokens:12.0f} {busy:12.1f} {exposed:12.1f} {gib:10.2f}"


if __name__ == "__main__":
    print(row(*sys.argv[1:5]))
