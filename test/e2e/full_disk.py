#!/usr/bin/env python3
"""A disk that has no room for one of a run's writes, or for none from one on: the run says so or goes on, and what it leaves is
whole; with room again, --resume auto ends as the run that had it all along.

FTC_FULL_DISK names the library of FullDisk.c; FTC_FULL_DISK_STEP=1 lets each write fail, not every 23rd.
"""
import os
import re
import unittest

from harness import call
from resume import DROPOUT, ResumeTest

LIBRARY = os.environ.get("FTC_FULL_DISK", "build/test/e2e/libFullDisk.so")
STEP = int(os.environ.get("FTC_FULL_DISK_STEP", "23"))
FOREVER = 1 << 40


@unittest.skipUnless(os.path.exists(LIBRARY), "FullDisk.c was not built")
class FullDisk(ResumeTest):
    def fails(self, **form):
        plan = self.compile(**{**dict(save_steps=2, eval_steps=2, max_steps=4, gradient_accumulation_steps=1, save_total_limit=1,
                                      data='{ train: "synthetic:7" eval: "synthetic:8" }'), **form})
        self.train(plan, "whole")
        shim = dict(LD_PRELOAD=os.path.abspath(LIBRARY), FAIL_IN=str(self.folder / "out"))
        writes = int(re.search(r"writes: (\d+)", self.train(plan, "out", environment=shim).err)[1])
        self.assertGreater(writes, 100)
        for many in (1, FOREVER):
            for at in range(1 + (many > 1), writes + 1, STEP):
                with self.subTest(at=at, many=many):
                    self.forget("out")
                    result = call(*self.command(plan, "out"), environment={**shim, "FAIL_AT": str(at), "FAIL_FOR": str(many)})
                    self.assertIn(result.code, (0, 1, 2, 3), result.text)
                    if result.code:
                        self.assertRegex(result.err, "[Nn]o space")
                    again = self.train(plan, "out", "--resume", "auto")
                    if "its checkpoint could not be written: the run leaves the best of the others" not in result.out + again.out:
                        self.assertEqual(self.result("out"), self.result("whole"), result.text + again.text)
                    self.assertEqual(self.summary("out")["steps"], 4)
                    self.assertEqual([path for path in (self.folder / "out").rglob("*") if "tmp" in path.name], [])

    def test_over_few_bits(self):
        self.fails(lora=DROPOUT, quantization="{ type: NF4 }", precision="FP16_MIXED")

    def test_the_best_of_two_ranks(self):
        self.fails(base_model='"tiny-blocks"', optimizer_state_dtype="INT8", precision="BF16_MIXED", load_best_model_at_end="true",
                   parallelism="{ strategy: FSDP dp_shard_size: 2 }")

    def test_an_optimizer_on_the_host(self):
        self.fails(offload_optimizer="{ device: CPU fraction: 0.5 }", precision="BF16_MIXED")


if __name__ == "__main__":
    unittest.main(verbosity=2)
