#!/usr/bin/env python3
"""Two GPUs against one: every strategy beside a twin on one card, memory, exposed communication, PyTorch (gpu-ranks.md).

  ranks.py plans FTC FOLDER                     compiles what is run, on any machine: 33 plans of 56 MB, 15 MB packed
  ranks.py run FTRUN FOLDER [--seconds N] [--only PATTERN] [--peer bench_fsdp.py] [--json FILE]

Workloads run in the order of WORKLOADS while seconds are left, each of one GPU on both cards at once; then results of tiny
models. FTRUN is killed as soon as it took its steps: what is measured is steps, and no model is written."""
import argparse
import fnmatch
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from ranks_tables import compiled, exposed_table, profiled, speed_table
from ranks_tiny import compile_tiny, run_tiny

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOKENS = 16384 # of a GPU and step, in every workload
SETTLED = 3    # steps before which clocks are not what they will be

MIXED = ["precision=BF16_MIXED", "optimizer_state_dtype=F32"]
OPEN_3B = [*MIXED, "base_model=open-llama-3b"]
DDP = ["parallelism.dp_replicate_size=2"]


def split(strategy):
    return [f"parallelism.strategy={strategy}", "parallelism.dp_shard_size=2"]


SHARES = [*split("FSDP"), "parallelism.shard_frozen=TRUE"]
# name: recipe, settings, steps. "NAME.one" is the twin of all NAME.*; where it ends in +profile, steps are stamped.
WORKLOADS = {
    "full_1b.one": ("bench_full_1b", MIXED, 20),
    "full_1b.DDP": ("bench_full_1b", MIXED + DDP, 20),
    "full_1b.DDP.bf16": ("bench_full_1b", [*MIXED, *DDP, "parallelism.reduce_dtype=BF16"], 20),
    "full_1b.ZERO1": ("bench_full_1b", MIXED + split("ZERO1"), 20),
    "full_1b.ZERO2": ("bench_full_1b", MIXED + split("ZERO2"), 20),
    "full_1b.FSDP": ("bench_full_1b", MIXED + split("FSDP"), 20),
    "lora_1b.one": ("bench_lora_1b", [], 24),
    "lora_1b.DDP": ("bench_lora_1b", DDP, 24),
    "lora_1b.FSDP": ("bench_lora_1b", SHARES, 24),
    "lora_7b.one": ("bench_lora_7b", [], 11),
    "lora_7b.FSDP": ("bench_lora_7b", SHARES, 11),
    "lora_7b.DDP": ("bench_lora_7b", DDP, 11),
    "lora_13b.one": ("bench_lora_13b", [], 9),
    "lora_13b.FSDP": ("bench_lora_13b", SHARES, 9),
    "full_3b.one": ("bench_full_1b", OPEN_3B, 11),
    "full_3b.ZERO2": ("bench_full_1b", OPEN_3B + split("ZERO2"), 11),
    "full_3b.FSDP": ("bench_full_1b", OPEN_3B + split("FSDP"), 11),
    "full_7b.ZERO2": ("bench_full_7b_fsdp2", split("ZERO2"), 9),
    "full_7b.FSDP": ("bench_full_7b_fsdp2", [], 9),
    "full_13b.FSDP": ("bench_full_13b_fsdp2", [], 7),
    "full_7b_bf16.one": ("bench_full_7b", [], 9),
    "full_7b_bf16.ZERO2": ("bench_full_7b", split("ZERO2"), 9),
    "full_1b.FSDP+profile": ("bench_full_1b", MIXED + split("FSDP"), 8),
    "full_1b.ZERO1+profile": ("bench_full_1b", MIXED + split("ZERO1"), 8),
    "full_1b.DDP+profile": ("bench_full_1b", MIXED + DDP, 8),
    "lora_1b.FSDP+profile": ("bench_lora_1b", SHARES, 8),
    "full_7b.FSDP+profile": ("bench_full_7b_fsdp2", [], 5),
    "full_7b_half.one": ("bench_full_7b", MIXED, 9),
    "full_7b_half.FSDP": ("bench_full_7b_fsdp2", [], 9),
    "full_7b_half.ZERO2": ("bench_full_7b_fsdp2", split("ZERO2"), 9),
}
PEERS = {
    "full_7b FSDP2 compiled": dict(model="7b", bs=4, compile=1),
    "full_1b FSDP2 compiled": dict(model="1b", bs=8, compile=1),
    "full_3b FSDP2": dict(model="3b", bs=8, compile=0),
    "full_1b DDP": dict(model="1b", bs=8, compile=0, par="ddp"),
    "full_1b DDP compiled": dict(model="1b", bs=8, compile=1, par="ddp"),
    "full_3b FSDP2 compiled": dict(model="3b", bs=4, compile=1),
}


