#!/usr/bin/env python3
"""Runs what pack.sh has packed within a given time, on a given number of processors, and says in a table what was found.

  run_all.py SECONDS JOBS OUT_DIR [deaths|slowed|mutants|fuzz ...]      (default: all four, in this order)

  deaths    DEATHS (default 100) deaths of each kind of run by each of SIGKILL, SIGTERM and SIGINT
  slowed    SLOWED (default 100) moments at which one of four ranks gets a tenth of its time
  mutants   MUTANTS (default 10000) plans, changed, of each kind an equal share
  fuzz      each fuzzer for an equal share of the time that is left; of HOURS (default 1) none gets more

What is not done when the time is over is done by the next call: EARLIER=OUT_DIR names the folder of the call before, of
which counts and grown corpora go on. OUT_DIR takes progress.json, corpus.tar.xz, summary.txt, and in found/ the input or
the log of everything that was found. SEED (default 1) chooses mutants and moments. What has been done is written every SAVE
(default 60) seconds as well: a call that is ended loses what came after that. Exits 1 where something was found, 2 where a part could
not run. Nothing beyond Python's standard library.
"""
import io
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
PARTS = ("deaths", "slowed", "mutants", "fuzz")
KINDS = ("Deaths", "DeathsOfShares", "DeathsOfProcesses")
SIGNALS = ("sigkill", "sigterm", "sigint")
SEED = int(os.environ.get("SEED", "1"))
RESERVE = 12 # seconds for packing what comes back
LONGEST = 20 # finds of one fuzzer, behind which it is left alone


def wanted(name, default):
    return int(os.environ.get(name, default))


def waited(child, seconds):
    """Exit code, None where it has not ended after `seconds`, and the processor seconds that it took."""
    end = None if seconds is None else time.monotonic() + seconds
    while True:
        pid, status, usage = os.wait4(child.pid, 0 if end is None else os.WNOHANG)
        if pid:
            child.returncode = os.waitstatus_to_exitcode(status)
            return child.returncode, usage.ru_utime + usage.ru_stime
        if time.monotonic() >= end:
            return None, 0.0
        time.sleep(0.05)


