#!/usr/bin/env python3
"""Two GPUs: threads that read each other's memory, threads through NCCL, processes through NCCL; then lost ranks. Where
there are four: two processes of two GPUs each.
nccl.py FTRUN PLANS_DIR [PART…], parts: equal, speed, failures, grouped, variants; nccl.sh compiles the plans."""
import hashlib
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

FTRUN, PLANS = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
PARTS = sys.argv[3:] or ["equal", "speed", "failures", "grouped", "variants"]
WORK = pathlib.Path(tempfile.mkdtemp(prefix="nccl-"))
port = [29600]
BEGUN = time.monotonic()


def say(text):
    print(f"[{time.monotonic() - BEGUN:6.1f}] {text}", flush=True)


def command(plan, name, options):
    return [str(FTRUN), str(PLANS / f"{plan}.bin"), "--model", "seeded:1", "--overwrite",
            "--out", str(WORK / name), *map(str, options)]


def start(plan, name, options, environment, suffix=""):
    with open(WORK / f"{name}{suffix}.log", "wb") as log:
        return subprocess.Popen(command(plan, name, options), env={**os.environ, **environment}, stdout=log, stderr=log)


def torchrun(rank, world=2):
    return dict(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(world), MASTER_ADDR="127.0.0.1",
                MASTER_PORT=str(port[0]), FTRUN_START_TIMEOUT="60")


def processes(plan, name, options, environment=None, world=2):
    port[0] += 7
    return [start(plan, name, options, {**torchrun(rank, world), **(environment or {})}, f".{rank}")
            for rank in range(world)]


def finish(name, running, timeout=150):
    codes = []
    for process in running:
        try:
            codes.append(process.wait(timeout))
        except subprocess.TimeoutExpired:
            process.kill(); codes.append("timeout")
    if any(codes):
        say(f"{name}: exit codes {codes}")
        for log in sorted(WORK.glob(f"{name}*.log")):
            print("   ", log.name, "|", log.read_bytes()[-1500:].decode(errors="replace").replace("\n", "\n      "))
    return codes


def run(how, plan, options, environment=None):
    name = f"{plan}.{how}"
    if how.startswith("grouped"):
        codes = finish(name, processes(plan, name, ["--ranks", 2, *options], environment))
    elif how.startswith("processes"):
        codes = finish(name, processes(plan, name, options, environment, 4 if plan.endswith("4") else 2))
    else:
        extra = ["--collectives", "nccl"] if how.startswith("threads-nccl") else []
        codes = finish(name, [start(plan, name, [*options, *extra], environment or {})])
    return WORK / name if not any(codes) else None


def steps(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if "step_ms" in line]


def digest(folder):
    sums = hashlib.sha256()
    for file in sorted(folder.glob("*.safetensors")):
        with open(file, "rb") as data:
            for block in iter(lambda: data.read(1 << 24), b""):
                sums.update(block)
    return sums.hexdigest()[:16]


def numbers(folder):
    return [(line["loss"], line["grad_norm"]) for line in steps(folder)]


def describe(how, folder, skip):
    if not folder:
        return say(f"  {how}: failed")
    times = [line["step_ms"] for line in steps(folder)][skip:]
    memory = json.loads((folder / "summary.json").read_text())["memory"]
    say(f"  {how:28} step ms median {statistics.median(times):8.2f} min {min(times):8.2f}; outside arenas "
        f"{memory['measured_outside_bytes'] / 1e6:.0f} MB (predicted {memory['predicted_outside_bytes'] / 1e6:.0f})")
    summary = json.loads((folder / "summary.json").read_text())
    if "ranks" in summary:
        say("    ranks " + json.dumps(summary["ranks"]))
    return statistics.median(times)


def compare(plan, options, hows, skip):
    say(f"{plan}:")
    folders = {how: run(how, plan, options) for how in hows}
    medians = {how: describe(how, folder, skip) for how, folder in folders.items()}
    base = folders.get("threads-nccl")
    for how, folder in folders.items():
        if base and folder and folder != base:
            a, b = numbers(base), numbers(folder)
            worst = max(abs(x[0] / y[0] - 1) for x, y in zip(a, b))
            say(f"  {how} against threads-nccl: losses and norms equal in bits: {a == b}; worst relative difference of a "
                f"loss {worst:.1e}; saved files equal: {digest(base) == digest(folder)}; speed "
                f"{medians['threads-nccl'] / medians[how]:.4f}")
    for folder in folders.values():
        if folder:
            shutil.rmtree(folder)