def half_of(model, folder):
    """The model with half as many layers, in a folder of its own."""
    config = json.loads((ROOT / "recipes/models" / model / "config.json").read_text())
    config["num_hidden_layers"] //= 2
    half = folder / f"{model}-half"
    half.mkdir(exist_ok=True)
    (half / "config.json").write_text(json.dumps(config))
    return str(half)


def compile_all(ftc, folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name, (recipe, settings, _) in WORKLOADS.items():
        if name.endswith("+profile"):
            continue
        if "_half." in name:
            settings = [*settings, f"base_model={half_of('open-llama-7b', folder)}"]
        command = [ftc, "compile", ROOT / f"recipes/{recipe}.textproto", "-o", folder / f"{name}.bin"]
        said = subprocess.run([*command, *(f"--set={setting}" for setting in settings)], capture_output=True, text=True)
        (folder / f"{name}.compile").write_text(said.stdout + said.stderr)
        if said.returncode:
            print(f"{name}: exit {said.returncode}: {said.stderr.splitlines()[0]}")
    compile_tiny(ftc, folder)


class Runs:
    def __init__(self, ftrun, folder, seconds):
        self.ftrun, self.folder, self.ends = ftrun, folder, time.monotonic() + seconds
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="ranks-"))

    def left(self):
        return self.ends - time.monotonic()

    def start(self, name, *options):
        out = self.work / name
        plan = self.folder / f"{name.split('+')[0].split('@')[0]}.bin"
        with open(f"{out}.log", "wb") as log:
            return subprocess.Popen([self.ftrun, plan, "--model", "seeded:1", "--overwrite", "--out", out, *options],
                                    stdout=log, stderr=log, start_new_session=True)

    def steps(self, name):
        file = self.work / name / "metrics.jsonl"
        lines = file.read_text().splitlines() if file.exists() else []
        return [line for line in (json.loads(text) for text in lines if text.endswith("}")) if "step_ms" in line]

    def log(self, name):
        return (self.work / f"{name}.log").read_text(errors="replace")

    def profiles(self, name):
        """What each rank of a stamped run has printed."""
        logs = [self.log(name), *(log.read_text(errors="replace") for log in sorted((self.work / name).glob("rank-*.log")))]
        return logs if len(logs) > 1 and all("time by kind of step" in log for log in logs) else None

    def until(self, running, done):
        """Ends the processes once each of `running`'s names is done; true where all came so far."""
        while self.left() > 0 and not all(done(name) for name in running):
            if any(process.poll() is not None and not done(name) for name, process in running.items()):
                break
            time.sleep(0.1)
        reached = all(done(name) for name in running)
        for process in running.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for part in self.work.glob("*/*.safetensors*"):
            part.unlink()
        return reached

    def measure(self, name, steps):
        """Step times and memory of a plan of two GPUs, or of one plan on each card at once."""
        names = [f"{name}@{card}" for card in (0, 1)] if name.endswith(".one") else [name]
        extra = ["--profile"] if name.endswith("+profile") else []
        running = {}
        last = steps if extra else steps + 40 # stamps are printed at the end; anything else is ended once it took its steps
        for card, each in enumerate(names):
            running[each] = self.start(each, "--max-steps", "100", "--stop-after", str(last), "--gpu", str(card), *extra)
        done = self.profiles if extra else lambda each: len(self.steps(each)) >= steps
        begun = time.monotonic()
        if not self.until(running, done):
            return dict(failed=" | ".join(self.log(each).strip().splitlines()[-1] for each in names if self.log(each)))
        if extra:
            return dict(profile=profiled(self.profiles(name), steps))
        times = [statistics.median(step["step_ms"] for step in self.steps(each)[SETTLED:]) for each in names]
        return dict(step_ms=times, memory=max(step["memory_bytes"] for each in names for step in self.steps(each)),
                    seconds=round(time.monotonic() - begun, 1))

    def peer(self, script, name, options):
        command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--master-port=29711", script]
        for key, value in options.items():
            command += [f"--{key}", str(value)]
        with open(self.work / "peer.log", "wb") as log:
            process = subprocess.Popen(command, cwd=script.parent, stdout=log, stderr=log, start_new_session=True)
        try:
            process.wait(max(1, self.left()))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return dict(failed="no time left")
        lines = [line for line in self.log("peer").splitlines() if line.startswith("{")]
        return json.loads(lines[-1]) if lines else dict(failed=self.log("peer")[-300:])


