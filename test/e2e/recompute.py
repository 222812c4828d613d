#!/usr/bin/env python3
"""What backward makes again has the bits that it had: trained weights under each policy against those of NONE."""
import unittest

from harness import LORA, WorkshopTest

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

    def test_each_policy_has_the_bits_of_none(self):
        for name, fields in SETTINGS.items():
            with self.subTest(name):
                self.same(**fields)

    def test_whether_adapters_are_folded_or_not(self):
        for form in ("folded", "unfolded"):
            with self.subTest(form):
                self.same("--lora-form", form, lora=DROPOUT, precision="BF16_TRUE")


if __name__ == "__main__":
    unittest.main()
