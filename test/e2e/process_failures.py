#!/usr/bin/env python3
"""What happens to four CPU ranks in four processes when one of them dies, stops, slows down, is cut off or finds its disk
full.

  process_failures.py [TEST ...]
  process_failures.py compile       compiles the plans alone, into FTC_PLANS (harness.py)

FTC_MOMENTS random moments of each kind (default 10; a thorough run takes 100), FTC_SEED chooses them. Each survivor
must end within 60 s with the exit code and one line that names the rank; nothing half-written is left, no process. At
the end of a kind it says how many there were and which end took longest.
"""
import os
import pathlib
import random
import re
import resource
import shutil
import signal
import tempfile
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

import harness
from launch import Proxy, World, free_port

MOMENTS = int(os.environ.get("FTC_MOMENTS", "10"))
SEED = int(os.environ.get("FTC_SEED", "0")) or random.randrange(1, 1 << 30)
AT_ONCE = int(os.environ.get("FTC_AT_ONCE", "4")) # worlds beside each other: most of the time they wait
RANKS = 4
SECONDS = 60
WHERE = r"\(host \S+, process \d+\); it was in (before (its|the) first|step \d+)"
BEFORE = re.compile(r"(rank \d|ranks [\d, and]+) ha(s|ve) not come|does not reach rank 0")


class Moment:
    """One world and its fate, in a folder of its own."""

    def __init__(self, plan, number, kind):
        self.random = random.Random(f"{SEED} {kind} {number}")
        self.plan, self.victim = plan, self.random.randrange(RANKS)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ftc-fault-"))
        self.name = f"{kind} {number} of seed {SEED}, rank {self.victim}"
        self.seconds = 0.0 # from the stroke to the end of the last survivor

    def start(self, port=None, per_rank=None, steps=1000000):
        options = ["--max-steps", steps, "--set", "logging_steps=1000"]
        return World(self.folder, self.plan, RANKS, options=options, port=port, per_rank=per_rank,
                     environment=dict(FTRUN_START_TIMEOUT=10))

    def wait_for_it(self, world):
        """Half of the moments lie in the start, half in training."""
        if self.random.random() < 0.5:
            time.sleep(self.random.random() * 1.5)
            return
        world.until_training()
        time.sleep(self.random.random() * 1.5)

    def check(self, test, world, pattern, but=(), whole=()):
        """Code and line of every survivor; and what is left in the folder, where some files may lie, whole."""
        begun = time.monotonic()
        got = world.wait(SECONDS, but)
        self.seconds = time.monotonic() - begun
        survivors = {rank: code for rank, code in got.items() if rank != self.victim or not but}
        with test.subTest(self.name, after=self.seconds):
            for rank, code in survivors.items():
                message = world[rank].message
                early = code == 2 and BEFORE.search(message)
                test.assertTrue(early or (code == 3 and re.search(pattern, message)), world.messages())
                test.assertEqual(message.count("\n"), 1, world.messages())
            out = self.folder / "out"
            left = sorted(path.name for path in out.rglob("*")) if out.exists() else []
            allowed = re.compile(r"metrics\.jsonl|rank-\d\.log")
            test.assertEqual([name for name in left if not allowed.fullmatch(name) and name not in whole], [])
            for name in left:
                if name.endswith(".safetensors"):
                    test.assertTrue(harness.tensors(out / name))

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)


class Slowed:
    """A rank gets a tenth of its time while this lives."""

    def __init__(self, rank):
        self.rank, self.ends = rank, threading.Event()
        self.thread = threading.Thread(target=self.slow)

    def slow(self):
        while not self.ends.is_set() and self.rank.process.poll() is None:
            self.rank.signal(signal.SIGSTOP)
            time.sleep(0.045)
            self.rank.signal(signal.SIGCONT)
            time.sleep(0.005)

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.ends.set()
        self.thread.join()


class Moments(harness.WorkshopTest):
    """Each moment of a kind, some beside each other."""
    shape = dict(micro_batch_size=1)

    def setUp(self):
        super().setUp()
        self.plan = self.compile(lora=harness.LORA, parallelism=f"{{ dp_replicate_size: {RANKS} }}", **self.shape)

    def each(self, kind, fate):
        def one(number):
            moment = Moment(self.plan, number, kind)
            try:
                fate(moment)
            finally:
                moment.close()
            return moment
        with ThreadPoolExecutor(AT_ONCE) as pool:
            moments = [future.result() for future in [pool.submit(one, number) for number in range(MOMENTS)]]
        last = max(moments, key=lambda moment: moment.seconds)
        print(f"{kind}: {len(moments)} moments, the last survivor ends after {last.seconds:.1f} s at most ({last.name})",
              flush=True)


