#!/usr/bin/env python3
"""What a newcomer, a damaged disk or a bad day may give to ftc and ftrun: recipes, configs, tokenizers, weights, adapters,
checkpoints, data, settings, command lines, by hand and by small generators.

None of it may end a program by a signal, keep it busy, leave something half-written, or be refused without the place and
a reason in a line that a terminal can show. FTC_HOSTILE_ALL=1 tries every value in every place, some thousands, where a
test takes a few of each. FTC_HOSTILE_LOG names a file that takes every answer, to be read.
"""
import copy
import gzip
import json
import os
import pathlib
import random
import re
import subprocess
import time
import unittest

from harness import FTC, FTRUN, LORA, WorkshopTest, call

SEED = 20261130
ALL = bool(os.environ.get("FTC_HOSTILE_ALL"))
# What a field of JSON, of any type, may be given.
VALUES = [None, True, 0, -1, 0.5, 1 << 63, 1e308, "", "\u001b[31m\u202ex\u0085", "a" * 5000, [], [0], [[[]]], {},
          {"a": {"b": 1}}]
# What a setting may be given.
TEXTS = ["", " ", "-1", "0", "nan", "inf", "1e999", "-0", "1e-999", "18446744073709551616", "1,5", "0x10", "AUTO",
         "\u001b[2J",
         "ü\u202e", "a\nb", "{}", "[]", "{ a: 1", "\"", "'", "true", "NULL", "9" * 400]
BASE = dict(base_model='"model"', lora=LORA, template='"chatml"', data='{ train: "data.jsonl" }',
            max_documents_per_row=None,
            max_document_len=None, sequence_len=64, max_steps=1)
SAMPLE = '{"instruction": "a", "output": "b"}\n'


def members(value, path=()):
    """The path of every member and of the first elements inside of a JSON value."""
    for key, inner in value.items() if isinstance(value, dict) else list(enumerate(value))[:2]:
        yield (*path, key)
        if isinstance(inner, (dict, list)):
            yield from members(inner, (*path, key))


def changed(value, path, new):
    value = copy.deepcopy(value)
    inner = value
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = new
    return value


class Hostile(WorkshopTest):
    def setUp(self):
        super().setUp()
        self.random = random.Random(SEED)
        self.log = open(os.environ.get("FTC_HOSTILE_LOG", os.devnull), "a", encoding="utf-8")
        self.addCleanup(self.log.close)
        self.count = 0

    def some(self, values, number):
        return values if ALL else self.random.sample(values, number)

    def judge(self, what, program, *arguments, codes=(0, 1), place="", parts=(), out=None, **named):
        """Runs it, and judges what it says and leaves."""
        begin = time.monotonic()
        result = call(program, *arguments, timeout=60, **named)
        seconds = time.monotonic() - begin
        self.count += 1
        name = f"{self.id()}: {what}"
        self.log.write(f"{name}\n  {result.code} {result.err}")
        self.assertIn(result.code, codes, f"{name}: {result.text}")
        self.assertLess(seconds, 20, name)
        # C0, DEL, C1 and what turns a line of text around drive a terminal.
        self.assertIsNone(re.search("[\0-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", result.text),
                          f"{name}: {result.text!r}")
        self.assertLess(len(result.text), 20000, name)
        self.assertNotRegex(result.text, r"terminate called|a library ended|Assertion|what\(\)|std::|LLVM ERROR|Stack dump|\[json")
        self.assertEqual([path.name for path in self.folder.rglob("*") if ".tmp" in path.name], [], name)
        if result.code in (1, 2):
            self.assertGreater(len(result.err), 20, name)
            for part in (place, *parts):
                self.assertIn(part, result.err, name)
            if out:
                self.assertFalse((self.folder / out).exists(), f"{name}: {out} is left")
        return result

    def model(self):
        """A whole model, with a tokenizer of the goldens, a sample file, and what a recipe for it is."""
        config = json.loads(pathlib.Path("recipes/models/tiny-gqa/config.json").read_text())
        self.write("source/config.json", json.dumps({**config, "vocab_size": 1000}))
        plan = self.compile("full", base_model='"source"', sequence_len=64, max_documents_per_row=None,
                            max_document_len=None, max_steps=1)
        self.train(plan, "model", "--stop-after", "1")
        for name in ("metrics.jsonl", "summary.json", "recipe.resolved.textproto"):
            (self.folder / "model" / name).unlink()
        self.write("data.jsonl", SAMPLE * 4)
        for name in ("tokenizer.json", "tokenizer_config.json"):
            self.write(f"model/{name}", pathlib.Path("test/goldens/text/digits", name).read_bytes())
        return self.folder / "model"

    def write(self, name, content):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path


