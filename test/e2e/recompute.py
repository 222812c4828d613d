#!/usr/bin/env python3
"""What backward makes again, and what the host holds meanwhile, has the bits that it had: trained weights under each
policy against those of NONE."""
import json
import pathlib
import re
import unittest

from harness import FTC, LORA, WorkshopTest, call

DROPOUT = '{ r: 3 lora_alpha: 8 lora_dropout: 0.2 target_modules: "all-linear" }'
SETTINGS = {
    "full": dict(),
    "full, FP64_TRUE": dict(precision="FP64_TRUE"),
    "full, BF16_TRUE": dict(precision="BF16_TRUE", gradient_accumulation_steps=1),
    "full, BF16_MIXED": dict(precision="BF16_MIXED"),
    "full, tied": dict(base_model='"tiny-tied"'),
    "full, biases": dict(base_model='"tiny-qwen2"'),
    "full, norms of heads": dict(base_model='"tiny-qwen3"'),
    "full, norms behind": dict(base_model='"tiny-gemma3"'),
    "LoRA": dict(lora=LORA),
    "LoRA, BF16_MIXED, dropout": dict(lora=DROPOUT, precision="BF16_MIXED"),
    "LoRA, of q and v alone": dict(lora="{ r: 4 }"),
    "LoRA, odd sizes": dict(base_model='"tiny-odd"', lora=DROPOUT),
    "LoRA of one column, unfolded": dict(lora='{ r: 1 target_modules: "all-linear" }', quantization="{ type: FP8 }"),
    "QLoRA": dict(lora=LORA, quantization="{ type: NF4 }"),
    "DDP": dict(lora=DROPOUT, parallelism="{ dp_replicate_size: 2 }"),
    "FSDP": dict(parallelism="{ strategy: FSDP dp_shard_size: 2 }"),
    "FSDP of a frozen base": dict(lora=LORA, parallelism="{ strategy: FSDP dp_shard_size: 2 shard_frozen: TRUE }"),
    "HSDP": dict(parallelism="{ strategy: HSDP dp_shard_size: 2 dp_replicate_size: 2 }"),
}


class SameBits(WorkshopTest):
    def trained(self, mode, *options, **fields):
        """All that a run of three steps leaves of its weights."""
        plan = self.compile(mode, *options, gradient_checkpointing=mode, **fields)
        self.train(plan, mode, "--overwrite", "--poison")
        files = sorted((self.folder / mode).glob("*.safetensors"))
        self.assertTrue(files)
        return [file.read_bytes() for file in files], self.losses(mode)

    def same(self, *options, **fields):
        kept = self.trained("NONE", *options, **fields)
        for mode in ("SELECTIVE", "FULL"):
            self.assertEqual(self.trained(mode, *options, **fields), kept, mode)
        for mode, park in (("NONE", "stream"), ("SELECTIVE", "stream"), ("FULL", "inputs")):
            self.assertEqual(self.trained(mode, "--park", park, *options, **fields), kept, f"{mode}, {park} parked")

    def test_each_policy_has_the_bits_of_none(self):
        for name, fields in SETTINGS.items():
            with self.subTest(name):
                self.same(**fields)

    def test_what_is_parked_is_told_and_comes_back(self):
        plan = self.compile("parked", base_model='"tiny-llama-1.1b"', precision="BF16_TRUE", sequence_len=64, lora=LORA,
                            max_document_len=None, max_documents_per_row=None,
                            activation_offload="TRUE", gradient_checkpointing="FULL")
        text = call(FTC, "explain", plan).out
        bytes_of_one = 2 * 2 * 64 * 2048
        self.assertIn(f"activation_offload: 21 values of a micro-batch, {21 * bytes_of_one / 2**30:.3f} GiB, in", text)
        self.assertRegex(text, r"host_transfers +transient values +%d " % (21 * bytes_of_one))
        self.assertRegex(text, r"values travel to the host and back for [0-9.]+ ms a step; ")
        self.assertEqual(len(re.findall(r"parked\.from_host", text)), 2 * 21, "of both kinds of micro-batches")

    def test_of_several_windows_and_of_targets(self):
        self.same(base_model='"tiny-gemma3"', max_target_tokens=16, lora=DROPOUT, data='{ train: "synthetic:7:50" }')

    def test_products_made_again_are_folded_as_their_originals(self):
        """Also where dropout's gradient takes the place of what they read."""
        plan = self.folder / "plan.bin"
        result = call(FTC, "compile", "recipes/tinyllama_qlora.textproto", "--gpu", "rtx4090",
                      "--set", "gradient_checkpointing=SELECTIVE", "-o", plan)
        self.assertEqual(result.code, 0, result.text)
        steps = call(FTC, "explain", plan).out
        self.assertRegex(steps, r"again\.folded")
        self.assertNotRegex(steps, r"again\.low_rank")

    def test_heads_whose_products_are_two(self):
        """Rows of weights of 56 bytes: v's does not lie behind q's and k's, and the library reads all at one pitch."""
        config = json.loads(pathlib.Path("recipes/models/tiny-gqa/config.json").read_text())
        config.update(hidden_size=28, num_attention_heads=6, num_key_value_heads=3, head_dim=8)
        (self.folder / "config.json").write_text(json.dumps(config))
        recipe = self.recipe(base_model=f'"{self.folder}"', precision="BF16_TRUE", sequence_len=40,
                             max_document_len=10, max_documents_per_row=7)
        result = call(FTC, "check", recipe, "--gpu", "h200")
        self.assertEqual(result.code, 0, result.text)

    def test_whether_adapters_are_folded_or_not(self):
        for form in ("folded", "unfolded"):
            with self.subTest(form):
                self.same("--lora-form", form, lora=DROPOUT, precision="BF16_TRUE")


if __name__ == "__main__":
    unittest.main()
