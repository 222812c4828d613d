#!/usr/bin/env python3
"""Measures ftc and ftrun on this machine's processor; writes reports/results/cpu.json and reports/cpu.md.

    reports/cpu.py [--bin build/bin] [--model GGUF] [--peer SCRIPT --hf DIR [--python PYTHON]] [--steps 6] [--pairs 3]
                   [--cores N] [PART ...]

Parts, all by default: compile (time and peak memory of ftc on the four LoRA benchmarks), train (SmolLM2-135M LoRA at
4 x 256 tokens, FP32_TRUE and BF16_TRUE; with --peer the same by transformers and PEFT right after, on the same cores:
`PYTHON SCRIPT f32|bf16 ROWS TOKENS HF_DIR` shall print "tok/s X ... rss GB Y"), rates (GEMMs against oneDNN's own
sgemm, row kernels against a measured copy), parts (where a step's time goes in each precision, beside its products at
the fastest rate that one of them reaches), busy (the step beside processes that compute at nice 10, all on the same
--cores cores; not among the default). What other processes take meanwhile is written beside each number: above
0.1 cores it is no measurement of this program.
"""
import argparse
import ctypes
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
CORES = len(os.sched_getaffinity(0))
RECIPE = """base_model: "smollm2-135m"
target: "cpu"
precision: {precision}
sequence_len: 256
micro_batch_size: 4
lora {{ r: 16 lora_alpha: 32 target_modules: "all-linear" }}
learning_rate: 1e-4
lr_scheduler_type: CONSTANT
max_steps: 1000
template: "chatml"
data {{ train: "synthetic:1" }}
"""


def busy_seconds():
    """CPU seconds of all processes since the machine started."""
    fields = pathlib.Path("/proc/stat").read_text().split("\n")[0].split()[1:]
    user, nice, system, _, _, irq, soft = map(int, fields[:7])
    return (user + nice + system + irq + soft) / os.sysconf("SC_CLK_TCK")


def timed(command, **named):
    """Runs a command: its output, seconds, peak memory in bytes, and cores that other processes took meanwhile."""
    busy, start = busy_seconds(), time.monotonic()
    child = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             text=True, **named)
    text = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - start
    if child.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}: exit {child.returncode}\n{text}")
    others = max(0.0, (busy_seconds() - busy - usage.ru_utime - usage.ru_stime) / seconds)
    return text, dict(seconds=round(seconds, 3), cpu_seconds=round(usage.ru_utime + usage.ru_stime, 2),
                      peak_bytes=usage.ru_maxrss * 1024, other_cores=round(others, 2))


def measure_compile(options, folder):
    rows = {}
    for size in ("1b", "3b", "7b", "13b"):
        name = f"bench_lora_{size}"
        command = [options.bin / "ftc", "compile", ROOT / "recipes" / f"{name}.textproto", "-o", folder / "plan.bin"]
        rows[name] = min((timed(command)[1] for _ in range(3)), key=lambda row: row["seconds"])
    return rows


def ours(options, folder, precision):
    recipe, plan, out = folder / "recipe.textproto", folder / "plan.bin", folder / f"out-{precision}"
    recipe.write_text(RECIPE.format(precision=precision))
    timed([options.bin / "ftc", "compile", recipe, "-o", plan])
    _, row = timed([options.bin / "ftrun", plan, "--model", options.model, "--stop-after", options.steps, "--out", out,
                    "--overwrite"])
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    rates = [line["tokens_per_second"] for line in lines if line.get("step", 0) > 1 and "step_ms" in line]
    summary = json.loads((out / "summary.json").read_text())["memory"]
    return dict(row, tokens_per_second=round(statistics.median(rates), 1), best_tokens_per_second=round(max(rates), 1),
                arenas_bytes=summary["measured_arenas_bytes"], mapped_bytes=summary["mapped_files_bytes"])


def peers(options, precision):
    text, row = timed([options.python, options.peer, {"FP32_TRUE": "f32", "BF16_TRUE": "bf16"}[precision], 4, 256,
                       options.hf])
    match = re.search(r"tok/s ([\d.]+).*rss GB ([\d.]+)", text)
    return dict(row, tokens_per_second=round(float(match[1]), 1), peak_bytes=int(float(match[2]) * 1e9))


def measure_train(options, folder):
    """Pairs, one program right after the other: the machine itself changes by a tenth within minutes."""
    rows = {precision: [] for precision in options.precision}
    for _ in range(options.pairs):
        for precision in options.precision:
            pair = dict(ftrun=ours(options, folder, precision))
            if options.peer:
                pair["peer"] = peers(options, precision)
            rows[precision].append(pair)
    return rows


