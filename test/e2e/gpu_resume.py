#!/usr/bin/env python3
"""On a GPU: a run that is stopped and continued is the run that was never stopped, steps run twice agree, and saving costs
less than a hundredth.

  gpu_resume.py [TARGET]                  compiles and runs; TARGET names the card: h200
  gpu_resume.py compile FOLDER [TARGET]   compiles the plans alone
  gpu_resume.py run FOLDER                runs them, on a machine that has no compiler

FTC_FTC and FTC_FTRUN name the programs. Forms of two ranks run where there are two GPUs.
"""
import json
import os
import pathlib
import statistics
import sys
import unittest

import resume
from harness import FTC, FTRUN, call

UNPACKED = dict(packing="false", max_document_len=None, max_documents_per_row=None, deterministic="TRUE")
ONE = {
    "LoRA with dropout, bf16": dict(lora=resume.DROPOUT, precision="BF16_TRUE", **UNPACKED),
    "LoRA, mixed": dict(lora=resume.LORA, precision="BF16_MIXED", **UNPACKED),
    "LoRA with dropout, packed, f32": dict(lora=resume.DROPOUT),
    "full, mixed": dict(precision="BF16_MIXED", **UNPACKED),
    "full, bf16 moments": dict(precision="BF16_TRUE", optimizer_state_dtype="BF16", **UNPACKED),
    "full, moments on the host": dict(precision="BF16_MIXED", offload_optimizer="{ device: CPU }", **UNPACKED),
    "LoRA on NF4": dict(lora=resume.LORA, precision="BF16_TRUE", quantization="{ type: NF4 }", **UNPACKED),
}
TWO = {
    "LoRA with dropout, two GPUs": dict(lora=resume.DROPOUT, precision="BF16_TRUE",
                                        parallelism="{ dp_replicate_size: 2 }", **UNPACKED),
    "full, FSDP, two GPUs": dict(precision="BF16_MIXED", parallelism="{ strategy: FSDP dp_shard_size: 2 }", **UNPACKED),
}
FORMS = {**ONE, **TWO}
COST = ("bench_lora_1b", ["max_steps=500", "save_steps=50", "logging_steps=1"])
TARGET, PLANS = "h200", None


class OnAGpu(resume.ResumeTest):
    def plan(self, name):
        if PLANS:
            return PLANS / f"{list(FORMS).index(name)}.bin"
        return self.compile("plan", "--gpu", TARGET, **{**resume.RUN, **FORMS[name], "max_steps": 30})

    def cost_plan(self, folder):
        plan = folder / "cost.bin"
        recipe, settings = COST
        flags = [flag for setting in settings for flag in ("--set", setting)]
        result = call(FTC, "compile", f"recipes/{recipe}.textproto", "--gpu", TARGET, *flags, "-o", plan)
        self.assertEqual(result.code, 0, result.text)
        return plan

    def test_every_form_continues_bit_for_bit(self):
        gpus = call(FTRUN, "--devices").out.count("arch sm_")
        for name in FORMS:
            if name in TWO and gpus < 2:
                print(f"{name}: left out, there are {gpus} GPUs")
                continue
            with self.subTest(name):
                self.forget("whole", "parts", "twice")
                plan = self.plan(name)
                self.train(plan, "whole")
                self.train(plan, "parts", "--stop-after", "4")
                said = self.train(plan, "parts", "--resume", "auto", "--stop-after", "17")
                self.assertIn("checkpoint-4 behind step 4 of 30: continues bit for bit", said.out)
                self.train(plan, "parts", "--resume", "auto")
                self.assertSameRun("parts", "whole")
                self.train(plan, "twice", "--verify-steps", "3")
                self.assertSameRun("twice", "whole")
                lines = map(json.loads, (self.folder / "parts" / "metrics.jsonl").read_text().splitlines())
                print(f"{name}: the same bits; save_ms", [round(line["save_ms"], 2) for line in lines if "save_ms" in line])

    def test_saving_costs_less_than_a_hundredth(self):
        plan = PLANS / "cost.bin" if PLANS else self.cost_plan(self.folder)
        result = call(*self.command(plan, "out", model="seeded:1"), timeout=580)
        self.assertEqual(result.code, 0, result.text)
        steps = [line for line in map(json.loads, (self.folder / "out" / "metrics.jsonl").read_text().splitlines())
                 if "step_ms" in line]
        saving = [line["save_ms"] for line in steps if "save_ms" in line]
        total = sum(line["step_ms"] for line in steps) + sum(saving)
        share = sum(saving) / total
        held = sum(path.stat().st_size for path in (self.folder / "out" / "checkpoint-500").iterdir())
        print(f"{COST[0]}: {len(saving)} checkpoints of {held / 2**20:.0f} MiB in {len(steps)} steps; a step "
              f"{statistics.median(line['step_ms'] for line in steps):.1f} ms, saving {statistics.median(saving):.1f} ms, "
              f"{100 * share:.3f} % of the run")
        self.assertLess(share, 0.01)


def compile_plans(folder):
    test = OnAGpu("test_every_form_continues_bit_for_bit")
    folder.mkdir(parents=True, exist_ok=True)
    test.folder = folder
    for number, name in enumerate(FORMS):
        os.replace(test.plan(name), folder / f"{number}.bin")
    test.cost_plan(folder)


def main():
    global TARGET, PLANS
    words = sys.argv[1:]
    if words[:1] == ["compile"]:
        TARGET = words[2] if len(words) > 2 else TARGET
        return compile_plans(pathlib.Path(words[1]).absolute())
    if words[:1] == ["run"]:
        PLANS = pathlib.Path(words[1]).absolute()
    elif words:
        TARGET = words[0]
    unittest.main(argv=[sys.argv[0], "OnAGpu"], verbosity=2)


if __name__ == "__main__":
    main()
