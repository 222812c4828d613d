#!/usr/bin/env python3
"""Measures ours and Unsloth in turn on one GPU and writes the table; reports/peers.sh calls it. Standard library alone.

Each line of LINES is one run of ours and, where it names a peer, one of the peer's behind it: 8 rows of 2,048 tokens, LoRA r 16
on all seven linears, random weights. Ours gets the peer's bytes as its budget (what torch allocates against the plan's
arenas, the driver's share on top for both) and chooses by itself what is made again and what the host holds. The lines that
count most come first, and one begins only if it will probably end in time. OUT keeps what was measured.

    reports/peers.py --out OUT --peers PEERS [--seconds 540] [--each 8] [--gpu h200]
    reports/peers.py --out OUT --table                                               what OUT holds, measuring nothing
"""
import argparse
import concurrent.futures
import ctypes
import dataclasses
import json
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
FTC, FTRUN = os.environ.get("FTC_FTC", "build/bin/ftc"), os.environ.get("FTC_FTRUN", "build/bin/ftrun")
BASES = {"bf16": [], "FP8": ["quantization.type=FP8"], "NF4": ["quantization.type=NF4"]}
PEERS = {"bf16": "unsloth", "FP8": "unsloth8", "NF4": "unsloth4"}
CHOICES = ["gradient_checkpointing=AUTO", "activation_offload=AUTO"]
TOKENS = 8 * 2048
LAYERS = {"1b": 22, "7b": 32, "13b": 40}
WEIGHTS_S = {"1b": 3, "7b": 10, "13b": 18}  # to make ours, seeded
PEER_S = {"1b": 28, "7b": 50, "13b": 110}  # about, until a peer's first step is done
PEER_FP8_S = 90  # of that for FP8 in addition


@dataclasses.dataclass(frozen=True)
class Line:
    model: str
    base: str
    gb: float  # budget: arenas, or what torch allocates
    ms: float  # about, of a step
    checkpoints: int = None  # the peer's setting: 0 none, 2 on the host; None: ours alone
    must: float = 0  # tokens/s

    @property
    def name(self):
        return f"{self.model}.{self.base}.{self.gb:g}"


def between(model, base, least, most, ms):
    return [Line(model, base, round(least + (most - least) * i / 4, 1), ms) for i in (1, 2, 3)]


LINES = [
    Line("1b", "bf16", 22, 170, 0, 98e3), Line("1b", "bf16", 4.4, 215, 2, 68e3),
    Line("7b", "bf16", 78.5, 830, 0, 19.8e3), Line("7b", "bf16", 18.1, 1050, 2, 13.8e3),
    Line("7b", "FP8", 72, 620, 0, 25.5e3), Line("7b", "FP8", 11.7, 830, None, 19e3),
    Line("1b", "FP8", 21, 150, None, 105e3), Line("1b", "FP8", 3.4, 190, None, 80e3),
    Line("7b", "NF4", 69, 850, None, 19.4e3), Line("1b", "NF4", 2.9, 225, None, 66e3),
    *between("7b", "bf16", 18.1, 78.5, 900), *between("7b", "FP8", 11.7, 72, 700),
    *between("1b", "bf16", 4.4, 22, 190), *between("1b", "FP8", 3.4, 21, 170),
    Line("1b", "FP8", 21, 150, 0, 105e3), Line("1b", "FP8", 3.4, 190, 2, 80e3), Line("7b", "FP8", 11.7, 830, 2, 19e3),
    Line("7b", "NF4", 69, 850, 0, 19.4e3), Line("1b", "NF4", 2.9, 225, 2, 66e3),
    Line("13b", "bf16", 32, 2000, None, 7.4e3), Line("13b", "FP8", 115, 1150, None, 14.5e3),
    Line("13b", "NF4", 108, 1600, None, 10.5e3), Line("13b", "bf16", 32, 2000, 2, 7.4e3),
    Line("13b", "bf16", 127, 1550, 0, 10.7e3),
]


