#!/usr/bin/env python3
"""Every number of ranks with every strategy: ten steps are those of one rank, and so is all that a run leaves."""
import json
import pathlib
import shutil
import unittest

from harness import FTC, LORA, WorkshopTest, call, tensors, worst

LOSS = 1e-12  # of FP64_TRUE: ranks add what one rank adds, in another order
TRAINED = 1e-11  # AdamW's first steps divide by the root of a square
# Half a unit in the last place of the type that is multiplied, and how many of them ten steps of AdamW make of a tensor: f32
# sums are rounded as often as they have terms; what is rounded to 16 bits was summed up in f32, and differs rarely.
ROUNDING = {"FP32_TRUE": (2**-24, 32), "FP16_MIXED": (2**-12, 2), "BF16_MIXED": (2**-9, 2), "BF16_TRUE": (2**-9, 2)}
ROWS = 24  # which each world divides
FORMS = {"full": dict(), "LoRA": dict(lora=LORA, gradient_accumulation_steps=1)}


def worlds():
    """(ranks, strategy, fields of parallelism)"""
    for ranks in (1, 2, 3, 4, 8):
        yield ranks, "DDP", f"dp_replicate_size: {ranks}"
        for strategy in ("ZERO1", "ZERO2", "FSDP"):
            yield ranks, strategy, f"strategy: {strategy} dp_shard_size: {ranks}"
        if ranks % 4 == 0:
            yield ranks, "HSDP", f"strategy: HSDP dp_shard_size: {ranks // 2} dp_replicate_size: 2"


def parallelism(fields, lora):
    return f"{{ {fields}{' shard_frozen: TRUE' if lora and 'strategy' in fields else ''} }}"


