#!/usr/bin/env python3
"""Rows of targets alone: losses and gradients of a plan with max_target_tokens against those of the same recipe without.

In FP64_TRUE both agree to 1e-12: sums leave out terms that are zero. Of the data a part of each document is masked, drawn for
each, so that a bound of 32 of 72 tokens holds for some micro-batches and not for others.
"""
import json
import unittest

from harness import FTC, LORA, WorkshopTest, call, relative_error, worst

DROPOUT = '{ r: 3 lora_alpha: 8 lora_dropout: 0.2 target_modules: "all-linear" }'
FULL = "FULL"
SETTINGS = {
    "LoRA": dict(lora=LORA),
    "LoRA, one micro-batch": dict(lora=LORA, gradient_accumulation_steps=1),
    "LoRA, dropout": dict(lora=DROPOUT),
    "LoRA, dropout, made again": dict(lora=DROPOUT, gradient_checkpointing=FULL),
    "LoRA, of q and v alone": dict(lora="{ r: 4 }"),
    "LoRA, odd sizes": dict(base_model='"tiny-odd"', lora=DROPOUT),
    "QLoRA": dict(lora=LORA, quantization="{ type: NF4 }"),
    "full": dict(),
    "full, tied": dict(base_model='"tiny-tied"', gradient_checkpointing="SELECTIVE"),
    "full, biases": dict(base_model='"tiny-qwen2"'),
    "full, norms of heads": dict(base_model='"tiny-qwen3"', gradient_checkpointing=FULL),
    "full, norms behind": dict(base_model='"tiny-gemma3"'),
    "full, four micro-batches": dict(gradient_accumulation_steps=4),
    "full, one sample a row": dict(packing="false", max_document_len=24, max_documents_per_row=None),
    "DDP": dict(bound=48, lora=DROPOUT, parallelism="{ dp_replicate_size: 2 }"),
    "DDP, three micro-batches": dict(bound=48, parallelism="{ dp_replicate_size: 2 }", gradient_accumulation_steps=3),
    "ZERO2": dict(bound=48, parallelism="{ strategy: ZERO2 dp_shard_size: 2 }", gradient_accumulation_steps=3),
    "FSDP": dict(bound=48, parallelism="{ strategy: FSDP dp_shard_size: 2 }"),
    "FSDP of a frozen base": dict(bound=48, lora=LORA, parallelism="{ strategy: FSDP dp_shard_size: 2 shard_frozen: TRUE }"),
    "optimizer on the host": dict(offload_optimizer="{ device: CPU fraction: 1 }"),
}
BOUND, ALL = 32, 64  # targets, of 72 tokens a micro-batch, of which at most 63 are
MASKED = dict(micro_batch_size=3, data='{ train: "synthetic:7:0-99" }')


