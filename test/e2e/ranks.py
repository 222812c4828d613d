#!/usr/bin/env python3
"""Several ranks: so many ranks of one row each are one rank of so many rows, and say so before and after."""
import json
import os
import pathlib
import re
import unittest

from harness import FTC, FTRUN, LORA, WorkshopTest, call, tensors, worst

FAKE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(FTRUN))), "runtime/Device/Cuda/fake")
ONE_ROUNDING = 1e-12 # of FP64_TRUE: ranks add what one rank adds, in another order
TRAINED = 1e-11 # the same behind AdamW's first steps, which divide by the root of a square
# One rounding of a parameter, and what a step of 1e-3 makes of a gradient that is rounded otherwise.
LOWER = {"FP32_TRUE": 1e-4, "BF16_MIXED": 1e-2, "BF16_TRUE": 1e-2}
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
    "full, evaluated": dict(eval_steps=1, data='{ train: "synthetic:7" eval: "synthetic:8" }'),
    "LoRA, evaluated": dict(lora=LORA, eval_steps=1, data='{ train: "synthetic:7" eval: "synthetic:8" }'),
}


FROZEN = " shard_frozen: TRUE"
# (ranks, what they split, of which forms)
SPLITS = [
    (2, "strategy: ZERO1 dp_shard_size: 2", ["full", "full, one micro-batch", "full, tied", "LoRA"]),
    (2, "strategy: ZERO2 dp_shard_size: 2", ["full", "full, three micro-batches", "full, tied", "LoRA with dropout"]),
    (2, "strategy: FSDP dp_shard_size: 2",
     ["full", "full, one micro-batch", "full, tied", "full, unpacked", "full, evaluated"]),
    (2, "strategy: FSDP dp_shard_size: 2" + FROZEN, ["LoRA", "LoRA with dropout", "LoRA, evaluated"]),
    (2, "strategy: ZERO1 dp_shard_size: 2" + FROZEN, ["LoRA, one micro-batch"]),
    (3, "strategy: ZERO1 dp_shard_size: 3", ["full"]),
    (3, "strategy: ZERO3 dp_shard_size: 3", ["full, three micro-batches"]),
    (4, "strategy: HSDP dp_shard_size: 2 dp_replicate_size: 2", ["full", "full, one micro-batch"]),
    (4, "strategy: HSDP dp_shard_size: 2 dp_replicate_size: 2" + FROZEN, ["LoRA"]),
    (8, "strategy: FSDP dp_shard_size: 8" + FROZEN, ["LoRA, odd sizes"]),
    (8, "strategy: ZERO2 dp_shard_size: 8", ["full"]),
]


def over(ranks):
    return f"{{ dp_replicate_size: {ranks} }}"