def copy_rate(size=1 << 28, rounds=5):
    """GB/s read and written by memcpy on every core, the best of some rounds."""
    share = size // CORES
    buffers = [(ctypes.create_string_buffer(share), ctypes.create_string_buffer(b"x" * (share - 1)))
               for _ in range(CORES)]
    best = 0.0
    for _ in range(rounds):
        threads = [threading.Thread(target=ctypes.memmove, args=(to, source, share)) for to, source in buffers]
        start = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        best = max(best, 2 * share * CORES / (time.monotonic() - start) / 1e9)
    return best


def library_rate(m, n, k):
    """GFLOP/s of oneDNN's own dnnl_sgemm, B transposed as a linear has it; the best of some calls."""
    library = ctypes.CDLL("libdnnl.so.2")
    a, b, d = ((ctypes.c_float * count)(*([0.5] * min(count, 1 << 16))) for count in (m * k, n * k, m * n))
    size, one, zero = ctypes.c_int64, ctypes.c_float(1), ctypes.c_float(0)
    best = 0.0
    for _ in range(8):
        start = time.monotonic()
        library.dnnl_sgemm(ctypes.c_char(b"N"), ctypes.c_char(b"T"), size(m), size(n), size(k), one, a, size(k), b,
                           size(k), zero, d, size(n))
        best = max(best, 2.0 * m * n * k / (time.monotonic() - start) / 1e9)
    return best


def measure_rates(options, folder):
    recipe, plan = folder / "recipe.textproto", folder / "plan.bin"
    recipe.write_text(RECIPE.format(precision="FP32_TRUE"))
    timed([options.bin / "ftc", "compile", recipe, "-o", plan])
    text, row = timed([options.bin / "ftrun", plan, "--model", options.model, "--stop-after", options.steps, "--out",
                       folder / "out-profile", "--profile"])
    gemms, kernels = {}, {}
    for name, ms, gflops, gbytes in re.findall(r"^(\S.*?)\s+\d+\s+([\d.]+)\s+[\d.]+\s+([\d.]+)\s+([\d.]+)\s+[\d.]+$",
                                               text, re.M):
        shape = re.fullmatch(r"gemm/(\d+)x(\d+)x(\d+)", name)
        if shape and min(map(int, shape.groups())) >= 256:
            gemms[name] = dict(ms=float(ms), gflop_per_s=float(gflops),
                               library_gflop_per_s=round(library_rate(*map(int, shape.groups())), 1))
        elif name.startswith("launch/") and float(ms) > 1:
            kernels[name] = dict(ms=float(ms), gb_per_s=float(gbytes))
    return dict(row, steps=options.steps, copy_gb_per_s=round(copy_rate(), 1), gemms=gemms, kernels=kernels)


ROW = re.compile(r"^(\S.*?)\s+(\d+)\s+([\d.]+)\s+[\d.]+\s+[\d.]+\s+[\d.]+\s+[\d.]+$", re.M)
SHAPE = re.compile(r"gemm/(?:(\d+) of )?(\d+)x(\d+)x(\d+)")


def step_parts(text, steps):
    """Milliseconds and GFLOP of a step by kind, from what --profile printed of so many steps."""
    parts = {name: dict(ms=0.0, gflop=0.0) for name in ("linears and head", "attention's products", "adapters' products",
                                                        "row kernels, copies")}
    fastest = 0.0
    for name, calls, ms in ROW.findall(text):
        shape = SHAPE.fullmatch(name)
        if not shape and not name.startswith(("launch/", "memset/", "copy/")):
            continue
        flop = 0.0
        kind = "row kernels, copies"
        if shape:
            batch, *sizes = (int(size or 1) for size in shape.groups())
            flop = 2e-9 * int(calls) * batch * sizes[0] * sizes[1] * sizes[2]
            kind = "attention's products" if batch > 1 else "linears and head" if min(sizes) >= 256 else "adapters' products"
        parts[kind]["ms"] += float(ms) / steps
        parts[kind]["gflop"] += flop / steps
        if kind == "linears and head":
            fastest = max(fastest, flop / float(ms) * 1e3)
    return dict(parts=parts, fastest_gflop_per_s=fastest)


