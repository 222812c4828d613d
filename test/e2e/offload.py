#!/usr/bin/env python3
"""An optimizer on the host: the same bits as on the device, whatever share of it is there."""
import json
import unittest

from harness import FTC, LORA, WorkshopTest, call

DECAY = {"weight_decay": 0.1} # two kinds of updates, so two buckets at least
ONE = {"gradient_accumulation_steps": 1} # of one micro-batch gradients leave as soon as they are final
# What a run leaves must not depend on where its optimizer runs.
FORMS = {
    "full": dict(DECAY),
    "full, one micro-batch": dict(DECAY, **ONE),
    "full, clipped": dict(DECAY, max_grad_norm=0.05),
    "full, not clipped": dict(max_grad_norm=0),
    "full, tied": dict(DECAY, base_model='"tiny-tied"'),
    "full, biases": dict(DECAY, base_model='"tiny-qwen2"'),
    "full, SGD": dict(DECAY, optim="SGD"),
    "full, SGD with momentum": dict(DECAY, optim="SGD", sgd_momentum=0.9),
    "LoRA": dict(lora=LORA),
    "LoRA, one micro-batch": dict(ONE, lora=LORA),
    "LoRA with dropout": dict(lora='{ r: 3 lora_alpha: 8 lora_dropout: 0.2 target_modules: "all-linear" }'),
    "LoRA, odd sizes": dict(base_model='"tiny-odd"', lora=LORA),
    "QLoRA": dict(lora=LORA, quantization="{ type: NF4 }"),
}
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
    "LoRA with dropout": dict(ONE, lora='{ r: 3 lora_alpha: 8 lora_dropout: 0.2 target_modules: "all-linear" }'),
}
BOTH = ("full", "full, one micro-batch") # whose gradients stay, and whose leave
PRECISIONS = ["FP32_TRUE", "BF16_TRUE", "BF16_MIXED", "FP64_TRUE"]
SPLITS = {
    "DDP": "{ dp_replicate_size: 2 }",
    "ZERO1": "{ strategy: ZERO1 dp_shard_size: 2 }",
    "ZERO2": "{ strategy: ZERO2 dp_shard_size: 2 }",
    "FSDP": "{ strategy: FSDP dp_shard_size: 2 }",
    "FSDP, frozen weights too": "{ strategy: FSDP dp_shard_size: 2 shard_frozen: TRUE }",
    "HSDP": "{ strategy: HSDP dp_shard_size: 2 dp_replicate_size: 2 }",
}


def offload(fraction, rest=""):
    return f"{{ device: CPU fraction: {fraction} {rest} }}"