class Driver:
    """What the driver says is taken of the first GPU, in bytes, at most; None where NVML cannot be asked."""

    class Memory(ctypes.Structure):
        _fields_ = [("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong)]

    def __init__(self):
        try:
            self.library, self.handle = ctypes.CDLL("libnvidia-ml.so.1"), ctypes.c_void_p()
            failed = self.library.nvmlInit_v2() or self.library.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(self.handle))
            self.idle = None if failed else self.used()
        except OSError:
            self.idle = None

    @classmethod
    def none(cls):
        driver = cls.__new__(cls)
        driver.idle = None
        return driver

    def used(self):
        memory = self.Memory()
        self.library.nvmlDeviceGetMemoryInfo(self.handle, ctypes.byref(memory))
        return memory.used

    def watch(self, running):
        """Bytes beyond those of the idle machine, at most, while running() is true."""
        most = 0
        while running():
            if self.idle is not None:
                most = max(most, self.used() - self.idle)
            time.sleep(0.02)
        return most if self.idle is not None else None


def execute(command, log, driver, limit):
    """(exit code or None where it was ended, seconds, most bytes by the driver). Ended with all its children at the limit."""
    began = time.time()
    with open(log, "w") as file:
        process = subprocess.Popen([str(word) for word in command], stdout=file, stderr=subprocess.STDOUT, cwd=ROOT,
                                   start_new_session=True)
        ended = threading.Event()

        def end():
            if process.poll() is None:
                ended.set()
                os.killpg(process.pid, signal.SIGKILL)

        timer = threading.Timer(max(limit, 0), end)
        timer.start()
        most = driver.watch(lambda: process.poll() is None)
        timer.cancel()
    return None if ended.is_set() else process.returncode, time.time() - began, most


class Bench:
    def __init__(self, options):
        self.options, self.out, self.began, self.driver = options, options.out, time.time(), Driver()
        self.file = self.out / "peers.json"
        self.results = json.loads(self.file.read_text()) if self.file.exists() else {}
        self.failed = set()

    def left(self):
        return self.options.seconds - (time.time() - self.began)

    def keep(self, key, value):
        self.results[key] = value
        self.file.write_text(json.dumps(self.results, indent=1))
        print(key, json.dumps(value), flush=True)

    def outside(self):
        text = subprocess.run([FTC, "check", "recipes/bench_lora_1b.textproto", "--gpu", self.options.gpu], cwd=ROOT,
                              capture_output=True, text=True).stdout
        return int(re.search(r"\n  outside .*?(\d{4,})", text)[1])

    def compile(self, line):
        """Whether the budget of a line holds a plan, which lies in OUT then, beside what the compiler said of it."""
        plan = self.out / f"{line.name}.bin"
        if plan.exists() and plan.with_suffix(".txt").exists():
            return True
        sets = BASES[line.base] + CHOICES + [f"memory_budget={int(line.gb * 1e9) + self.share}"]
        done = subprocess.run([FTC, "compile", f"recipes/bench_lora_{line.model}.textproto", "--gpu", self.options.gpu,
                               "-o", str(plan), *[word for s in sets for word in ("--set", s)]],
                              cwd=ROOT, capture_output=True, text=True)
        (self.out / f"{line.name}.txt").write_text(done.stdout + done.stderr)
        return done.returncode == 0

    def compile_all(self, lines):
        self.share = self.outside()
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for line, fits in zip(lines, pool.map(self.compile, lines)):
                if not fits:
                    self.failed.add(line.name)
                    print(f"{line.name}: {(self.out / f'{line.name}.txt').read_text().strip().splitlines()[-1]}")

    def steps(self, line):
        return max(6, round(self.options.each * 1e3 / line.ms))

    def ours(self, line, key):
        text, folder = (self.out / f"{line.name}.txt").read_text(), self.out / "run"
        number = lambda pattern: float(found[1]) if (found := re.search(pattern, text)) else 0
        code, seconds, driver = execute(
            [FTRUN, self.out / f"{line.name}.bin", "--model", "seeded:1", "--max-steps", self.steps(line) + 3,
             "--overwrite", "--out", folder], self.out / f"{key}.log", self.driver, self.left())
        if code != 0:
            self.keep(key, {"failed": "out of time" if code is None else
                            (self.out / f"{key}.log").read_text().strip().splitlines()[-1]})
            return
        steps = [s for s in map(json.loads, (folder / "metrics.jsonl").read_text().splitlines()) if "step_ms" in s][3:]
        memory = json.loads((folder / "summary.json").read_text())["memory"]
        self.keep(key, {
            "tokens": statistics.median(s["tokens_per_second"] for s in steps),
            "ms": statistics.median(s["step_ms"] for s in steps), "predicted_ms": number(r"predicted step ([0-9.]+) ms"),
            "inner": memory["measured_arenas_bytes"], "planned": memory["predicted_arenas_bytes"],
            "own": max(s["memory_bytes"] for s in steps), "driver": driver, "seconds": seconds,
            "host": number(r"host needs +(\d+)"),
            "choice": (re.findall(r"gradient_checkpointing AUTO took (.*?):", text) + ["?"])[0] + "; on the host: " +
                      (re.findall(r"activation_offload AUTO took (.*?), all of it", text) + ["?"])[0]})

    def peer(self, line, key):
        log = self.out / f"{key}.log"
        code, seconds, driver = execute(
            [sys.executable, self.options.peers / "bench_peers.py", "--peer", PEERS[line.base], "--model", line.model,
             "--mode", "lora", "--bs", 8, "--ckpt", line.checkpoints, "--steps", self.steps(line)],
            log, self.driver, self.left())
        found = re.findall(r"^\{.*\}$", log.read_text(errors="replace"), re.M)
        said = json.loads(found[-1]) if found else {"err": "out of time" if code is None else f"exit {code}"}
        if not said.get("ok"):
            self.keep(key, {"failed": said.get("err", "failed")})
            return
        self.keep(key, {"tokens": said["tok_s"], "ms": said["step_ms"], "inner": said["peak_gb"] * 1e9,
                        "reserved": said["reserved_gb"] * 1e9, "driver": driver, "seconds": seconds,
                        "first_step_s": said["first_step_s"]})

    def prepare(self, models):
        """Makes the peer's random models in the background; each line that needs one finds it done."""
        for model in models:
            code = ("import sys; sys.argv = ['bench_peers.py', '--peer', 'none', '--model', sys.argv[1]]\n"
                    f"import bench_peers; bench_peers.save_random('/tmp/rand-{model}-{LAYERS[model]}')")
            execute([sys.executable, "-c", code, model], self.out / f"{model}.made.log", Driver.none(), self.left())

    def measure(self):
        missing = [line for line in LINES if not self.done(line)]
        self.compile_all(list({line.name: line for line in missing}.values()))
        models = dict.fromkeys(line.model for line in missing if line.checkpoints is not None and line.model != "13b")
        background = threading.Thread(target=self.prepare, args=(models,))
        background.start()
        warm = next((line for line in missing if line.name not in self.failed and line.model == "1b"), None)
        if warm and missing:  # a cool card is a tenth faster
            execute([FTRUN, self.out / f"{warm.name}.bin", "--model", "seeded:1", "--max-steps", round(12e3 / warm.ms),
                     "--overwrite", "--out", self.out / "run"], self.out / "warm.log", self.driver, self.left())
        background.join()
        print(f"prepared within {time.time() - self.began:.0f} s", flush=True)
        for line in missing:
            each = self.steps(line) * line.ms / 1e3 + 3
            if line.name not in self.failed and self.needs(line.name) and self.left() > each + WEIGHTS_S[line.model]:
                self.ours(line, line.name)
            peer_s = PEER_S[line.model] + (PEER_FP8_S if line.base == "FP8" else 0)
            key = f"{line.name}.peer"
            if line.checkpoints is not None and self.needs(key) and self.left() > 1.3 * each + peer_s:
                self.peer(line, key)

    def needs(self, key):
        return "tokens" not in self.results.get(key, {})

    def done(self, line):
        return not self.needs(line.name) and (line.checkpoints is None or not self.needs(f"{line.name}.peer"))


def table(results):
    gb = lambda of, key: f"{of[key] / 1e9:.2f}" if of.get(key) else "–"
    text = ("| LoRA r 16, 16,384 tokens a step | tokens/s | ms | predicted | allocated, GB | reserved | by the driver | "
            "on the host | choice |\n|---|---|---|---|---|---|---|---|---|\n")
    order = sorted({line.name: line for line in LINES}.values(), key=lambda l: (list(LAYERS).index(l.model), l.base, l.gb))
    missing = []
    for line in order:
        title = f"{line.model.upper()}, {line.base}, {line.gb:g} GB"
        for key, who in ((line.name, "ours"), (f"{line.name}.peer", "Unsloth")):
            of = results.get(key)
            wanted = who == "ours" or any(l.name == line.name and l.checkpoints is not None for l in LINES)
            if of is None or "failed" in of:
                if wanted:
                    missing.append(f"{title}, {who}" + (f" ({of['failed']})" if of else ""))
                continue
            text += (f"| {title}: {who} | {of['tokens'] / 1e3:.1f}k | {of['ms']:.1f} | "
                     f"{of['predicted_ms'] if who == 'ours' else '–'} | {gb(of, 'inner')} | {gb(of, 'reserved')} | "
                     f"{gb(of, 'driver')} | {gb(of, 'host')} | {of.get('choice', '')} |\n")
    text += "\n"
    for line in order:
        ours, peer = results.get(line.name, {}), results.get(f"{line.name}.peer", {})
        title, must = f"{line.model.upper()}, {line.base}, {line.gb:g} GB", max(l.must for l in LINES if l.name == line.name)
        if "tokens" not in ours:
            continue
        if must:
            text += (f"- {title}: {ours['tokens'] / 1e3:.1f}k tokens/s, must be {must / 1e3:g}k: "
                     f"{'reached' if ours['tokens'] >= must else 'MISSED'}")
            text += f"; × {ours['tokens'] / peer['tokens']:.2f} of Unsloth" if "tokens" in peer else ""
            text += "\n"
    for model, base in dict.fromkeys((line.model, line.base) for line in order):
        curve = [(line.gb, results[line.name]["tokens"]) for line in order
                 if (line.model, line.base) == (model, base) and "tokens" in results.get(line.name, {})]
        if len(curve) > 2:
            slower = [f"{b[0]:g} GB slower than {a[0]:g}" for a, b in zip(curve, curve[1:]) if b[1] < 0.99 * a[1]]
            text += (f"- {model.upper()}, {base}, tokens/s by GB: {', '.join(f'{gb:g}: {t / 1e3:.1f}k' for gb, t in curve)}: "
                     f"{'; '.join(slower) or 'never slower with more bytes (within 1 %)'}\n")
    return text + (f"\nNot measured: {'; '.join(missing)}.\n" if missing else "")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=lambda p: pathlib.Path(p).resolve(), required=True)
    parser.add_argument("--peers", type=pathlib.Path)
    parser.add_argument("--seconds", type=float, default=540, help="to end within")
    parser.add_argument("--each", type=float, default=8, help="seconds of steps that are timed")
    parser.add_argument("--gpu", default="h200")
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    bench = Bench(options)
    if not options.table:
        bench.measure()
    text = table(bench.results)
    (options.out / "peers.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
