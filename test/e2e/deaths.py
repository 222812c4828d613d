#!/usr/bin/env python3
"""A run that dies at random moments, again and again, and is continued each time, ends as the run that never died.

  deaths.py [TEST ...]        one rank, two as threads, two as processes, three other kinds of run; SIGKILL, SIGTERM, SIGINT
  deaths.py compile           compiles the plans alone, into FTC_PLANS (harness.py)

FTC_DEATHS says how often each way of dying is tried (default: 12; `FTC_DEATHS=1000 test/e2e/deaths.py Deaths.test_sigkill`
tries a thousand). The moments come from FTC_DEATH_SEED, which a failure names.
"""
import hashlib
import os
import random
import signal
import subprocess
import sys
import time
import unittest

from harness import compile_only
from launch import World
from resume import ResumeTest

DEATHS = int(os.environ.get("FTC_DEATHS", "12"))
SEED = int(os.environ.get("FTC_DEATH_SEED", str(random.randrange(1 << 30))))
LORA = '{ r: 3 lora_alpha: 8 lora_dropout: 0.2 target_modules: "all-linear" }'
STEPS = 100000


class Deaths(ResumeTest):
    """One rank."""
    parallelism = None
    deaths = DEATHS
    form = dict(lora=LORA) # of the recipe

    def setUp(self):
        super().setUp()
        self.random = random.Random(f"{SEED} {self.id()}")
        # Steps of a few milliseconds, each of them saved, and every seventh followed by an evaluation.
        self.plan = self.compile(**{**dict(save_steps=1, save_total_limit=2, eval_steps=7, max_steps=STEPS,
                                           gradient_accumulation_steps=1, parallelism=self.parallelism,
                                           data='{ train: "synthetic:7" eval: "synthetic:8" }'), **self.form})

    def newest(self):
        """The newest complete checkpoint, read as the format says."""
        steps = [0]
        for folder in (self.folder / "out").glob("checkpoint-*"):
            if (folder / "complete").exists() and folder.name.split("-")[1].isdigit():
                digest = hashlib.sha256((folder / "state.json").read_bytes()).hexdigest()
                if (folder / "complete").read_text() == digest + "\n":
                    steps.append(int(folder.name.split("-")[1]))
        return max(steps)

    def die(self, number, moment):
        """Starts the run, sends it the signal behind `moment` seconds; the exit codes of all, and what they said."""
        command = [str(word) for word in self.command(self.plan, "out", "--resume", "auto")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as child:
            try:
                said, _ = child.communicate(timeout=moment)
            except subprocess.TimeoutExpired:
                child.send_signal(number)
                said, _ = child.communicate(timeout=240)
        return [child.returncode], said

    def run_to(self, out, resume, step):
        self.train(self.plan, out, "--resume", resume, "--stop-after", str(step))

    def start_time(self):
        """Seconds that a run takes before its first step."""
        begin = time.monotonic()
        self.run_to("probe", "none", 1)
        return time.monotonic() - begin

    def legal(self, number, codes):
        """Each dies as it was told, or, a process of several, because another has died."""
        # Before the first step a signal may come ahead of whoever waits for it.
        told = {-number} if number == signal.SIGKILL else {4, -number}
        bereaved = {2, 3} if len(codes) > 1 and -number in codes else set()
        return set(codes) <= told | bereaved and set(codes) & told

    def endure(self, number):
        start, newest, death = self.start_time(), 0, 0
        while death < self.deaths or newest == 0: # on a busy machine none may be behind a step yet
            self.assertLess(death, self.deaths + 50, "no death was behind a step")
            death += 1
            # Most moments are among the steps, some before the first.
            codes, said = self.die(number, self.random.uniform(0.3, 1) * start + self.random.uniform(0, 0.4))
            where = f"seed {SEED}, death {death}, exit codes {codes}: {said}"
            self.assertTrue(self.legal(number, codes), where)
            if newest > 0 and "resumes" in said:
                self.assertIn(f"checkpoint-{newest} behind step {newest} of {STEPS}: continues bit for bit", said, where)
            self.assertNotIn("damaged", said)
            self.assertGreaterEqual(self.newest(), newest, where)
            newest = self.newest()
        # Two steps more, and the same steps without a death.
        self.run_to("out", "auto", newest + 2)
        self.run_to("whole", "none", newest + 2)
        self.assertSameRun("out", "whole")
        self.assertEqual([path.name for path in (self.folder / "out").iterdir() if ".tmp" in path.name], [])
        print(f"{self.id()}: {death} deaths, {newest} steps, seed {SEED}")

    def test_sigkill(self):
        self.endure(signal.SIGKILL)

    def test_sigterm(self):
        self.endure(signal.SIGTERM)

    def test_sigint(self):
        self.endure(signal.SIGINT)


class DeathsOfShares(Deaths):
    """Two ranks, each with half of moments and adapters' base; rank 0 writes what both have."""
    parallelism = "{ strategy: FSDP dp_shard_size: 2 shard_frozen: TRUE }"


class DeathsOfProcesses(DeathsOfShares):
    """The same two ranks, a process each: both are told, as a scheduler does, or one of them."""

    def world(self, out, *options):
        return World(self.folder, self.plan, ranks=2, out=out, options=options, environment=dict(FTRUN_START_TIMEOUT=3))

    def die(self, number, moment):
        with self.world("out", "--resume", "auto") as world:
            time.sleep(moment)
            for rank in self.random.choice([[0], [1], [0, 1]]):
                world[rank].signal(number)
            codes = list(world.wait(240).values())
            return codes, world[0].out.read_text() + world.messages()

    def run_to(self, out, resume, step):
        with self.world(out, "--resume", resume, "--stop-after", str(step)) as world:
            self.assertEqual(set(world.wait(240).values()), {0}, world.messages())


class DeathsOnTheHost(Deaths):
    """An optimizer whose states lie on the host in part; each step is evaluated, and the best one stays."""
    deaths = (DEATHS + 3) // 4
    form = dict(offload_optimizer="{ device: CPU fraction: 0.5 }", precision="BF16_MIXED", eval_steps=1,
                load_best_model_at_end="true")


class DeathsOverFewBits(Deaths):
    """Adapters in halves, whose scale of losses is a state, over a base in NF4; a signal leaves a checkpoint."""
    deaths = (DEATHS + 3) // 4
    form = dict(lora=LORA, quantization="{ type: NF4 }", precision="FP16_MIXED", save_on_signal="true")


class DeathsOfTheBest(Deaths):
    """Two ranks with shares of weights and of moments in 8 bits; the best of them stays, and is what is left."""
    deaths = (DEATHS + 3) // 4
    form = dict(base_model='"tiny-blocks"', parallelism="{ strategy: FSDP dp_shard_size: 2 }", precision="BF16_MIXED",
                optimizer_state_dtype="INT8", eval_steps=1, load_best_model_at_end="true", save_on_signal="true")


if __name__ == "__main__":
    compile_only(Deaths, DeathsOfShares, DeathsOnTheHost, DeathsOverFewBits, DeathsOfTheBest)
    unittest.main(verbosity=2)
