#!/usr/bin/env python3
"""Random recipes over a base in few bits: NF4 and FP8, made by ftrun from weights of three types or read as bitsandbytes publishes
them, compared with the same recipe on a model file of the numbers that an independent quantiser's codes mean; and the same bits
however memory is used, and behind every stop.

  bases.py [RECIPES [SEED [FIRST [JOBS]]]]     four by default, one after the other; each takes ten seconds of a core
"""
import concurrent.futures
import functools
import json
import math
import pathlib
import random
import shutil
import struct
import sys
import types
import unittest

import mixtures
from budgets import model_of
from fp8 import fp8
from harness import WorkshopTest, call, tensors, worst
from quantized import CONFIG, nf4, shapes

CODE = nf4.dynamic_map() # of scales that are quantised too
RECIPES, SEED, FIRST, JOBS = 4, 1, 0, 1
FAMILIES = ("tiny-gemma3", "tiny-smollm3", "tiny-mistral", "tiny-odd", "tiny-tied", "tiny-llama3", "tiny-yarn", "tiny-qwen3")
# Of gradients, by their norm: codes of activations differ from these by a 16th at most, by 2.6 % of the norm, and layers add up.
OF_CODES = 0.35
WIDTH = {"F32": "f", "F16": "e"}


def stored(values, dtype):
    """(bytes, the numbers that they hold)."""
    if dtype == "BF16":
        halves = [nf4.bf16(x) for x in values]
        data = struct.pack(f"<{len(halves)}H", *halves)
        return data, list(struct.unpack(f"<{len(halves)}f", b"".join(b"\0\0" + struct.pack("<H", half) for half in halves)))
    data = struct.pack(f"<{len(values)}{WIDTH[dtype]}", *values)
    return data, list(struct.unpack(f"<{len(values)}{WIDTH[dtype]}", data))


class Case(mixtures.Draw):
    """A recipe with LoRA over a quantised base, of one rank, and what makes it one of several."""

    def __init__(self, number):
        self.rng = random.Random(f"bases {SEED} {number}")
        self.precision = self.rng.choice(["FP64_TRUE"] * 5 + ["FP32_TRUE", "FP32_TRUE", "BF16_MIXED", "BF16_TRUE", "FP16_MIXED"])
        self.lora, self.micro_batches = True, self.rng.choice([1, 1, 2, 3])
        self.generates, self.saves = self.chance(0.2), True
        self.evaluates = self.chance(0.5)
        self.ranks = self.rng.choice([1, 1, 2, 3])
        self.slow = self.evaluates or self.generates  # where every product of every segment is poisoned
        self.kind = self.rng.choice(["NF4", "nested", "FP8"])
        self.fields = {**self.shape(), **self.method(), **self.optimizer()}
        self.fields["quantization"] = self.quantization()
        self.dtype = self.rng.choice(["F32", "F16", "BF16"])
        self.published = self.kind != "FP8" and self.chance(0.5)
        self.left_out = self.rng.sample(["k_proj", "layers.0.mlp", "o_proj", "layers.1", "lm_head", "up_proj"], 2) \
            if self.published and self.chance(0.3) else []
        width = self.rng.choice([0, 0, 0, 16])
        self.options = [*(["--lora-form", self.rng.choice(["folded", "unfolded"])] if self.chance(0.3) else []),
                        *(["--head-lanes", str(width * 8)] if width else [])]

    def quantization(self):
        rng = self.rng
        self.codes = False
        if self.kind != "FP8":
            return mixtures.message(type="NF4", double_quant="true" if self.kind == "nested" else None)
        exact = self.precision in ("FP64_TRUE", "FP16_MIXED")
        products = rng.choice([None, "DEQUANTIZED", "FP8"]) if not exact else rng.choice([None, "DEQUANTIZED"])
        self.codes = products != "DEQUANTIZED" and not exact
        resident = rng.choice([None, "TRUE", "FALSE"]) if products != "DEQUANTIZED" else None
        return mixtures.message(type="FP8", products=products, resident_transposes=resident)