class Offload(WorkshopTest):
    def left(self, name, *options, gradients="auto", **fields):
        """What a run of the recipe leaves: each step's numbers, and the bytes that it trained."""
        self.compile(name, "--gradients", gradients, **fields)
        self.train(self.folder / f"{name}.bin", name, "--overwrite", "--init-adapters", "normal", *options)
        lines = (self.folder / name / "metrics.jsonl").read_text().splitlines()
        numbers = [[line.get(field) for field in ("loss", "grad_norm", "eval_loss")] for line in map(json.loads, lines)]
        saved = "adapter_model.safetensors" if "lora" in fields else "model.safetensors"
        return numbers, self.bytes(name, saved)

    def same(self, fractions=(0, 0.5, 1), **fields):
        numbers, trained = self.left("device", **fields)
        for fraction in fractions:
            there = self.left("host", offload_optimizer=offload(fraction), **fields)
            self.assertEqual(there[0], numbers, f"fraction {fraction}")
            self.assertEqual(there[1], trained, f"fraction {fraction}")

    def test_bits_are_those_of_the_device(self):
        for name, fields in FORMS.items():
            for precision in PRECISIONS:
                if name == "QLoRA" and precision == "FP64_TRUE":
                    continue
                with self.subTest(form=name, precision=precision):
                    self.same(fractions=(0.5, 1), precision=precision, **fields)

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

    def test_moments_in_bf16(self):
        self.same(precision="BF16_TRUE", optimizer_state_dtype="BF16", **DECAY)

    def test_moments_in_8_bits(self):
        fields = dict(DECAY, base_model='"tiny-blocks"', optimizer_state_dtype="INT8")
        for precision in ("FP32_TRUE", "BF16_TRUE", "BF16_MIXED", "FP16_MIXED"):
            with self.subTest(precision=precision):
                self.same(precision=precision, **fields)
        self.same(lora='{ r: 64 target_modules: "all-linear" }', **fields)

    def test_bits_with_strategies(self):
        for name, parallelism in SPLITS.items():
            for form in ("full", "full, one micro-batch", "LoRA", "LoRA, one micro-batch"):
                if "lora" not in FORMS[form] and "frozen" in name:
                    continue
                for precision in ("FP32_TRUE", "BF16_MIXED"):
                    with self.subTest(strategy=name, form=form, precision=precision):
                        self.same(fractions=(0.5, 1), precision=precision, parallelism=parallelism, **FORMS[form])

    def test_plans_for_a_gpu(self):
        # Adapters lie in borders there as on the CPU, or apart; their masters are on the host in part or all.
        for form in ("full", "full, one micro-batch", "LoRA", "LoRA, one micro-batch", "LoRA with dropout", "QLoRA"):
            for precision in ("BF16_TRUE", "BF16_MIXED"):
                for fraction in (0.5, 1):
                    with self.subTest(form=form, precision=precision, fraction=fraction):
                        fields = dict(FORMS[form], base_model='"smollm2-135m"', precision=precision)
                        recipe = self.recipe("gpu", offload_optimizer=offload(fraction), **fields)
                        gradients = "leave" if "one" in form else "auto"
                        checked = call(FTC, "check", recipe, "--gpu", "h200", "--gradients", gradients)
                        self.assertEqual(checked.code, 0, checked.text)

    def test_poison_finds_nothing(self):
        for form in ("full", "full, one micro-batch", "LoRA", "LoRA, one micro-batch"):
            with self.subTest(form=form):
                fields = dict(FORMS[form], precision="BF16_MIXED", offload_optimizer=offload(1))
                self.assertEqual(self.left("host", **fields), self.left("poisoned", "--poison", **fields))

    def test_moments_need_not_be_pinned(self):
        numbers = self.left("device", **FORMS["full"])
        self.assertEqual(self.left("host", offload_optimizer=offload(1, "pin_memory: false"), **FORMS["full"]), numbers)
        explained = call(FTC, "explain", self.folder / "host.bin").out
        self.assertRegex(explained, r"host_moments +HOST")
        self.assertRegex(explained, r"host_masters +PINNED")

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
                self.left("twice", "--verify-steps", "2", offload_optimizer=offload(1), **fields)
                self.assertEqual(self.bytes("twice", "model.safetensors"), self.bytes("host", "model.safetensors"))

    def test_refuses_what_is_not_there(self):
        for field, value, parts in [
            ("offload_optimizer", "{ fraction: 0.5 }", ["offload_optimizer.device is missing"]),
            ("offload_optimizer", "{ device: CPU fraction: 1.5 }", ["offload_optimizer.fraction is 1.5", "[0, 1]"]),
            ("offload_optimizer", "{ device: CPU fraction: -0.1 }", ["offload_optimizer.fraction is -0.1"]),
            ("offload_optimizer", "{ device: DISK }", ["device is DISK", "CPU"]),
            ("offload_parameters", "{ device: CPU }", ["offload_parameters asks for", "not supported yet"]),
        ]:
            with self.subTest(value=value):
                recipe = self.recipe("bad", **{field: value})
                self.refused(call(FTC, "check", recipe), 1, *parts)


if __name__ == "__main__":
    unittest.main()