class Recipes(Hostile):
    def test_texts_that_are_no_recipe(self):
        whole = self.recipe().read_bytes()
        texts = {"empty": b"", "zeros": bytes(100), "cut": whole[:60], "binary": bytes(range(256)),
                 "utf-16": whole.decode().encode("utf-16"),
                 "bom": b"\xef\xbb\xbf" + whole, "crlf": whole.replace(b"\n", b"\r\n"),
                 "yaml": b"base_model: tiny\nlr: 1e-3\n",
                 "json": b'{"base_model": "tiny-gqa"}', "gzip": gzip.compress(whole), "open string": b'base_model: "tiny',
                 "open message": b"lora {", "deep": b"lora {" * 5000, "twice": whole + b"seed: 1\nseed: 2\n",
                 "long": b"a" * 3000000,
                 "escape": b'base_model: "\x1b[31m"\n', "not utf-8": b'base_model: "\xff\xfe"\n',
                 "nul": b'base_model: "a\\000b"\n',
                 "unknown": whole + b"learnin_rate: 1\n", "comment": b"#" * 100000, "no newline": whole.rstrip()}
        for what, text in texts.items():
            with self.subTest(what):
                self.judge(what, FTC, "check", self.write("r.textproto", text))
                self.judge(what + " as .pb", FTC, "check", self.write("r.pb", text))
        for what, path in (("absent", "absent.textproto"), ("folder", "."), ("device", "/dev/null"),
                           ("other name", "r.txt")):
            self.judge(what, FTC, "check", self.folder / path, codes=(1,), place=path.strip("."))

    def test_every_field_with_every_text(self):
        recipe = self.recipe()
        schema = pathlib.Path("recipes/recipe.proto").read_text(encoding="utf-8")
        message, fields = "", []
        for line in schema.splitlines():
            if found := re.match(r"message (\w+)", line):
                message = found[1]
            if found := re.match(r"  (?:optional|repeated) [\w.]+ (\w+) = ", line):
                fields.append({"Recipe": "", "Data": "data."}.get(message,
                                                                  re.sub(r"(?<!^)([A-Z])", r"_\1",
                                                                          message).lower() + ".") + found[1])
        self.assertGreater(len(fields), 80)
        for field in fields:
            for text in self.some(TEXTS, 3):
                self.judge(f"{field}={text!r}", FTC, "check", recipe, "--set", f"{field}={text}", codes=(0, 1, 2))


