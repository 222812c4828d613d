#!/usr/bin/env python3
"""Training on a base in FP8: against double precision on the numbers that an independent quantiser makes of the base,
with products of codes and without."""
import importlib.util
import json
import pathlib
import re
import shutil
import tempfile
import unittest

from harness import FTC, LORA, call, worst
from quantized import QuantizedTest, nf4

spec = importlib.util.spec_from_file_location("fp8", pathlib.Path(__file__).parent / "../goldens/fp8/make.py")
fp8 = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fp8)

FP8, WIDENED = "{ type: FP8 }", "{ type: FP8 products: DEQUANTIZED }"
KEPT = "{ type: FP8 resident_transposes: TRUE }"


class Fp8Test(QuantizedTest):
    def means(self, name):
        """A checkpoint of the numbers that the codes of the base mean."""
        folder = self.folder / name
        folder.mkdir()
        (folder / "config.json").write_text((self.base.folder / "config.json").read_text())
        held = {}
        for key, values in self.base.numbers.items():
            shape = self.base.shapes[key]
            if self.base.is_linear(key):
                rows = [list(values[r * shape[1]:(r + 1) * shape[1]]) for r in range(shape[0])]
                values = [x for row in rows for x in fp8.means(row)]
            held[key] = ("F32", shape, nf4.floats(values))
        nf4.save(folder / "model.safetensors", held)
        return folder

    def exact(self, name="exact", **fields):
        """In double precision, on the numbers that the codes mean, without quantisation."""
        plan = self.lora_plan(name, precision="FP64_TRUE", **fields)
        return self.gradients(plan, name, model=self.means(f"{name}-means"))


class Gradients(Fp8Test):
    def setUp(self):
        """tiny-gqa with all dimensions multiples of 16."""
        folder = pathlib.Path(tempfile.mkdtemp(prefix="ftc-test-"))
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        config = json.loads(pathlib.Path("recipes/models/tiny-gqa/config.json").read_text())
        (folder / "config.json").write_text(json.dumps(dict(config, intermediate_size=64)))
        self.model = folder
        super().setUp()

    def test_of_dequantised_products_equal_double_precision(self):
        expected = self.exact()
        for precision, quantization, bound in (("FP64_TRUE", FP8, 1e-12), ("FP32_TRUE", WIDENED, 1e-5)):
            for lora_form in ("folded", "unfolded"):
                with self.subTest(f"{precision} {lora_form}"):
                    plan = self.lora_plan("fp8", "--lora-form", lora_form, precision=precision, quantization=quantization)
                    self.assertNotRegex(self.steps(plan), r"F8E4M3 F8E4M3")
                    error, name = worst(self.gradients(plan, "fp8", "--poison", model=self.base.folder), expected)
                    self.assertLess(error, bound, name)

    def test_of_products_of_codes_are_those_of_rounded_rows(self):
        """A row's code differs from it by a 16th at most, by 2.6 % of the norm on the way forward and back. Layers add up;
        what is scaled wrongly, transposed, or of another row is not near."""
        expected = self.exact()
        found = {}
        for name, precision, quantization in (("ahead", "FP32_TRUE", FP8), ("kept", "FP32_TRUE", KEPT),
                                              ("bf16", "BF16_MIXED", FP8)):
            plan = self.lora_plan(name, precision=precision, quantization=quantization)
            self.assertRegex(self.steps(plan), r"F8E4M3 F8E4M3")
            found[name] = self.gradients(plan, name, "--poison", model=self.base.folder)
            error, worst_name = worst(found[name], expected)
            self.assertLess(error, 0.15, f"{name}: {worst_name}")
            self.assertGreater(error, 1e-3, "products of codes round; these did not")
        self.assertEqual(found["ahead"], found["kept"])

    def test_the_base_matters(self):
        """The tests above would find a base that is not quantised."""
        expected, plan = self.exact(), self.lora_plan("bf16", precision="FP64_TRUE")
        self.assertGreater(worst(self.gradients(plan, "bf16", model=self.base.folder), expected)[0], 1e-3)

    def test_dropout_recomputation_and_adapters_of_some_linears(self):
        lora = '{ r: 4 lora_alpha: 8 lora_dropout: 0.25 target_modules: ["q_proj", "v_proj", "down_proj"] }'
        expected = self.exact(lora=lora)
        for checkpointing in ("NONE", "SELECTIVE", "FULL"):
            with self.subTest(checkpointing):
                plan = self.lora_plan("fp8", quantization=FP8, lora=lora, gradient_checkpointing=checkpointing)
                error, name = worst(self.gradients(plan, "fp8", "--poison", model=self.base.folder), expected)
                self.assertLess(error, 0.15, name)


class PaddedHeads(Fp8Test):
    """Heads of 100 in 128 lanes: rows and columns of the weights that checkpoints do not know."""
    model = "tiny-head-dim-100"

    def lora_plan(self, name, *options, **fields):
        return super().lora_plan(name, "--head-lanes", "128", *options, **fields)

    def test_gradients(self):
        expected = self.exact()
        for quantization, bound in ((WIDENED, 1e-5), (FP8, 0.15), (KEPT, 0.15)):
            with self.subTest(quantization):
                plan = self.lora_plan("fp8", quantization=quantization)
                error, name = worst(self.gradients(plan, "fp8", "--poison", model=self.base.folder), expected)
                self.assertLess(error, bound, name)


