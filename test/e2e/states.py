#!/usr/bin/env python3
"""Moments and weights in bf16 that are rounded stochastically, masters in two halves, and moments in codes of 8 bits: the same
bits whatever ranks share them and wherever their update runs, and those of f32 where that is promised."""
import bisect
import json
import math
import pathlib
import re
import struct
import unittest
from fractions import Fraction

from harness import FTC, LORA, WorkshopTest, call, scale_tensor, tensors

BF16 = dict(precision="BF16_TRUE", optimizer_state_dtype="BF16", weight_decay=0.1)
# With one micro-batch a step, and without a norm, whose last bits depend on who sums up what, gradients are the same; but for
# HSDP, which sums them in two stages.
ALIKE = dict(gradient_accumulation_steps=1, max_grad_norm=0)
WORLDS = {2: ("strategy: ZERO1 dp_shard_size: 2", "strategy: ZERO2 dp_shard_size: 2", "strategy: FSDP dp_shard_size: 2"),
          4: ("strategy: ZERO2 dp_shard_size: 4", "strategy: FSDP dp_shard_size: 4")}
MIXED = dict(precision="BF16_MIXED", weight_decay=0.1)
HALVES = dict(MIXED, master_dtype="BF16_REMAINDER")
FORMS = {
    "full": dict(),
    "full, bf16 moments": dict(optimizer_state_dtype="BF16"),
    "full, clipped": dict(max_grad_norm=0.05),
    "full, one micro-batch": dict(gradient_accumulation_steps=1),
    "full, tied": dict(base_model='"tiny-tied"'),
    "full, biases": dict(base_model='"tiny-qwen2"'),
    "full, ZERO1": dict(parallelism="{ strategy: ZERO1 dp_shard_size: 2 }"),
    "full, FSDP": dict(parallelism="{ strategy: FSDP dp_shard_size: 2 }", optimizer_state_dtype="BF16"),
    "full, on the host": dict(offload_optimizer="{ device: CPU fraction: 1 }", optimizer_state_dtype="BF16"),
}


# Matrices of more than one block of 256 elements, most of which end inside one; k and v are too small for codes.
INT8 = dict(base_model='"tiny-blocks"', optimizer_state_dtype="INT8", weight_decay=0.1)
BLOCK = 256


def f32(number):
    return struct.unpack("<f", struct.pack("<f", number))[0]


def nearest_f32(fraction):
    """The f32 nearest to a positive fraction: that of its double, or a neighbour."""
    bits = struct.unpack("<I", struct.pack("<f", float(fraction)))[0]
    near = [struct.unpack("<f", struct.pack("<I", bits + step))[0] for step in (-1, 0, 1)]
    return min(near, key=lambda number: abs(Fraction(number) - fraction))


def dynamic_map(signed):
    """bitsandbytes' create_dynamic_map: 256 values in rising order, rounded once."""
    values = [Fraction(0), Fraction(1)]
    for decade in range(7):
        parts = (1 if signed else 2) << decade
        for part in range(parts):
            middle = Fraction(1, 10) + Fraction(9, 10) * Fraction(2 * part + 1, 2 * parts)
            values.append(middle * Fraction(10) ** (decade - 6))
            if signed:
                values.append(-values[-1])
    return [math.copysign(nearest_f32(abs(value)), value) if value else 0.0 for value in sorted(values)]


def ties_away(number):
    """An f32 as bf16, to nearest, ties away from zero."""
    bits = struct.unpack("<I", struct.pack("<f", number))[0]
    return struct.unpack("<f", struct.pack("<I", (bits + 0x8000) & 0xFFFF0000))[0]


class StatesTest(WorkshopTest):
    def left(self, name, *options, **fields):
        """What each step of a run says, and the bytes of the model that it leaves."""
        self.train(self.compile(name, **fields), name, "--overwrite", *options)
        lines = (self.folder / name / "metrics.jsonl").read_text().splitlines()
        numbers = [[line.get(field) for field in ("loss", "grad_norm", "eval_loss")] for line in map(json.loads, lines)]
        return numbers, self.bytes(name, "model.safetensors")


