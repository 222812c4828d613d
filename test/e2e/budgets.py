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
FAMILIES = ("tiny-gqa", "tiny-qwen2", "tiny-qwen3", "tiny-mistral", "tiny-gemma3", "tiny-smollm3")
FORMS = ("full", "LoRA", "LoRA", "QLoRA", "FP8")
LINEARS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def windows_of(config, rng):
    """What of attention's windows and positions a family has layer by layer."""
    layers, window = config["num_hidden_layers"], rng.randint(1, 70)
    if config["model_type"] == "qwen2":
        config.update(sliding_window=window, use_sliding_window=rng.random() < 0.5, max_window_layers=rng.randint(1, layers))
    elif config["model_type"] == "mistral":
        config.update(sliding_window=rng.choice([None, window]))
    elif config["model_type"] == "gemma3_text":
        config.update(sliding_window=window, sliding_window_pattern=rng.randint(1, 4))
    elif config["model_type"] == "smollm3":
        config.update(no_rope_layers=[rng.randint(0, 1) for _ in range(layers)])


def model_of(rng, multiple):
    """A config.json of a family with biases, norms of heads or behind blocks, windows, or neither; sizes that divide
    nothing, or are multiples of `multiple`, as products of codes want."""
    kv_heads, family = rng.choice([1, 2, 3]), rng.choice(FAMILIES)
    config = json.loads(pathlib.Path("recipes/models", family, "config.json").read_text())
    lanes = max(multiple, 4) # as files of models have it
    config.update(hidden_size=multiple * rng.randint(max(10 // multiple, 1), 64 // multiple),
                  intermediate_size=multiple * rng.randint(max(13 // multiple, 1), 96 // multiple),
                  num_hidden_layers=rng.randint(1, 6), num_attention_heads=kv_heads * rng.randint(1, 3),
                  num_key_value_heads=kv_heads, head_dim=lanes * rng.randint(1, max(20 // lanes, 1)),
                  vocab_size=rng.randint(20, 90), tie_word_embeddings=rng.random() < 0.3)
    if family in ("tiny-qwen2", "tiny-smollm3"):
        config.update(hidden_size=config["num_attention_heads"] * config.pop("head_dim"))
    windows_of(config, rng)
    return config


def packing_of(rng, length):
    """Rows of one document, or of several and of some room behind them."""
    if rng.random() < 0.5:
        return dict(max_document_len=None, max_documents_per_row=None)
    longest = rng.randint(8, length)
    return dict(max_document_len=longest, max_documents_per_row=min(-(-length // longest) + rng.randint(0, 3), length))


def sharing_of(rng, form):
    """Two ranks, some of which split what they hold; a quantised base is whole on each."""
    strategies = ["dp_replicate_size: 2"]
    if form not in ("QLoRA", "FP8"):
        strategies += [f"strategy: {name} dp_shard_size: 2" for name in ("ZERO1", "ZERO2", "FSDP", "AUTO")]
    return "{ " + rng.choice(strategies) + " }"


def fields_of(rng, form):
    precision, ranks = rng.choice(["FP32_TRUE", "FP32_TRUE", "BF16_TRUE", "BF16_MIXED"]), rng.choice([1, 1, 1, 2])
    length, rows, steps = 8 * rng.randint(2, 8), rng.randint(1, 4), rng.randint(1, 2)
    fields = dict(precision=precision, sequence_len=length, micro_batch_size=rows, gradient_accumulation_steps=steps,
                  max_steps=2, **packing_of(rng, length))
    if rng.random() < 0.25:
        fields.update(micro_batch_size="AUTO", gradient_accumulation_steps=None, global_batch_size=rows * steps * ranks)
    if ranks > 1:
        fields["parallelism"] = sharing_of(rng, form)
    if rng.random() < 0.2:
        fields.update(max_target_tokens=rng.randint(1, length * rows), data='{ train: "synthetic:7:50" }')
    if form != "full":
        dropout = rng.choice([0, 0.1])
        targets = '"all-linear"'
        if rng.random() < 0.5:
            targets = json.dumps(rng.sample(LINEARS, rng.randint(1, len(LINEARS) - 1)))
        fields["lora"] = f"{{ r: {rng.randint(1, 5)} lora_dropout: {dropout} target_modules: {targets} }}"
    if form == "QLoRA":
        fields["quantization"] = f"{{ type: NF4 double_quant: {rng.choice(['true', 'false'])} }}"
    if form == "FP8":
        fields["quantization"] = f"{{ type: FP8 resident_transposes: {rng.choice(['AUTO', 'TRUE', 'FALSE'])} }}"
    return fields


def sets(*assignments):
    return tuple(part for item in assignments for part in ("--set", item))


class Budgets(WorkshopTest):
    def recipe_of(self, number, rng):
        folder = self.folder / f"model-{number}"
        folder.mkdir()
        form = rng.choice(FORMS)
        config = model_of(rng, rng.choice([1, 16]) if form == "FP8" else 1)
        (folder / "config.json").write_text(json.dumps(config))
        return self.recipe(f"recipe-{number}", base_model=f'"{folder}"', **fields_of(rng, form)), config.get("head_dim", 0)

    def checked(self, recipe, *options, gpu="cpu"):
        """What check says of a recipe that fits, or None."""
        result = call(FTC, "check", recipe, "--gpu", gpu, *options)
        if result.code == 2:
            self.assertIn(f"does not fit the memory_budget on {gpu}", result.err)
            return None
        self.assertEqual(result.code, 0, result.text)
        return result.out

    def check(self, recipe, *options, gpu="cpu"):
        """Bytes and predicted tokens/s of what fits, or None."""
        said = self.checked(recipe, *options, gpu=gpu)
        return said and (int(re.search(r"\n  needs +(\d+)", said)[1]),
                         int(re.search(r"predicted step .*, (\d+) tokens/s", said)[1]))

    def trained(self, recipe, name, *options):
        plan = self.folder / f"{name}.bin"
        result = call(FTC, "compile", recipe, "-o", plan, *options)
        self.assertEqual(result.code, 0, result.text)
        self.train(plan, name, "--overwrite", "--poison")
        return [file.read_bytes() for file in sorted((self.folder / name).glob("*.safetensors"))], self.losses(name)

    def budgets(self, recipe, rng, *auto, gpu="cpu"):
        """With less memory never more speed, and never more than that memory; the least of the budgets that fits."""
        most, fastest = self.check(recipe, *auto, gpu=gpu)
        modes = {mode: self.check(recipe, *auto, *sets(f"gradient_checkpointing={mode}", "activation_offload=FALSE"), gpu=gpu)
                 for mode in MODES}
        parked = self.check(recipe, *auto, *sets("gradient_checkpointing=FULL", "activation_offload=TRUE"), gpu=gpu)
        for mode, (_, speed) in modes.items():
            self.assertGreaterEqual(fastest, speed, mode)
        least = min(most, modes["FULL"][0], parked[0])
        before, fits = 0, None
        for budget in sorted(rng.randint(least - 4096, most) for _ in range(BUDGETS)):
            found = self.check(recipe, *auto, *sets(f"memory_budget={budget}"), gpu=gpu)
            if found is None:
                self.assertIsNone(fits, f"{budget} bytes are refused, and fewer are not")
                continue
            self.assertLessEqual(found[0], budget)
            self.assertGreaterEqual(found[1], before, f"slower with more memory, {budget} bytes")
            before, fits = found[1], fits or budget
        return fits

    def one(self, number):
        rng = random.Random(f"{SEED} {number}")
        recipe, head = self.recipe_of(number, rng)
        lanes = ("--head-lanes", 8 * rng.randint(-(-head // 8), 4)) if head and rng.random() < 0.3 else ()
        auto = sets("gradient_checkpointing=AUTO")
        fits = self.budgets(recipe, rng, *auto, *lanes)
        self.budgets(recipe, rng, *auto, *sets("activation_offload=AUTO"), gpu="h200")
        within = (*auto, *sets(f"memory_budget={fits}")) if fits else auto
        # The order of sums is that of rows and ranks: what the budget took of these, the others have as well.
        said = self.checked(recipe, *within, *lanes)
        rows = re.search(r"; (\d+) rows? × \d+ tokens × (\d+) micro-batch", said)
        if "AUTO" in recipe.read_text():
            text = re.sub("micro_batch_size: AUTO", f"micro_batch_size: {rows[1]}", recipe.read_text())
            recipe.write_text(re.sub("global_batch_size: .*", f"gradient_accumulation_steps: {rows[2]}", text))
        none = self.trained(recipe, f"none-{number}", *lanes)
        self.assertEqual(self.trained(recipe, f"auto-{number}", *within, *lanes), none)
        self.assertEqual(self.trained(recipe, f"full-{number}", *sets("gradient_checkpointing=FULL"), *lanes), none)
        mode, park = rng.choice(MODES), rng.choice(["inputs", "stream"])
        parked = self.trained(recipe, f"parked-{number}", *sets(f"gradient_checkpointing={mode}"), "--park", park, *lanes)
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
