#!/usr/bin/env python3
"""Random small models under budgets of memory: what AUTO takes obeys the budget or is refused, is never predicted to be
faster with less, and trains to the same bits as NONE; so does what the host holds between forward and backward.

  budgets.py [MODELS [SEED [JOBS]]]     a dozen models by default, one after the other; 200 take 3,000 seconds of a core
"""
import concurrent.futures
import json
import pathlib
import random
import re
import sys
import unittest

from harness import FTC, WorkshopTest, call

MODELS, SEED, JOBS = 12, 1, 1
BUDGETS = 5
MODES = ("NONE", "SELECTIVE", "FULL")


def model_of(rng):
    """A config.json of a family with biases, norms of heads, or neither; sizes that divide nothing."""
    kv_heads = rng.choice([1, 2, 3])
    family = rng.choice(["tiny-gqa", "tiny-qwen2", "tiny-qwen3"])
    config = json.loads(pathlib.Path("recipes/models", family, "config.json").read_text())
    config.update(hidden_size=4 * rng.randint(3, 16), intermediate_size=4 * rng.randint(4, 24),
                  num_hidden_layers=rng.randint(1, 6), num_attention_heads=kv_heads * rng.randint(1, 3),
                  num_key_value_heads=kv_heads, head_dim=4 * rng.randint(1, 5), vocab_size=rng.randint(20, 90),
                  tie_word_embeddings=rng.random() < 0.3)
    if config["model_type"] == "qwen2":
        config.update(hidden_size=config["num_attention_heads"] * config.pop("head_dim"),
                      max_window_layers=config["num_hidden_layers"])
    return config


def fields_of(rng):
    fields = dict(precision=rng.choice(["FP32_TRUE", "FP32_TRUE", "BF16_TRUE", "BF16_MIXED"]),
                  sequence_len=8 * rng.randint(2, 8), micro_batch_size=rng.randint(1, 4), max_document_len=None,
                  max_documents_per_row=None, gradient_accumulation_steps=rng.randint(1, 2), max_steps=2)
    form = rng.choice(["full", "LoRA", "dropout", "QLoRA", "FP8"])
    if form != "full":
        dropout = 0.1 if form == "dropout" else 0
        fields["lora"] = f'{{ r: {rng.randint(1, 5)} lora_dropout: {dropout} target_modules: "all-linear" }}'
    if form in ("QLoRA", "FP8"):
        fields["quantization"] = f"{{ type: {'FP8' if form == 'FP8' else 'NF4'} }}"
    return fields


class Budgets(WorkshopTest):
    def recipe_of(self, number, rng):
        folder = self.folder / f"model-{number}"
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(model_of(rng)))
        return self.recipe(f"recipe-{number}", base_model=f'"{folder}"', **fields_of(rng))

    def check(self, recipe, *sets, gpu="cpu"):
        """Bytes and predicted tokens/s of what fits, or None."""
        result = call(FTC, "check", recipe, "--gpu", gpu, *[part for item in sets for part in ("--set", item)])
        if result.code == 2:
            self.assertIn(f"does not fit the memory_budget on {gpu}", result.err)
            return None
        self.assertEqual(result.code, 0, result.text)
        return (int(re.search(r"\n  needs +(\d+)", result.out)[1]),
                int(re.search(r"predicted step .*, (\d+) tokens/s", result.out)[1]))

    def trained(self, recipe, name, *options):
        plan = self.folder / f"{name}.bin"
        result = call(FTC, "compile", recipe, "-o", plan, *options)
        self.assertEqual(result.code, 0, result.text)
        self.train(plan, name, "--overwrite")
        return [file.read_bytes() for file in sorted((self.folder / name).glob("*.safetensors"))], self.losses(name)

    def budgets(self, recipe, rng, *auto, gpu="cpu"):
        """With less memory never more speed, and never more than that memory; the least of the budgets that fits."""
        most, fastest = self.check(recipe, *auto, gpu=gpu)
        least = min([most] + [self.check(recipe, "gradient_checkpointing=FULL", *more, gpu=gpu)[0]
                              for more in ([], ["activation_offload=TRUE"])])
        for mode in MODES:
            self.assertGreaterEqual(fastest, self.check(recipe, f"gradient_checkpointing={mode}", gpu=gpu)[1], mode)
        before, fits = 0, None
        for budget in sorted(rng.randint(least - 4096, most) for _ in range(BUDGETS)):
            found = self.check(recipe, *auto, f"memory_budget={budget}", gpu=gpu)
            if found is None:
                self.assertIsNone(fits, f"{budget} bytes are refused, and fewer are not")
                continue
            self.assertLessEqual(found[0], budget)
            self.assertGreaterEqual(found[1], before, f"slower with more memory, {budget} bytes")
            before, fits = found[1], fits or budget
        return fits

    def one(self, number):
        rng = random.Random(f"{SEED} {number}")
        recipe = self.recipe_of(number, rng)
        auto = ("gradient_checkpointing=AUTO",)
        fits = self.budgets(recipe, rng, *auto)
        self.budgets(recipe, rng, *auto, "activation_offload=AUTO", gpu="h200")
        none = self.trained(recipe, f"none-{number}")
        if fits:
            sets = [part for item in (*auto, f"memory_budget={fits}") for part in ("--set", item)]
            self.assertEqual(self.trained(recipe, f"auto-{number}", *sets), none)
        self.assertEqual(self.trained(recipe, f"full-{number}", "--set", "gradient_checkpointing=FULL"), none)
        mode, park = rng.choice(MODES), rng.choice(["inputs", "stream"])
        parked = self.trained(recipe, f"parked-{number}", "--set", f"gradient_checkpointing={mode}", "--park", park)
        self.assertEqual(parked, none, f"{mode}, {park} parked")

    def test_random_models(self):
        with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
            runs = [pool.submit(self.one, number) for number in range(MODELS)]
            for number, run in enumerate(runs):
                with self.subTest(model=number, seed=SEED):
                    run.result()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        MODELS = int(sys.argv.pop(1))
    if len(sys.argv) > 1:
        SEED = int(sys.argv.pop(1))
    if len(sys.argv) > 1:
        JOBS = int(sys.argv.pop(1))
    unittest.main()
