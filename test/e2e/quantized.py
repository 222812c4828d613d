#!/usr/bin/env python3
"""Training on a base in NF4: what an independent quantiser makes of the base, published checkpoints of it, and what is
computed with them, against double precision on the numbers that the codes mean."""
import importlib.util
import json
import pathlib
import re
import shutil
import struct
import unittest

from harness import FTC, LORA, WorkshopTest, call, tensors, worst

spec = importlib.util.spec_from_file_location("nf4", pathlib.Path(__file__).parent / "../goldens/nf4/make.py")
nf4 = importlib.util.module_from_spec(spec)
spec.loader.exec_module(nf4)

NF4, NESTED = "{ type: NF4 }", "{ type: NF4 double_quant: true }"
CONFIG = {"quant_method": "bitsandbytes", "load_in_4bit": True, "load_in_8bit": False, "_load_in_4bit": True,
          "bnb_4bit_quant_type": "nf4", "bnb_4bit_compute_dtype": "bfloat16", "bnb_4bit_quant_storage": "uint8",
          "llm_int8_threshold": 6.0, "llm_int8_skip_modules": None}


def shapes(path):
    data = path.read_bytes()
    header = json.loads(data[8 : 8 + struct.unpack_from("<Q", data)[0]])
    return {name: entry["shape"] for name, entry in header.items() if name != "__metadata__"}


