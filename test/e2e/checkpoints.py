#!/usr/bin/env python3
"""Checkpoints of every family as other programs wrote them (test/goldens/checkpoints/make.py): the loss of the first step,
from the folder and from GGUF, is what transformers computes with them; and what a file cannot be mistaken for."""
import json
import pathlib
import shutil
import unittest

from harness import LORA, WorkshopTest, call

GOLDENS = pathlib.Path("test/goldens/checkpoints")
LOSSES = json.loads((GOLDENS / "losses.json").read_text())
RECIPE = {
    "precision": "FP64_TRUE",
    "sequence_len": 128,
    "micro_batch_size": 4,
    "gradient_accumulation_steps": 1,
    "max_document_len": None,
    "max_documents_per_row": None,
    "packing": "false",
    "max_steps": 1,
    "lora": LORA,
    "data": '{ train: "texts.jsonl" }',
}


class CheckpointsTest(WorkshopTest):
    def folder_of(self, family):
        """As a Hugging Face folder has it, with the tokenizer."""
        folder = shutil.copytree(GOLDENS / family, self.folder / family)
        shutil.copy("test/goldens/text/gpt2/tokenizer.json", folder)
        (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<|endoftext|>"}))
        shutil.copy(GOLDENS / "texts.jsonl", self.folder)
        return folder

    def plan_of(self, family, **fields):
        return self.compile(family, **{**RECIPE, "base_model": f'"{family}"', **fields})

    def loss(self, plan, out, model):
        result = self.train(plan, out, "--overwrite", model=model)
        return self.losses(out)[0], result

    def test_the_first_loss_is_that_of_transformers(self):
        for family, expected in LOSSES.items():
            with self.subTest(family):
                folder = self.folder_of(family)
                plan = self.plan_of(family)
                forms = [form for form in (folder, folder / "model.gguf") if form.exists()]
                self.assertEqual(len(forms), 1 if family == "gemma3_vision" else 2)
                for form in forms:
                    loss, result = self.loss(plan, f"{family}-out", form)
                    # Double precision throughout; weights are exact in bf16, and norms with their offset in f32.
                    self.assertLess(abs(loss / expected - 1), 1e-9, form)
                    note = "a model of text and images; its text part alone is loaded"
                    self.assertEqual(note in result.text, family == "gemma3_vision")

    def test_a_whole_model_that_was_trained_is_a_model_of_text(self):
        folder = self.folder_of("gemma3_vision")
        plan = self.plan_of("gemma3_vision", lora=None)
        self.train(plan, model=folder)
        config = json.loads((self.folder / "out/config.json").read_text())
        self.assertEqual(config["architectures"], ["Gemma3ForCausalLM"])
        self.assertEqual(config["model_type"], "gemma3_text")
        for name in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(folder / name, self.folder / "out")
        again = self.compile("again", **{**RECIPE, "base_model": '"out"'})
        self.train(again, "again", model=self.folder / "out")

    def test_another_window_or_family_is_refused(self):
        folder = self.folder_of("gemma3")
        config = json.loads((folder / "config.json").read_text())
        config["sliding_window"] = 7
        (folder / "config.json").write_text(json.dumps(config))
        plan = self.plan_of("gemma3")
        result = call(*self.command(plan, "out", model=folder / "model.gguf"))
        self.refused(result, 1, "gemma3.attention.sliding_window is 6; the plan was compiled for 7")
        result = call(*self.command(plan, "out", model=self.folder_of("qwen3") / "model.gguf"))
        self.refused(result, 1, 'general.architecture is "qwen3"; the plan was compiled for "gemma3"')


if __name__ == "__main__":
    unittest.main()