class Search:
    def __init__(self, seconds, jobs, out, parts):
        self.begin, self.jobs, self.out, self.parts = time.monotonic(), jobs, out, parts
        self.end = self.begin + seconds - RESERVE
        self.lock = threading.Lock()
        self.found, self.logs = out / "found", out / "logs"
        for folder in (self.found, self.logs):
            folder.mkdir(parents=True, exist_ok=True)
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="ftc-search-"))
        self.environment = dict(os.environ, OMP_WAIT_POLICY="PASSIVE", LD_LIBRARY_PATH=str(HERE / "lib"),
                                FTC_DNNL_DIR=str(HERE / "lib"), TMPDIR=str(self.work), FTC_FTRUN=str(HERE / "bin/ftrun"),
                                FTC_PLANS=str(HERE / "plans"), ASAN_OPTIONS="quarantine_size_mb=64")
        self.corpus = self.work / "corpus"
        shutil.copytree(HERE / "corpus", self.corpus)
        self.done = {}      # what: {"count": , "seconds": , "finds": , "runs": }
        self.running = {}   # fuzzer: seconds that its copies will take
        self.broken = {}    # what: why it cannot run
        self.number = 0
        self.over = threading.Event()
        earlier = os.environ.get("EARLIER")
        if earlier:
            self.done = json.loads(pathlib.Path(earlier, "progress.json").read_text())
            grown = pathlib.Path(earlier, "corpus.tar.xz")
            if grown.exists(): # else pack.sh has packed it
                with tarfile.open(grown) as tar:
                    tar.extractall(self.corpus)
        self.prefix = []

    def left(self):
        return self.end - time.monotonic()

    def record(self, what, finds=0, **more):
        with self.lock:
            entry = self.done.setdefault(what, {"finds": 0})
            entry["finds"] += finds
            for key, value in more.items():
                entry[key] = entry.get(key, 0) + value

    def run(self, command, seconds, **environment):
        """Exit code (None where it took too long), what it said, in a log of its own, and the processor seconds that it took."""
        with self.lock:
            self.number += 1
            log = self.logs / f"{self.number}.log"
        with open(log, "wb") as out:
            child = subprocess.Popen(self.prefix + [str(word) for word in command], stdout=out, stderr=subprocess.STDOUT,
                                     stdin=subprocess.DEVNULL, env=self.environment | environment, cwd=HERE / "deaths",
                                     start_new_session=True)
            code, used = waited(child, max(1, seconds))
            try:
                os.killpg(child.pid, signal.SIGKILL) # and what it has left behind
            except ProcessLookupError:
                pass
            if code is None:
                used = waited(child, None)[1]
        return code, log, used

    def keep(self, log, name):
        """A log of something that was found; those of the rest go."""
        text = log.read_text(errors="replace")
        (self.found / name).write_text("\n".join(line for line in text.splitlines() if not re.match(r"#\d+\s", line))[-20000:])

    # A fuzzer goes on behind what it finds.
    def fuzz(self, name, seconds):
        code, log, taken = self.run([HERE / "fuzz" / name, self.corpus / name, f"-max_total_time={int(seconds)}",
                                    "-timeout=10", "-rss_limit_mb=2048", "-reload=10", "-print_final_stats=1",
                                    f"-artifact_prefix={self.found}/{name}-"], seconds + 40)
        text = log.read_text(errors="replace")
        runs = re.search(r"number_of_executed_units: (\d+)", text)
        began = "INITED" in text
        self.record(name, runs=int(runs[1]) if runs else 0, seconds=taken, finds=int(code != 0 and began))
        if code != 0 and began:
            self.keep(log, f"{name}-{self.number}.log")
        elif code != 0:
            with self.lock:
                self.broken[name] = f"exit code {code}: {text[-300:]!r}"
            self.keep(log, f"not-started-{name}.log")
        log.unlink()

    def next_fuzzer(self, names, most):
        """Which has had the least, and for how long it runs."""
        with self.lock:
            def had(name):
                return self.done.get(name, {}).get("seconds", 0) + self.running.get(name, 0)
            open_names = [name for name in names if had(name) < most and self.done.get(name, {}).get("finds", 0) < LONGEST]
            seconds = min(60, self.left())
            if not open_names or seconds < 8:
                return None, 0
            name = min(open_names, key=had)
            self.running[name] = self.running.get(name, 0) + seconds
            return name, seconds

    def fuzz_on(self, names, most):
        while True:
            name, seconds = self.next_fuzzer(names, most)
            if not name:
                return
            self.fuzz(name, seconds)
            with self.lock:
                self.running[name] -= seconds

    def mutants(self, plan, first, count):
        what, before = f"mutants of {plan.stem}", time.monotonic()
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.work))
        code, log, _ = self.run([HERE / "bin/RunMutants", plan, count, SEED + first, folder], self.left())
        text = log.read_text(errors="replace")
        if code is None:
            log.unlink()
            return # not done: the next call does it
        finds = list(folder.glob("mutant-*.bin"))
        for path in finds:
            shutil.copy(path, self.found / f"{plan.stem}-{path.name}")
        if code not in (0, 1) or (code == 1 and not finds):
            self.broken[what] = f"exit code {code}: {text[-300:]!r}"
        outcomes = {f"exit {k}": int(n) for k, n in re.findall(r"^exit code (\d+): (\d+)$", text, re.M)}
        self.record(what, count=count, seconds=time.monotonic() - before, finds=len(finds), **outcomes)
        with self.lock:
            self.done[what].setdefault("firsts", []).append(first)
        if code != 0:
            self.keep(log, f"mutants-{plan.stem}-{first}.log")
        log.unlink()
        shutil.rmtree(folder, ignore_errors=True)

    def unittest(self, what, program, test, first, count, **environment):
        before = time.monotonic()
        code, log, _ = self.run([sys.executable, "-B", program, test], self.left(), **environment)
        if code is not None:
            self.record(what, count=count, seconds=time.monotonic() - before, finds=int(code != 0))
            with self.lock:
                self.done[what].setdefault("firsts", []).append(first)
            if code != 0:
                self.keep(log, f"{what.replace(' ', '-')}-{first}.log")
        log.unlink()

    def slices(self, what, number, length):
        done = set(self.done.get(what, {}).get("firsts", []))
        return [(first, min(length, number - first)) for first in range(0, number, length) if first not in done]

    def tasks(self):
        """The longest first, so that none is alone at the end."""
        tasks = []
        if "slowed" in self.parts:
            tasks += [lambda f=f, n=n: self.unittest("slowed", "process_failures.py", "Slowness.test_slowed", f, n,
                                                     FTC_MOMENTS=str(n), FTC_AT_ONCE=str(n), FTC_SEED=str(SEED + f))
                      for f, n in self.slices("slowed", wanted("SLOWED", 100), 2)]
        if "deaths" in self.parts:
            for kind in reversed(KINDS):
                for how in SIGNALS:
                    what = f"{kind} {how}"
                    tasks += [lambda w=what, k=kind, h=how, f=f, n=n: self.unittest(
                        w, "deaths.py", f"{k}.test_{h}", f, n, FTC_DEATHS=str(n), FTC_DEATH_SEED=str(SEED + f))
                              for f, n in self.slices(what, wanted("DEATHS", 100), 25)]
        if "mutants" in self.parts:
            plans = sorted((HERE / "mutants").glob("*.bin"))
            each = -(-wanted("MUTANTS", 10000) // len(plans))
            per_plan = [[lambda p=plan, f=f, n=n: self.mutants(p, f, n)
                         for f, n in self.slices(f"mutants of {plan.stem}", each, 50)] for plan in plans]
            for row in range(max(map(len, per_plan), default=0)): # of each plan an equal share, whenever time is over
                tasks += [column[row] for column in per_plan if row < len(column)]
        return tasks

    def save(self):
        """Each file whole or as it was. Fuzzers drop inputs meanwhile for shorter ones."""
        with self.lock:
            progress = json.dumps(self.done)
        with tarfile.open(self.out / "corpus.tar.xz.part", "w:xz", preset=1) as tar:
            for path in sorted(self.corpus.glob("*/*")):
                try:
                    data = path.read_bytes()
                except FileNotFoundError:
                    continue
                entry = tarfile.TarInfo(str(path.relative_to(self.corpus)))
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
        os.replace(self.out / "corpus.tar.xz.part", self.out / "corpus.tar.xz")
        (self.out / "progress.json.part").write_text(progress)
        os.replace(self.out / "progress.json.part", self.out / "progress.json")

    def save_now_and_then(self):
        while not self.over.wait(wanted("SAVE", 60)):
            self.save()

    def work_off(self):
        tasks = self.tasks()
        fuzzers = sorted(path.name for path in (HERE / "fuzz").glob("*Fuzz")) if "fuzz" in self.parts else []
        most = 3600 * float(os.environ.get("HOURS", "1"))

        def worker():
            while self.left() > 5:
                with self.lock:
                    task = tasks.pop(0) if tasks else None
                if not task:
                    break
                task()
            self.fuzz_on(fuzzers, most)
        workers = [threading.Thread(target=worker) for _ in range(self.jobs)]
        saver = threading.Thread(target=self.save_now_and_then)
        for each in workers + [saver]:
            each.start()
        for each in workers:
            each.join()
        self.over.set()
        saver.join()

    def choose_prefix(self):
        """Old sanitizers do not start everywhere where addresses are drawn from far: then without drawing."""
        fuzzers = sorted((HERE / "fuzz").glob("*Fuzz"))
        if "fuzz" not in self.parts or not fuzzers:
            return
        for self.prefix in ([], ["setarch", "-R"]):
            results = [self.run([fuzzers[0], "-runs=1"], 20) for _ in range(10)]
            if all(code == 0 for code, _, _ in results):
                break
        for _, log, _ in results:
            log.unlink(missing_ok=True)

    def table(self):
        lines = [f"{'what':<28}{'count':>12}{'core-seconds':>14}{'finds':>7}  outcomes"]
        for what in sorted(self.done, key=lambda w: (w.endswith("Fuzz"), w)):
            entry = self.done[what]
            outcomes = ", ".join(f"{key}: {n}" for key, n in sorted(entry.items()) if key.startswith("exit "))
            if what.endswith("Fuzz"):
                outcomes = f"{len(list((self.corpus / what).iterdir()))} inputs kept"
            lines.append(f"{what:<28}{entry.get('count', entry.get('runs', 0)):>12}{entry.get('seconds', 0):>14.0f}"
                         f"{entry['finds']:>7}  {outcomes}")
        for what, why in sorted(self.broken.items()):
            lines.append(f"{what}: did not run: {why}")
        reasons = {}
        for log in self.found.glob("*.log"):
            for line in re.findall(r"SUMMARY: .*|.*runtime error: .*|^\w*Error: .*|seed \d+: .*|fatal signal .*",
                                   log.read_text(errors="replace"), re.M):
                reasons.setdefault(line.strip()[:300], []).append(log.name)
        lines += [f"{len(where)} × {reason} ({where[0]})" for reason, where in sorted(reasons.items())[:40]]
        finds = sum(entry["finds"] for entry in self.done.values())
        lines.append(f"{finds} finds; {self.jobs} jobs, {time.monotonic() - self.begin:.0f} s of {os.cpu_count()} processors")
        return "\n".join(lines), 1 if finds else 2 if self.broken else 0

    def close(self):
        self.save()
        text, code = self.table()
        (self.out / "summary.txt").write_text(text + "\n")
        shutil.rmtree(self.work, ignore_errors=True)
        print(text, flush=True)
        return code


def main():
    parts = sys.argv[4:] or PARTS
    if len(sys.argv) < 4 or not sys.argv[1].isdigit() or not sys.argv[2].isdigit() or set(parts) - set(PARTS):
        sys.exit(__doc__)
    if int(sys.argv[1]) < 2 * RESERVE or int(sys.argv[2]) < 1:
        sys.exit(f"run_all.py: SECONDS must be at least {2 * RESERVE}, JOBS at least 1")
    search = Search(int(sys.argv[1]), int(sys.argv[2]), pathlib.Path(sys.argv[3]).resolve(), parts)
    search.choose_prefix()
    search.work_off()
    sys.exit(search.close())


main()
