#!/usr/bin/env python3
"""Lion: each step's update in plain arithmetic, 200 steps beside another implementation's, and the same bits in every form."""
import json
import math
import pathlib
import re
import unittest

import states
from harness import FTC, LORA, call, scale_tensor, tensors

GOLDEN = pathlib.Path("test/goldens/optimizers/lion.json")
LION = dict(optim="LION", learning_rate=3e-4, weight_decay=0.1)
BF16 = dict(LION, precision="BF16_TRUE", optimizer_state_dtype="BF16")
MIXED = dict(LION, precision="BF16_MIXED")
HALVES = dict(MIXED, master_dtype="BF16_REMAINDER")
INT8 = dict(LION, base_model='"tiny-blocks"', optimizer_state_dtype="INT8")
CODED_HALVES = dict(INT8, precision="BF16_MIXED", master_dtype="BF16_REMAINDER")
SPLITS = ("strategy: ZERO1 dp_shard_size: 2", "strategy: ZERO2 dp_shard_size: 2", "strategy: FSDP dp_shard_size: 2")


class Updates(states.Codes):
    """Two steps, of the gradients that the run had; not clipped, as nothing else says the norm to the last bit."""
    PLAIN = dict(max_grad_norm=0, gradient_accumulation_steps=1, save_steps=1, max_steps=2)

    def check_step(self, weights, before, after, state, gradients):
        rate, f32 = f32_of(LION["learning_rate"]), f32_of
        decay_all, coded, signs = f32(1 - LION["learning_rate"] * LION["weight_decay"]), 0, set()
        for key, gradient in gradients.items():
            decay, means = 1 if "norm" in key else decay_all, []
            for p, g, m, q in zip(weights[key], gradient, self.decoded(before, "exp_avg", key, len(gradient)), after[key]):
                c = f32(f32(m * f32(0.9)) + f32(g * f32(1 - 0.9)))
                sign = (c > 0) - (c < 0)
                self.assertEqual(f32(f32(p * decay) - sign * rate), q, key)
                means.append(f32(f32(m * f32(0.99)) + f32(g * f32(1 - 0.99))))
                signs.add(sign)
            self.assertNotIn(f"{key}.exp_avg_sq", state)
            if f"{key}.exp_avg.absmax" in state:
                self.assertLess(self.check_codes(state, "exp_avg", key, means), len(means) / 1000)
                coded += len(means)
            else:
                self.assertEqual(state[f"{key}.exp_avg"], means)
        self.assertLessEqual({-1, 1}, signs)
        return coded

    def check_run(self, **form):
        fields = dict(self.PLAIN, **form)
        self.train(self.compile("made", base_model=fields["base_model"]), "model", "--stop-after", "1")
        model = self.folder / "model"
        plan = self.compile("run", **{**fields, "base_model": f'"{model}"'})
        weights, state, coded = tensors(model / "model.safetensors"), {}, 0
        for step in (1, 2):
            gradients = self.folder / f"gradients{step}"
            self.train(plan, "run", *(["--resume", "auto"] if step > 1 else []), "--stop-after", step, "--dump-gradients",
                       gradients, model=model)
            after, left = self.saved("run", step)
            coded += self.check_step(weights, state, after, left, tensors(gradients / "gradients.safetensors"))
            weights, state = after, left
        return coded

    def test_updates_are_those_of_plain_arithmetic(self):
        self.assertEqual(self.check_run(base_model='"tiny-gqa"', **LION), 0)

    def test_updates_are_those_of_an_oracle(self):
        self.assertGreater(self.check_run(**INT8), 80000)

    # What else is said of codes is AdamW's to show.
    test_small_tensors_keep_f32 = test_bits_do_not_depend_on_who_holds_what = test_poison_finds_nothing = None
    test_moments_take_two_bytes = test_curves_are_those_of_moments_in_f32 = test_what_has_no_codes_says_so = None


def f32_of(number):
    return states.f32(number)


class Curves(states.StatesTest):
    def curve(self, name, **fields):
        self.train(self.compile(name, **fields), name)
        return self.losses(name)

    def test_two_hundred_steps_are_those_of_another_implementation(self):
        """In double precision to the last digits, in f32 until signs of means that are nearly zero differ."""
        golden = json.loads(GOLDEN.read_text())
        fields = dict(LION, micro_batch_size=16, gradient_accumulation_steps=1, max_document_len=24, max_documents_per_row=1,
                      max_steps=golden["steps"], learning_rate=golden["learning_rate"],
                      weight_decay=golden["weight_decay"], max_grad_norm=golden["max_grad_norm"])
        self.assertEqual(golden["betas"], [0.9, 0.99])  # which the recipe leaves out
        self.assertLess(golden["losses"][-1], 0.6 * golden["losses"][0])
        for precision, apart in (("FP64_TRUE", 1e-12), ("FP32_TRUE", 0.05)):
            losses = self.curve(precision, precision=precision, **fields)
            self.assertEqual(len(losses), golden["steps"])
            worst = max(abs(a / b - 1) for a, b in zip(losses, golden["losses"]))
            print(f"{precision}: within {worst:.1e} of another implementation's 200 losses")
            self.assertLess(worst, apart)

    def test_curves_of_smaller_moments_are_those_of_f32(self):
        """Two hundred steps that learn 256 rows by heart."""
        fields = dict(LION, base_model='"tiny-blocks"', precision="BF16_MIXED", max_steps=200, learning_rate=2e-3,
                      gradient_accumulation_steps=1, micro_batch_size=64)
        curves = {}
        for kind in ("F32", "BF16", "INT8"):
            losses = self.curve(kind, **dict(fields, optimizer_state_dtype=kind))
            curves[kind] = [sum(losses[at - 20:at]) / 20 for at in (20, 50, 100, 150, 200)]
        print(json.dumps(curves))
        self.assertLess(curves["F32"][-1], curves["F32"][0] / 5, curves)
        for kind in ("BF16", "INT8"):
            for a, b in zip(curves[kind], curves["F32"]):
                self.assertLess(abs(a / b - 1), 0.05, curves)


