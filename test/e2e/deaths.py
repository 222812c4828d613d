#!/usr/bin/env python3
"""A run that dies at random moments, again and again, and is continued each time, ends as the run that never died.

FTC_DEATHS says how often each way of dying is tried (default: 12; `FTC_DEATHS=1000 test/e2e/deaths.py Deaths.test_sigkill`
tries a thousand). The moments come from a seed, which a failure names. FTC_DEATH_PLAN names a plan that was compiled
before from the recipe below, for a machine that has no compiler.
"""
import hashlib
import os
import random
import signal
import subprocess
import time
import unittest

from resume import ResumeTest

DEATHS = int(os.environ.get("FTC_DEATHS", "12"))
SEED = int(os.environ.get("FTC_DEATH_SEED", str(random.randrange(1 << 30))))
PLAN = os.environ.get("FTC_DEATH_PLAN")
LORA = '{ r: 3 lora_alpha: 8 lora_dropout: 0.2 target_modules: "all-linear" }'


class Deaths(ResumeTest):
    parallelism = None

    def setUp(self):
        super().setUp()
        # Steps of a few milliseconds, each of them saved, and every seventh followed by an evaluation.
        self.plan = PLAN or self.compile(lora=LORA, save_steps=1, save_total_limit=2, eval_steps=7, max_steps=100000,
                                         gradient_accumulation_steps=1, parallelism=self.parallelism,
                                         data='{ train: "synthetic:7" eval: "synthetic:8" }')
        self.random = random.Random(SEED)

    def newest(self):
        """The newest complete checkpoint, read as the format says."""
        steps = [0]
        for folder in (self.folder / "out").glob("checkpoint-*"):
            if (folder / "complete").exists() and folder.name.split("-")[1].isdigit():
                digest = hashlib.sha256((folder / "state.json").read_bytes()).hexdigest()
                if (folder / "complete").read_text() == digest + "\n":
                    steps.append(int(folder.name.split("-")[1]))
        return max(steps)

    def die(self, number, moment, steps):
        """Starts the run, sends it the signal behind `moment` seconds; its exit code and what it said."""
        command = [str(word) for word in self.command(self.plan, "out", "--resume", "auto", "--max-steps", steps)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as child:
            try:
                said, _ = child.communicate(timeout=moment)
            except subprocess.TimeoutExpired:
                child.send_signal(number)
                said, _ = child.communicate(timeout=60)
        return child.returncode, said

    def start_time(self):
        """Seconds that a run takes before its first step."""
        begin = time.monotonic()
        self.train(self.plan, "probe", "--max-steps", "1")
        return time.monotonic() - begin

    def endure(self, number, codes):
        start, steps, newest = self.start_time(), 100000, 0
        for death in range(DEATHS):
            # Most moments are among the steps, some before the first.
            code, said = self.die(number, self.random.uniform(0.3, 1) * start + self.random.uniform(0, 0.4), steps)
            self.assertIn(code, codes, f"seed {SEED}, death {death}: {said}")
            if newest > 0 and "resumes" in said:
                self.assertIn(f"checkpoint-{newest} behind step {newest} of {steps}: continues bit for bit", said,
                              f"seed {SEED}, death {death}")
            self.assertNotIn("damaged", said)
            self.assertGreaterEqual(self.newest(), newest, f"seed {SEED}, death {death}: {said}")
            newest = self.newest()
        self.assertGreater(newest, 0, "no death was behind a step")
        return newest

    def whole_equals(self, newest):
        """Two steps more, and the same steps without a death."""
        for out, resume in (("out", "auto"), ("whole", "none")):
            self.train(self.plan, out, "--resume", resume, "--max-steps", 100000, "--stop-after", str(newest + 2))
        self.assertSameRun("out", "whole")

    def test_sigkill(self):
        self.whole_equals(self.endure(signal.SIGKILL, (-signal.SIGKILL,)))

    def test_sigterm(self):
        # Before the first step a signal may come ahead of whoever waits for it.
        self.whole_equals(self.endure(signal.SIGTERM, (4, -signal.SIGTERM)))

    def test_sigint(self):
        self.whole_equals(self.endure(signal.SIGINT, (4, -signal.SIGINT)))


class DeathsOfShares(Deaths):
    """Two ranks, each with half of moments and adapters' base; rank 0 writes what both have."""
    parallelism = "{ strategy: FSDP dp_shard_size: 2 shard_frozen: TRUE }"


if __name__ == "__main__":
    unittest.main(verbosity=2)
