#!/usr/bin/env python3
"""Text as people have it, through both programs: SentencePiece's and Mistral's tokenizers with the recipes of the
experiments, packed data, models of the Hub's cache, and what `ftc tokenize` shows."""
import array
import gzip
import json
import math
import pathlib
import random
import re
import shutil
import struct
import subprocess
import unittest

from harness import FTC, LORA, WorkshopTest, call

FORMS = pathlib.Path("test/goldens/text/forms")
CHECKPOINTS = pathlib.Path("test/goldens/checkpoints")
# A model with the vocabulary of Llama's tokenizer and little else, so that a step of each recipe takes no time.
SMALL = dict(architectures=["LlamaForCausalLM"], model_type="llama", hidden_size=16, intermediate_size=24,
             num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2, vocab_size=32000, rms_norm_eps=1e-6,
             max_position_embeddings=2048, hidden_act="silu", tie_word_embeddings=False)


def samples(count, instruction="Say {}."):
    return [dict(instruction=instruction.format(i), input="" if i % 3 else f"with {i}", output=f"{i} it is, of {count}. ünïcode 日本")
            for i in range(count)]


def zstandard(data):
    """A frame of blocks that are not packed, as the format allows."""
    most, frame = 1 << 17, b"\x28\xb5\x2f\xfd\xa0" + struct.pack("<I", len(data))
    for at in range(0, len(data), most):
        block = data[at : at + most]
        frame += struct.pack("<I", len(block) << 3 | (at + most >= len(data)))[:3] + block
    return frame


