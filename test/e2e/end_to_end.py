#!/usr/bin/env python3
"""ftc and ftrun from recipe to adapter, as a user meets them: files, exit codes, messages, refusals, interrupts."""
import hashlib
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import struct
import subprocess
import time
import unittest

from harness import FTC, FTRUN, LORA, WorkshopTest, call, tensors


class Compile(WorkshopTest):
    def test_refuses_recipes_with_exit_1_place_value_and_range(self):
        cases = [
            (dict(precison="FP32_TRUE"), ["no field precison", 'did you mean "precision"?']),
            (dict(sequence_len=25), ["sequence_len is 25", "multiple of 8"]),
            (dict(micro_batch_size=0), ["micro_batch_size", "0"]),
            (dict(micro_batch_size=65536), ["micro_batch_size is 65536; must be at most 16384", "tiled"]),
            (dict(learning_rate=0), ["learning_rate"]),
            (dict(precision=None), ["precision"]),
            (dict(optim="MUON"), ["optim asks for MUON", "use ADAMW, LION or SGD"]),
            (dict(optimizer_state_dtype="INT8", optim="SGD"), ["optimizer_state_dtype is INT8", "optim ADAMW"]),
            (dict(base_model=f'"{5000 * "a"}"'), ["base_model aaa", "neither a known model"]),
            (dict(base_model='"tiny-gqq"'), ["tiny-gqq", 'did you mean "tiny-gqa"?']),
            (dict(base_model='"a/m.gguf"'), ["a file of weights is for ftrun --model"]),
            (dict(base_model='"https://example.org/a/b"'), ["nothing is fetched from an address"]),
            (dict(target='"cpuu"'), ["cpuu"]),
            (dict(lora='{ r: 4 use_dora: true }'), ["use_dora"]),
            (dict(save_steps=0), ["save_steps is 0", "[1, 1000000000]"]),
            (dict(save_total_limit=2), ["save_total_limit", "save_steps"]),
            (dict(save_steps=6, load_best_model_at_end="true"), ["load_best_model_at_end", "eval_steps absent"]),
            (dict(save_steps=6, eval_steps=4, load_best_model_at_end="true"), ["save_steps 6 and eval_steps 4"]),
            (dict(save_steps=6, eval_steps=3, load_best_model_at_end="true"), ["without held-out data"]),
            (dict(metric_for_best_model='"accuracy"'), ["metric_for_best_model", "must be eval_loss"]),
        ]
        for fields, parts in cases:
            with self.subTest(str(fields)):
                plan = self.folder / "plan.bin"
                self.refused(call(FTC, "compile", self.recipe(**fields), "-o", plan), 1, *parts)
                self.assertFalse(plan.exists())

    def test_refuses_wrong_command_lines(self):
        recipe = self.recipe()
        for arguments in ([], ["frobnicate"], ["compile"], ["compile", self.folder / "absent.textproto", "-o", "x"]):
            self.assertEqual(call(FTC, *arguments).code, 1, arguments)
        result = call(FTC, "compile", recipe, "-o", self.folder / "absent" / "plan.bin")
        self.assertEqual(result.code, 1)
        self.assertIn("absent", result.err)
        self.refused(call(FTC, "chek", recipe), 1, "no command chek", 'did you mean "check"?')
        self.refused(call(FTC, "compile", recipe, "-o", self.folder), 1, "is a folder; must be a file")
        self.refused(call(FTC, "check", recipe, "--gpu", "h20"), 1, "--gpu h20", 'did you mean "h200"?')

    def test_the_resolved_recipe_names_the_target_that_was_taken(self):
        self.compile("a")
        plan = self.folder / "gpu.bin"
        self.assertEqual(call(FTC, "compile", self.folder / "a.textproto", "--gpu", "h200", "-o", plan).code, 0)
        self.assertIn(b'\ntarget: "h200"\n', plan.read_bytes())

    def test_check_counts_what_a_run_reserves(self):
        plan = self.compile()
        needs = int(re.search(r"needs +(\d+)", call(FTC, "check", self.folder / "plan.textproto").text).group(1))
        self.train(plan, "out")
        memory = self.summary("out")["memory"]
        self.assertEqual(needs, memory["predicted_arenas_bytes"] + memory["predicted_outside_bytes"])

    def test_ways_out_keep_to_the_global_batch_size(self):
        fields = dict(base_model='"tiny-llama-1.1b"', precision="BF16_TRUE", sequence_len=512, micro_batch_size=64,
                      max_document_len=None, max_documents_per_row=None, lora=LORA,
                      gradient_accumulation_steps=None, global_batch_size=128)
        result = call(FTC, "check", self.recipe(**fields), "--gpu", "rtx4090")
        self.refused(result, 2, "fits with --set micro_batch_size=")
        self.assertNotIn("gradient_accumulation_steps", result.text)

    def test_a_recipe_that_does_not_fit_exits_2_and_writes_nothing(self):
        plan = self.folder / "plan.bin"
        for command in (["compile", "-o", plan], ["check"]):
            result = call(FTC, *command, "recipes/open_llama_13b_full_adam.textproto", "--gpu", "a100-80gb")
            self.refused(result, 2, "does not fit a100-80gb", "over by")
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_equal_inputs_give_equal_bytes(self):
        for fields in (dict(), dict(lora=LORA, precision="BF16_MIXED")):
            first, second = self.compile("a", **fields), self.folder / "b.bin"
            elsewhere = dict(os.environ, TMPDIR=str(self.folder), LC_ALL="C", TZ="Asia/Tokyo")
            # From another folder of the same depth, at another time, under another name of the file.
            result = call(FTC, "compile", self.folder / "a.textproto", "-o", second, environment=elsewhere)
            self.assertEqual(result.code, 0, result.text)
            self.assertEqual(first.read_bytes(), second.read_bytes())
        self.assertNotEqual(first.read_bytes(), self.compile("a", learning_rate=2e-3).read_bytes())

    def test_explain_and_check_tell_the_memory(self):
        plan = self.compile(lora=LORA)
        for result in (call(FTC, "explain", plan), call(FTC, "check", self.folder / "plan.textproto")):
            self.assertEqual(result.code, 0, result.text)
            for arena in ("weights", "optimizer", "gradients", "activations"):
                self.assertIn(arena, result.out)

    def test_the_caps_alone_decide_whether_attention_sees_documents(self):
        """--data may name any token file within the caps, whatever the recipe's own data is."""
        for caps, form in ((dict(max_document_len=12, max_documents_per_row=2), "RAGGED"),
                           (dict(max_document_len=24, max_documents_per_row=1), "DENSE"),
                           (dict(max_document_len=24, max_documents_per_row=3), "RAGGED"),
                           (dict(max_document_len=None, max_documents_per_row=None, packing="false"), "DENSE")):
            plan = self.compile("gpu", "--gpu", "h200", precision="BF16_TRUE", **caps)
            steps = [line for line in call(FTC, "explain", plan).out.splitlines() if " attention FORWARD " in line]
            self.assertTrue(steps)
            for step in steps:
                self.assertIn(f" attention FORWARD {form} ", step, caps)

    def test_every_recipe_is_packed_within_five_percent_of_its_largest_live_set(self):
        recipes = sorted(pathlib.Path("recipes").glob("*.textproto"))
        self.assertGreater(len(recipes), 20)
        for recipe in recipes:
            result = call(FTC, "check", recipe)
            self.assertIn(result.code, (0, 2), result.text) # 2: it does not fit, but it is planned
            over = re.search(r"activations .* largest live set \d+ \(\+([0-9.]+) %\)", result.text)
            self.assertIsNotNone(over, f"{recipe}: {result.text}")
            self.assertLessEqual(float(over.group(1)), 5, recipe)