class Plans(Fp8Test):
    def test_weights_lie_in_eight_bits_and_memory_is_what_was_said(self):
        sizes = {}
        for name, quantization in (("bf16", None), ("fp8", "{ type: FP8 resident_transposes: FALSE }"), ("kept", KEPT)):
            fields = dict(base_model='"tiny-llama-1.1b"', precision="BF16_TRUE", sequence_len=64,
                          quantization=quantization, max_document_len=None, max_documents_per_row=None)
            out = call(FTC, "check", self.recipe(name, lora=LORA, **fields), "--gpu", "h200").out
            sizes[name] = int(re.search(r"weights +weights +(\d+)", out).group(1))
        codes = 22 * (2 * 2048 * 2048 + 2 * 256 * 2048 + 3 * 2048 * 5632)
        self.assertAlmostEqual(sizes["bf16"] - sizes["fp8"], codes, delta=codes / 100)
        first = 2048 * 2048 + 2 * 256 * 2048  # Nothing asks for the gradient of layer 0's normed input.
        self.assertAlmostEqual(sizes["kept"] - sizes["fp8"], codes - first, delta=codes / 10000)

    def test_a_run_reserves_what_check_says_and_repeats(self):
        plan = self.lora_plan("fp8", quantization=FP8)
        needs = int(re.search(r"needs +(\d+)", call(FTC, "check", self.folder / "fp8.textproto").text).group(1))
        self.train(plan, "out")
        memory = self.summary("out")["memory"]
        self.assertEqual(needs, memory["predicted_arenas_bytes"] + memory["predicted_outside_bytes"])
        self.train(plan, "again")
        self.assertEqual(self.bytes("out", "adapter_model.safetensors"), self.bytes("again", "adapter_model.safetensors"))

    def test_every_product_of_the_base_multiplies_codes_where_that_is_possible(self):
        """Of 30 layers four groups: forward in three segments and backward in two; none reads numbers."""
        recipe = self.recipe("gpu", base_model='"smollm2-135m"', lora=LORA, sequence_len=512, precision="BF16_TRUE",
                             max_document_len=None, max_documents_per_row=None, quantization=FP8)
        for gpu, multiplied in (("h200", True), ("h100-80gb", True), ("a100-80gb", False), ("rtx4090", False)):
            with self.subTest(gpu):
                plan = self.folder / "gpu.bin"
                self.assertEqual(call(FTC, "compile", recipe, "--gpu", gpu, "-o", plan).code, 0)
                steps = self.steps(plan)
                products = len(re.findall(r" F8E4M3 F8E4M3 ", steps))
                self.assertEqual(products > 0, multiplied)
                self.assertEqual("@dequantize" in steps or " dequantize" in steps, not multiplied)
                self.assertIn("base in FP8: 210 weights", steps)
                self.assertIn("products a step multiply FP8" if multiplied else f"not measured on {gpu}", steps)

    def test_shapes_without_a_form_are_widened_and_named(self):
        plan = self.lora_plan("odd", quantization=FP8, base_model='"tiny-odd"')
        steps = self.steps(plan)
        self.assertIn("its rows or columns are no multiple of 16", steps)

    def test_ranks_hold_the_same_base(self):
        one = self.lora_plan("one", quantization=FP8, gradient_accumulation_steps=2, micro_batch_size=2)
        two = self.lora_plan("two", quantization=FP8, gradient_accumulation_steps=1, micro_batch_size=2,
                             parallelism="{ dp_replicate_size: 2 }")
        self.train(one, "one", model=self.base.folder)
        self.train(two, "two", model=self.base.folder)
        for a, b in zip(self.losses("one"), self.losses("two")):
            self.assertLess(abs(a - b), 2e-5 * abs(a))

    def test_refuses_what_cannot_be(self):
        asks = dict(lora=LORA, quantization="{ type: FP8 products: FP8 }")
        for fields, code, parts in (
                (dict(quantization=FP8), 1, ["quantization.type is FP8", "add lora {}"]),
                (dict(asks, precision="FP64_TRUE"), 1, ["quantization.products is FP8", "FP64_TRUE"]),
                (dict(lora=LORA, quantization=FP8, parallelism="{ strategy: FSDP dp_shard_size: 2 }"), 1,
                 ["a quantised base with parallelism.strategy FSDP", "use DDP"])):
            with self.subTest(str(fields)):
                self.refused(call(FTC, "check", self.recipe(**fields)), code, *parts)
        self.refused(call(FTC, "check", self.recipe(**asks), "--gpu", "a100-80gb"), 2,
                     "quantization.products is FP8, and a100-80gb has no products of FP8")

    def test_numbers_that_are_not_finite_are_refused_by_name(self):
        path = self.base.folder / "model.safetensors"
        data = bytearray(path.read_bytes())
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        entry = header["model.layers.1.mlp.up_proj.weight"]
        width = 4 if entry["dtype"] == "F32" else 2
        at = 8 + int.from_bytes(data[:8], "little") + entry["data_offsets"][0] + width * 77
        data[at : at + width] = b"\x00\x00\x80\x7f"[-width:]
        path.write_bytes(data)
        plan = self.lora_plan("fp8", quantization=FP8)
        self.refused(call(*self.command(plan, "out", model=self.base.folder)), 1,
                     "up_proj.weight", "element 77 of", "is not finite")


if __name__ == "__main__":
    unittest.main()
