#!/usr/bin/env python3
"""On a GPU: a run that is stopped and continued is the run that was never stopped, and steps run twice agree.

  gpu_resume.py TARGET       TARGET names the card: h200
"""
import json
import sys
import unittest

import resume

TARGET = sys.argv.pop(1) if len(sys.argv) > 1 else "h200"
UNPACKED = dict(packing="false", max_document_len=None, max_documents_per_row=None, deterministic="TRUE")
FORMS = {
    "LoRA with dropout, bf16": dict(lora=resume.DROPOUT, precision="BF16_TRUE", **UNPACKED),
    "LoRA, mixed": dict(lora=resume.LORA, precision="BF16_MIXED", **UNPACKED),
    "LoRA with dropout, packed, f32": dict(lora=resume.DROPOUT),
    "full, mixed": dict(precision="BF16_MIXED", **UNPACKED),
    "full, bf16 moments": dict(precision="BF16_TRUE", optimizer_state_dtype="BF16", **UNPACKED),
}


class OnAGpu(resume.ResumeTest):
    def test_every_form_continues_bit_for_bit(self):
        for name, fields in FORMS.items():
            with self.subTest(name):
                self.forget("whole", "parts", "twice")
                plan = self.compile("plan", "--gpu", TARGET, **{**resume.RUN, **fields, "max_steps": 30})
                self.train(plan, "whole")
                self.train(plan, "parts", "--stop-after", "4")
                said = self.train(plan, "parts", "--resume", "auto", "--stop-after", "17")
                self.assertIn("checkpoint-4 behind step 4 of 30: continues bit for bit", said.out)
                self.train(plan, "parts", "--resume", "auto")
                self.assertSameRun("parts", "whole")
                lines = map(json.loads, (self.folder / "parts" / "metrics.jsonl").read_text().splitlines())
                print(name, "save_ms", [round(line["save_ms"], 2) for line in lines if "save_ms" in line])
                self.train(plan, "twice", "--verify-steps", "3")
                self.assertSameRun("twice", "whole")


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "OnAGpu"], verbosity=2)
