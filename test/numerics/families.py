#!/usr/bin/env python3
"""Each family of models at its real widths on a GPU, against f32 on the processor: the loss of one step and its gradients.

The models are those under recipes/models, cut to few layers (so many that each kind of layer is there), with seeded
weights and the vocabulary and rows of a real run. FTC_TARGET names the GPU's target (h200 where not given). Skipped where
ftrun finds no GPU of it.
"""
import json
import os
import pathlib
import re
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from harness import FTRUN, WorkshopTest, call, relative_error, worst  # noqa: E402

TARGET = os.environ.get("FTC_TARGET", "h200")
RECIPES = pathlib.Path(os.environ.get("FTC_RECIPES_DIR", pathlib.Path(__file__).resolve().parents[2] / "recipes"))

# Model, layers, whether the library computes attention, and fields of the configuration that are set.
CASES = {
    "Llama 3.2": ("llama-3.2-1b", 2, True, {}),
    "Qwen2.5": ("qwen2.5-0.5b", 2, True, {}),
    "Qwen3": ("qwen3-0.6b", 2, True, {}),
    "Mistral": ("mistral-7b", 2, True, {}),
    "Mistral with a window": ("mistral-7b", 2, False, {"sliding_window": 100}),
    "SmolLM3": ("smollm3-3b", 4, True, {"no_rope_layers": [1, 1, 1, 0]}),
    "Gemma 3": ("gemma-3-1b", 6, False, {"sliding_window": 100}),
}
FIELDS = dict(sequence_len=256, max_document_len=120, max_documents_per_row=4, micro_batch_size=2,
              gradient_accumulation_steps=1, lora='{ r: 8 lora_alpha: 16 target_modules: "all-linear" }')


def whole(actual, expected):
    """The error of all tensors as one vector."""
    names = sorted(actual.keys() & expected.keys())
    return relative_error(*([x for name in names for x in gradients[name]] for gradients in (actual, expected)))


@unittest.skipUnless(re.search(rf"target names:.*\b{TARGET}\b", call(FTRUN, "--devices").text), f"no {TARGET} here")
class Families(WorkshopTest):
    """bf16 against f32: tolerances as in library_attention.py, where correct code measures 0.5 % of two layers and 1.5 %
    of thirty, the worst tensor 1.1 % and 3.5 %. Twice that of thirty is allowed, and in one tensor four times as much. A
    loss near log(vocabulary) moves by less than a thousandth of it.
    """

    def model(self, name, layers, fields):
        """The folder of the model with so many layers."""
        folder = self.folder / "model"
        folder.mkdir(exist_ok=True)
        config = json.loads((RECIPES / "models" / name / "config.json").read_text())
        config |= {"num_hidden_layers": layers, **fields}
        (folder / "config.json").write_text(json.dumps(config))
        return f'"{folder}"'

    def step(self, name, attention, fields):
        dumps = self.folder / (name + "-phases")
        dumps.mkdir(exist_ok=True)
        plan = self.compile(name, "--dump-dir", dumps, **fields)
        steps = re.findall(r"plan\.attention ", next(dumps.glob("*-assign-memory.mlir")).read_text())
        self.assertEqual(bool(steps), attention, "the form of attention")
        gradients = self.gradients(plan, name, "--data", "synthetic:7", threads=0)
        return gradients, self.losses(name)[0]

    def test_a_step_agrees_with_the_processor(self):
        for family, (name, layers, library, config) in CASES.items():
            with self.subTest(family):
                fields = dict(FIELDS, base_model=self.model(name, layers, config))
                exact, expected = self.step("exact", False, dict(fields, precision="FP32_TRUE"))
                actual, loss = self.step("gpu", library, dict(fields, target=f'"{TARGET}"', precision="BF16_MIXED"))
                error, (tensor, where) = whole(actual, exact), worst(actual, exact)
                print(f"{family}: loss {loss:.5f}, on the processor {expected:.5f}; gradients {error:.1e}, worst "
                      f"{tensor:.1e} ({where})", flush=True)
                self.assertLess(abs(loss - expected), 1e-3 * expected)
                self.assertLess(error, 3e-2)
                self.assertLess(tensor, 12e-2, where)
                self.assertGreater(error, 0, "the same bits; was it the GPU?")


if __name__ == "__main__":
    unittest.main(verbosity=2)