class Rounding(StatesTest):
    def test_bits_do_not_depend_on_who_holds_what(self):
        for ranks, splits in WORLDS.items():
            for base in ('"tiny-gqa"', '"tiny-tied"'):
                fields = dict(BF16, **ALIKE, base_model=base)
                whole = self.left("whole", parallelism=f"{{ dp_replicate_size: {ranks} }}", **fields)[1]
                for split in splits:
                    with self.subTest(split, base=base):
                        self.assertEqual(self.left("split", parallelism=f"{{ {split} }}", **fields)[1], whole)

    def test_bits_do_not_depend_on_where_the_update_runs(self):
        for fields in (BF16, dict(BF16, precision="BF16_MIXED"), dict(BF16, optim="SGD", sgd_momentum=0.9)):
            device = self.left("device", **fields)
            for fraction in (0.5, 1):
                with self.subTest(fraction=fraction, **fields):
                    host = f"{{ device: CPU fraction: {fraction} }}"
                    self.assertEqual(self.left("host", offload_optimizer=host, **fields), device)

    def test_a_seed_is_another_rounding(self):
        first, second = (self.left("run", "--set", f"seed={seed}", **BF16)[1] for seed in (1, 2))
        self.assertNotEqual(first, second)

    def test_weights_learn_what_bf16_cannot_hold(self):
        """Two hundred steps that each move a weight by a hundredth of what its bf16 neighbours are apart: rounded to nearest,
        none would move. The noise of the bits that are drawn is a tenth of what is learned, or two."""
        fields = dict(max_steps=200, learning_rate=2e-5, gradient_accumulation_steps=1, micro_batch_size=4,
                      data='{ train: "synthetic:7" eval: "synthetic:7" }')
        last = {}
        for name, precision in (("f32", dict(precision="BF16_MIXED")), ("bf16", dict(BF16, weight_decay=0))):
            self.left(name, **fields, **precision)
            summary = self.summary(name)
            last[name] = [summary[field]["eval_loss"] for field in ("eval_before", "eval_after")]
        fell = {name: before - after for name, (before, after) in last.items()}
        self.assertGreater(fell["f32"], 0)
        self.assertLess(abs(fell["bf16"] / fell["f32"] - 1), 0.4, last)

    def test_adapters_round_nothing(self):
        text = call(FTC, "explain", self.compile("lora", lora=LORA, precision="BF16_TRUE")).out
        self.assertNotIn("rounding_key", text)
        self.assertIn("rounding_key", call(FTC, "explain", self.compile("full", **BF16)).out)


class Halves(StatesTest):
    def test_bits_are_those_of_masters_in_f32(self):
        for form, fields in FORMS.items():
            with self.subTest(form):
                numbers, _ = self.left("whole", **MIXED, **fields)
                self.assertEqual(self.left("halves", **HALVES, **fields)[0], numbers)
                whole, halves = (tensors(self.folder / name / "model.safetensors") for name in ("whole", "halves"))
                self.assertEqual(whole.keys(), halves.keys())
                cut = 0
                for key, master in whole.items():
                    if halves[key] != master:
                        self.assertEqual(halves[key], [ties_away(number) for number in master], key)
                        cut += 1
                self.assertGreater(cut, 0)

    def test_files_in_f32_are_split_as_they_are_loaded(self):
        self.left("model", precision="FP32_TRUE")
        model = self.folder / "model"
        runs = []
        for name, fields in (("whole", MIXED), ("halves", HALVES)):
            plan = self.compile(name, base_model=f'"{model}"', **fields)
            self.train(plan, name, model=model)
            runs.append(self.losses(name))
        self.assertEqual(*runs)

    def test_poison_finds_nothing(self):
        self.assertEqual(self.left("run", **HALVES), self.left("poisoned", "--poison", **HALVES))

    def bytes_of(self, **fields):
        text = call(FTC, "explain", self.compile("explained", **fields)).out
        return [int(re.search(rf"  {row} +(\d+)", text).group(1))
                for row in ("weights         weights", "optimizer       optimizer states")]

    def test_memory_is_two_bytes_for_six(self):
        """Of a matrix: a master and its copy are 6 bytes an element, a half 2 with 2 more beside the moments."""
        (weights, states), (less, more) = self.bytes_of(**MIXED), self.bytes_of(**HALVES)
        self.assertEqual(weights - less, 2 * (more - states))
        self.assertGreater(weights, less)
        # Rounding has groups of weights begin at whole rows, which is much for so small a model.
        self.assertLess(self.bytes_of(optimizer_state_dtype="BF16", **MIXED)[1], 0.7 * states)

    def test_what_has_no_halves_says_so(self):
        for fields, said in ((dict(HALVES, lora=LORA), "is for full fine-tuning in BF16_MIXED"),
                             (dict(HALVES, precision="BF16_TRUE"), "is for full fine-tuning in BF16_MIXED"),
                             (dict(HALVES, optim="SGD"), "which is for optim ADAMW")):
            result = call(FTC, "compile", self.recipe("refused", **fields), "-o", self.folder / "refused.bin")
            self.refused(result, 1, "master_dtype is BF16_REMAINDER", said)