class Run(WorkshopTest):
    def test_a_run_leaves_what_it_names(self):
        self.train(self.compile(lora=LORA))
        files = sorted(path.name for path in (self.folder / "out").iterdir())
        self.assertEqual(files, ["adapter_config.json", "adapter_model.safetensors", "metrics.jsonl",
                                 "recipe.resolved.textproto", "summary.json"])
        self.assertEqual(len(self.losses("out")), 3)
        summary = self.summary("out")
        self.assertEqual((summary["steps"], summary["max_steps"], summary["interrupted"]), (3, 3, False))
        config = json.loads(self.bytes("out", "adapter_config.json"))
        self.assertEqual((config["peft_type"], config["r"], config["lora_alpha"], config["base_model_name_or_path"]),
                         ("LORA", 4, 8, "ftc-test/tiny-gqa"))
        adapter = tensors(self.folder / "out" / "adapter_model.safetensors")
        self.assertEqual(len(adapter), 2 * 7 * 2)
        self.assertTrue(all(any(values) for values in adapter.values()), "an adapter that training left at zero")

    def test_a_full_run_writes_the_model_and_loads_it_again(self):
        plan = self.compile(max_steps=2)
        self.train(plan, "first")
        self.train(plan, "second", model=self.folder / "first")
        self.assertLess(self.losses("second")[0], self.losses("first")[0])

    def test_a_full_run_says_the_type_it_wrote_and_keeps_the_tokenizer(self):
        self.train(self.compile(), "base", "--stop-after", "1")
        base = self.folder / "base"
        config = json.loads((base / "config.json").read_text())
        del config["torch_dtype"]
        (base / "config.json").write_text(json.dumps(dict(config, dtype="float16", rms_norm_eps=1.0)))
        (base / "tokenizer.json").write_text("{}")
        for precision, written in (("FP32_TRUE", "float32"), ("BF16_TRUE", "bfloat16"), ("BF16_MIXED", "float32")):
            plan = self.compile(base_model=f'"{base}"', precision=precision, max_steps=1)
            self.train(plan, precision, model=base)
            own = json.loads(self.bytes(precision, "config.json"))
            self.assertEqual(own, dict(config, torch_dtype=written, rms_norm_eps=1.0))
            self.assertIsInstance(own["rms_norm_eps"], float)
            self.assertEqual(self.bytes(precision, "tokenizer.json"), b"{}")

    def test_both_programs_judge_a_config_alike(self):
        plan = self.compile()
        self.train(plan, "base", "--stop-after", "1")
        base = self.folder / "base"
        config = json.loads((base / "config.json").read_text())
        dynamic = {"rope_type": "dynamic", "factor": 8.0, "rope_theta": 10000.0}
        cases = [({"unsloth_fixed": True, "rope_scaling": {"rope_type": "default"}, "id2label": {"0": "a"}}, None),
                 ({"rope_parameters": dynamic}, "rope_type"),
                 ({"rope_scaling": dynamic}, "rope_type"),
                 ({"quantization_config": {"bits": 4}}, "quantised bases are not supported"),
                 ({"something_new": 1}, "something_new is 1; must be absent"),
                 ({"num_attention_heads": 0}, "num_attention_heads is 0; must be an integer in [1, 1024]")]
        for number, (change, part) in enumerate(cases):
            with self.subTest(str(change)):
                (base / "config.json").write_text(json.dumps(dict(config, **change)))
                compiled = call(FTC, "check", self.recipe(base_model=f'"{base}"'))
                ran = call(*self.command(plan, f"out{number}", "--stop-after", "1", model=base))
                if part is None:
                    self.assertEqual((compiled.code, ran.code), (0, 0), compiled.text + ran.text)
                    continue
                self.refused(compiled, 1, part)
                self.refused(ran, 1, part)
                self.assertFalse((self.folder / f"out{number}").exists())

    def test_an_adapter_of_a_model_without_a_name_names_what_it_started_from(self):
        self.train(self.compile(), "base", "--stop-after", "1")
        base = self.folder / "base"
        config = json.loads((base / "config.json").read_text())
        del config["_name_or_path"]
        (base / "config.json").write_text(json.dumps(config))
        plan = self.compile(base_model=f'"{base}"', lora=LORA)
        result = self.train(plan, "out", model=base)
        self.assertEqual(json.loads(self.bytes("out", "adapter_config.json"))["base_model_name_or_path"], str(base))
        self.assertIn("a path of this machine", result.text)

    def test_a_base_that_is_not_finite_is_named(self):
        plan = self.compile()
        self.train(plan, "base", "--stop-after", "1")
        weights = self.folder / "base" / "model.safetensors"
        data = bytearray(weights.read_bytes())
        data[-4:] = struct.pack("<f", float("nan"))
        weights.write_bytes(data)
        result = call(*self.command(plan, "out", model=self.folder / "base"))
        self.refused(result, 1, "model.safetensors: tensor ", "is not finite (NaN or infinity)")

    def test_an_adapter_of_one_run_starts_another(self):
        plan = self.compile(lora=LORA, gradient_accumulation_steps=None)
        self.train(plan, "whole", "--max-steps", "4", "--stop-after", "3", "--set", "learning_rate=1e-2")
        # One step at rate 0: the same adapter, then the same rows as the first run's first step.
        self.train(plan, "again", "--max-steps", "1", "--set", "learning_rate=1e-9", "--adapter", self.folder / "whole")
        self.train(plan, "fresh", "--max-steps", "1", "--set", "learning_rate=1e-9")
        before, after = (tensors(self.folder / out / "adapter_model.safetensors") for out in ("whole", "again"))
        self.assertEqual(before.keys(), after.keys())
        for name in before:
            for old, new in zip(before[name], after[name]):
                self.assertAlmostEqual(old, new, delta=2e-9)
        self.assertEqual(self.losses("fresh")[0], self.losses("whole")[0])
        self.assertLess(self.losses("again")[0], self.losses("fresh")[0])

    def test_refuses_adapters_of_another_recipe(self):
        self.train(self.compile(lora=LORA), "four")
        other = self.compile("other", lora=LORA.replace("r: 4", "r: 8"))
        result = call(*self.command(other, "out", "--adapter", self.folder / "four"))
        self.refused(result, 1, "r", "4", "8")
        self.refused(call(*self.command(other, "out", "--adapter", self.folder / "absent")), 1, "absent")
        self.assertFalse((self.folder / "out").exists())

    def test_refuses_with_exit_1_and_leaves_no_folder(self):
        plan = self.compile()
        cases = [
            ([FTRUN, plan], ["--model is missing", "seeded:SEED"]),
            ([FTRUN, plan, "--model", self.folder / "absent"], ["absent"]),
            ([FTRUN, plan, "--model", "seeded:x"], ["seeded:x"]),
            ([FTRUN, plan, "--model", "seeded:1", "--data", self.folder / "absent.jsonl"], ["absent.jsonl"]),
            ([FTRUN, plan, "--model", "seeded:1", "--set", "learning_rat=1"], ['did you mean "learning_rate"']),
            ([FTRUN, plan, "--model", "seeded:1", "--set", "sequence_len=8"], ["sequence_len"]),
            ([FTRUN, plan, "--model", "seeded:1", "--adapter", self.folder], []),
        ]
        for command, parts in cases:
            with self.subTest(" ".join(map(str, command[2:]))):
                self.refused(call(*command, "--out", self.folder / "out"), 1, *parts)
                self.assertFalse((self.folder / "out").exists())

    def test_takes_a_folder_only_if_it_is_its_own(self):
        plan, out = self.compile(), self.folder / "out"
        out.mkdir()
        (out / "thesis.txt").write_text("mine")
        self.refused(call(*self.command(plan, "out")), 1, "no run of ftrun wrote", "--overwrite")
        self.train(plan, "out", "--overwrite")
        self.refused(call(*self.command(plan, "out")), 1, "finished run", "--overwrite")
        (out / "summary.json").unlink()
        self.refused(call(*self.command(plan, "out")), 1, "model.safetensors", "no finished run", "--overwrite")
        (out / "model.safetensors").unlink()  # as after a power cut
        self.train(plan, "out")
        self.assertEqual((out / "thesis.txt").read_text(), "mine")

    def test_overwriting_leaves_one_result(self):
        # An adapter beside another run's model would be loaded with it.
        adapter = {"adapter_config.json", "adapter_model.safetensors"}
        whole = {"config.json", "model.safetensors"}
        lora, full = self.compile("lora", lora=LORA), self.compile("full")
        for plan, there, gone in ((lora, adapter, whole), (full, whole, adapter), (lora, adapter, whole)):
            self.train(plan, "out", "--overwrite")
            names = {path.name for path in (self.folder / "out").iterdir()}
            self.assertLessEqual(there, names)
            self.assertFalse(gone & names)
        refused = call(*self.command(full, "out", "--overwrite", "--adapter", self.folder / "out" / "adapter_model.safetensors"))
        self.assertEqual(refused.code, 1, refused.text)
        self.assertLessEqual(adapter, {path.name for path in (self.folder / "out").iterdir()})
        self.train(full, "model")
        kept = self.bytes("model", "model.safetensors")
        self.refused(call(*self.command(lora, "model", "--overwrite", model=self.folder / "model" / "model.safetensors")), 1,
                     "holds what --model reads")
        self.assertEqual(self.bytes("model", "model.safetensors"), kept)

    def test_a_prompt_that_cannot_be_answered_is_refused_before_the_start(self):
        self.train(self.compile(), "model")  # a folder of weights, which a tokenizer of another model joins
        shutil.copy("test/goldens/text/digits/tokenizer.json", self.folder / "model")
        silent = self.compile("silent", template='"chatml"')
        asks = self.compile("asks", template='"chatml"', generate='{ instruction: "Say" max_new_tokens: 2 }')
        for plan, setting, parts in (
                (asks, "seed=1", ["generate.instruction", "at most max_document_len 9"]),
                (silent, "generate.max_new_tokens=2", ["recipe without generate"])):
            result = call(*self.command(plan, "out", "--set", setting, model=self.folder / "model"))
            self.refused(result, 1, *parts)
            self.assertFalse((self.folder / "out").exists())

    def test_a_log_that_cannot_be_written_costs_no_run(self):
        plan = self.compile(lora="{ r: 2 }", max_steps=200)
        command = [str(word) for word in self.command(plan, "out")]
        limit = 16384
        child = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120,
                               preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
        self.assertEqual(child.returncode, 0, child.stderr)
        self.assertEqual(child.stdout.count("training goes on without these lines"), 1)
        self.assertIn("File too large", child.stdout)
        self.assertTrue(tensors(self.folder / "out" / "adapter_model.safetensors"))
        summary = self.summary("out")
        whole = (self.folder / "out" / "metrics.jsonl").read_text().count("\n")
        self.assertEqual((summary["steps"], summary["metrics_lines_lost"]), (200, 200 - whole))

    def test_stop_after_ends_early_on_the_schedule(self):
        plan = self.compile(lr_scheduler_type="COSINE", max_steps=8)
        self.train(plan, "whole")
        self.train(plan, "early", "--stop-after", "3")
        self.assertEqual(self.losses("early"), self.losses("whole")[:3])
        summary = self.summary("early")
        self.assertEqual((summary["steps"], summary["max_steps"]), (3, 8))

    def test_numbers_that_are_not_finite_exit_3_and_save_the_last_good_state(self):
        plan = self.compile(max_grad_norm=0, optim="SGD")
        result = call(*self.command(plan, "out", "--set", "learning_rate=10", "--max-steps", "400"))
        self.refused(result, 3, "not finite")
        bad = [path for path in (self.folder / "out").iterdir() if path.name.startswith("failed-step-")]
        self.assertEqual(len(bad), 1)
        for values in tensors(bad[0] / "model.safetensors").values():
            self.assertTrue(all(value == value and abs(value) < 1e38 for value in values))