class Configs(Hostile):
    def test_every_member_with_every_value(self):
        model = self.model()
        plan = self.compile("plan", quantization="{ type: NF4 }", **BASE)
        config = json.loads((model / "config.json").read_text())
        config.update(rope_scaling={"rope_type": "yarn", "factor": 2.0},
                      quantization_config={"quant_method": "bitsandbytes", "load_in_4bit": True,
                                           "bnb_4bit_quant_type": "nf4"},
                      layer_types=["full_attention"] * 2, attention_dropout=0.0, sliding_window=4,
                      use_sliding_window=False)
        (model / "config.json").write_text(json.dumps(config))
        self.judge("as it is", FTC, "check", self.folder / "plan.textproto", codes=(0,))
        for path in [*members(config), ("quantization_config",), ("new",)]:
            for value in self.some(VALUES, 4):
                (model / "config.json").write_text(json.dumps(changed(config, path, value)))
                self.judge(f"{path} = {value!r:.40}", FTC, "check", self.folder / "plan.textproto", place="config.json")
        for path in list(members(config))[::3]:
            (model / "config.json").write_text(json.dumps(changed(config, path, self.random.choice(VALUES))))
            self.judge(f"ftrun {path}", *self.command(plan, "out", model=model), codes=(1,), place="config.json",
                       out="out")

    def test_what_changes_the_computation_is_seen_by_both(self):
        """Keys that some family computes with; whatever they say, neither program goes on as if they were absent."""
        model = self.model()
        plan = self.compile("plan", **BASE)
        config = json.loads((model / "config.json").read_text())
        keys = {"attention_bias": True, "attn_logit_softcapping": 50.0, "clip_qkv": 8.0, "embedding_multiplier": 12.0,
                "final_logit_softcapping": 30.0, "hidden_act": "gelu", "logits_scaling": 8.0, "mlp_bias": True,
                "no_rope_layers": [0, 1],
                "num_experts": 4, "partial_rotary_factor": 0.5, "qk_layernorm": True, "query_pre_attn_scalar": 7,
                "rms_norm_eps": 0.1,
                "residual_multiplier": 0.2, "rope_interleaved": True,
                "rope_parameters": {"rope_type": "yarn", "factor": 8.0, "rope_theta": 1e4},
                "rope_scaling": {"rope_type": "linear", "factor": 2.0}, "rope_theta": 5e5, "sliding_window": 8,
                "tie_word_embeddings": True,
                "attention_multiplier": 0.1, "layer_types": ["sliding_attention"] * 2, "text_config": {"hidden_size": 1},
                "num_key_value_heads": 1, "head_dim": 8, "attention_dropout": 0.1, "new_key_of_next_year": 1,
                "rope_scaling ": None, "ROPE_THETA": 5e5, "rope_theta\u200b": 5e5,
                "quantization_config": {"quant_method": "gptq"}}
        for key, value in keys.items():
            if value is None:
                continue
            with self.subTest(key):
                (model / "config.json").write_text(json.dumps({**config, key: value}))
                ran = self.judge(f"ftrun {key}", *self.command(plan, "out", model=model), codes=(1,),
                                 place="config.json", out="out")
                shape = self.judge(f"ftc {key}", FTC, "compile", self.folder / "plan.textproto", "-o",
                                   self.folder / "other.bin")
                if shape.code == 0: # understood: then the plan is another
                    self.assertNotEqual(self.bytes("plan.bin"), self.bytes("other.bin"), ran.err)

    def test_rows_that_no_plan_is_made_for_are_refused_at_once(self):
        config = json.loads(pathlib.Path("recipes/models/tiny-gqa/config.json").read_text())
        self.write("long/config.json", json.dumps({**config, "max_position_embeddings": 1 << 21}))
        recipe = self.recipe(base_model='"long"', micro_batch_size=1, max_document_len=None, max_documents_per_row=None)
        for length in (65536, 1 << 20):
            begin = time.monotonic()
            self.judge(f"{length} tokens", FTC, "check", recipe, "--set", f"sequence_len={length}", codes=(1,),
                       place="sequence_len", parts=["must be at most 31680 where attention is tiled", "--gpu"])
            self.assertLess(time.monotonic() - begin, 5)

    def test_texts_that_are_no_config(self):
        model = self.model()
        self.recipe("plan", **BASE)
        whole = (model / "config.json").read_text()
        texts = {"empty": "", "list": "[1]", "cut": whole[:80],
                 "twice": whole.replace("{", '{"vocab_size": 1, "vocab_size": 2,', 1),
                 "deep": "[" * 100000, "nan": whole.replace("{", '{"rope_theta": NaN,', 1), "comment": "// a\n" + whole,
                 "surrogate": whole.replace("{", '{"a": "\\ud800",', 1), "utf-16": whole.encode("utf-16"),
                 "gzip": gzip.compress(whole.encode()),
                 "huge number": whole.replace("{", '{"a": 1' + "0" * 400 + ",", 1),
                 "lfs": "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
                 "html": "<!DOCTYPE html><html></html>",
                 "many": "{" + ",".join(f'"k{i}":{{}}' for i in range(200000)) + "}"}
        for what, text in texts.items():
            self.write("model/config.json", text)
            self.judge(what, FTC, "check", self.folder / "plan.textproto", codes=(1,), place="config.json")