class Equality(WorkshopTest):
    def both(self, ranks, parallelism, **fields):
        """The first step's gradients on one rank and on several; both plans are there afterwards, as "one", "several"."""
        rows = 4 if 4 % ranks == 0 else 24
        self.compile("one", micro_batch_size=rows, **fields)
        self.compile("several", micro_batch_size=rows // ranks, parallelism=parallelism, **fields)
        return [self.gradients(self.folder / f"{name}.bin", name) for name in ("one", "several")]

    def same(self, ranks, parallelism, **fields):
        one, several = self.both(ranks, parallelism, precision="FP64_TRUE", max_grad_norm=0.5, **fields)
        self.assertLess(worst(several, one), (ONE_ROUNDING, ""))
        for name in ("one", "several"):
            self.train(self.folder / f"{name}.bin", name, "--overwrite", "--init-adapters", "normal")
        lines = [self.metrics(out) for out in ("one", "several")]
        self.assertEqual(len(lines[0]), len(lines[1]))
        for a, b in zip(*lines):
            for field in ("loss", "grad_norm", "eval_loss"):
                if field in a:
                    self.assertAlmostEqual(a[field] / b[field], 1, delta=1e-10)
        saved = "adapter_model.safetensors" if "lora" in fields else "model.safetensors"
        one, several = (tensors(self.folder / name / saved) for name in ("one", "several"))
        self.assertLess(worst(several, one), (TRAINED, ""))

    def test_ranks_are_one_rank_of_their_rows(self):
        more = [(4, "LoRA"), (3, "LoRA with dropout"), (8, "LoRA, odd sizes"), (3, "full")]
        for ranks, name in [(2, name) for name in FORMS] + more:
            with self.subTest(form=name, ranks=ranks):
                self.same(ranks, over(ranks), **FORMS[name])

    def test_ranks_that_split_are_one_rank_of_their_rows(self):
        for ranks, split, names in SPLITS:
            for name in names:
                with self.subTest(form=name, split=split):
                    self.same(ranks, f"{{ {split} }}", **FORMS[name])

    def test_what_is_split_trains_as_what_is_whole_in_lower_precision(self):
        """Gradients are summed in one order whoever holds them; the norm, of parts, is rounded otherwise."""
        for precision in ("FP32_TRUE", "BF16_MIXED", "BF16_TRUE"):
            for lora in ({}, dict(lora=LORA)):
                fields = dict(precision=precision, **lora)
                self.train(self.compile("whole", parallelism=over(2), **fields), "whole", "--overwrite")
                saved = "adapter_model.safetensors" if lora else "model.safetensors"
                whole = tensors(self.folder / "whole" / saved)
                for strategy in ("ZERO1", "ZERO2", "FSDP"):
                    with self.subTest(strategy=strategy, **fields):
                        split = f"{{ strategy: {strategy} dp_shard_size: 2{FROZEN if lora else ''} }}"
                        self.train(self.compile("split", parallelism=split, **fields), "split", "--overwrite")
                        self.assertLess(worst(tensors(self.folder / "split" / saved), whole), (LOWER[precision], ""))
                        for a, b in zip(self.losses("whole"), self.losses("split")):
                            self.assertAlmostEqual(a, b, delta=1e-4 if precision == "FP32_TRUE" else 0.02)

    def test_gradients_exchanged_in_bf16_are_rounded_and_no_more(self):
        fields = dict(precision="BF16_MIXED", gradient_accumulation_steps=1, micro_batch_size=2, max_steps=3)
        for split in ("dp_replicate_size: 2", "strategy: ZERO2 dp_shard_size: 2", "strategy: FSDP dp_shard_size: 2"):
            with self.subTest(split=split):
                self.train(self.compile("f32", parallelism=f"{{ {split} }}", **fields), "f32", "--overwrite")
                self.train(self.compile("bf16", parallelism=f"{{ {split} reduce_dtype: BF16 }}", **fields), "bf16",
                           "--overwrite")
                exact, rounded = (tensors(self.folder / out / "model.safetensors") for out in ("f32", "bf16"))
                difference, name = worst(rounded, exact)
                self.assertLess(difference, LOWER["BF16_MIXED"], name)
                self.assertGreater(difference, 0) # something was rounded
                for a, b in zip(self.losses("f32"), self.losses("bf16")):
                    self.assertAlmostEqual(a, b, delta=0.02)

    def metrics(self, out):
        return [json.loads(line) for line in (self.folder / out / "metrics.jsonl").read_text().splitlines()]

    def test_two_runs_of_ranks_give_the_same_bytes(self):
        splits = (over(2), "{ strategy: ZERO1 dp_shard_size: 2 }", "{ strategy: FSDP dp_shard_size: 2" + FROZEN + " }")
        for parallelism in splits:
            plan = self.compile(lora=LORA, precision="BF16_MIXED", parallelism=parallelism)
            for out in ("a", "b"):
                self.train(plan, out, "--overwrite")
            self.assertEqual(self.bytes("a", "adapter_model.safetensors"), self.bytes("b", "adapter_model.safetensors"))
            self.assertEqual(self.losses("a"), self.losses("b"))


class Said(WorkshopTest):
    def test_refuses_what_it_cannot_do_by_name(self):
        cases = [
            (dict(parallelism="{ dp_shard_size: 2 }"), ["parallelism.dp_shard_size", "DDP shards nothing"]),
            (dict(parallelism="{ strategy: FSDP }"), ["parallelism.dp_shard_size is missing", "FSDP"]),
            (dict(parallelism="{ strategy: ZERO1 dp_shard_size: 0 }"), ["dp_shard_size is 0", "[1, 1024]"]),
            (dict(parallelism="{ strategy: ZERO2 dp_shard_size: 2 dp_replicate_size: 2 }"),
             ["parallelism.dp_replicate_size is 2", "ZERO2", "HSDP"]),
            (dict(parallelism="{ strategy: HSDP dp_shard_size: 2 }"), ["parallelism.dp_replicate_size is missing"]),
            (dict(parallelism="{ strategy: HSDP dp_shard_size: 2 dp_replicate_size: 1 }"), ["is 1", "[2, 1024]"]),
            (dict(parallelism="{ strategy: HSDP dp_shard_size: 64 dp_replicate_size: 64 }"), ["4096 ranks", "1024"]),
            (dict(parallelism="{ strategy: FSDP dp_shard_size: 2 shard_frozen: TRUE }"),
             ["parallelism.shard_frozen is TRUE", "nothing is frozen"]),
            (dict(lora=LORA, parallelism="{ dp_replicate_size: 2 shard_frozen: TRUE }"),
             ["parallelism.shard_frozen is TRUE", "DDP"]),
            (dict(parallelism="{ dp_replicate_size: 0 }"), ["parallelism.dp_replicate_size is 0", "[1, 1024]"]),
            (dict(parallelism=over(3), gradient_accumulation_steps=None, global_batch_size=8),
             ["global_batch_size", "3"]),
        ]
        for fields, parts in cases:
            with self.subTest(str(fields)):
                self.refused(call(FTC, "check", self.recipe(**fields)), 1, *parts)

    def test_refuses_ranks_that_do_not_fill_hosts(self):
        recipe = self.recipe(lora=LORA, parallelism=over(12))
        self.refused(call(FTC, "check", recipe, "--gpu", "h200"), 2, "parallelism.dp_replicate_size is 12", "at most 8",
                     "a multiple of 8")
        recipe = self.recipe(parallelism="{ strategy: FSDP dp_shard_size: 9 }")
        self.refused(call(FTC, "check", recipe, "--gpu", "h200"), 2, "parallelism.dp_shard_size is 9", "at most 8")
        recipe = self.recipe(lora=LORA, parallelism=over(2))
        self.refused(call(FTC, "check", recipe, "--gpu", "rtx4090"), 2, "at most 1", "of several nothing is known")
        for ranks in (16, 1024):
            result = call(FTC, "check", self.recipe(lora=LORA, parallelism=over(ranks)), "--gpu", "h200")
            self.assertEqual(result.code, 0, result.text)
            self.assertIn(f"on each of {ranks} GPUs", result.text)

    def test_refuses_another_number_of_ranks_than_the_plans(self):
        plan = self.compile(parallelism=over(2))
        self.refused(call(*self.command(plan, "out", "--ranks", "3")), 1, "--ranks 3: the plan is for 2")
        self.refused(call(*self.command(self.compile(), "out", "--ranks", "2")), 1, "--ranks 2: the plan is for 1; leave "
                     "--ranks out, or compile the recipe with --set parallelism.dp_replicate_size=2")
        self.assertFalse((self.folder / "out").exists())

    @unittest.skipUnless(os.path.exists(FAKE), "no fake driver was built")
    def test_refuses_more_ranks_than_cards(self):
        for split in (over(3), "{ strategy: FSDP dp_shard_size: 3 }"):
            plan = self.compile("plan", "--gpu", "h200", precision="BF16_MIXED", target=None, parallelism=split)
            result = call(FTRUN, plan, "--model", "seeded:1", "--out", self.folder / "out",
                          environment=dict(LD_LIBRARY_PATH=FAKE, FTC_FAKE_GPUS="2"))
            self.refused(result, 2, "the plan is for 3 GPUs of one host, from number 0 on; the driver shows 2",
                         "CUDA_VISIBLE_DEVICES", "docs/several-nodes.md")
        self.assertFalse((self.folder / "out").exists())

    @unittest.skipUnless(os.path.exists(FAKE), "no fake driver was built")
    def test_a_card_that_others_fill_is_named_with_its_numbers(self):
        plan = self.compile("plan", "--gpu", "h200", precision="BF16_MIXED", target=None)
        for taken, code, parts in (
                # Not as much as the driver's context and the plan's arenas: said before anything is reserved.
                (2**34 - 2**28, 2, ["plan needs ", "; 660.00 MiB outside the arenas)", "CUDA device 1, Fake GPU, has "
                                    "256.00 MiB free of 16.00 GiB: end other programs on it (nvidia-smi lists them), or "
                                    "compile with a smaller micro_batch_size or sequence_len"]),
                (0, 1, ["kernel ", " has no entry "])): # what the fake driver lacks next
            result = call(FTRUN, plan, "--model", "seeded:1", "--gpu", "1", "--out", self.folder / "out",
                          environment=dict(LD_LIBRARY_PATH=FAKE, FTC_FAKE_GPUS="2", FTC_FAKE_GPU_TAKEN=str(taken),
                                           FTC_CUBLAS_DIR="/none"))
            self.refused(result, code, *parts)
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

    def exchanges(self, plan):
        """{segment: [(kind, first buffer)]} of all that is larger than a scalar."""
        text = call(FTC, "explain", plan).out
        segments = re.findall(r"^segment (\w+): .*\n((?:(?!segment ).*\n?)*)", text, re.MULTILINE)
        return {kind: re.findall(r"(ALL_REDUCE|REDUCE_SCATTER|ALL_GATHER) .*whole\[0\]=(\S*(?:bucket|assemble)\d*)",
                                 body) for kind, body in segments}

    def count(self, plan):
        return {segment: {kind: sum(k == kind for k, _ in found) for kind, _ in found}
                for segment, found in self.exchanges(plan).items() if found}

    def test_each_strategy_exchanges_what_it_says_and_nothing_else(self):
        full = dict(precision="BF16_MIXED", gradient_accumulation_steps=3)
        buckets, copies = 2, 1  # matrices, which have working copies in bf16, and norms
        zero1 = self.count(self.compile(parallelism="{ strategy: ZERO1 dp_shard_size: 2 }", **full))
        self.assertEqual(zero1, {"INITIALIZE": {"ALL_GATHER": copies}, "ACCUMULATE_LAST": {"REDUCE_SCATTER": buckets},
                                 "UPDATE": {"ALL_GATHER": buckets}})
        zero2 = self.count(self.compile(parallelism="{ strategy: ZERO2 dp_shard_size: 2 }", **full))
        self.assertEqual(zero2, {"INITIALIZE": {"ALL_GATHER": copies}, "ACCUMULATE_FIRST": {"REDUCE_SCATTER": buckets},
                                 "ACCUMULATE_NEXT": {"REDUCE_SCATTER": buckets}, "UPDATE": {"ALL_GATHER": buckets}})
        fsdp = self.count(self.compile(parallelism="{ strategy: FSDP dp_shard_size: 2 }", **full))
        self.assertNotIn("UPDATE", fsdp)
        self.assertNotIn("INITIALIZE", fsdp)
        # Matrices of embedding, two blocks and head, norms of two blocks and the last; what backward still has it does
        # not gather again.
        blocks = 7
        self.assertEqual(fsdp["EVALUATE"], {"ALL_GATHER": blocks})
        self.assertEqual(fsdp["ACCUMULATE_FIRST"]["REDUCE_SCATTER"], blocks)
        self.assertGreater(fsdp["ACCUMULATE_FIRST"]["ALL_GATHER"], blocks)
        self.assertLess(fsdp["ACCUMULATE_FIRST"]["ALL_GATHER"], 2 * blocks)

    def test_copies_of_shares_exchange_what_rings_do(self):
        """HSDP of P parameters in S shares and R copies, by the literature: gradients are reduced to shares, 4 P bytes, of
        which a rank sends and receives (S - 1) / S; shares are reduced over the copies, 4 P / S bytes, both ways around
        the ring; weights are gathered at most twice. And a step's exchange lasts what those bytes take."""
        target = pathlib.Path("recipes/targets/h200.textproto").read_text()
        rate, each, launch = (float(re.search(rf"^{name}: ([\d.]+)", target, re.M).group(1))
                              for name in ("peer_gb_per_s", "collective_us", "launch_us"))
        for shards, copies in ((2, 2), (4, 2), (2, 4)):
            sets = ["precision=BF16_MIXED", "optimizer_state_dtype=F32", "parallelism.strategy=HSDP",
                    f"parallelism.dp_shard_size={shards}", f"parallelism.dp_replicate_size={copies}"]
            text = call(FTC, "check", "recipes/bench_full_1b.textproto", "--gpu", "h200",
                        *(part for item in sets for part in ("--set", item))).out
            parameters = int(re.search(r": (\d+) parameters", text).group(1))
            found = {kind: (int(number), int(size), float(ms)) for kind, number, size, ms in
                     re.findall(r"^  (\w+) +(\d+) × +(\d+) bytes +([\d.]+) ms", text, re.M)}
            ring = lambda members: (members - 1) / members
            with self.subTest(shards=shards, copies=copies):
                scattered, copied, gathered = (found[kind][1] for kind in ("REDUCE_SCATTER", "ALL_REDUCE", "ALL_GATHER"))
                self.assertGreaterEqual(scattered, 4 * parameters)
                self.assertLess(scattered, 4.01 * parameters)  # buckets are padded to equal shares
                self.assertEqual(copied, scattered // shards + 16)  # and loss and norm
                embedding = 32000 * 2048
                forward = 2 * parameters + 2 * embedding  # in bf16, but the embedding in f32, which backward needs not
                self.assertGreater(gathered, forward)
                self.assertLess(gathered, 1.01 * (2 * forward - 4 * embedding))
                for kind, moved in (("REDUCE_SCATTER", ring(shards) * scattered),
                                    ("ALL_REDUCE", 2 * ring(copies) * copied), ("ALL_GATHER", ring(shards) * gathered)):
                    number, _, ms = found[kind]
                    self.assertAlmostEqual(ms, number * (each + launch) / 1e3 + moved / rate / 1e6, delta=0.06, msg=kind)

    def test_says_that_ranks_share_processors(self):
        plan = self.compile(micro_batch_size=1, parallelism=over(64))
        said = self.train(plan, "out", "--stop-after", "1").text
        if (os.cpu_count() or 64) < 64:
            self.assertIn("note: 64 ranks share", said)
        self.assertEqual(len(list((self.folder / "out").glob("rank-*.log"))), 63)

    def test_every_rank_says_what_it_waits_for(self):
        plan = self.compile(precision="FP32_TRUE", parallelism="{ strategy: FSDP dp_shard_size: 3 }")
        said = self.train(plan, "out", "--profile").text
        for text in (said, *((self.folder / "out" / f"rank-{rank}.log").read_text() for rank in (1, 2))):
            self.assertEqual(text.count("time by kind of step"), 1, text)
            self.assertRegex(text, r"\nexposed/ALL_GATHER +\d+ +[\d.]+ ")

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

    def test_arenas_are_as_planned_and_smaller_the_more_is_split(self):
        sizes = []
        for strategy in ("DDP dp_replicate_size", "ZERO1 dp_shard_size", "FSDP dp_shard_size"):
            plan = self.compile(micro_batch_size=1, sequence_len=8, max_document_len=None, max_documents_per_row=None,
                                packing="false", parallelism=f"{{ strategy: {strategy}: 4 }}")
            self.train(plan, "out", "--overwrite", "--stop-after", "1")
            memory = self.summary("out")["memory"]
            self.assertEqual(memory["predicted_arenas_bytes"], 4 * self.arena_bytes(plan))
            self.assertLess(memory["measured_arenas_bytes"] / memory["predicted_arenas_bytes"], 1.02)
            sizes.append(self.arena_bytes(plan))
        self.assertGreater(sizes[0], sizes[1])
        self.assertGreater(sizes[0], sizes[2])  # of so few blocks, those that are gathered at once are most of the model

    def arena_bytes(self, plan):
        needs, outside, others = (int(re.search(pattern, call(FTC, "explain", plan).out).group(1)) for pattern in
                                  (r"needs +(\d+)", r"outside .*? (\d{6,})", r"other ranks .*? (\d{4,})"))
        return needs - outside - others


if __name__ == "__main__":
    unittest.main()
