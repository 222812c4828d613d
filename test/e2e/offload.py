#!/usr/bin/env python3
"""An optimizer on the host: the same bits as on the device, whatever share of it is there."""
import json
import pathlib
import unittest

from harness import FTC, call
from offloading import DECAY, FORMS, LORA, PRECISIONS, OffloadTest, offload


class Offload(OffloadTest):
    def test_bits_are_those_of_the_device(self):
        for name, fields in FORMS.items():
            for precision in PRECISIONS:
                if name == "QLoRA" and precision == "FP64_TRUE":
                    continue
                with self.subTest(form=name, precision=precision):
                    self.same(fractions=(0.5, 1), precision=precision, **fields)

    def test_moments_in_bf16(self):
        self.same(precision="BF16_TRUE", optimizer_state_dtype="BF16", **DECAY)

    def test_moments_in_8_bits(self):
        fields = dict(DECAY, base_model='"tiny-blocks"', optimizer_state_dtype="INT8")
        for precision in ("FP32_TRUE", "BF16_TRUE", "BF16_MIXED", "FP16_MIXED"):
            with self.subTest(precision=precision):
                self.same(precision=precision, **fields)
        self.same(lora='{ r: 64 target_modules: "all-linear" }', **fields)

    def test_bits_as_users_compile(self):
        for form in ("full", "full, one micro-batch", "LoRA"):
            with self.subTest(form=form):
                fields = dict(FORMS[form], precision="BF16_MIXED")
                self.form = ()
                self.same(fractions=(0.05, 1), **fields)
                whole = self.left("host", offload_optimizer=offload(1), **fields)
                self.form = ("--cpu-code", "avx2")
                self.assertEqual(self.left("less", offload_optimizer=offload(1), **fields), whole)
                sizes = [len(self.bytes(f"{name}.bin")) for name in ("less", "host")]
                self.assertLess(sizes[0], 0.9 * sizes[1])

    def test_moments_need_not_be_pinned(self):
        numbers = self.left("device", **FORMS["full"])
        self.assertEqual(self.left("host", offload_optimizer=offload(1, "pin_memory: false"), **FORMS["full"]), numbers)
        explained = call(FTC, "explain", self.folder / "host.bin").out
        self.assertRegex(explained, r"host_moments +HOST")
        self.assertRegex(explained, r"host_masters +PINNED")

    def measured(self, base_model, **fields):
        """What each step says of its host, the first aside: that finishes no update."""
        self.left("host", **dict(FORMS["full, one micro-batch"], base_model=f'"{base_model}"', **fields))
        lines = [json.loads(line) for line in self.bytes("host", "metrics.jsonl").splitlines()]
        self.assertTrue(all("offload" in line for line in lines), "the CPU is waited for in each step")
        self.assertEqual(lines[0]["offload"]["host_updates_ms"], 0)
        return [line["offload"] for line in lines[1:]]

    def test_what_the_host_does_is_measured(self):
        # On the CPU all of it is exposed, and a host that has a hundred times as much to do takes longer for it.
        config = json.loads(pathlib.Path("recipes/models/tiny-gqa/config.json").read_text())
        large = self.folder / "large"
        large.mkdir()
        (large / "config.json").write_text(json.dumps(dict(config, vocab_size=30000)))
        few, many = (self.measured(model, offload_optimizer=offload(1)) for model in ("tiny-gqa", large))
        for step in few + many:
            self.assertGreater(min(step["host_updates_ms"], step["to_host_bytes"], step["to_device_bytes"]), 0)
            whole = step["host_updates_ms"] + step["to_host_ms"] + step["to_device_ms"]
            self.assertGreaterEqual(step["exposed_ms"], 0.999 * whole)
        quickest = lambda steps: min(step["exposed_ms"] for step in steps)
        self.assertGreater(quickest(many), 5 * quickest(few))
        summary = self.summary("host")["offload"]
        self.assertEqual({name: summary[name] for name in many[-1]}, many[-1])
        self.assertGreater(summary["predicted_host_updates_ms"], 0)
        said = self.train(self.folder / "host.bin", "host", "--overwrite").out
        self.assertRegex(said, r"the host in step 3: updates [\d.]+ ms, copies to it [\d.]+ ms \([\d.]+ GB/s\), from it .* predicted: updates")
        self.left("device", **FORMS["full"])
        self.assertNotIn("offload", self.summary("device"))

    def test_plans_for_a_gpu(self):
        # Adapters lie in borders there as on the CPU, or apart; their masters are on the host in part or all.
        for form in ("full", "full, one micro-batch", "LoRA", "LoRA, one micro-batch", "LoRA with dropout", "QLoRA"):
            for precision in ("BF16_TRUE", "BF16_MIXED"):
                for fraction in (0.5, 1):
                    with self.subTest(form=form, precision=precision, fraction=fraction):
                        fields = dict(FORMS[form], base_model='"smollm2-135m"', precision=precision)
                        recipe = self.recipe("gpu", offload_optimizer=offload(fraction), **fields)
                        gradients = "leave" if "one" in form else "auto"
                        checked = call(FTC, "check", recipe, "--gpu", "h200", "--gradients", gradients)
                        self.assertEqual(checked.code, 0, checked.text)

    def test_refuses_what_is_not_there(self):
        for field, value, parts in [
            ("offload_optimizer", "{ fraction: 0.5 }", ["offload_optimizer.device is missing"]),
            ("offload_optimizer", "{ device: CPU fraction: 1.5 }", ["offload_optimizer.fraction is 1.5", "[0, 1]"]),
            ("offload_optimizer", "{ device: CPU fraction: -0.1 }", ["offload_optimizer.fraction is -0.1"]),
            ("offload_optimizer", "{ device: DISK }", ["device is DISK", "CPU"]),
            ("offload_parameters", "{ device: CPU }", ["offload_parameters asks for", "not supported yet"]),
        ]:
            with self.subTest(value=value):
                recipe = self.recipe("bad", **{field: value})
                self.refused(call(FTC, "check", recipe), 1, *parts)

    def test_a_host_that_is_too_small(self):
        recipe = self.recipe("host", offload_optimizer=offload(1))
        check = lambda size, *options: call(FTC, "check", recipe, "--host-memory", size, *options)
        enough = check("1GiB", "--gpu", "h200")
        self.assertEqual(enough.code, 0, enough.text)
        self.assertRegex(enough.out, r"host has +1073741824 +1\.000\n")
        self.refused(check("1.2MiB", "--gpu", "h200"), 2, "host does not fit a host of h200: needs 0.00 GiB of its memory, has",
                     "  fits with --set offload_optimizer.fraction=0: ", " of the host saved")
        for size in ("lots", "0", "-1", "1GiB1"):
            self.refused(check(size, "--gpu", "h200"), 1, f'--host-memory is "{size}"; must be bytes in [1, 2^63)', '"256GiB"')
        self.refused(check("1GiB"), 1, "--host-memory is of the host beside a GPU, and target cpu has none: memory_budget")
        self.assertEqual(check("").code, 1)


if __name__ == "__main__":
    unittest.main()