def measure_parts(options, folder):
    recipe, plan = folder / "recipe.textproto", folder / "plan.bin"
    rows = {}
    for precision in options.precision:
        recipe.write_text(RECIPE.format(precision=precision))
        timed([options.bin / "ftc", "compile", recipe, "-o", plan])
        text, row = timed([options.bin / "ftrun", plan, "--model", options.model, "--stop-after", options.steps, "--out",
                           folder / "out-parts", "--overwrite", "--profile"])
        rows[precision] = dict(step_parts(text, options.steps), cpu=cpu_name(), other_cores=row["other_cores"])
    return rows


TRIED = """In f32 the floor above is the processor's own rate, and nothing exact makes the products fewer: rows without a target, tiles
above the diagonal, the first layer's dX and all gradients of frozen weights are left out already. Measured, one thread, and not
taken for f32: the library's "brg" form, also with weights in its own blocked layout (between 8 % slower and 2 % faster than its sgemm),
our own panels and tile (5 to 20 % slower); products of three bf16 parts of each number, six for one, by AMX (at 790 GFLOP/s a core no
more than 132 of f32, where sgemm has 160). Strassen's seven products were only estimated: what they save at these sizes goes into
sums that leave the caches. Taken: panels of a quarter of the level-2 cache, 4 % on what lies transposed. Taken for bf16: f32 panels
where vectors multiply bf16 at half the rate (84 against 165 GFLOP/s a core); beside AMX the same for attention's products (64 x 256 x 64
went at 38 GFLOP/s on two cores). Not taken yet beside AMX: "brg" for linears, 580 to 980 GFLOP/s a core where k is short or B lies
transposed, because nobody has shown that a value keeps its bits at every pitch there."""


def parts_section(measured):
    text = "## Where a step goes\n\nMilliseconds of a step, and what its products alone would take at the fastest rate among the linears."
    for precision, row in measured.items():
        total = {key: sum(part[key] for part in row["parts"].values()) for key in ("ms", "gflop")}
        floor = total["gflop"] / row["fastest_gflop_per_s"] * 1e3
        text += f"\n\n{precision}, on {row['cpu']} (others: {row['other_cores']}):\n\n" + table(
            ["part", "ms", "GFLOP", "GFLOP/s"],
            [[name, f"{part['ms']:.0f}", f"{part['gflop']:.1f}",
              f"{part['gflop'] / part['ms'] * 1e3:.0f}" if part["gflop"] else ""]
             for name, part in row["parts"].items()] +
            [["together", f"{total['ms']:.0f}", f"{total['gflop']:.1f}", ""],
             [f"products at {row['fastest_gflop_per_s']:.0f} GFLOP/s, nothing else", f"{floor:.0f}", f"{total['gflop']:.1f}", ""]])
        text += (f"\n\n{4 * 256 / total['ms'] * 1e3:.0f} tokens/s of {4 * 256 / floor * 1e3:.0f} that this floor allows.")
    return text + "\n\n" + TRIED


class Busy:
    """So many processes that compute at nice 10 while this is open."""

    def __init__(self, number):
        self.number = number

    def __enter__(self):
        self.children = [subprocess.Popen(["nice", "-n", "10", sys.executable, "-c", "while True: pass"])
                         for _ in range(self.number)]

    def __exit__(self, *_):
        for child in self.children:
            child.kill()
            child.wait()