class Failures(Moments):
    def test_killed(self):
        def fate(moment):
            with moment.start() as world:
                moment.wait_for_it(world)
                world[moment.victim].signal(signal.SIGKILL)
                moment.check(self, world, rf"rank {moment.victim}: its (data )?connection closed {WHERE}",
                             but=[moment.victim])
        self.each("killed", fate)

    def test_stopped(self):
        def fate(moment):
            with moment.start() as world:
                moment.wait_for_it(world)
                world[moment.victim].signal(signal.SIGSTOP)
                moment.check(self, world, rf"rank {moment.victim}: no heartbeat for 20 s {WHERE}", but=[moment.victim])
                world[moment.victim].signal(signal.SIGCONT)
                self.assertIn(world[moment.victim].wait(30), (2, 3), moment.name) # when it continues
        self.each("stopped", fate)

    def test_cut(self):
        def fate(moment):
            moment.victim = max(1, moment.victim) # who comes over the proxy
            silently = moment.random.random() < 0.3
            port = free_port()
            proxy = Proxy(port)
            with moment.start(port, {moment.victim: dict(FTRUN_PORT=proxy.port)}) as world:
                moment.wait_for_it(world)
                proxy.cut(silently)
                seen = "no heartbeat for 20 s" if silently else r"its (data )?connection (to rank 0 )?closed"
                moment.check(self, world, rf"rank (0|{moment.victim}): {seen}")
            proxy.close()
        self.each("cut", fate)

    def test_full_disk(self):
        def fate(moment):
            moment.victim = 0 # who writes
            with moment.start() as world:
                moment.wait_for_it(world)
                world.until_training()
                room = 200 + moment.random.randrange(20000) # that is for its own line, whose file is limited as well
                if world[0].process.poll() is None:
                    resource.prlimit(world[0].process.pid, resource.RLIMIT_FSIZE, (room, room))
                world[0].signal(signal.SIGTERM) # a run goes on without metrics, and cannot end without results
                moment.check(self, world, r"metrics\.jsonl: cannot be written|(safetensors|\.json|textproto).*File too large",
                             whole=["adapter_config.json", "adapter_model.safetensors", "recipe.resolved.textproto"])
        self.each("full", fate)

    def test_terminated(self):
        def one(signals, codes):
            moment = Moment(self.plan, 0, "terminated")
            with moment.start() as world:
                self.assertTrue(world.until_training(), world.messages())
                for rank, number in signals:
                    world[rank].signal(number)
                got = world.wait(SECONDS)
                self.assertTrue(codes(got), world.messages())
                return moment.folder / "out", got
        everybody = range(RANKS)
        for ranks in ([0], [2], everybody):
            with self.subTest(ranks=list(ranks)):
                out, _ = one([(rank, signal.SIGTERM) for rank in ranks], lambda got: set(got.values()) == {4})
                self.assertTrue((out / "adapter_model.safetensors").exists())
        for ranks in ([0], [2], everybody):
            with self.subTest(ranks=list(ranks), twice=True):
                twice = [(rank, number) for rank in ranks
                         for number in (signal.SIGSTOP, signal.SIGINT, signal.SIGTERM, signal.SIGCONT)]
                out, got = one(twice, lambda got: all(got[rank] == 130 for rank in ranks) and
                               set(got.values()) <= {130, 3, 4})
                self.assertEqual([path.name for path in out.rglob("*") if ".tmp." in path.name], [])

    def test_a_launcher_that_terminates_the_rest_does_not_hide_the_loss(self):
        moment = Moment(self.plan, 0, "killed and terminated")
        with moment.start() as world:
            self.assertTrue(world.until_training(), world.messages())
            world[2].signal(signal.SIGKILL)
            for rank in (0, 1, 3):
                world[rank].signal(signal.SIGTERM)
            moment.victim = 2
            moment.check(self, world, rf"rank 2: its (data )?connection closed {WHERE}", but=[2])


class Slowness(Moments):
    """Steps compute longer than they exchange."""
    shape = dict(micro_batch_size=16, sequence_len=128, max_document_len=None, max_documents_per_row=None)

    def test_slowed(self):
        """Nobody is lost: all wait for it, and at the end it is named."""
        def fate(moment):
            with moment.start(steps=40) as world:
                time.sleep(moment.random.random())
                begun = time.monotonic()
                with Slowed(world[moment.victim]):
                    got = world.wait(SECONDS * 2)
                moment.seconds = time.monotonic() - begun
                with self.subTest(moment.name):
                    self.assertEqual(set(got.values()), {0}, world.messages())
                    self.assertIn(f"slowest: rank {moment.victim}", world[0].out.read_text())
        self.each("slowed", fate)


if __name__ == "__main__":
    harness.compile_only(Failures, Slowness)
    print(f"seed {SEED}")
    unittest.main()