class Weights:
    """The weights of a model, and files of them."""

    def __init__(self, source, case, rng):
        self.case, self.config = case, json.loads((source / "config.json").read_text())
        self.shapes = shapes(source / "model.safetensors")
        self.held = {name: stored(self.changed(name, values, rng), case.dtype)
                     for name, values in tensors(source / "model.safetensors").items()}

    def changed(self, name, values, rng):
        """Norms and biases that are not all alike; rows and blocks of zeros, of one large number, of tiny ones."""
        if len(self.shapes[name]) < 2:
            return [x + rng.gauss(0, 0.1) for x in values]
        if rng.random() < 0.5:
            return values
        values, length = list(values), rng.choice([self.shapes[name][1], 64])
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(-(-len(values) // length)) * length
            there = range(at, min(at + length, len(values)))
            kind = rng.choice(["zeros", "outlier", "tiny", "signs"])
            for i in there:
                values[i] = {"zeros": 0.0, "tiny": values[i] * 2.0**-20, "signs": math.copysign(0.03, values[i])}.get(kind, values[i])
            if kind == "outlier":
                values[rng.choice(there)] = rng.choice([-1.0, 1.5])
        return values

    def quantized(self, name):
        return "proj" in name and len(self.shapes[name]) == 2 and not any(part in name for part in self.case.left_out)

    def write(self, folder, tensors_of, config=None):
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(config or self.config))
        held = {}
        for name in self.held:
            held.update(tensors_of(name))
        nf4.save(folder / "model.safetensors", held)
        if self.case.generates:
            shutil.copy("test/goldens/text/digits/tokenizer.json", folder)
        return folder

    def as_given(self, name):
        return {name: (self.case.dtype, self.shapes[name], self.held[name][0])}

    def as_meant(self, name):
        """In f32, which holds every number of the codes, and every one of the other tensors."""
        values = self.held[name][1]
        if self.quantized(name):
            values = self.means(name, values, self.shapes[name][1])
        return {name: ("F32", self.shapes[name], nf4.floats(values))}

    def means(self, name, values, columns):
        if self.case.kind == "FP8":
            return [x for at in range(0, len(values), columns) for x in fp8.means(values[at:at + columns])]
        codes, scales = self.blocks(name)
        if self.case.kind == "nested":
            nested, outer, mean = self.nested(name)
            scales = [nf4.f32(nf4.times(CODE[c], outer[i // 256]) + mean) for i, c in enumerate(nested)]
        return nf4.dequantize(codes, scales, len(values))

    @functools.cache
    def blocks(self, name):
        return nf4.quantize(self.held[name][1])

    @functools.cache
    def nested(self, name):
        return nf4.quantize_scales(self.blocks(name)[1], CODE)

    def as_published(self, name):
        if not self.quantized(name):
            return self.as_given(name)
        codes, scales = self.blocks(name)
        parts = dict(quant_map=("F32", nf4.floats(nf4.VALUES)), absmax=("F32", nf4.floats(scales)))
        if self.case.kind == "nested":
            nested, outer, mean = self.nested(name)
            parts.update(absmax=("U8", nested), nested_absmax=("F32", nf4.floats(outer)),
                         nested_quant_map=("F32", nf4.floats(CODE)), mean=mean)
        return nf4.checkpoint(name.removesuffix(".weight"), codes, shape=self.shapes[name], **parts)


class Bases(mixtures.Mixtures):
    test_random_recipes = None

    def weights(self, case, number):
        config = model_of(case.rng, case.rng.choice([1, 16]) if case.kind == "FP8" else 1)
        if case.chance(0.4):
            config = json.loads(pathlib.Path("recipes/models", case.rng.choice(FAMILIES), "config.json").read_text())
        if case.generates:
            config["vocab_size"] = 700
        width = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
        if "--head-lanes" in case.options:
            case.options[-1] = str(-(-width // 16) * 16)
        folder = self.folder / f"shape-{number}"
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(config))
        self.train(self.compile(f"weights-{number}", base_model=f'"{folder}"', max_steps=1), f"weights-{number}")
        return Weights(self.folder / f"weights-{number}", case, case.rng)

    def run_of(self, name, plan, model, *options):
        self.train(plan, name, "--overwrite", "--init-adapters", "normal", *options, model=model)
        return self.left(name)

    def planned(self, name, case, model, **changes):
        fields = {**case.fields, "base_model": f'"{model}"', "micro_batch_size": case.rows * case.ranks, **changes}
        return self.compile(name, *case.options, **fields)

    def equal(self, actual, expected, precision):
        """Losses, norms, held-out losses, answers and adapters, within the tolerance of a precision."""
        self.same(types.SimpleNamespace(precision=precision, lion=False), expected, actual)

    def one(self, number):
        case = Case(number)
        weights = self.weights(case, number)
        given = weights.write(self.folder / f"given-{number}", weights.as_given)
        means = weights.write(self.folder / f"means-{number}", weights.as_meant)
        config = dict(weights.config, quantization_config=dict(CONFIG, llm_int8_skip_modules=case.left_out or None))
        model = weights.write(self.folder / f"published-{number}", weights.as_published, config) if case.published else given
        name = f"run-{number}"
        plan = self.planned(f"{name}-plan", case, model)
        first = self.run_of(name, plan, model)
        self.against_numbers(case, name, model, means)
        if case.published and not case.left_out:
            self.same_bits("published", self.run_of(f"{name}-own", self.planned(f"{name}-own", case, given), given), first)
        self.stops(case, name, plan, model, first)
        self.memory(case, name, model, first)
        self.ranks(case, name, model, first)
        self.started_from(case, name, plan, model, means)
        return "ran"

    def against_numbers(self, case, name, model, means):
        """In double precision and in the recipe's own, gradients and all that a run leaves."""
        exact = dict(precision="FP64_TRUE", optimizer_state_dtype=None)
        reference = self.planned(f"{name}-exact", case, means, quantization=None, **exact)
        expected = self.gradients(reference, f"{name}-exact", model=means)
        plan = self.planned(f"{name}-64", case, model, quantization=self.with_numbers(case), **exact)
        self.assertLess(worst(self.gradients(plan, f"{name}-64", "--poison", model=model), expected), (1e-12, ""))
        self.equal(self.run_of(f"{name}-64", plan, model), self.run_of(f"{name}-exact", reference, means), "FP64_TRUE")
        if case.precision == "FP64_TRUE":
            return
        plan = self.planned(f"{name}-own", case, model)
        if case.codes:
            error = worst(self.gradients(plan, f"{name}-codes", "--poison", model=model), expected)
            self.assertLess(error, (OF_CODES, ""))
            return
        reference = self.planned(f"{name}-same", case, means, quantization=None)
        self.equal(self.run_of(f"{name}-own", plan, model), self.run_of(f"{name}-same", reference, means), case.precision)

    def with_numbers(self, case):
        return "{ type: FP8 }" if case.kind == "FP8" else case.fields["quantization"]

    def stops(self, case, name, plan, model, first):
        stop = case.rng.randint(1, case.fields["max_steps"] - 1)
        self.run_of(f"{name}-resumed", plan, model, "--stop-after", stop)
        self.train(plan, f"{name}-resumed", "--init-adapters", "normal", "--resume", "auto", model=model)
        resumed = self.left(f"{name}-resumed")
        self.same_bits(f"resumed behind {stop}", (resumed[0], first[1], resumed[2]), first)

    def memory(self, case, name, model, first):
        """What is made again, parked, or on the host."""
        changes = [dict(gradient_checkpointing=mode) for mode in ("SELECTIVE", "FULL", "AUTO")]
        changes += [dict(activation_offload="TRUE"), dict(offload_optimizer="{ device: CPU fraction: 1 }")]
        if case.kind == "FP8" and case.codes:
            changes.append(dict(quantization='{ type: FP8 resident_transposes: ' + case.rng.choice(["TRUE", "FALSE"]) + " }"))
        for change in case.rng.sample(changes, 2):
            other = self.planned(f"{name}-memory", case, model, **change)
            options = ["--poison"] if case.chance(0.5) and not case.slow else []
            self.same_bits(f"{change}", self.run_of(f"{name}-memory", other, model, *options), first)

    def ranks(self, case, name, model, first):
        if case.ranks == 1:
            return
        plan = self.planned(f"{name}-ranks", case, model, micro_batch_size=case.rows,
                            parallelism=f"{{ dp_replicate_size: {case.ranks} }}")
        several = self.run_of(f"{name}-ranks", plan, model)
        self.equal(several, first, "BF16_MIXED" if case.codes else case.precision)
        poison = [] if case.slow else ["--poison"]
        self.same_bits("ranks again", self.run_of(f"{name}-ranks-again", plan, model, *poison), several)

    def started_from(self, case, name, plan, model, means):
        """An adapter trained on the one base goes on on the other."""
        if case.precision != "FP64_TRUE":
            return
        adapter = self.folder / name
        reference = self.planned(f"{name}-from", case, means, quantization=None)
        self.equal(self.run_of(f"{name}-on", plan, model, "--adapter", adapter),
                   self.run_of(f"{name}-from", reference, means, "--adapter", adapter), "FP64_TRUE")

    def told(self, number):
        try:
            outcome = self.one(number)
            print(f"recipe {number} of seed {SEED} ran", flush=True)
            return outcome
        except BaseException as error:
            case = Case(number)
            fields = [f"{name}: {value}" for name, value in case.fields.items() if value is not None]
            print(f"\nrecipe {number} of seed {SEED}: {case.kind}, {case.dtype}, published {case.published} without {case.left_out}, "
                  f"{case.rows} rows on each of {case.ranks}, {case.options}", *fields,
                  f"{type(error).__name__}: {str(error)[-900:]}", sep="\n", flush=True)
            raise

    def test_random_bases(self):
        with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
            runs = {number: pool.submit(self.told, number) for number in range(FIRST, FIRST + RECIPES)}
            for number, run in runs.items():
                with self.subTest(number=number, seed=SEED):
                    run.result()


if __name__ == "__main__":
    RECIPES, SEED, FIRST, JOBS = [*map(int, sys.argv[1:]), *(RECIPES, SEED, FIRST, JOBS)[len(sys.argv) - 1:]]
    unittest.main(argv=[sys.argv[0], "Bases"])