def measure_busy(options, folder):
    """Median seconds of a step, alone and beside others, in turns."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[: options.cores]) # children have it from here
    rows = {}
    for precision in options.precision:
        beside = {number: [] for number in (0, 1, 2 * options.cores)}
        for _ in range(options.pairs):
            for number, seconds in beside.items():
                with Busy(number):
                    ours(options, folder, precision)
                lines = (folder / f"out-{precision}" / "metrics.jsonl").read_text().splitlines()
                seconds += [line["step_ms"] / 1e3 for line in map(json.loads, lines)
                            if line.get("step", 0) > 1 and "step_ms" in line]
        rows[precision] = {number: round(statistics.median(seconds), 3) for number, seconds in beside.items()}
    os.sched_setaffinity(0, cores)
    return dict(cpu=cpu_name(), cores=options.cores, seconds=rows)


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows])


def gib(size):
    return f"{size / 2**30:.2f}"


def ratios(item):
    precision, pairs = item
    pairs = [pair for pair in pairs if "peer" in pair]
    if not pairs:
        return ""
    speed = [pair["ftrun"]["tokens_per_second"] / pair["peer"]["tokens_per_second"] for pair in pairs]
    memory = [pair["ftrun"]["peak_bytes"] / pair["peer"]["peak_bytes"] for pair in pairs]
    return (f"\n\n{precision}: {statistics.median(speed):.2f} × the peer's tokens/s ({min(speed):.2f} to {max(speed):.2f} over "
            f"{len(pairs)} pairs), {statistics.median(memory):.2f} × its memory.")


def report(results):
    parts = [f"# On a processor\n\n`reports/cpu.py` wrote this on {results['cpu']}, {CORES} cores. \"Others\" is how many "
             "cores other\nprocesses took during the measurement: above 0.1 the number says little about this program."]
    if "compile" in results:
        parts.append("## ftc compile: fastest of three\n\n" + table(
            ["recipe", "seconds", "CPU seconds", "peak GiB", "others"],
            [[name, row["seconds"], row["cpu_seconds"], gib(row["peak_bytes"]), row["other_cores"]]
             for name, row in results["compile"].items()]))
    if "train" in results:
        parts.append("## SmolLM2-135M, LoRA r 16 on all linears, 4 × 256 tokens\n\nMedian of the steps behind the "
                     "first; the peer is transformers with PEFT on the same cores, right after, in each pair.\n\n" + table(
                         ["precision", "", "tokens/s", "CPU seconds in all", "peak GiB", "others"],
                         [[precision, who, row["tokens_per_second"], row["cpu_seconds"], gib(row["peak_bytes"]),
                           row["other_cores"]]
                          for precision, pairs in results["train"].items() for pair in pairs
                          for who, row in pair.items()]) + "".join(map(ratios, results["train"].items())))
    if "parts" in results:
        parts.append(parts_section(results["parts"]))
    if "busy" in results:
        busy = results["busy"]
        parts.append(f"## Beside processes that compute at nice 10, all on {busy['cores']} cores\n\nMedian seconds of a step of "
                     f"the same run, on {busy['cpu']}.\n\n" + table(
                         ["precision", "processes", "seconds", "× alone"],
                         [[precision, number, seconds, f"{seconds / list(row.values())[0]:.2f}"]
                          for precision, row in busy["seconds"].items() for number, seconds in row.items()]))
    if "rates" in results:
        rates = results["rates"]
        parts.append(f"## Rates in {rates['steps']} steps in f32 (others: {rates['other_cores']})\n\n" + table(
            ["GEMM", "ms", "GFLOP/s", "oneDNN's sgemm alone"],
            [[name[5:], row["ms"], row["gflop_per_s"], row["library_gflop_per_s"]]
             for name, row in rates["gemms"].items()]))
        parts.append(f"A copy on all cores moves {rates['copy_gb_per_s']} GB/s, reads and writes counted.\n\n" + table(
            ["row kernel", "ms", "GB/s"],
            [[name[7:], row["ms"], row["gb_per_s"]] for name, row in rates["kernels"].items()]))
    return "\n\n".join(parts) + "\n"


def cpu_name():
    match = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return match[1] if match else platform.processor()


def main():
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/bin")
    parser.add_argument("--model", type=pathlib.Path, default=cache / "ftc/SmolLM2-135M-Instruct.Q4_1.gguf")
    parser.add_argument("--peer", type=pathlib.Path)
    parser.add_argument("--hf", type=pathlib.Path, help="folder of the model for the peer")
    parser.add_argument("--python", default="python3", help="with torch, transformers and peft")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--pairs", type=int, default=3, help="of ftrun and the peer, in turns")
    parser.add_argument("--precision", nargs="+", choices=("FP32_TRUE", "BF16_TRUE"), default=["FP32_TRUE", "BF16_TRUE"])
    parser.add_argument("--cores", type=int, default=2, help="of the part busy")
    parser.add_argument("part", nargs="*", help="compile, train, rates, parts, busy")
    options = parser.parse_args()
    parts = options.part or ["compile", "train", "rates"]
    if set(parts) - {"compile", "train", "rates", "parts", "busy"} or bool(options.peer) != bool(options.hf):
        parser.error("parts are compile, train, rates, parts and busy; --peer and --hf go together")
    stored = ROOT / "reports/results/cpu.json"
    results = json.loads(stored.read_text()) if stored.exists() else {}
    if set(parts) - {"busy", "parts"}: # which say for themselves what they ran on
        results.update(cpu=cpu_name(), cores=CORES)
    with tempfile.TemporaryDirectory() as folder:
        for part in parts:
            measured = globals()[f"measure_{part}"](options, pathlib.Path(folder))
            results[part] = {**results.get(part, {}), **measured} if part == "train" else measured
            stored.parent.mkdir(exist_ok=True)
            stored.write_text(json.dumps(results, indent=1) + "\n")
    (ROOT / "reports/cpu.md").write_text(report(results))


if __name__ == "__main__":
    main()
