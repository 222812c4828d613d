#!/usr/bin/env python3
"""An optimizer on the host of several ranks: the same bits as on their devices, whatever they share."""
import unittest

from offloading import FORMS, OffloadTest

SPLITS = {
    "DDP": "{ dp_replicate_size: 2 }",
    "ZERO1": "{ strategy: ZERO1 dp_shard_size: 2 }",
    "ZERO2": "{ strategy: ZERO2 dp_shard_size: 2 }",
    "FSDP": "{ strategy: FSDP dp_shard_size: 2 }",
    "FSDP, frozen weights too": "{ strategy: FSDP dp_shard_size: 2 shard_frozen: TRUE }",
    "HSDP": "{ strategy: HSDP dp_shard_size: 2 dp_replicate_size: 2 }",
}


class OffloadRanks(OffloadTest):
    def test_bits_with_strategies(self):
        for name, parallelism in SPLITS.items():
            for form in ("full", "full, one micro-batch", "LoRA", "LoRA, one micro-batch"):
                fields = FORMS[form]
                if "lora" not in fields and "frozen" in name:
                    continue
                for precision in ("FP32_TRUE", "BF16_MIXED"):
                    with self.subTest(strategy=name, form=form, precision=precision):
                        self.same(fractions=(0.5, 1), precision=precision, parallelism=parallelism, **fields)


if __name__ == "__main__":
    unittest.main()
