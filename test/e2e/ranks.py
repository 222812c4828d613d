#!/usr/bin/env python3
"""Several ranks: so many ranks of one row each are one rank of so many rows, and say so before and after."""
import json
import os
import re
import unittest

from harness import FTC, LORA, WorkshopTest, call, tensors, worst

ONE_ROUNDING = 1e-12 # of FP64_TRUE: ranks add what one rank adds, in another order
# The same step as one rank and as several; every batch has as many rows as four ranks, three or eight divide.
FORMS = {
    "full": dict(),
    "full, one micro-batch": dict(gradient_accumulation_steps=1),
    "full, three micro-batches": dict(gradient_accumulation_steps=3),
    "full, tied": dict(base_model='"tiny-tied"'),
    "full, unpacked": dict(packing="false", max_document_len=None, max_documents_per_row=None),
    "LoRA": dict(lora=LORA),
    "LoRA, one micro-batch": dict(lora=LORA, gradient_accumulation_steps=1),
    "LoRA with dropout": dict(lora='{ r: 3 lora_alpha: 8 lora_dropout: 0.2 target_modules: "all-linear" }'),
    "LoRA, odd sizes": dict(base_model='"tiny-odd"', lora=LORA),
    "LoRA, evaluated": dict(lora=LORA, eval_steps=1, data='{ train: "synthetic:7" eval: "synthetic:8" }'),
}


def over(ranks):
    return f"{{ dp_replicate_size: {ranks} }}"


class Equality(WorkshopTest):
    def both(self, name, ranks, **fields):
        rows = 4 if 4 % ranks == 0 else 24
        self.gradients(self.compile(f"{name}-1", micro_batch_size=rows, **fields), f"{name}-1")
        self.gradients(self.compile(f"{name}-n", micro_batch_size=rows // ranks, parallelism=over(ranks), **fields),
                       f"{name}-n")
        return [tensors(self.folder / f"{name}-{n}-gradients" / "gradients.safetensors") for n in ("1", "n")]

    def test_ranks_are_one_rank_of_their_rows(self):
        more = [(4, "LoRA"), (3, "LoRA with dropout"), (8, "LoRA, odd sizes"), (3, "full")]
        for ranks, name in [(2, name) for name in FORMS] + more:
            fields = FORMS[name]
            with self.subTest(form=name, ranks=ranks):
                fields = dict(precision="FP64_TRUE", max_grad_norm=0.5, **fields)
                one, several = self.both("a", ranks, **fields)
                self.assertLess(worst(several, one), (ONE_ROUNDING, ""))
                for plan, out in (("a-1", "one"), ("a-n", "several")):
                    self.train(self.folder / f"{plan}.bin", out, "--overwrite", "--init-adapters", "normal")
                lines = [self.metrics(out) for out in ("one", "several")]
                self.assertEqual(len(lines[0]), len(lines[1]))
                for a, b in zip(*lines):
                    for field in ("loss", "grad_norm", "eval_loss"):
                        if field in a:
                            self.assertAlmostEqual(a[field] / b[field], 1, delta=1e-10)

    def metrics(self, out):
        return [json.loads(line) for line in (self.folder / out / "metrics.jsonl").read_text().splitlines()]

    def test_two_runs_of_ranks_give_the_same_bytes(self):
        plan = self.compile(lora=LORA, precision="BF16_MIXED", parallelism=over(2))
        for out in ("a", "b"):
            self.train(plan, out)
        self.assertEqual(self.bytes("a", "adapter_model.safetensors"), self.bytes("b", "adapter_model.safetensors"))
        self.assertEqual(self.losses("a"), self.losses("b"))


class Said(WorkshopTest):
    def test_refuses_what_it_cannot_do_by_name(self):
        cases = [
            (dict(parallelism="{ strategy: FSDP dp_shard_size: 2 }"), ["parallelism.strategy", "FSDP"]),
            (dict(parallelism="{ dp_shard_size: 2 }"), ["parallelism.dp_shard_size"]),
            (dict(parallelism="{ dp_replicate_size: 0 }"), ["parallelism.dp_replicate_size is 0", "[1, 1024]"]),
            (dict(parallelism=over(3), gradient_accumulation_steps=None, global_batch_size=8),
             ["global_batch_size", "3"]),
        ]
        for fields, parts in cases:
            with self.subTest(str(fields)):
                self.refused(call(FTC, "check", self.recipe(**fields)), 1, *parts)

    def test_refuses_more_ranks_than_cards_of_a_host(self):
        recipe = self.recipe(lora=LORA, parallelism=over(16))
        self.refused(call(FTC, "check", recipe, "--gpu", "h200"), 2, "parallelism.dp_replicate_size is 16", "at most 8")

    def test_refuses_another_number_of_ranks_than_the_plans(self):
        plan = self.compile(parallelism=over(2))
        self.refused(call(*self.command(plan, "out", "--ranks", "3")), 1, "--ranks", "3", "2")
        self.assertFalse((self.folder / "out").exists())

    def test_one_reduction_of_the_adapters_a_step(self):
        for steps in (1, 3):
            plan = self.compile(lora=LORA, parallelism=over(2), gradient_accumulation_steps=steps)
            text = call(FTC, "explain", plan).out
            segments = dict(re.findall(r"^segment (\w+): .*\n((?:(?!segment ).*\n?)*)", text, re.MULTILINE))
            reduced = {kind: re.findall(r"ALL_REDUCE .*whole\[0\]=(\w+)\.gradient", body)
                       for kind, body in segments.items()}
            last = "ACCUMULATE_LAST" if steps > 1 else "ACCUMULATE_FIRST"
            self.assertEqual({kind: names for kind, names in reduced.items() if names}, {last: ["bucket0"]})

    def test_says_that_ranks_share_processors(self):
        plan = self.compile(micro_batch_size=1, parallelism=over(64))
        said = self.train(plan, "out", "--stop-after", "1").text
        if (os.cpu_count() or 64) < 64:
            self.assertIn("note: 64 ranks share", said)
        self.assertEqual(len(list((self.folder / "out").glob("rank-*.log"))), 63)

    def test_check_and_explain_speak_of_ranks(self):
        plan = self.compile(lora=LORA, parallelism=over(3))
        for text in (call(FTC, "check", self.folder / "plan.textproto").out, call(FTC, "explain", plan).out):
            for part in ("on each of 3 ranks", "mesh dp = 3", "other ranks", "the same, 2 ×", "ranks exchange"):
                self.assertIn(part, text)
        text = call(FTC, "check", self.folder / "plan.textproto", "--gpu", "h200").out
        self.assertIn("on each of 3 GPUs", text)
        self.train(plan)
        memory = self.summary("out")["memory"]
        self.assertEqual(memory["predicted_arenas_bytes"], 3 * self.arena_bytes(plan))
        self.assertLess(memory["measured_arenas_bytes"] / memory["predicted_arenas_bytes"], 1.01)

    def arena_bytes(self, plan):
        needs, outside, others = (int(re.search(pattern, call(FTC, "explain", plan).out).group(1)) for pattern in
                                  (r"needs +(\d+)", r"outside .*? (\d{6,})", r"other ranks .*? (\d{4,})"))
        return needs - outside - others


if __name__ == "__main__":
    unittest.main()
