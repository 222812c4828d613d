#!/usr/bin/env python3
"""An optimizer on the host, step by step: gradients that leave as soon as they are final, and what follows a step that the
host has not ended (another, an evaluation, a checkpoint, the end of a run)."""
import unittest

from harness import FTC, call
from offloading import BOTH, DECAY, DROPOUT, FORMS, LORA, ONE, PRECISIONS, OffloadTest, offload

# Of these gradients leave.
LEAVING = {
    "full": dict(DECAY, **ONE),
    "full, clipped": dict(DECAY, max_grad_norm=0.05, **ONE),
    "full, not clipped": dict(max_grad_norm=0, **ONE),
    "full, tied": dict(DECAY, base_model='"tiny-tied"', **ONE),
    "full, SGD with momentum": dict(DECAY, optim="SGD", sgd_momentum=0.9, **ONE),
    "full, gradients made again": dict(DECAY, gradient_checkpointing="FULL", **ONE),
    "full, values on the host": dict(DECAY, activation_offload="TRUE", **ONE),
    "full, few targets": dict(DECAY, max_target_tokens=32, **ONE),
    "LoRA": dict(ONE, lora=LORA),
    "LoRA with dropout": dict(ONE, lora=DROPOUT),
}


class OffloadGradients(OffloadTest):
    def test_bits_where_gradients_leave(self):
        for name, fields in LEAVING.items():
            for precision in (*PRECISIONS, "FP16_MIXED"):
                with self.subTest(form=name, precision=precision):
                    fields = dict(fields, precision=precision)
                    device = self.left("device", **fields)
                    for gradients in ("leave", "stay"):
                        there = self.left("host", gradients=gradients, offload_optimizer=offload(1), **fields)
                        self.assertEqual(there, device, gradients)
                        explained = call(FTC, "explain", self.folder / "host.bin").out
                        self.assertEqual("host_gradients" in explained, gradients == "leave")

    def test_gradients_are_those_of_the_device(self):
        # As they are dumped, wherever they lie behind the first step.
        fields = dict(LEAVING["full"], precision="BF16_MIXED")
        device = self.gradients(self.compile("device", **fields), "device")
        host = self.compile("host", "--gradients", "leave", offload_optimizer=offload(1), **fields)
        self.assertEqual(self.gradients(host, "host"), device)

    def test_sums_of_several_micro_batches_stay(self):
        self.compile("host", "--gradients", "leave", offload_optimizer=offload(1), **FORMS["full"])
        self.assertNotIn("host_gradients", call(FTC, "explain", self.folder / "host.bin").out)

    def test_poison_finds_nothing(self):
        for form in ("full", "full, one micro-batch", "LoRA", "LoRA, one micro-batch"):
            with self.subTest(form=form):
                fields = dict(FORMS[form], precision="BF16_MIXED", offload_optimizer=offload(1))
                self.assertEqual(self.left("host", **fields), self.ran("poisoned", "--poison", plan="host", **fields))

    def test_a_run_that_continues_has_its_moments(self):
        for form in BOTH:
            with self.subTest(form=form):
                fields = dict(FORMS[form], max_steps=4, save_steps=2, offload_optimizer=offload(1))
                plan = self.compile("plan", **fields)
                self.train(plan, "whole", "--overwrite")
                self.train(plan, "parts", "--stop-after", "2", "--overwrite")
                self.train(plan, "parts", "--resume", "auto")
                self.assertEqual(self.bytes("parts", "model.safetensors"), self.bytes("whole", "model.safetensors"))

    def test_a_step_that_something_follows_is_finished(self):
        # Evaluation behind each step, a checkpoint behind every second.
        for form in BOTH:
            with self.subTest(form=form):
                fields = dict(FORMS[form], precision="BF16_MIXED", max_steps=5, save_steps=2, eval_steps=1,
                              data='{ train: "synthetic:7" eval: "synthetic:8" }')
                self.same(fractions=(0.5, 1), **fields)

    def test_a_run_that_is_stopped_anywhere_has_its_state(self):
        for form in BOTH:
            with self.subTest(form=form):
                fields = dict(FORMS[form], precision="BF16_MIXED", max_steps=5, save_steps=100)
                device = self.compile("device", **fields)
                plan = self.compile("plan", offload_optimizer=offload(1), **fields)
                self.train(device, "whole", "--overwrite")
                whole = self.bytes("whole", "model.safetensors")
                for steps in (1, 2, 3):
                    self.train(plan, "parts", "--stop-after", str(steps), "--overwrite")
                    self.train(plan, "parts", "--resume", "auto")
                    self.assertEqual(self.bytes("parts", "model.safetensors"), whole, steps)

    def test_a_step_may_be_run_twice(self):
        for form in BOTH:
            with self.subTest(form=form):
                fields = dict(FORMS[form], precision="BF16_MIXED", save_steps=100)
                self.same(fractions=(1,), **fields)
                self.ran("twice", "--verify-steps", "2", plan="host", **fields)
                self.assertEqual(self.bytes("twice", "model.safetensors"), self.bytes("host", "model.safetensors"))


if __name__ == "__main__":
    unittest.main()
