#!/usr/bin/env python3
"""One row of the table of reports/offload.sh: NAME COMPILE_LOG METRICS RUN_LOG [GiB of the host that were taken]. Without
arguments the names of the columns."""
import json
import pathlib
import re
import statistics
import sys

# Predicted and measured: milliseconds of a step; host updates; what of the step the device waited. Then the copies' rates.
COLUMNS = ("plan", "step ms", "measured", "tokens/s", "steps", "updates", "measured", "waits", "measured", "to host GB/s",
           "back GB/s", "host GiB", "taken")
WIDTHS = (-14, 9, 9, 9, 6, 9, 9, 9, 9, 13, 10, 9, 7)


def line(values):
    texts = ("--" if value is None else value if isinstance(value, str) else f"{value:.0f}" if width == 6 else f"{value:.1f}"
             for value, width in zip(values, WIDTHS))
    return " ".join(text.ljust(-width) if width < 0 else text.rjust(width) for text, width in zip(texts, WIDTHS))


def first(pattern, text):
    found = re.search(pattern, text)
    return float(found.group(1)) if found else 0.0


def settled(steps):
    """Without the first, which has no update to finish, and where there are enough those while a GPU's clocks are not
    what they will be."""
    return steps[3:] if len(steps) > 6 else steps[1:] or steps


def rate(moved, way):
    return moved[f"{way}_bytes"] / moved[f"{way}_ms"] / 1e6 if moved.get(f"{way}_ms", 0) > 1 else None


def row(name, compiled, metrics, log, taken=None):
    compiled = pathlib.Path(compiled).read_text()
    predicted = first(r"predicted step ([\d.]+) ms", compiled)
    busy = first(r"host updates for ([\d.]+) ms", compiled)
    exposed = sum(first(pattern, compiled) for pattern in (r"host updates .* a step; ([\d.]+) ms of a step",
                                                           r"values travel .* a step; ([\d.]+) ms of a step"))
    gib = first(r"host needs .* (\d+\.\d+)\n", compiled)
    there = pathlib.Path(metrics)
    steps = [step for step in map(json.loads, there.read_text().splitlines() if there.exists() else []) if "step_ms" in step]
    if not steps:
        said = pathlib.Path(log).read_text().splitlines()
        return f"{name:14} {predicted:9.1f} did not run: {said[-1] if said else 'nothing said'}"
    last = settled(steps)
    median = lambda key: statistics.median(step[key] for step in last)
    # Of the steps that were measured the last, in which all else has settled: updates, waits and copies are one step's.
    host = next((step["offload"] for step in reversed(steps[1:]) if "offload" in step), {})
    return line((name, predicted, median("step_ms"), median("tokens_per_second"), len(last), busy, host.get("host_updates_ms"),
                 exposed, host.get("exposed_ms"), rate(host, "to_host"), rate(host, "to_device"), gib,
                 float(taken) if taken else None))


if __name__ == "__main__":
    print(row(*sys.argv[1:]) if len(sys.argv) > 1 else line(COLUMNS))