def gpu_memory():
    try:
        return subprocess.run(["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader"], capture_output=True,
                              text=True).stdout.split("\n")[:2]
    except OSError as error:
        return str(error)


def gpus():
    try:
        return subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True).stdout.count("\n")
    except OSError:
        return 0


def until(folder, lines, running, timeout=90):
    path, end = folder / "metrics.jsonl", time.monotonic() + timeout
    while time.monotonic() < end and all(p.poll() is None for p in running):
        if path.exists() and path.read_bytes().count(b"\n") >= lines:
            return True
        time.sleep(0.05)
    return False


def fail(kind, victim, number, plan="lora_1b_ddp2", options=()):
    name = f"{plan}.{kind}-{victim}"
    running = processes(plan, name, ["--max-steps", 1000000, *options])
    if not until(WORK / name, 6, running):
        say(f"{kind} {victim}: did not train"); finish(name, running, 1)
        return
    time.sleep(0.37)
    running[victim].send_signal(number)
    struck = time.monotonic()
    survivor = 1 - victim
    try:
        code = running[survivor].wait(90)
    except subprocess.TimeoutExpired:
        code = "none"
    seconds = time.monotonic() - struck
    text = (WORK / f"{name}.{survivor}.log").read_text(errors="replace").splitlines()
    say(f"{kind} rank {victim}: survivor exit {code} after {seconds:.1f} s: {[l for l in text if l.startswith('ftrun')]}")
    own = None
    if kind == "stopped":
        running[victim].send_signal(signal.SIGCONT)
        try:
            own = running[victim].wait(60)
        except subprocess.TimeoutExpired:
            own = "none"
        text = (WORK / f"{name}.{victim}.log").read_text(errors="replace").splitlines()
        say(f"  the stopped one, continued: exit {own}: {[l for l in text if l.startswith('ftrun')]}")
    for process in running:
        if process.poll() is None:
            process.kill(); process.wait()
    time.sleep(1)
    say(f"  GPU memory in use afterwards: {gpu_memory()}")
    left = sorted(p.name for p in (WORK / name).rglob("*")) if (WORK / name).exists() else []
    say(f"  left in the folder: {left}")
    shutil.rmtree(WORK / name, ignore_errors=True)


ALL = ["threads-peers", "threads-nccl", "processes-nccl"]
say(f"GPU memory in use before: {gpu_memory()}")
if "equal" in PARTS:
    for plan in ("tiny_ddp", "tiny_ddp_3", "tiny_fsdp", "tiny_lora_zero1", "tiny_bf16"):
        compare(plan, [], ALL + ["processes-nccl-again"], 3)
if "speed" in PARTS:
    for plan in ("lora_1b_ddp2_det", "lora_1b_ddp2", "full_1b_ddp2", "full_1b_fsdp2"):
        compare(plan, ["--stop-after", 24], ALL + ["processes-nccl-again"], 6)
if "failures" in PARTS:
    for victim in (1, 0):
        fail("killed", victim, signal.SIGKILL)
        fail("stopped", victim, signal.SIGSTOP)
    fail("killed", 1, signal.SIGKILL, "full_1b_fsdp2")
    fail("terminated", 1, signal.SIGTERM)
if "grouped" in PARTS and gpus() >= 4:
    for plan in ("tiny_fsdp4", "tiny_hsdp4"):
        compare(plan, [], ["threads-nccl", "processes-nccl", "grouped", "grouped-again"], 3)
    for kind, number in (("killed", signal.SIGKILL), ("stopped", signal.SIGSTOP), ("terminated", signal.SIGTERM)):
        fail(kind, 1, number, "tiny_fsdp4", ["--ranks", 2])
elif "grouped" in PARTS:
    say("grouped: needs four GPUs")
if "variants" in PARTS:
    for plan in ("lora_1b_ddp2", "full_1b_fsdp2", "full_1b_ddp2"):
        say(f"{plan}, variants:")
        for title, environment in {"registered off": {"NCCL_GRAPH_REGISTER": "0"}, "8 CTAs": {"NCCL_MAX_CTAS": "8"},
                                   "16 CTAs": {"NCCL_MAX_CTAS": "16"}, "protocol free": {"NCCL_PROTO": "LL,LL128,Simple"},
                                   "mixing": {"NCCL_GRAPH_MIXING_SUPPORT": "1"}}.items():
            folder = run("processes-" + title.replace(" ", "-"), plan, ["--stop-after", 20], environment)
            describe(title, folder, 6)
            if folder:
                shutil.rmtree(folder)
shutil.rmtree(WORK, ignore_errors=True)
say("done")