class Forms(states.StatesTest):
    def test_bits_do_not_depend_on_who_holds_what(self):
        for form in (BF16, INT8, CODED_HALVES):
            fields = dict(form, **states.ALIKE)
            whole = self.left("whole", parallelism="{ dp_replicate_size: 2 }", **fields)[1]
            for split in SPLITS:
                with self.subTest(split, **form):
                    self.assertEqual(self.left("split", parallelism=f"{{ {split} }}", **fields)[1], whole)

    def test_bits_do_not_depend_on_where_the_update_runs(self):
        for form in (LION, BF16, CODED_HALVES, dict(LION, lora=LORA), dict(LION, precision="FP16_MIXED")):
            device = self.trained("device", **form)
            for fraction in (0.5, 1):
                with self.subTest(fraction=fraction, **form):
                    host = f"{{ device: CPU fraction: {fraction} }}"
                    self.assertEqual(self.trained("host", offload_optimizer=host, **form), device)

    def trained(self, name, **fields):
        self.train(self.compile(name, **fields), name, "--overwrite", "--init-adapters", "normal")
        return self.losses(name), self.bytes(name, "adapter_model.safetensors" if "lora" in fields else "model.safetensors")

    def test_halves_are_masters_in_f32(self):
        for form in (dict(), dict(optimizer_state_dtype="BF16"), dict(max_grad_norm=0.05)):
            with self.subTest(**form):
                numbers, _ = self.left("whole", **dict(MIXED, **form))
                self.assertEqual(self.left("halves", **dict(HALVES, **form))[0], numbers)
                whole, halves = (tensors(self.folder / name / "model.safetensors") for name in ("whole", "halves"))
                cut = [key for key, master in whole.items() if halves[key] != master]
                self.assertTrue(cut)
                for key in cut:
                    self.assertEqual(halves[key], [states.ties_away(number) for number in whole[key]], key)

    def test_poison_finds_nothing(self):
        for form in (LION, BF16, CODED_HALVES):
            self.assertEqual(self.left("run", **form), self.left("poisoned", "--poison", **form))

    def test_moments_take_half_of_adamws(self):
        """Bytes of a parameter: 4, 2, and 1 with a scale of 4 for each 256."""
        for kind, bytes_each in (("F32", 4), ("BF16", 2), ("INT8", 1 + 4 / 256)):
            text = call(FTC, "check", self.recipe("large", optim="LION", base_model='"smollm2-135m"',
                                                  optimizer_state_dtype=kind, precision="BF16_MIXED")).out
            held = int(re.search(r"optimizer states +(\d+)", text).group(1))
            trained = int(re.search(r"(\d+) trained", text).group(1))
            self.assertLess(abs(held / trained - bytes_each), 0.01, text)

    def test_plans_and_runs_say_its_betas(self):
        self.train(self.compile("run", **LION), "run")
        resolved = (self.folder / "run" / "recipe.resolved.textproto").read_text()
        self.assertIn("adam_beta2: 0.99\n", resolved)
        self.assertNotIn("adam_epsilon", resolved)
        text = call(FTC, "explain", self.folder / "run.bin").out
        self.assertIn(".exp_avg", text)
        self.assertNotIn("exp_avg_sq", text)

    def test_another_optimizers_checkpoint_is_no_continuation(self):
        """SGD's buffer has the name of Lion's mean, and is another."""
        lion = self.compile("lion", **dict(LION, save_steps=2))
        for name, fields in (("ADAMW", {}), ("SGD", dict(sgd_momentum=0.9))):
            self.train(self.compile(name, **dict(LION, save_steps=2, optim=name, **fields)), "out", "--overwrite",
                       "--stop-after", "2")
            self.refused(call(*self.command(lion, "out", "--resume", "auto")), 1, "made with another optim",
                         f"optim is {name} there and LION now")

    def test_what_it_has_not_is_refused(self):
        for fields, said in ((dict(adam_epsilon=1e-8), "adam_epsilon is set and optim is LION"),
                             (dict(sgd_momentum=0.9), "sgd_momentum is set but optim is LION"),
                             (dict(optim="MUON"), "optim asks for MUON"),
                             (dict(optim="ADAFACTOR"), "optim asks for ADAFACTOR")):
            result = call(FTC, "compile", self.recipe("refused", **dict(LION, **fields)), "-o", self.folder / "refused.bin")
            self.refused(result, 1, said)


class Skips(states.LossScales):
    """A step whose gradients overflow f16 moves nothing."""
    RUN = dict(states.LossScales.RUN, optim="LION")
    test_curves_are_those_of_bf16_mixed = None


if __name__ == "__main__":
    unittest.main()
