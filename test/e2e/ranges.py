#!/usr/bin/env python3
"""Each range that a refusal states is the set that is accepted: its ends are, and the numbers beside them are not."""
import re
import unittest

from harness import FTC, WorkshopTest, call

WRONG = 10**12
INTEGERS = """sequence_len micro_batch_size gradient_accumulation_steps max_document_len max_documents_per_row
max_target_tokens max_eval_target_tokens warmup_steps max_steps logging_steps eval_steps save_steps save_total_limit
lora.r parallelism.dp_replicate_size generate.max_new_tokens""".split()
NUMBERS = """lora.lora_alpha lora.lora_dropout adam_beta1 adam_beta2 adam_epsilon sgd_momentum weight_decay max_grad_norm
learning_rate warmup_ratio num_epochs val_set_size offload_optimizer.fraction""".split()
# What else a field asks for, so that nothing but its own range speaks.
BESIDE = {
    "micro_batch_size": ['target="h200"', "precision=BF16_TRUE"], # attention that is no library's has steps for each row
    "sgd_momentum": ["optim=SGD"],
    "max_documents_per_row": ["max_document_len=64"],
    "max_document_len": ["max_documents_per_row=64"],
    "save_total_limit": ["save_steps=1"],
    "max_eval_target_tokens": ["max_target_tokens=8"],
    "offload_optimizer.fraction": ["offload_optimizer.device=CPU"],
    "lora.lora_alpha": ["lora.r=2"],
    "lora.lora_dropout": ["lora.r=2"],
    "generate.max_new_tokens": ["generate.instruction=Say"],
}
RANGE = re.compile(r"must be (?:an integer |a number )?in ([\[(])([^,\]]+), ([^\])]+)([\])])|must be at most (\d+)")


class Ranges(WorkshopTest):
    def message(self, field, value):
        """What is said of the value: "" where the recipe, and its plan, are accepted."""
        sets = [part for item in [*BESIDE.get(field, []), f"{field}={value}"] for part in ("--set", item)]
        result = call(FTC, "check", self.path, *sets)
        return result.err if result.code else ""

    def stated(self, field, value):
        message = self.message(field, value)
        self.assertIn(f"{field.split('.')[-1]} is ", message)
        found = RANGE.search(message)
        self.assertTrue(found, message)
        return found

    def setUp(self):
        super().setUp()
        self.path = self.recipe(base_model='"tiny-gqa"', sequence_len=64, max_document_len=None, max_documents_per_row=None)

    def own(self, field, message):
        """Whether a refusal is of the field's range; a number of tokens that is too large for memory is not."""
        return f"{field.split('.')[-1]} is " in message and RANGE.search(message) is not None

    def test_ends_of_integers(self):
        for field in INTEGERS:
            with self.subTest(field):
                value, step = WRONG, 8 if field == "sequence_len" else 1
                for _ in range(2): # a range of the recipe's, then one of the model's
                    found = self.stated(field, value)
                    low, high = (found[2], found[3]) if found[1] else (None, found[5])
                    value = int(high)
                    if not self.own(field, self.message(field, value)):
                        break
                else:
                    self.fail(f"{field}: {value} is refused, and was said to be legal")
                self.assertTrue(self.own(field, self.message(field, value + step)), f"{value + step} is accepted")
                if low is not None:
                    self.assertFalse(self.own(field, self.message(field, low)), f"{low} is refused")
                    self.assertTrue(self.message(field, int(low) - step), f"{int(low) - step} is accepted")

    def test_ends_of_numbers(self):
        for field in NUMBERS:
            with self.subTest(field):
                opens, low, high, closes, _ = self.stated(field, WRONG).groups()
                low, high = float(low), float(high)
                inside = [low if opens == "[" else low + 1e-30, high if closes == "]" else high - 1e-9]
                outside = [low - 1e-30 if opens == "[" and low == 0 else low * 0.999 if opens == "[" else low,
                           high * 1.001 if closes == "]" else high]
                for value in inside:
                    self.assertFalse(self.own(field, self.message(field, repr(value))), f"{value} is refused")
                for value in outside:
                    self.assertTrue(self.own(field, self.message(field, repr(value))), f"{value} is accepted")


if __name__ == "__main__":
    unittest.main()