class Worlds(WorkshopTest):
    def run_plan(self, name, *options, model="seeded:11", **fields):
        plan = self.compile(name, *options, **{"precision": "FP64_TRUE", "max_grad_norm": 0.5, **fields})
        return self.train(plan, name, "--overwrite", "--init-adapters", "normal", model=model)

    def trained(self, name):
        """Of the last run there; one of another form may have left its file."""
        return tensors(max((self.folder / name).glob("*.safetensors"), key=lambda file: file.stat().st_mtime_ns))

    def same(self, several, one="one", loss=LOSS, trained=TRAINED):
        lines = [[json.loads(line) for line in (self.folder / out / "metrics.jsonl").read_text().splitlines()]
                 for out in (one, several)]
        self.assertEqual(len(lines[0]), len(lines[1]))
        for a, b in zip(*lines):
            for field in ("loss", "eval_loss"):
                if field in a:
                    self.assertLess(abs(a[field] / b[field] - 1), loss, field)
        self.assertLess(worst(self.trained(several), self.trained(one)), (trained, ""))

    def compare(self, form, ranks, split, *options, model="seeded:11", rows=ROWS, **fields):
        """So many ranks against one, both with these fields."""
        with self.subTest(form=form, split=split):
            self.run_plan("one", *options, model=model, micro_batch_size=rows, **fields)
            self.run_plan("several", *options, model=model, micro_batch_size=rows // ranks,
                          parallelism=parallelism(split, "lora" in fields), **fields)
            self.same("several")

    def test_every_world_and_strategy_trains_as_one_rank(self):
        for form, fields in FORMS.items():
            steps = dict(fields, max_steps=10)
            self.run_plan("one", micro_batch_size=ROWS, **steps)
            for ranks, strategy, split in worlds():
                with self.subTest(form=form, ranks=ranks, strategy=strategy):
                    self.run_plan("several", micro_batch_size=ROWS // ranks,
                                  parallelism=parallelism(split, "lora" in fields), **steps)
                    self.same("several")

    def test_in_lower_precision_ranks_differ_by_rounding_alone(self):
        for precision, (rounding, many) in ROUNDING.items():
            for form, fields in FORMS.items():
                steps = dict(fields, max_steps=10, precision=precision)
                self.run_plan("one", micro_batch_size=ROWS, **steps)
                for ranks, strategy, split in worlds():
                    if ranks < 3 or strategy in ("ZERO1", "ZERO2") and ranks < 8:
                        continue
                    with self.subTest(precision=precision, form=form, ranks=ranks, strategy=strategy):
                        self.run_plan("several", micro_batch_size=ROWS // ranks,
                                      parallelism=parallelism(split, "lora" in fields), **steps)
                        self.same("several", loss=rounding / 16, trained=many * rounding)

    def with_vocabulary(self, size):
        """The two-layer model with so many tokens, in a folder beside the recipe."""
        config = json.loads(pathlib.Path("recipes/models/tiny-gqa/config.json").read_text())
        folder = self.folder / f"vocabulary-{size}"
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(dict(config, vocab_size=size)))
        return f'"{folder.name}"'

    def test_sizes_that_no_number_of_ranks_divides(self):
        odd = dict(base_model=self.with_vocabulary(32003), max_steps=2)
        for split in ("strategy: ZERO1 dp_shard_size: 3", "strategy: FSDP dp_shard_size: 3"):
            self.compare("full, vocabulary of 32003", 3, split, rows=3, **odd)
        self.compare("LoRA, vocabulary of 32003", 3, "strategy: FSDP dp_shard_size: 3", rows=3, lora=LORA, **odd)

    def test_heads_in_more_lanes_than_they_have(self):
        split = "strategy: FSDP dp_shard_size: 2"
        for form, fields in (("full", dict()), ("LoRA", dict(lora=LORA)), ("full, tied", dict(base_model='"tiny-tied"'))):
            self.compare(form + ", padded", 2, split, "--head-lanes", "32", rows=4, **fields)

    def test_adapters_in_products_of_their_own(self):
        for split in ("dp_replicate_size: 2", "strategy: FSDP dp_shard_size: 2"):
            self.compare("LoRA, unfolded", 2, split, "--lora-form", "unfolded", rows=4, lora=LORA)

    def test_ranks_answer_as_one_rank(self):
        """Generation, with weights from files that each rank loads its share of."""
        base = self.with_vocabulary(700)
        self.train(self.compile("weights", base_model=base), "model")
        shutil.copy("test/goldens/text/digits/tokenizer.json", self.folder / "model")
        asks = dict(base_model=base, sequence_len=48, max_document_len=48, template='"chatml"',
                    generate='{ instruction: "7" max_new_tokens: 4 }')
        for form, fields in FORMS.items():
            split = parallelism("strategy: FSDP dp_shard_size: 2", "lora" in fields)
            answers = []
            for name, rows, ranks in (("one", 4, None), ("several", 2, split)):
                said = self.run_plan(name, model=self.folder / "model", micro_batch_size=rows, parallelism=ranks,
                                     **fields, **asks)
                answers.append([line for line in said.out.splitlines() if line.startswith("answer")])
            self.assertEqual(*answers)
            self.assertTrue(answers[0])


class FrozenBases(WorkshopTest):
    """A base that ranks hold in shares, and adapters that are folded all the same."""

    def explained(self, name, **fields):
        """One micro-batch: several are another segment where states alone are split."""
        return call(FTC, "explain", self.compile(name, lora=LORA, gradient_accumulation_steps=1, **fields)).out

    def weights(self, text):
        return sum(int(line.split()[2]) for line in text.splitlines() if line.startswith("  weights         weights "))

    def test_shares_are_smaller_and_products_the_same(self):
        whole = self.explained("whole", parallelism="{ dp_replicate_size: 2 }")
        self.assertGreater(whole.count(".folded"), 0)
        for strategy in ("ZERO1", "ZERO2", "FSDP"):
            with self.subTest(strategy):
                split = self.explained("split",
                                       parallelism=f"{{ strategy: {strategy} dp_shard_size: 2 shard_frozen: TRUE }}")
                self.assertLess(self.weights(split), 0.7 * self.weights(whole))
                self.assertEqual(split.count(".folded"), whole.count(".folded"))
                self.assertEqual(split.count("low_rank"), whole.count("low_rank"))
                self.assertIn("put into the borders", split)

    def test_adapters_stay_products_of_their_own_where_that_is_asked(self):
        plan = self.compile("plan", "--lora-form", "unfolded", lora=LORA,
                            parallelism="{ strategy: FSDP dp_shard_size: 2 shard_frozen: TRUE }")
        text = call(FTC, "explain", plan).out
        self.assertIn("low_rank", text)
        self.assertNotIn(".folded", text)


if __name__ == "__main__":
    unittest.main()