class Interrupt(WorkshopTest):
    def test_sigint_saves_whole_files_and_exits_4(self):
        plan = self.compile(lora=LORA)
        for number in (signal.SIGINT, signal.SIGTERM):
            out = f"out-{number}"
            with subprocess.Popen([str(word) for word in self.command(plan, out, "--max-steps", "100000000")],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as child:
                metrics, end = self.folder / out / "metrics.jsonl", time.monotonic() + 60
                while not (metrics.exists() and metrics.stat().st_size > 1000) and time.monotonic() < end:
                    time.sleep(0.01)
                child.send_signal(number)
                _, message = child.communicate(timeout=60)
            self.assertEqual(child.returncode, 4, message)
            self.assertIn("interrupted after step", message)
            self.assertTrue(self.summary(out)["interrupted"])
            self.assertEqual(len(self.losses(out)), self.summary(out)["steps"])
            self.assertEqual(len(tensors(self.folder / out / "adapter_model.safetensors")), 28)
            self.assertFalse([path for path in (self.folder / out).iterdir() if ".tmp." in path.name])
            # What it saved is a start for the next run.
            self.train(plan, "next", "--overwrite", "--stop-after", "1", "--adapter", self.folder / out)


def with_digest(body):
    return body + hashlib.sha256(body).digest()


class MalformedPlan(WorkshopTest):
    """Each damage is refused with a message of its own before anything is written. runtime/Plan tests the checks."""

    def setUp(self):
        super().setUp()
        self.plan = self.compile(lora=LORA)
        self.good = self.plan.read_bytes()

    def refuse(self, data, code, *parts):
        self.plan.write_bytes(data)
        self.refused(call(*self.command(self.plan, "out")), code, str(self.plan), *parts)
        self.assertFalse((self.folder / "out").exists())

    def test_each_damage_has_its_message(self):
        good, body = self.good, self.good[:-32]
        self.refuse(b"", 1)
        self.refuse(b"#!/bin/sh\n" * 100, 1)
        self.refuse(good[: len(good) // 2], 1, "its header says")
        self.refuse(good + b"\0", 1, "its header says")
        self.refuse(good[:8] + struct.pack("<I", 9) + good[12:], 2, "container version 9")
        self.refuse(good[:12] + struct.pack("<I", 4) + good[16:], 2, "flags 0x4")
        kind = bytearray(body)
        struct.pack_into("<I", kind, 32 + 32, 77)
        self.refuse(with_digest(bytes(kind)), 2, "kind 77")
        offset = bytearray(body)
        struct.pack_into("<Q", offset, 32 + 8, 1 << 50)
        self.refuse(with_digest(bytes(offset)), 1)

    def test_flipped_bits_are_found_wherever_they_are(self):
        for place in range(0, len(self.good), len(self.good) // 23):
            data = bytearray(self.good)
            data[place] ^= 0x10
            self.plan.write_bytes(bytes(data))
            result = call(*self.command(self.plan, "out"))
            self.assertIn(result.code, (1, 2), f"byte {place}: {result.text}")
            self.assertIn(str(self.plan), result.err)
        self.assertFalse((self.folder / "out").exists())

    def test_a_plan_for_another_target_is_refused(self):
        plan = self.folder / "gpu.bin"
        result = call(FTC, "compile", self.recipe(target='"h100-80gb"'), "-o", plan)
        self.assertEqual(result.code, 0, result.text)
        # Where there is such a GPU the run is right; elsewhere it says what is missing.
        result = call(*self.command(plan, "out"))
        if result.code != 0:
            self.refused(result, 2, "h100-80gb")
            self.assertFalse((self.folder / "out").exists())


if __name__ == "__main__":
    unittest.main(verbosity=2)