class Codes(StatesTest):
    """bitsandbytes' AdamW8bit but for the order of operations, which is that of moments in f32."""
    PLAIN = dict(INT8, max_grad_norm=0, gradient_accumulation_steps=1, save_steps=1, max_steps=2)
    MAPS = {"exp_avg": dynamic_map(True), "exp_avg_sq": dynamic_map(False)}

    def decoded(self, state, moment, key, count):
        """The numbers of a moment; where a file has codes, byte 0 is zero."""
        stored = state.get(f"{key}.{moment}") or [0] * count
        if f"{key}.{moment}.absmax" not in state:
            return stored
        values, shift = self.MAPS[moment], 127 if moment == "exp_avg" else 0
        scales = state[f"{key}.{moment}.absmax"]
        return [f32(values[(code + shift) % 256] * scales[i // BLOCK]) for i, code in enumerate(stored)]

    def check_codes(self, state, moment, key, numbers):
        """How many codes are not the nearest because two values are as near as f32 can tell."""
        values, shift, ties = self.MAPS[moment], 127 if moment == "exp_avg" else 0, 0
        codes, scales = state[f"{key}.{moment}"], state[f"{key}.{moment}.absmax"]
        self.assertEqual(len(scales), -(-len(numbers) // BLOCK))
        for begin in range(0, len(numbers), BLOCK):
            block = numbers[begin:begin + BLOCK]
            scale = max(map(abs, block))
            self.assertEqual(scales[begin // BLOCK], scale, key)
            inverse = f32(1 / max(scale, 2.0 ** -126))
            for i, number in enumerate(block):
                x, code = f32(number * inverse), (codes[begin + i] + shift) % 256
                at = bisect.bisect(values, x)
                near = [c for c in (at - 1, at) if 0 <= c < 256]
                best = min(near, key=lambda c: abs(values[c] - x))
                if x < 0 and values[best] == 0:
                    best = 126  # a negative moment stays one
                if code != best:
                    self.assertIn(code, near, (key, x))
                    self.assertLess(abs(abs(values[code] - x) - abs(values[best] - x)), 2.0 ** -22 * abs(x), (key, x))
                    ties += 1
        return ties

    def check_step(self, step, weights, before, after, state, gradients):
        """AdamW in f32, one operation rounded after the other, of the moments that the codes before mean."""
        rate, corrections = 1e-3, [1 - beta ** step for beta in (0.9, 0.999)]
        decay_all, size, root = f32(1 - rate * 0.1), f32(rate / corrections[0]), f32(math.sqrt(corrections[1]))
        ties = coded = 0
        for key, gradient in gradients.items():
            old, new = weights[key], after[key]
            first = self.decoded(before, "exp_avg", key, len(old))
            second = self.decoded(before, "exp_avg_sq", key, len(old))
            decay = 1 if "norm" in key else decay_all
            means, squares = [], []
            for p, g, m, v, q in zip(old, gradient, first, second, new):
                m = f32(m + f32(f32(g - m) * f32(1 - 0.9)))
                v = f32(f32(v * f32(0.999)) + f32(f32(g * g) * f32(1 - 0.999)))
                below = f32(f32(f32(math.sqrt(v)) / root) + f32(1e-8))
                self.assertEqual(f32(f32(p * decay) - f32(f32(m / below) * size)), q, key)
                means.append(m)
                squares.append(v)
            for moment, numbers in (("exp_avg", means), ("exp_avg_sq", squares)):
                if f"{key}.{moment}.absmax" in state:
                    ties += self.check_codes(state, moment, key, numbers)
                    coded += len(numbers)
                else:
                    self.assertEqual(state[f"{key}.{moment}"], numbers)
        self.assertGreater(coded, 80000)
        self.assertLess(ties, coded / 1000)

    def saved(self, name, step):
        folder = self.folder / name / f"checkpoint-{step}"
        return tensors(folder / "model.safetensors"), tensors(folder / "optimizer.safetensors")

    def test_updates_are_those_of_an_oracle(self):
        self.train(self.compile("made", base_model=INT8["base_model"]), "model", "--stop-after", "1")
        model = self.folder / "model"
        plan = self.compile("run", **{**self.PLAIN, "base_model": f'"{model}"'})
        weights, state = tensors(model / "model.safetensors"), {}
        for step in (1, 2):
            gradients = self.folder / f"gradients{step}"
            self.train(plan, "run", *(["--resume", "auto"] if step > 1 else []), "--stop-after", step, "--dump-gradients",
                       gradients, model=model)
            after, left = self.saved("run", step)
            self.check_step(step, weights, state, after, left, tensors(gradients / "gradients.safetensors"))
            weights, state = after, left

    def test_small_tensors_keep_f32(self):
        self.train(self.compile("run", **self.PLAIN), "run", "--stop-after", "1")
        data = (self.folder / "run" / "checkpoint-1" / "optimizer.safetensors").read_bytes()
        header = json.loads(data[8:8 + struct.unpack_from("<Q", data)[0]])
        kinds = {name: (entry["dtype"], entry["shape"]) for name, entry in header.items() if name != "__metadata__"}
        layer = "model.layers.0.self_attn"
        self.assertEqual(kinds[f"{layer}.q_proj.weight.exp_avg"], ("U8", [72, 72]))
        self.assertEqual(kinds[f"{layer}.q_proj.weight.exp_avg_sq.absmax"], ("F32", [21]))
        self.assertEqual(kinds[f"{layer}.k_proj.weight.exp_avg"], ("F32", [24, 72]))
        self.assertEqual(kinds["model.norm.weight.exp_avg_sq"], ("F32", [72]))
        self.assertNotIn("model.norm.weight.exp_avg.absmax", kinds)

    def state_of(self, name, lora=None, **fields):
        """The bytes of what is trained, and of its moments, behind the last step."""
        fields = dict(INT8, **ALIKE, save_steps=3, **fields, **(dict(lora=lora) if lora else {}))
        self.train(self.compile(name, **fields), name, "--overwrite", "--init-adapters", "normal")
        folder = pathlib.Path(name, "checkpoint-3")
        return [self.bytes(folder, file) for file in ("optimizer.safetensors",
                                                      "adapter_model.safetensors" if lora else "model.safetensors")]

    def test_bits_do_not_depend_on_who_holds_what(self):
        forms = [dict(precision=precision) for precision in ("FP32_TRUE", "BF16_TRUE", "BF16_MIXED")]
        forms.append(dict(precision="BF16_MIXED", master_dtype="BF16_REMAINDER"))
        forms.append(dict(lora='{ r: 64 target_modules: "all-linear" }'))
        for ranks in (2, 3):
            for form in forms:
                whole = self.state_of("whole", parallelism=f"{{ dp_replicate_size: {ranks} }}", **form)
                for split in ("ZERO1", "ZERO2", "FSDP"):
                    with self.subTest(split, ranks=ranks, **form):
                        parallelism = f"{{ strategy: {split} dp_shard_size: {ranks} }}"
                        self.assertEqual(self.state_of("split", parallelism=parallelism, **form), whole)

    def test_poison_finds_nothing(self):
        for precision in ("FP32_TRUE", "BF16_TRUE"):
            fields = dict(INT8, precision=precision)
            self.assertEqual(self.left("run", **fields), self.left("poisoned", "--poison", **fields))

    def test_moments_take_two_bytes(self):
        text = call(FTC, "check", self.recipe("large", base_model='"smollm2-135m"', optimizer_state_dtype="INT8",
                                              precision="BF16_MIXED")).out
        states = int(re.search(r"optimizer states +(\d+)", text).group(1))
        trained = int(re.search(r"(\d+) trained", text).group(1))
        self.assertLess(abs(states / trained - (2 + 8 / BLOCK)), 0.01, text)

    def test_curves_are_those_of_moments_in_f32(self):
        """Two hundred steps on one set of samples: what is learned differs by less than a hundredth."""
        fields = dict(INT8, max_steps=200, gradient_accumulation_steps=1, micro_batch_size=4,
                      data='{ train: "synthetic:7" eval: "synthetic:7" }')
        fell = {}
        for kind in ("F32", "INT8"):
            self.left(kind, **dict(fields, optimizer_state_dtype=kind))
            summary = self.summary(kind)
            fell[kind] = summary["eval_before"]["eval_loss"] - summary["eval_after"]["eval_loss"]
        self.assertGreater(fell["F32"], 0.1)
        self.assertLess(abs(fell["INT8"] / fell["F32"] - 1), 0.05, fell)

    def test_what_has_no_codes_says_so(self):
        for fields, said in ((dict(optim="SGD"), "is for optim ADAMW"),
                             (dict(precision="FP64_TRUE"), "is for all precisions but FP64_TRUE")):
            result = call(FTC, "compile", self.recipe("refused", **dict(INT8, **fields)), "-o", self.folder / "refused.bin")
            self.refused(result, 1, "optimizer_state_dtype is INT8", said)


class LossScales(StatesTest):
    """A head a thousand times as large as it should be: at GradScaler's first scale its gradients overflow f16."""
    RUN = dict(precision="FP16_MIXED", max_steps=24, learning_rate=1e-4, gradient_accumulation_steps=1)

    def large(self):
        """The folder of a model with such a head."""
        self.train(self.compile("made"), "model", "--stop-after", "1")
        scale_tensor(self.folder / "model" / "model.safetensors", "lm_head.weight", 1000)
        return self.folder / "model"

    def steps(self, name, model, *options, **fields):
        base = "seeded:11" if model is None else model
        named = dict() if model is None else dict(base_model=f'"{model}"')
        plan = self.compile(name, **{**self.RUN, **named, **fields})
        self.train(plan, name, "--overwrite", *options, model=base)
        lines = map(json.loads, (self.folder / name / "metrics.jsonl").read_text().splitlines())
        return [line for line in lines if "loss_scale" in line]

    def check_scaler(self, steps):
        """GradScaler's sequence of scales, given which steps overflowed."""
        scale, skipped = 65536, 0
        for step in steps:
            if isinstance(step["grad_norm"], str):  # JSON has no infinity
                scale, skipped = scale / 2, skipped + 1
            self.assertEqual((step["loss_scale"], step["skipped_steps"]), (scale, skipped))
        return skipped

    def test_overflows_halve_the_scale_and_change_nothing_else(self):
        model = self.large()
        steps = self.steps("run", model)
        skipped = self.check_scaler(steps)
        self.assertGreater(skipped, 0)
        self.assertLess(skipped, len(steps))
        taken = next(i for i, step in enumerate(steps) if not isinstance(step["grad_norm"], str))
        self.assertGreater(taken, 0)
        self.steps("still", model, "--stop-after", str(taken))
        for key, numbers in tensors(self.folder / "still" / "model.safetensors").items():
            self.assertEqual(numbers, tensors(model / "model.safetensors")[key])

    def test_ranks_and_the_host_find_the_same(self):
        model = self.large()
        fields = ("loss", "loss_scale", "skipped_steps")
        told = lambda steps: [[step[field] for field in fields] for step in steps]
        apart = dict(micro_batch_size=1, max_grad_norm=0)
        whole = told(self.steps("ddp", model, parallelism="{ dp_replicate_size: 2 }", **apart))
        for split in ("ZERO1", "ZERO2", "FSDP"):
            with self.subTest(split):
                steps = self.steps("split", model, parallelism=f"{{ strategy: {split} dp_shard_size: 2 }}", **apart)
                self.assertGreater(self.check_scaler(steps), 0)
                self.assertEqual(told(steps), whole)
        device = told(self.steps("device", model))
        self.assertEqual(told(self.steps("host", model, offload_optimizer="{ device: CPU fraction: 1 }")), device)

    def test_poison_finds_nothing(self):
        runs = [self.steps("run", None, *options, lora=lora)[-1]["loss"]
                for lora in (None, LORA) for options in ((), ("--poison",))]
        self.assertEqual(runs[0], runs[1])
        self.assertEqual(runs[2], runs[3])

    def test_curves_are_those_of_bf16_mixed(self):
        """Forty steps at 1e-3, which f16's finer numbers follow more closely than bf16's."""
        losses = {}
        for precision in ("FP32_TRUE", "BF16_MIXED", "FP16_MIXED"):
            self.left(precision, precision=precision, max_steps=40)
            losses[precision] = self.losses(precision)
        apart = {precision: max(abs(a / b - 1) for a, b in zip(losses[precision], losses["FP32_TRUE"]))
                 for precision in losses}
        self.assertLess(apart["FP16_MIXED"], 1e-3, apart)
        self.assertLess(apart["FP16_MIXED"], apart["BF16_MIXED"], apart)


if __name__ == "__main__":
    unittest.main()