class CommandLines(Hostile):
    SETTINGS = ["learning_rate", "lr_scheduler_type", "warmup_steps", "warmup_ratio", "max_steps", "num_epochs", "seed",
                "logging_steps", "eval_steps", "output_dir", "template", "train_on_prompt", "val_set_size", "save_steps",
                "save_total_limit", "load_best_model_at_end", "metric_for_best_model", "save_on_signal", "data.train",
                "generate.max_new_tokens", "system_prompt", "lora.r", "precision", "unknown", "", "=", "LEARNING_RATE"]

    def test_every_setting_of_a_run(self):
        plan = self.compile(lora=LORA, max_steps=1)
        for field in self.SETTINGS:
            for text in self.some(TEXTS, 6):
                result = self.judge(f"{field}={text!r}", *self.command(plan, "out", "--overwrite", "--stop-after", "1",
                        "--set", f"{field}={text}"), codes=(0, 1))
                if result.code == 1:
                    shown = (field.split("=")[0], text, text.encode("unicode_escape").decode())
                    self.assertTrue(any(name in result.err for name in shown), result.err)

    def test_files_of_others_are_not_written_over(self):
        plan, precious = self.compile(max_steps=1), self.folder / "precious"
        recipe = self.folder / "plan.textproto"
        for name, text in (("precious", "a"), ("plan.textproto", recipe.read_text())):
            (self.folder / name).write_text(text)
            for command in (["compile", recipe], ["data", recipe, "--model", self.folder]):
                result = self.judge(f"ftc {command[0]} -o {name}", FTC, *command, "-o", self.folder / name, codes=(1,))
                self.assertIn(f"{name}: holds something else than ", result.err)
            self.assertEqual((self.folder / name).read_text(), text)
        self.judge("ftc data -o plan", FTC, "data", recipe, "--model", self.folder, "-o", plan, codes=(1,))
        precious.write_text("")  # of mktemp
        for again in (precious, plan):
            self.judge("ftc compile -o again", FTC, "compile", recipe, "-o", again, codes=(0,))
            self.assertTrue(again.read_bytes().startswith(b"FTPLAN"))

    def test_lines_that_make_no_sense(self):
        plan = self.compile(lora=LORA, max_steps=1)
        recipe = self.folder / "plan.textproto"
        out = self.folder / "out"
        for arguments in (
                [], ["compil"], ["compile"], ["compile", recipe, "-o"], ["compile", recipe, "-o", ""],
                ["compile", recipe, "-o", "/absent/plan"], ["compile", recipe, "-o", self.folder],
                ["compile", recipe, "-o", "/dev/full"], ["compile", recipe, "-o", recipe], ["check", recipe, recipe], ["check", recipe, "--gpu", ""],
                ["check", recipe, "--gpu", "../../etc"], ["check", recipe, "--gpu", "\x1b[31m"],
                ["check", recipe, "--set"], ["check", recipe, "--set", "seed"], ["check", recipe, "--set", "=1"],
                ["check", recipe, "--set", "lora=1"], ["check", recipe, "--set", "lora.r.x=1"],
                ["check", recipe, "--head-lanes", "-1"], ["check", recipe, "--head-lanes", "99999999999999"],
                ["check", recipe, "--dump-dir", "/dev/null/x"], ["compile", "--", "-o"], ["check", "a" * 5000],
                ["check", ""], ["explain"], ["explain", recipe], ["explain", self.folder], ["explain", "/dev/zero"],
                ["data", recipe], ["data", recipe, "--model", ""], ["data", recipe, "--model", "owner/absent"],
                ["tokenize", "--model", "/dev/null"], ["tokenize", "--model", "a/b@c/d"], ["tokenize"], ["--absent"],
                ["check", recipe, "--lora-form", "x"]):
            self.judge(f"ftc {arguments!r:.80}", FTC, *arguments, codes=(1,))
        base = [plan, "--model", "seeded:1", "--out", out]
        for arguments in (
                [], [""], ["absent"], [recipe], [self.folder], ["/dev/zero"], [plan], [plan, plan],
                [plan, "--model", ""], [plan, "--model", "seeded:"], [plan, "--model", "seeded:-1"],
                [plan, "--model", "seeded:1x"],
                [plan, "--model", "absent"], [plan, "--model", "/dev/zero"], [plan, "--model", "x.gguf"],
                [plan, "--model", "a\x1b[31m"], [plan, "--model", "seeded:1", "--out", ""],
                [plan, "--model", "seeded:1", "--out", "/proc/x"],
                [plan, "--model", "seeded:1", "--out", plan], [plan, "--model", "seeded:1", "--out", "/dev/null/x"],
                [plan, "--model", "seeded:1", "--out", "a" * 300], [*base, "--threads", "0"], [*base, "--threads", "x"],
                [*base, "--threads", "1e9"],
                [*base, "--gpu", "0"], [*base, "--gpu", "-1"], [*base, "--ranks", "2"], [*base, "--max-steps", "0"],
                [*base, "--max-steps", "-1"], [*base, "--max-steps", "99999999999999999999"],
                [*base, "--stop-after", "0"],
                [*base, "--resume"],
                [*base, "--resume", ""], [*base, "--resume", "yes"],
                [*base, "--resume", "/dev/null"], [*base, "--verify-steps", "0"], [*base, "--set", "a"],
                [*base, "--adapter", ""], [*base, "--adapter", "absent"],
                [*base, "--adapter", plan], [*base, "--collectives", "x"], [*base, "--init-adapters", "x"],
                [*base, "--dump-gradients", "/dev/null/x"], [*base, "--absent"], [*base, "extra"], ["--model"],
                ["--plan", plan]):
            self.judge(f"ftrun {[str(a).replace(str(self.folder), '') for a in arguments]!r:.100}", FTRUN, *arguments,
                       codes=(1, 2), out="out")

    def test_an_environment_that_changes_what_is_computed(self):
        plan = self.compile(lora=LORA, max_steps=2)
        for name, value in (("OMP_THREAD_LIMIT", "1"), ("OMP_MAX_ACTIVE_LEVELS", "0")):
            self.judge(name, *self.command(plan, "out", threads=2), codes=(2,), environment={name: value}, place=name,
                       parts=["a team of 2 threads cannot be started: the OpenMP runtime gives 1", "--threads"], out="out")
        self.judge("one", *self.command(plan, "one"), codes=(0,), environment={"OMP_THREAD_LIMIT": "1"})
        self.train(plan, "whole", threads=2)
        for name, value in (("OMP_DYNAMIC", "true"), ("OMP_NUM_THREADS", "1"), ("OMP_SCHEDULE", "dynamic,1"),
                            ("OMP_NESTED", "true"), ("ONEDNN_DEFAULT_FPMATH_MODE", "ANY"), ("LC_ALL", "de_DE.UTF-8")):
            self.judge(name, *self.command(plan, "out", "--overwrite", threads=2), codes=(0,), environment={name: value})
            self.assertEqual(self.bytes("out", "adapter_model.safetensors"), self.bytes("whole", "adapter_model.safetensors"))

    def test_standard_streams_that_are_closed_full_or_left(self):
        plan = self.compile(lora=LORA, max_steps=1)
        recipe, again = self.folder / "plan.textproto", self.folder / "again.bin"
        compiles, explains = f"{FTC} compile {recipe} -o {again}", f"{FTC} explain {plan}"
        trains = f"{FTRUN} {plan} --model seeded:1 --threads 1 --overwrite --out {self.folder / 'out'}"
        for line, code in (
                (f"{compiles} >&-", 0), (f"{compiles} >&- 2>&- <&-", 0), (f"{explains} >&-", 0), (f"{trains} >&- 2>&- <&-", 0),
                (f"{compiles} >/dev/full", 3), (f"{explains} >/dev/full", 3), (f"{FTRUN} --devices >/dev/full", 3),
                (f"{trains} >/dev/full", 0)):
            again.unlink(missing_ok=True)
            result = self.judge(line, "sh", "-c", line, codes=(code,), out="out")
            if code == 3:
                self.assertIn("standard output cannot be written", result.err)
            if "compile" in line:
                self.assertEqual(again.read_bytes(), plan.read_bytes())
        # Whoever reads may have seen enough, but the plan is made.
        for line in (compiles, explains, trains):
            again.unlink(missing_ok=True)
            read, write = os.pipe()
            os.close(read)
            with os.fdopen(write, "wb") as gone:
                code = subprocess.run(line.split(), stdout=gone, timeout=60).returncode
            self.assertEqual(code, 0, line)
            if "compile" in line:
                self.assertEqual(again.read_bytes(), plan.read_bytes())


if __name__ == "__main__":
    unittest.main(verbosity=2)