def run_all(arguments):
    runs = Runs(arguments.ftrun, arguments.folder, arguments.seconds)
    begun, found, peers = time.monotonic(), {}, {}
    wanted = [name for name in WORKLOADS if any(fnmatch.fnmatch(name, part) for part in arguments.only.split(","))]
    wanted = [name for name in wanted if (arguments.folder / f"{name.split('+')[0]}.bin").exists()]
    keep = arguments.reserve if arguments.peer else 0
    for name in wanted:
        plan = compiled(arguments.folder / f"{name.split('+')[0]}.compile")
        steps = WORKLOADS[name][2]
        need = steps * plan["predicted_ms"] / 1e3 + 5 + plan["needs"] / 8e9 # start, weights and graphs
        if runs.left() - keep < need:
            print(f"{name}: no time left", flush=True)
            continue
        found[name] = dict(plan, **runs.measure(name, steps))
        print(f"[{time.monotonic() - begun:5.1f}] {name}: {found[name].get('step_ms') or found[name].get('failed', 'stamped')}",
              flush=True)
    for name, options in PEERS.items() if arguments.peer else ():
        if runs.left() > 30:
            peers[name] = runs.peer(arguments.peer.resolve(), name, options)
            print(f"[{time.monotonic() - begun:5.1f}] PyTorch {name}: {json.dumps(peers[name])[:300]}", flush=True)
    tiny = run_tiny(arguments.ftrun, arguments.folder, runs.work, runs.left) if arguments.only == "*" else []
    print("\n".join([*speed_table(found, TOKENS), *exposed_table(found), *tiny]))
    if arguments.json:
        arguments.json.write_text(json.dumps(dict(workloads=found, peers=peers, tiny=tiny), indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["plans", "run"])
    parser.add_argument("ftrun", metavar="PROGRAM", type=lambda path: pathlib.Path(path).resolve())
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--seconds", type=float, default=560)
    parser.add_argument("--reserve", type=float, default=170, help="seconds of them for the peer")
    parser.add_argument("--only", default="*", help="workloads, as 'full_1b.*,*+profile'")
    parser.add_argument("--peer", type=pathlib.Path)
    parser.add_argument("--json", type=pathlib.Path)
    arguments = parser.parse_args()
    if arguments.what == "plans":
        compile_all(arguments.ftrun, arguments.folder)
    else:
        run_all(arguments)


if __name__ == "__main__":
    main()