class Base:
    """A small model as numbers, and in the forms that a quantiser gives it."""

    def __init__(self, folder):
        self.folder = folder
        path = folder / "model.safetensors"
        self.numbers, self.shapes = tensors(path), shapes(path)

    def is_linear(self, name):
        return "proj" in name

    def write(self, name, form, left_out=()):
        """`form`: plain or nested, as bitsandbytes publishes it; means, the numbers that its codes mean."""
        folder = self.folder.parent / name
        folder.mkdir()
        config = json.loads((self.folder / "config.json").read_text())
        held = {}
        for key, values in self.numbers.items():
            skipped = any(part in key for part in left_out)
            if not self.is_linear(key) or skipped:
                held[key] = ("F32", self.shapes[key], nf4.floats(values))
            else:
                held.update(self.quantized(key, values, form))
        if not form.startswith("means"):
            config["quantization_config"] = dict(CONFIG, llm_int8_skip_modules=list(left_out) or None)
        (folder / "config.json").write_text(json.dumps(config))
        nf4.save(folder / "model.safetensors", held)
        return folder

    def quantized(self, key, values, form):
        codes, scales = nf4.quantize(values)
        code = nf4.dynamic_map()
        parts = dict(quant_map=("F32", nf4.floats(nf4.VALUES)))
        nested, outer, mean = nf4.quantize_scales(scales, code)
        if form in ("means", "means of nested"):
            if form == "means of nested":
                scales = [nf4.f32(nf4.times(code[c], outer[i // 256]) + mean) for i, c in enumerate(nested)]
            return {key: ("F32", self.shapes[key], nf4.floats(nf4.dequantize(codes, scales, len(values))))}
        if form == "nested":
            parts.update(absmax=("U8", nested), nested_absmax=("F32", nf4.floats(outer)),
                         nested_quant_map=("F32", nf4.floats(code)), mean=mean)
        else:
            parts.update(absmax=("F32", nf4.floats(scales)))
        made = nf4.checkpoint(key.removesuffix(".weight"), codes, shape=self.shapes[key], **parts)
        return made


class QuantizedTest(WorkshopTest):
    model = "tiny-gqa"

    def setUp(self):
        super().setUp()
        plan = self.compile("base", base_model=f'"{self.model}"', max_steps=1)
        self.train(plan, "base")
        self.base = Base(self.folder / "base")

    def lora_plan(self, name, *options, **fields):
        return self.compile(name, *options, **{"base_model": f'"{self.model}"', "lora": LORA, **fields})

    def steps(self, plan):
        return call(FTC, "explain", plan).out


class Gradients(QuantizedTest):
    def exact(self, form, name="exact", **fields):
        """In double precision, on the numbers that the codes mean, without quantisation."""
        plan = self.lora_plan(name, precision="FP64_TRUE", **fields)
        return self.gradients(plan, name, model=self.base.write(f"{name}-means", form))

    def test_equal_double_precision_on_the_numbers_that_codes_mean(self):
        for form, quantization in (("means", NF4), ("means of nested", NESTED)):
            expected = self.exact(form, f"exact-{form.replace(' ', '-')}")
            for precision, bound in (("FP64_TRUE", 1e-12), ("FP32_TRUE", 1e-5)):
                for lora_form in ("folded", "unfolded"):
                    with self.subTest(f"{form} {precision} {lora_form}"):
                        plan = self.lora_plan("nf4", "--lora-form", lora_form, precision=precision,
                                              quantization=quantization)
                        actual = self.gradients(plan, "nf4", "--poison", model=self.base.folder)
                        error, name = worst(actual, expected)
                        self.assertLess(error, bound, name)

    def test_the_base_matters(self):
        """The test above would find a base that is not quantised, or by other numbers."""
        expected, plan = self.exact("means"), self.lora_plan("bf16", precision="FP64_TRUE")
        self.assertGreater(worst(self.gradients(plan, "bf16", model=self.base.folder), expected)[0], 1e-3)
        plan = self.lora_plan("nested", precision="FP64_TRUE", quantization=NESTED)
        self.assertGreater(worst(self.gradients(plan, "nested", model=self.base.folder), expected)[0], 1e-4)

    def test_dropout_and_adapters_of_some_linears(self):
        lora = '{ r: 4 lora_alpha: 8 lora_dropout: 0.25 target_modules: ["q_proj", "v_proj", "down_proj"] }'
        expected = self.exact("means", lora=lora)
        for lora_form in ("folded", "unfolded"):
            plan = self.lora_plan("nf4", "--lora-form", lora_form, precision="FP64_TRUE", quantization=NF4, lora=lora)
            error, name = worst(self.gradients(plan, "nf4", "--poison", model=self.base.folder), expected)
            self.assertLess(error, 1e-12, name)


class PaddedHeads(Gradients):
    """Heads of 100 in 128 lanes: rows and columns of the weights that checkpoints do not know."""
    model = "tiny-head-dim-100"

    def lora_plan(self, name, *options, **fields):
        return super().lora_plan(name, "--head-lanes", "128", *options, **fields)


class Checkpoints(QuantizedTest):
    def test_published_ones_train_as_the_numbers_do(self):
        for form, quantization in (("plain", NF4), ("nested", NESTED)):
            with self.subTest(form):
                own = self.lora_plan("own", precision="BF16_MIXED", quantization=quantization)
                self.train(own, "own", "--overwrite", model=self.base.folder)
                folder = self.base.write(form, form)
                published = self.lora_plan("published", precision="BF16_MIXED", quantization=quantization,
                                           base_model=f'"{folder}"')
                self.train(published, "published", "--overwrite", model=folder)
                self.assertEqual(self.losses("published"), self.losses("own"))
                self.assertEqual(self.bytes("published", "adapter_model.safetensors"),
                                 self.bytes("own", "adapter_model.safetensors"))
                self.train(own, "mixed", "--overwrite", model=folder) # a plan of the model's own config takes them too
                self.assertEqual(self.losses("mixed"), self.losses("own"))

    def test_modules_that_were_left_out_stay_as_they_are(self):
        left_out = ("k_proj", "lm_head", "layers.1.mlp")
        folder = self.base.write("skipped", "plain", left_out)
        plan = self.lora_plan("skipped", quantization=NF4, base_model=f'"{folder}"', precision="FP64_TRUE")
        tables = self.steps(plan)
        self.assertRegex(tables, r"tensor model.layers.0.self_attn.q_proj.weight FROZEN U4 \(NF4\)")
        self.assertRegex(tables, r"tensor model.layers.0.self_attn.k_proj.weight FROZEN F64")
        self.assertRegex(tables, r"tensor model.layers.1.mlp.up_proj.weight FROZEN F64")
        exact = self.lora_plan("exact", precision="FP64_TRUE")
        expected = self.gradients(exact, "exact", model=self.base.write("means", "means", left_out))
        for lora_form in ("folded", "unfolded"):
            plan = self.lora_plan("skipped", "--lora-form", lora_form, quantization=NF4, base_model=f'"{folder}"',
                                  precision="FP64_TRUE")
            error, name = worst(self.gradients(plan, "left-out", "--poison", model=folder), expected)
            self.assertLess(error, 1e-12, name)

    def test_recipe_and_checkpoint_must_agree(self):
        folder = self.base.write("plain", "plain")
        result = call(FTC, "compile", self.recipe(base_model=f'"{folder}"', lora=LORA), "-o", self.folder / "p.bin")
        self.refused(result, 1, "is stored in NF4, and the recipe does not say so", "quantization { type: NF4 }")
        plan = self.lora_plan("bf16")
        result = call(*self.command(plan, "out", model=folder))
        self.refused(result, 1, "is quantised in 4 bits", "compile the recipe with quantization.type=NF4")
        config = json.loads((folder / "config.json").read_text())
        for change in ({"bnb_4bit_quant_type": "fp4"}, {"quant_method": "gptq"}, {"load_in_8bit": True}):
            config["quantization_config"] = dict(CONFIG, **change)
            (folder / "config.json").write_text(json.dumps(config))
            result = call(FTC, "check", self.recipe(base_model=f'"{folder}"', lora=LORA, quantization=NF4))
            self.refused(result, 1, "quantised bases are not supported")


class Plans(QuantizedTest):
    def test_weights_lie_in_four_bits_and_memory_is_what_was_said(self):
        sizes = {}
        for name, quantization in (("bf16", None), ("nf4", NF4), ("nested", NESTED)):
            fields = dict(base_model='"tiny-llama-1.1b"', precision="BF16_TRUE", sequence_len=64,
                          quantization=quantization, max_document_len=None, max_documents_per_row=None)
            out = call(FTC, "check", self.recipe(name, lora=LORA, **fields)).out
            sizes[name] = int(re.search(r"weights +weights +(\d+)", out).group(1))
        linears = 22 * (2 * 2048 * 2048 + 2 * 256 * 2048 + 3 * 2048 * 5632)
        self.assertAlmostEqual(sizes["bf16"] - sizes["nf4"], linears * (2 - 4.5 / 8), delta=linears / 200)  # and the matrix that numbers are made in
        # A map of 256 values comes with every tensor.
        self.assertAlmostEqual(sizes["nf4"] - sizes["nested"], linears * (3 / 64) - 22 * 7 * 1040, delta=linears / 200)  # and the matrix that numbers are made in

    def test_a_run_reserves_what_check_says(self):
        plan = self.lora_plan("nf4", quantization=NESTED)
        needs = int(re.search(r"needs +(\d+)", call(FTC, "check", self.folder / "nf4.textproto").text).group(1))
        self.train(plan, "out")
        memory = self.summary("out")["memory"]
        self.assertEqual(needs, memory["predicted_arenas_bytes"] + memory["predicted_outside_bytes"])

    def test_adapters_stay_folded(self):
        """Forward one product over [x | s], backward one over [dy | ds], as with a base in bf16."""
        counts = {}
        for quantization in (None, NF4):
            plan = self.folder / "gpu.bin"
            recipe = self.recipe("gpu", base_model='"smollm2-135m"', lora=LORA.replace("4 ", "8 "), sequence_len=512,
                                 precision="BF16_TRUE", max_document_len=None, max_documents_per_row=None,
                                 quantization=quantization)
            self.assertEqual(call(FTC, "compile", recipe, "--gpu", "h200", "-o", plan).code, 0)
            steps = self.steps(plan)
            counts[quantization] = [len(re.findall(kind, steps)) for kind in (r" gemm ", r"\.folded", r"low_rank")]
        self.assertEqual(counts[NF4], counts[None])
        self.assertGreater(counts[NF4][1], 30)

    def test_ranks_hold_the_same_base(self):
        one = self.lora_plan("one", quantization=NF4, gradient_accumulation_steps=2, micro_batch_size=2)
        two = self.lora_plan("two", quantization=NF4, gradient_accumulation_steps=1, micro_batch_size=2,
                             parallelism="{ dp_replicate_size: 2 }")
        self.train(one, "one", model=self.base.folder)
        self.train(two, "two", model=self.base.folder)
        for a, b in zip(self.losses("one"), self.losses("two")):
            self.assertLess(abs(a - b), 2e-5 * abs(a))

    def test_refuses_what_cannot_be(self):
        for fields, parts in ((dict(quantization=NF4), ["quantization.type is NF4", "add lora {}"]),
                              (dict(quantization="{ type: INT8 }", lora=LORA), ["quantization.type asks for INT8"]),
                              (dict(quantization="{ }", lora=LORA), ["quantization.type is missing"])):
            with self.subTest(str(fields)):
                self.refused(call(FTC, "check", self.recipe(**fields)), 1, *parts)


if __name__ == "__main__":
    unittest.main()