class TextsTest(WorkshopTest):
    def setUp(self):
        super().setUp()
        self.alpaca = self.folder / "alpaca.json"
        self.alpaca.write_text(json.dumps(samples(300), ensure_ascii=False))

    def cache(self, family="llama3", commit="0123456789012345678901234567890123456789"):
        """A cache of the Hub with one model, org/model, whose tag v1 is `commit`."""
        model = self.folder / "hub/models--org--model"
        snapshot = model / "snapshots" / commit
        shutil.copytree(CHECKPOINTS / family, snapshot)
        (snapshot / "model.gguf").unlink()
        shutil.copy("test/goldens/text/gpt2/tokenizer.json", snapshot)
        (snapshot / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<|endoftext|>"}))
        (model / "refs").mkdir()
        (model / "refs/v1").write_text(commit)
        return snapshot, dict(HF_HUB_CACHE=str(self.folder / "hub"))

    def data(self, recipe, model, *options, environment=None):
        result = call(FTC, "data", recipe, "--model", model, *options, environment=environment)
        self.assertEqual(result.code, 0, result.text)
        return result.out


class Recipes(TextsTest):
    """tinyllama_* and open_llama_*: their data packed with SentencePiece's tokenizer as they are, and a step of each."""

    def model(self):
        """A folder of the small model with random weights and SentencePiece's tokenizer."""
        folder = self.folder / "small"
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(SMALL))
        shutil.copy(FORMS / "sp_llama/tokenizer.model", folder)
        width, inner, vocabulary = SMALL["hidden_size"], SMALL["intermediate_size"], SMALL["vocab_size"]
        shapes = {"model.embed_tokens": [vocabulary, width], "lm_head": [vocabulary, width], "model.norm": [width]}
        for name, shape in (("self_attn.q_proj", [width, width]), ("self_attn.k_proj", [width, width]), ("self_attn.v_proj", [width, width]),
                            ("self_attn.o_proj", [width, width]), ("mlp.gate_proj", [inner, width]), ("mlp.up_proj", [inner, width]),
                            ("mlp.down_proj", [width, inner]), ("input_layernorm", [width]), ("post_attention_layernorm", [width])):
            shapes["model.layers.0." + name] = shape
        rng, header, data = random.Random(1), {}, bytearray()
        for name, shape in shapes.items():
            count = math.prod(shape)
            values = array.array("f", (rng.gauss(0, 0.02) for _ in range(count)) if len(shape) > 1 else [1.0] * count)
            header[name + ".weight"] = dict(dtype="F32", shape=shape, data_offsets=[len(data), len(data) + 4 * count])
            data += values.tobytes()
        text = json.dumps(header).encode()
        (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
        return folder

    def small(self, recipe):
        """The same recipe with a small model, a row a step, and samples for data."""
        text = recipe.read_text()
        for field, value in (("base_model", '"small"'), ("target", '"cpu"'), ("data", f'{{ train: "{self.alpaca}" }}'), ("micro_batch_size", "1")):
            text, count = re.subn(rf"^{field}:? .*$", f"{field}: {value}", text, flags=re.M)
            self.assertEqual(count, 1, f"{recipe}: {field}")
        text = re.sub(r"^(gradient_accumulation_steps|global_batch_size): .*\n", "", text, flags=re.M)
        path = self.folder / recipe.name
        path.write_text(text)
        return path

    def test_each_trains_on_alpaca_samples(self):
        model = self.model()
        recipes = sorted([*pathlib.Path("recipes").glob("tinyllama_*.textproto"), *pathlib.Path("recipes").glob("open_llama_*.textproto")])
        self.assertGreater(len(recipes), 25)
        reports = {}
        for recipe in recipes:
            with self.subTest(recipe.stem):
                tokens, plan = self.folder / f"{recipe.stem}.tokens", self.folder / f"{recipe.stem}.bin"
                report = self.data(recipe, model, "--set", f"data.train={self.alpaca}", "-o", tokens)
                self.assertIn("samples 300,", report)
                reports[recipe.stem.endswith("_packed")] = report
                compiled = call(FTC, "compile", self.small(recipe), "-o", plan)
                self.assertEqual(compiled.code, 0, compiled.text)
                self.train(plan, recipe.stem, "--data", tokens, "--stop-after", "1", model=model, threads=2)
                loss = self.losses(recipe.stem)[0]
                self.assertLess(abs(loss - math.log(SMALL["vocab_size"])), 0.5) # of random weights
        self.assertNotEqual(reports[True], reports[False])

    def test_mistrals_tokenizer_packs_as_well(self):
        report = self.data("recipes/mistral_7b_lora.textproto", FORMS / "tekken_file", "--set", f"data.train={self.alpaca}", "-o",
                           self.folder / "tokens")
        self.assertIn("samples 300,", report)


class Packed(TextsTest):
    def test_packed_files_and_folders_are_the_same_data(self):
        lines = [json.dumps(sample, ensure_ascii=False).encode() + b"\n" for sample in samples(300)]
        whole = b"".join(lines)
        files = {"a.jsonl": whole, "a.jsonl.gz": gzip.compress(whole, mtime=0), "a.jsonl.zst": zstandard(whole),
                 "folder/1.jsonl": b"".join(lines[:100]), "folder/2.jsonl.zst": zstandard(b"".join(lines[100:200])),
                 "folder/3.jsonl.gz": gzip.compress(b"".join(lines[200:]), mtime=0)}
        for name, content in files.items():
            (self.folder / name).parent.mkdir(exist_ok=True)
            (self.folder / name).write_bytes(content)
        snapshot, _ = self.cache()
        losses = {}
        for name in ("a.jsonl", "a.jsonl.gz", "a.jsonl.zst", "folder"):
            recipe = self.recipe("packed", base_model=f'"{snapshot}"', sequence_len=256, max_document_len=None,
                                 max_documents_per_row=None, data=f'{{ train: "{name}" }}', lora=LORA)
            plan = self.folder / "packed.bin"
            self.assertEqual(call(FTC, "compile", recipe, "-o", plan).code, 0)
            self.train(plan, "out-" + name, model=snapshot)
            losses[name] = self.losses("out-" + name)
        self.assertEqual(len(set(map(tuple, losses.values()))), 1, losses)


class Hub(TextsTest):
    def test_a_name_and_a_revision_are_a_model(self):
        snapshot, environment = self.cache()
        recipe = self.recipe(base_model='"org/model@v1"', sequence_len=256, max_document_len=None, max_documents_per_row=None,
                             data=f'{{ train: "{self.alpaca}" }}', lora=LORA)
        plan = self.folder / "hub.bin"
        result = call(FTC, "compile", recipe, "-o", plan, environment=environment)
        self.assertEqual(result.code, 0, result.text)
        self.assertIn("samples 300,", self.data(recipe, "org/model@v1", environment=environment))
        self.train(plan, model="org/model@v1", environment=environment)
        self.train(plan, "path", model=snapshot)
        self.assertEqual(self.losses("out"), self.losses("path"))

        missing = call(*self.command(plan, "none", model="org/other@v2"), environment=environment)
        self.refused(missing, 1, "hf download org/other --revision v2")
        (snapshot / "model.safetensors").unlink()
        missing = call(*self.command(plan, "none", model="org/model@v1"), environment=environment)
        self.refused(missing, 1, "hf download org/model --revision v1")
        missing = call(FTC, "compile", self.recipe("other", base_model='"org/other"'), environment=environment)
        self.refused(missing, 1, "hf download org/other")


class Tokenize(TextsTest):
    def test_shows_what_the_model_sees_and_takes_it_back(self):
        text = "Hello  world,\nünïcode 日本 \U0001F469\u200D\U0001F467 <s> 12345"
        for form in ("sp_llama", "llama2", "qwen2", "tekken_file"):
            shown = subprocess.run([FTC, "tokenize", "--model", FORMS / form], input=text.encode(), capture_output=True, timeout=60)
            self.assertEqual(shown.returncode, 0, shown.stderr)
            self.assertRegex(shown.stdout.decode().splitlines()[-1], rf"^\d+ tokens of {len(text.encode())} bytes$")
            back = subprocess.run([FTC, "tokenize", "--decode", "--model", FORMS / form], input=shown.stdout, capture_output=True, timeout=60)
            self.assertEqual(back.returncode, 0, back.stderr)
            self.assertIn("ünïcode 日本 \U0001F469\u200D\U0001F467", back.stdout.decode())


if __name__ == "__main__":
    unittest.main()
