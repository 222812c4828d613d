#!/usr/bin/env python3
"""What ftc says of random recipes is true: each line "fits with", tried, fits in the bytes and takes the time that it
says; what AUTO took is as far from the fastest plan as its note says; a refusal has a reason, and nothing crashes.

  promises.py [RECIPES [SEED [JOBS]]]     half a dozen by default, one after the other
"""
import concurrent.futures
import json
import pathlib
import random
import re
import sys
import unittest

from harness import FTC, WorkshopTest, call

RECIPES, SEED, JOBS = 6, 2, 1
WAY = re.compile(r"^  fits with ((?:--set \S+ ?)+): ([0-9.]+) GiB(?: on each of \d+)? "
                 r"\(([-0-9.]+) GiB saved, predicted step ×([0-9.]+)\)$", re.M)
TOOK = re.compile(r"AUTO took .*: predicted step ×([0-9.]+) of the fastest, which needs ([-0-9.]+) GiB more")
NUMBERS = re.compile(r"\n  needs +(\d+)")
TIME = re.compile(r"predicted step(?: of others)? ([0-9.]+) ms")


def model_of(rng):
    """A config.json of a few layers, narrow or wide."""
    family = rng.choice(["tiny-gqa", "tiny-qwen2", "tiny-qwen3", "tiny-tied"])
    config = json.loads(pathlib.Path("recipes/models", family, "config.json").read_text())
    width, kv_heads = rng.choice([1, 4, 16]), rng.choice([1, 2, 4])
    heads = kv_heads * rng.randint(1, 3)
    head_dim = rng.choice([8, 16, 64, 20])
    config.update(hidden_size=heads * head_dim, intermediate_size=16 * width * rng.randint(1, 12),
                  num_hidden_layers=rng.randint(1, 5), num_attention_heads=heads, num_key_value_heads=kv_heads,
                  head_dim=head_dim, vocab_size=rng.choice([50, 512, 4000]), max_position_embeddings=4096)
    if config["model_type"] == "qwen2":
        config.pop("head_dim")
        config.update(max_window_layers=config["num_hidden_layers"])
    return config


def fields_of(rng):
    fields = dict(precision=rng.choice(["FP32_TRUE", "BF16_TRUE", "BF16_TRUE", "BF16_MIXED"]),
                  sequence_len=64 * rng.randint(1, 8), micro_batch_size=rng.choice([1, 2, 4, 6, 8]),
                  max_document_len=None, max_documents_per_row=None, gradient_accumulation_steps=rng.randint(1, 3),
                  gradient_checkpointing=rng.choice([None, "NONE", "SELECTIVE", "FULL", "AUTO", "AUTO"]),
                  activation_offload=rng.choice([None, "TRUE", "FALSE", "AUTO", "AUTO"]),
                  deterministic=rng.choice([None, None, "FALSE"]))
    if rng.random() < 0.2:
        fields.update(micro_batch_size="AUTO", gradient_accumulation_steps=None,
                      global_batch_size=rng.choice([1, 2, 6]))
    if rng.random() < 0.3:
        fields["max_target_tokens"] = rng.choice([1, 64, 500, 4096])
    if rng.random() < 0.8:
        rank, dropout = rng.randint(1, 9), rng.choice([0, 0.1])
        fields["lora"] = f'{{ r: {rank} lora_dropout: {dropout} target_modules: "all-linear" }}'
        fields["quantization"] = rng.choice([None, "{ type: NF4 }", "{ type: NF4 double_quant: true }", "{ type: FP8 }",
                                             "{ type: FP8 products: DEQUANTIZED }",
                                             "{ type: FP8 resident_transposes: FALSE }"])
    elif rng.random() < 0.3:
        fields["offload_optimizer"] = "{ device: CPU }"
    if fields.get("quantization") is None and rng.random() < 0.1:
        fields["parallelism"] = "{ strategy: FSDP dp_shard_size: 2 }"
    return fields


class Promises(WorkshopTest):
    def check(self, recipe, gpu, *sets):
        flags = [part for item in sets for part in ("--set", item)]
        result = call(FTC, "check", recipe, "--gpu", gpu, *flags, timeout=600)
        self.assertIn(result.code, (0, 1, 2), f"{sets}\n{result.text}")
        self.assertTrue(result.code == 0 or result.err.strip(), "exits without a reason")
        return result

    def needs(self, result):
        return int(NUMBERS.search(result.out)[1])

    def one(self, number):
        rng = random.Random(f"{SEED} {number}")
        folder = self.folder / f"model-{number}"
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(model_of(rng)))
        recipe = self.recipe(f"recipe-{number}", base_model=f'"{folder}"', **fields_of(rng))
        gpu = rng.choice(["h200", "h200", "h200", "cpu", "rtx4090", "a100-80gb"])
        free = self.check(recipe, gpu)
        if free.code == 1:
            return "refused", free.err
        if free.code == 2 and "does not fit" not in free.err:
            return "cannot", free.err
        outside = int(re.search(r"\n  outside .*?(\d{4,})", free.out)[1])
        ways = 0
        for _ in range(3):
            budget = outside + int((self.needs(free) - outside) * rng.uniform(0.2, 1.0))
            limit = f"memory_budget={budget}"
            held = self.check(recipe, gpu, limit)
            if held.code == 0:
                self.assertLessEqual(self.needs(held), budget)
                self.notes(free, held)
            for flags, gib, saved, slower in WAY.findall(held.err):
                sets = flags.split("--set ")[1:]
                tried = self.check(recipe, gpu, limit, *map(str.strip, sets))
                what = f"{recipe.read_text()}\n{gpu} {limit} {flags}\n{held.err}\n{tried.text}"
                self.assertEqual(tried.code, 0, what)
                self.assertLessEqual(self.needs(tried), budget, what)
                self.assertEqual(f"{self.needs(tried) / 2**30:.2f}", gib, what)
                less = (self.needs(held) - self.needs(tried)) / 2**30
                self.assertAlmostEqual(less, float(saved), delta=0.0051, msg=what)
                time, before = float(TIME.findall(tried.out)[-1]), float(TIME.findall(held.out)[-1])
                self.assertAlmostEqual(time / before, float(slower), delta=0.006 + 0.2 / before, msg=what)
                ways += 1
        return f"{ways} ways", ""

    def notes(self, free, held):
        """The note of what AUTO took, beside the plan that it takes where there is room."""
        for slower, more in TOOK.findall(held.out):
            time, fastest = float(TIME.findall(held.out)[-1]), float(TIME.findall(free.out)[-1])
            what = f"{free.text}\n{held.text}"
            self.assertAlmostEqual(time / fastest, float(slower), delta=0.002 + 0.2 / fastest, msg=what)
            self.assertAlmostEqual((self.needs(free) - self.needs(held)) / 2**30, float(more), delta=0.02, msg=what)

    def test_random_recipes(self):
        with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
            runs = [pool.submit(self.one, number) for number in range(RECIPES)]
            for number, run in enumerate(runs):
                with self.subTest(recipe=number, seed=SEED):
                    found, why = run.result()
                    if RECIPES > 6:
                        print(number, found, why.strip(), flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        RECIPES = int(sys.argv.pop(1))
    if len(sys.argv) > 1:
        SEED = int(sys.argv.pop(1))
    if len(sys.argv) > 1:
        JOBS = int(sys.argv.pop(1))
    unittest.main()