class Targets(WorkshopTest):
    def steps(self, out):
        lines = (self.folder / out / "metrics.jsonl").read_text().splitlines()
        return [line for line in map(json.loads, lines) if "step_ms" in line]

    def of_targets(self, out):
        return sum(line.get("micro_batches_of_targets", 0) for line in self.steps(out))

    def compare(self, bound=BOUND, **fields):
        """Losses and gradients with the bound and without; how many micro-batches of 4 steps keep to it, and of how many."""
        fields = dict(MASKED, precision="FP64_TRUE", max_steps=4, **fields)
        whole = self.compile("whole", **fields)
        few = self.compile("few", max_target_tokens=bound, **fields)
        difference, name = worst(self.gradients(few, "few"), self.gradients(whole, "whole"))
        self.assertLess(difference, 1e-12, name)
        for plan, out in ((whole, "whole-run"), (few, "few-run")):
            self.train(plan, out, "--overwrite", "--poison", "--init-adapters", "normal")
        self.assertLess(relative_error(self.losses("few-run"), self.losses("whole-run")), 1e-12)
        count = 4 * fields.get("gradient_accumulation_steps", 2)
        ran = self.of_targets("few-run")
        self.assertEqual(self.of_targets("whole-run"), 0)
        return ran, count

    def test_losses_and_gradients_are_those_of_all_rows(self):
        ran = 0
        for name, fields in SETTINGS.items():
            with self.subTest(name):
                ran += self.compare(**fields)[0]
        self.assertGreater(ran, 10)

    def test_a_bound_that_holds_for_all(self):
        ran, count = self.compare(ALL, lora=DROPOUT)
        self.assertEqual(ran, count)

    def test_both_kinds_meet_in_a_run(self):
        fields = dict(MASKED, precision="FP64_TRUE", max_steps=8, lora=DROPOUT)
        plan = self.compile("few", max_target_tokens=BOUND, **fields)
        self.train(plan, "out")
        ran = [line.get("micro_batches_of_targets", 0) for line in self.steps("out")]
        self.assertIn(1, ran, "a step in which both kinds meet")

    def test_evaluation_has_a_bound_of_its_own(self):
        fields = dict(MASKED, precision="FP64_TRUE", lora=DROPOUT,
                      data='{ train: "synthetic:7:0-99" eval: "synthetic:8:0-99" }')
        held = {}
        for name, bounds in dict(whole={}, few=dict(max_eval_target_tokens=BOUND),
                                 both=dict(max_target_tokens=16, max_eval_target_tokens=BOUND)).items():
            self.train(self.compile(name, **bounds, **fields), name)
            held[name] = [self.summary(name)[when]["eval_loss"] for when in ("eval_before", "eval_after")]
        for name in ("few", "both"):
            self.assertLess(relative_error(held[name], held["whole"]), 1e-12)

    def test_a_step_that_is_run_twice_takes_the_same_segments(self):
        plan = self.compile("few", **MASKED, max_target_tokens=BOUND, lora=DROPOUT, save_steps=2)
        self.train(plan, "out", "--verify-steps", "1")

    def test_sixteen_bits_stay_near(self):
        for precision in ("BF16_TRUE", "BF16_MIXED", "FP16_MIXED"):
            fields = dict(MASKED, precision=precision, lora=DROPOUT)
            self.train(self.compile("whole", **fields), "whole", "--overwrite")
            self.train(self.compile("few", max_target_tokens=BOUND, **fields), "few", "--overwrite")
            self.assertLess(relative_error(self.losses("few"), self.losses("whole")), 1e-2)
            norms = [[step["grad_norm"] for step in self.steps(out)] for out in ("few", "whole")]
            self.assertLess(relative_error(*norms), 5e-2, precision) # a scale of the loss in some segments alone shows here

    def test_a_plan_for_a_gpu_holds_kernels_for_both(self):
        plan = self.compile("gpu", "--gpu", "h200", precision="BF16_TRUE", sequence_len=64, max_document_len=64,
                            max_documents_per_row=2, max_target_tokens=64, lora=DROPOUT)
        text = call(FTC, "explain", plan).text
        self.assertIn("ACCUMULATE_NEXT_TARGETS", text)
        self.assertIn("gather_rows", text)
        self.assertIn("scatter_rows", text)

    def test_what_check_says(self):
        recipe = self.recipe(max_target_tokens=30, lora=LORA)
        result = call(FTC, "check", recipe)
        self.assertIn("predicted step of micro-batches of at most 32 targets", result.text)
        self.assertIn("note: max_target_tokens 30: of micro-batches of at most 32 targets head, loss and the last block",
                      result.text)
        self.assertIn("note: max_target_tokens 47 bounds nothing: a micro-batch has 48 tokens",
                      call(FTC, "check", self.recipe(max_target_tokens=47)).text)
        refused = call(FTC, "check", self.recipe(max_target_tokens=0))
        self.refused(refused, 1, "max_target_tokens is 0; must be in [1, 1073741824]")


if __name__ == "__main__":
    unittest.main()
