#!/usr/bin/env python3
"""What a newcomer, a damaged disk or a bad day may give to ftc and ftrun: recipes, configs, tokenizers, weights, adapters,
checkpoints, data, settings, command lines, by hand and by small generators.

None of it may end a program by a signal, keep it busy, leave something half-written, or be refused without the place and
a reason in a line that a terminal can show. FTC_HOSTILE_LOG names a file that takes every answer, to be read.
"""
import copy
import gzip
import json
import os
import random
import re
import struct
import time
import unittest

from harness import FTC, FTRUN, LORA, WorkshopTest, call

SEED = 20261130
# What a field of JSON, of any type, may be given.
VALUES = [None, True, 0, -1, 0.5, 1 << 63, 1e308, "", "\u001b[31m\u202ex\u0085", "a" * 5000, [], [0], [[[]]], {}, {"a": {"b": 1}}]
# What a setting may be given.
TEXTS = ["", " ", "-1", "0", "nan", "inf", "1e999", "-0", "1e-999", "18446744073709551616", "1,5", "0x10", "AUTO", "\u001b[2J",
         "ü\u202e", "a\nb", "{}", "[]", "{ a: 1", "\"", "'", "true", "NULL", "9" * 400]
BASE = dict(base_model='"model"', lora=LORA, template='"chatml"', data='{ train: "data.jsonl" }', max_documents_per_row=None,
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
        self.assertIsNone(re.search("[\0-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", result.text), f"{name}: {result.text!r}")
        self.assertLess(len(result.text), 20000, name)
        self.assertNotRegex(result.text, r"terminate called|Assertion|what\(\)|std::|LLVM ERROR|Stack dump|\[json")
        self.assertEqual([path.name for path in self.folder.rglob("*") if ".tmp" in path.name], [], name)
        if result.code in (1, 2):
            self.assertGreater(len(result.err), 20, name)
            for part in (place, *parts):
                self.assertIn(part, result.err, name)
            if out:
                self.assertFalse((self.folder / out).exists(), f"{name}: {out} is left")
        return result

    def model(self):
        """A whole model, with the tokenizer of the goldens, and a plan for it."""
        plan = self.compile("full", sequence_len=64, max_documents_per_row=None, max_document_len=None, max_steps=1)
        self.train(plan, "model", "--stop-after", "1")
        for name in ("metrics.jsonl", "summary.json", "recipe.resolved.textproto"):
            (self.folder / "model" / name).unlink()
        self.write("data.jsonl", SAMPLE * 4)
        for name in ("tokenizer.json", "tokenizer_config.json"):
            self.write(f"model/{name}", open(f"test/goldens/text/digits/{name}", "rb").read())
        return self.folder / "model"

    def write(self, name, content):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path


class Recipes(Hostile):
    def test_texts_that_are_no_recipe(self):
        whole = self.recipe().read_bytes()
        texts = {"empty": b"", "zeros": bytes(100), "cut": whole[:60], "binary": bytes(range(256)), "utf-16": whole.decode().encode("utf-16"),
                 "bom": b"\xef\xbb\xbf" + whole, "crlf": whole.replace(b"\n", b"\r\n"), "yaml": b"base_model: tiny\nlr: 1e-3\n",
                 "json": b'{"base_model": "tiny-gqa"}', "gzip": gzip.compress(whole), "open string": b'base_model: "tiny',
                 "open message": b"lora {", "deep": b"lora {" * 5000, "twice": whole + b"seed: 1\nseed: 2\n", "long": b"a" * 3000000,
                 "escape": b'base_model: "\x1b[31m"\n', "not utf-8": b'base_model: "\xff\xfe"\n', "nul": b'base_model: "a\\000b"\n',
                 "unknown": whole + b"learnin_rate: 1\n", "comment": b"#" * 100000, "no newline": whole.rstrip()}
        for what, text in texts.items():
            with self.subTest(what):
                self.judge(what, FTC, "check", self.write("r.textproto", text))
                self.judge(what + " as .pb", FTC, "check", self.write("r.pb", text))
        for what, path in (("absent", "absent.textproto"), ("folder", "."), ("device", "/dev/null"), ("other name", "r.txt")):
            self.judge(what, FTC, "check", self.folder / path, codes=(1,), place=path.strip("."))

    def test_every_field_with_every_text(self):
        recipe = self.recipe()
        schema = open("recipes/recipe.proto", encoding="utf-8").read()
        message, fields = "", []
        for line in schema.splitlines():
            if found := re.match(r"message (\w+)", line):
                message = found[1]
            if found := re.match(r"  (?:optional|repeated) [\w.]+ (\w+) = ", line):
                fields.append({"Recipe": "", "Data": "data."}.get(message, re.sub(r"(?<!^)([A-Z])", r"_\1", message).lower() + ".") + found[1])
        self.assertGreater(len(fields), 80)
        for field in fields:
            for text in self.random.sample(TEXTS, 8):
                self.judge(f"{field}={text!r}", FTC, "check", recipe, "--set", f"{field}={text}", codes=(0, 1, 2))


class Configs(Hostile):
    def test_every_member_with_every_value(self):
        model = self.model()
        plan = self.compile("plan", **BASE)
        config = json.loads((model / "config.json").read_text())
        config.update(rope_scaling={"rope_type": "yarn", "factor": 2.0}, quantization_config={"quant_method": "bitsandbytes"},
                      layer_types=["full_attention"] * 2, attention_dropout=0.0, sliding_window=4, use_sliding_window=False)
        for path in members(config):
            for value in VALUES:
                (model / "config.json").write_text(json.dumps(changed(config, path, value)))
                self.judge(f"{path} = {value!r:.40}", FTC, "check", self.folder / "plan.textproto", place="config.json")
        for path in list(members(config))[::3]:
            (model / "config.json").write_text(json.dumps(changed(config, path, self.random.choice(VALUES))))
            self.judge(f"ftrun {path}", *self.command(plan, "out", model=model), codes=(1,), place="config.json", out="out")

    def test_what_changes_the_computation_is_seen_by_both(self):
        """Keys that some family computes with; whatever they say, neither program goes on as if they were absent."""
        model = self.model()
        plan = self.compile("plan", **BASE)
        config = json.loads((model / "config.json").read_text())
        keys = {"attention_bias": True, "attn_logit_softcapping": 50.0, "clip_qkv": 8.0, "embedding_multiplier": 12.0,
                "final_logit_softcapping": 30.0, "hidden_act": "gelu", "logits_scaling": 8.0, "mlp_bias": True, "no_rope_layers": [0, 1],
                "num_experts": 4, "partial_rotary_factor": 0.5, "qk_layernorm": True, "query_pre_attn_scalar": 7, "rms_norm_eps": 0.1,
                "residual_multiplier": 0.2, "rope_interleaved": True, "rope_parameters": {"rope_type": "yarn", "factor": 8.0, "rope_theta": 1e4},
                "rope_scaling": {"rope_type": "linear", "factor": 2.0}, "rope_theta": 5e5, "sliding_window": 8, "tie_word_embeddings": True,
                "attention_multiplier": 0.1, "layer_types": ["sliding_attention"] * 2, "text_config": {"hidden_size": 1},
                "num_key_value_heads": 1, "head_dim": 8, "attention_dropout": 0.1, "new_key_of_next_year": 1,
                "rope_scaling ": None, "ROPE_THETA": 5e5, "rope_theta\u200b": 5e5, "quantization_config": {"quant_method": "gptq"}}
        for key, value in keys.items():
            if value is None:
                continue
            with self.subTest(key):
                (model / "config.json").write_text(json.dumps({**config, key: value}))
                ran = self.judge(f"ftrun {key}", *self.command(plan, "out", model=model), codes=(1,), place="config.json", out="out")
                shape = self.judge(f"ftc {key}", FTC, "compile", self.folder / "plan.textproto", "-o", self.folder / "other.bin")
                if shape.code == 0: # understood: then the plan is another
                    self.assertNotEqual(self.bytes("plan.bin"), self.bytes("other.bin"), ran.err)

    def test_texts_that_are_no_config(self):
        model = self.model()
        self.recipe("plan", **BASE)
        whole = (model / "config.json").read_text()
        texts = {"empty": "", "list": "[1]", "cut": whole[:80], "twice": whole.replace("{", '{"vocab_size": 1, "vocab_size": 2,', 1),
                 "deep": "[" * 100000, "nan": whole.replace("{", '{"rope_theta": NaN,', 1), "comment": "// a\n" + whole,
                 "surrogate": whole.replace("{", '{"a": "\\ud800",', 1), "utf-16": whole.encode("utf-16"), "gzip": gzip.compress(whole.encode()),
                 "huge number": whole.replace("{", '{"a": 1' + "0" * 400 + ",", 1), "lfs": "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
                 "html": "<!DOCTYPE html><html></html>", "many": "{" + ",".join(f'"k{i}":{{}}' for i in range(200000)) + "}"}
        for what, text in texts.items():
            self.write("model/config.json", text)
            self.judge(what, FTC, "check", self.folder / "plan.textproto", codes=(1,), place="config.json")


class Tokenizers(Hostile):
    def test_every_member_with_every_value(self):
        for name in ("llama3", "gpt2"):
            files = {file: json.load(open(f"test/goldens/text/{name}/{file}", encoding="utf-8"))
                     for file in ("tokenizer.json", "tokenizer_config.json")}
            vocabulary = files["tokenizer.json"]["model"]["vocab"]
            for file, content in files.items():
                (self.folder / "t").mkdir(exist_ok=True)
                for other, whole in files.items():
                    self.write(f"t/{other}", json.dumps(whole))
                paths = [path for path in members(content) if path[:2] != ("model", "vocab") or len(path) == 2]
                for path in self.random.sample(paths, min(40, len(paths))):
                    for value in self.random.sample(VALUES, 4):
                        self.write(f"t/{file}", json.dumps(changed(content, path, value)))
                        self.judge(f"{file} {path} = {value!r:.40}", FTC, "tokenize", "--model", self.folder / "t")
            for token, value in (("a", -1), ("a", 1 << 40), ("a", "x"), ("", 3), ("\ud800", 2)):
                broken = copy.deepcopy(files["tokenizer.json"])
                broken["model"]["vocab"] = {**vocabulary, token: value}
                self.write("t/tokenizer.json", json.dumps(broken))
                self.judge(f"vocab {token!r}: {value}", FTC, "tokenize", "--model", self.folder / "t")

    def test_files_that_are_no_tokenizer(self):
        for what, content in (("empty", b""), ("zeros", bytes(1000)), ("json", b"{}"), ("gzip", gzip.compress(b"{}")), ("text", b"hello\n" * 9)):
            for name in ("tokenizer.json", "tokenizer.model"):
                self.write("t/" + name, content)
                self.judge(f"{name} {what}", FTC, "tokenize", "--model", self.folder / "t", codes=(1,), place="tokenizer.")
                (self.folder / "t" / name).unlink()
        self.judge("none", FTC, "tokenize", "--model", self.folder / "t", codes=(1,), place="tokenizer.json")


class Weights(Hostile):
    def flips(self, data, end, number):
        """Copies with one to four bytes changed ahead of `end`, and copies that are cut."""
        for _ in range(number):
            copied = bytearray(data)
            for _ in range(self.random.randrange(1, 5)):
                copied[self.random.randrange(end)] = self.random.choice([0, 1, 0x1b, 0x7f, 0x80, 0xff, self.random.randrange(256)])
            yield bytes(copied)
        for _ in range(number // 4):
            yield data[: self.random.randrange(len(data))]

    def test_safetensors(self):
        model = self.model()
        plan = self.compile("plan", **BASE)
        self.train(plan, "ok", model=model)
        file = model / "model.safetensors"
        whole = file.read_bytes()
        size = struct.unpack_from("<Q", whole)[0]
        for i, data in enumerate(self.flips(whole, 8 + size, 80)):
            file.write_bytes(data)
            self.judge(f"flip {i}", *self.command(plan, "out", model=model, *("--overwrite",)), codes=(0, 1))
        header = json.loads(whole[8: 8 + size])
        name = next(key for key in header if key != "__metadata__")
        for path in [(name,), (name, "dtype"), (name, "shape"), (name, "data_offsets"), (name, "data_offsets", 0), ("__metadata__",)]:
            for value in VALUES:
                text = json.dumps(changed(header, path, value)).encode()
                file.write_bytes(struct.pack("<Q", len(text)) + text + whole[8 + size:])
                self.judge(f"{path} = {value!r:.40}", *self.command(plan, "out", model=model, *("--overwrite",)), place="model.safetensors")
        self.write("model/model.safetensors.index.json", json.dumps({"weight_map": {name: "../../etc/passwd"}}))
        self.judge("index that leaves its folder", *self.command(plan, "fresh", model=model), codes=(1,), place="index.json", out="fresh")

    def test_gguf(self):
        folder = os.path.abspath("test/goldens/checkpoints/llama3")
        plan = self.compile("plan", **{**BASE, "base_model": json.dumps(folder)}, data='{ train: "synthetic:1" }')
        whole = open(os.path.join(folder, "model.gguf"), "rb").read()
        file = self.folder / "m.gguf"
        file.write_bytes(whole)
        self.train(plan, "ok", model=file)
        for i, data in enumerate(self.flips(whole, 2000, 120)):
            file.write_bytes(data)
            self.judge(f"flip {i}", *self.command(plan, "out", "--overwrite", model=file), codes=(0, 1))

    def test_gguf_metadata_that_changes_the_computation(self):
        folder = os.path.abspath("test/goldens/checkpoints/llama3")
        plan = self.compile("plan", **{**BASE, "base_model": json.dumps(folder)}, data='{ train: "synthetic:1" }')
        whole = open(os.path.join(folder, "model.gguf"), "rb").read()
        tensors, values = struct.unpack_from("<QQ", whole, 8)
        def text(value):
            return struct.pack("<Q", len(value.encode())) + value.encode()
        for key, kind, value in (
                ("llama.attention.scale", 6, 0.5), ("llama.logit_scale", 6, 2.0), ("llama.rope.scaling.yarn_log_multiplier", 6, 0.1),
                ("llama.attention.causal", 7, False), ("llama.expert_count", 4, 8), ("llama.attn_logit_softcapping", 6, 50.0),
                ("llama.attention.sliding_window", 4, 16), ("llama.rope.dimension_sections", 4, 1), ("llama.embedding_scale", 6, 12.0),
                ("llama.new_key", 4, 1), ("llama.rope.scaling.type", 8, "longrope"), ("llama.pooling_type", 4, 1),
                ("general.type", 8, "adapter"), ("llama.\x1b[31m", 4, 1), ("llama." + "k" * 5000, 4, 1), ("llama.block_count", 4, 2)):
            packed = {4: lambda: struct.pack("<I", value), 6: lambda: struct.pack("<f", value), 7: lambda: bytes([value]),
                      8: lambda: text(value)}[kind]()
            added = text(key) + struct.pack("<I", kind) + packed
            added += self.filler(-len(added) % 32)
            data = whole[:8] + struct.pack("<QQ", tensors, values + (2 if len(added) % 32 == 0 and self.filled else 1)) + added + whole[24:]
            file = self.write("m.gguf", data)
            self.judge(key, *self.command(plan, "out", model=file), codes=(1,), place="m.gguf", out="out")

    def filler(self, room):
        """A note of a tool, as long as keeps the alignment of what follows."""
        self.filled = room != 0
        if not self.filled:
            return b""
        room += 32 * (room < 26)
        return struct.pack("<Q", 5) + b"a.not" + struct.pack("<IQ", 8, room - 25) + b"x" * (room - 25)


class Adapters(Hostile):
    def test_every_member_with_every_value(self):
        plan = self.compile(lora=LORA, max_steps=2)
        self.train(plan, "adapter", "--stop-after", "1")
        adapter = self.folder / "adapter"
        config = json.loads((adapter / "adapter_config.json").read_text())
        for path in [*members(config), ("new",), ("use_dora",), ("rank_pattern",), ("alpha_pattern",), ("layer_replication",),
                     ("modules_to_save",), ("trainable_token_indices",), ("init_lora_weights",)]:
            for value in VALUES[::2]:
                (adapter / "adapter_config.json").write_text(json.dumps(changed(config, path, value)))
                self.judge(f"{path} = {value!r:.40}", *self.command(plan, "out", "--overwrite", "--adapter", adapter, "--stop-after", "1"),
                           place="adapter_config.json")

    def test_keys_that_change_what_an_adapter_does(self):
        plan = self.compile(lora=LORA, max_steps=2)
        self.train(plan, "adapter", "--stop-after", "1")
        adapter = self.folder / "adapter"
        config = json.loads((adapter / "adapter_config.json").read_text())
        for key, value in {"use_dora": True, "use_rslora": True, "rank_pattern": {"q_proj": 2}, "alpha_pattern": {"q_proj": 2}, "bias": "all",
                           "lora_alpha": 9, "r": 5, "fan_in_fan_out": True, "layer_replication": [[0, 1], [0, 1]], "modules_to_save": ["lm_head"],
                           "peft_type": "LOHA", "trainable_token_indices": [1], "init_lora_weights": "pissa", "lora_bias": True,
                           "megatron_config": {"a": 1}, "next_year": True, "alora_invocation_tokens": [1], "use_qalora": True,
                           "target_parameters": ["x"], "loftq_config": {"loftq_bits": 4}}.items():
            if key == "loftq_config":
                config["init_lora_weights"] = "loftq"
            (adapter / "adapter_config.json").write_text(json.dumps({**config, key: value}))
            self.judge(key, *self.command(plan, "out", "--adapter", adapter), codes=(1,), place="adapter_config.json", out="out")

    def test_weights_of_an_adapter(self):
        plan = self.compile(lora=LORA, max_steps=2)
        self.train(plan, "adapter", "--stop-after", "1")
        adapter = self.folder / "adapter"
        whole = (adapter / "adapter_model.safetensors").read_bytes()
        for what, data in (("empty", b""), ("cut", whole[:500]), ("zeros", bytes(500)), ("pickle", b"PK\x03\x04" + bytes(60)), ("nan", whole[:-4] + b"\0\0\xc0\x7f")):
            (adapter / "adapter_model.safetensors").write_bytes(data)
            self.judge(what, *self.command(plan, "out", "--adapter", adapter, "--overwrite"), codes=(1, 3), place="adapter")


class Checkpoints(Hostile):
    def test_every_member_of_a_state(self):
        import hashlib
        plan = self.compile(lora=LORA, save_steps=2, max_steps=4, eval_steps=2, data='{ train: "synthetic:7" eval: "synthetic:8" }')
        self.train(plan, "out", "--stop-after", "2")
        folder = self.folder / "out" / "checkpoint-2"
        state = json.loads((folder / "state.json").read_text())
        for path in members(state):
            for value in VALUES[::2]:
                text = json.dumps(changed(state, path, value))
                (folder / "state.json").write_text(text)
                (folder / "complete").write_text(hashlib.sha256(text.encode()).hexdigest() + "\n")
                self.judge(f"{path} = {value!r:.40}", *self.command(plan, "other", "--overwrite", "--resume", folder))
                self.assertTrue(folder.exists())

    def test_files_of_a_checkpoint(self):
        plan = self.compile(lora=LORA, save_steps=2, max_steps=4)
        self.train(plan, "out", "--stop-after", "2")
        out, folder = self.folder / "out", self.folder / "out" / "checkpoint-2"
        for name in sorted(path.name for path in folder.iterdir()):
            whole = (folder / name).read_bytes()
            for what, data in (("empty", b""), ("cut", whole[:-1]), ("longer", whole + b"\0"), ("flipped", bytes([whole[0] ^ 1]) + whole[1:])):
                (folder / name).write_bytes(data)
                self.judge(f"{name} {what}", *self.command(plan, "other", "--resume", folder), codes=(1,), place="checkpoint-2", out="other")
            (folder / name).unlink()
            self.judge(f"{name} absent", *self.command(plan, "other", "--resume", folder), codes=(1,), place="checkpoint-2", out="other")
            (folder / name).symlink_to("/dev/zero" if name == "state.json" else "/dev/null")
            self.judge(f"{name} a device", *self.command(plan, "other", "--resume", folder), codes=(1,), place="checkpoint-2", out="other")
            (folder / name).unlink()
            (folder / name).write_bytes(whole)
        for name, text in (("latest-checkpoint", "../../etc\n"), ("latest-checkpoint", "checkpoint-999999\n"), ("latest-checkpoint", "\0" * 99)):
            (out / name).write_text(text)
            self.assertIn("checkpoint-2 behind step 2", self.judge(repr(text), *self.command(plan, "new", "--resume", out, "--overwrite"), codes=(0,)).text)


class Data(Hostile):
    def test_files_that_are_no_samples(self):
        model = self.model()
        plan = self.compile("plan", **BASE)
        good = SAMPLE.encode()
        chat = b'{"messages": %s}\n'
        files = {
            "empty": b"", "spaces": b" \n\n\t\n", "zeros": bytes(1000), "cut": good * 3 + good[:20], "number": b"1\n", "list of numbers": b"[1, 2]",
            "list in list": b"[[{}]]", "object of objects": b'{"data": [' + good + b"]}", "no fields": b"{}\n", "other fields": b'{"q": "a", "a": "b"}\n',
            "number for text": b'{"instruction": 1, "output": 2}\n', "null": b'{"instruction": null, "output": null}\n', "list for text": b'{"instruction": [], "output": {}}\n',
            "empty output": b'{"instruction": "a", "output": ""}\n', "out of range": b'{"instruction": "a", "output": "b", "x": 1e999}\n',
            "surrogate": b'{"instruction": "\\ud800", "output": "b"}\n', "not utf-8": b'{"instruction": "\xff\xfe", "output": "b"}\n', "nul": b'{"instruction": "a\\u0000b", "output": "b\\u0000"}\n',
            "escape": b'{"instruction": "\\u001b[2J", "output": "\\u202e"}\n', "deep": b'{"instruction": ' + b"[" * 200000, "twice": b'{"instruction": "a", "instruction": "b", "output": "c"}\n',
            "utf-16": SAMPLE.encode("utf-16"), "utf-32": SAMPLE.encode("utf-32"), "bom": b"\xef\xbb\xbf" + good, "crlf": good.replace(b"\n", b"\r\n"), "cr": good.replace(b"\n", b"\r"),
            "gzip named jsonl": gzip.compress(good), "parquet": b"PAR1" + bytes(100), "zip": b"PK\x03\x04" + bytes(60), "html": b"<html>", "lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
            "chat of nothing": chat % b"[]", "chat of numbers": chat % b"[1]", "chat without role": chat % b'[{"content": "a"}]', "chat of strange role": chat % b'[{"role": "\\u001b", "content": "a"}]',
            "chat of user alone": chat % b'[{"role": "user", "content": "a"}]', "chat with null": chat % b'[{"role": "assistant", "content": null}]', "chat with object": chat % b'[{"role": "assistant", "content": {"a": 1}}]',
            "long line": b'{"instruction": "' + b"a" * 3000000 + b'", "output": "b"}\n', "only long": b'{"instruction": "' + b"a " * 500 + b'", "output": "b"}\n',
            "trailing comma": b'[{"instruction": "a", "output": "b"},]', "two forms": good + b'{"text": "c"}\n', "python": b"{'instruction': 'a', 'output': 'b'}\n", "nan": b'{"instruction": NaN, "output": "b"}\n',
            "huge number": b'{"instruction": "a", "output": "b", "id": ' + b"9" * 100000 + b"}\n", "special token": b'{"instruction": "<|im_end|>", "output": "<|endoftext|>"}\n'}
        for what, content in files.items():
            with self.subTest(what):
                file = self.write("bad.jsonl", content)
                result = self.judge(what, *self.command(plan, "out", "--data", file, model=model), out="out")
                if result.code == 0:
                    self.forget("out")
                else:
                    self.assertIn("bad.jsonl", result.err)
        for name, content in (("bad.csv", b"a,b\n1\n"), ("bad.csv", b'instruction,output\n"a,b\n'), ("bad.csv", b"instruction,instruction\na,b\n"), ("bad.csv", b"instruction,output\n" + b"a,b,c\n"), ("bad.csv", b"\n"),
                              ("bad.tsv", b"instruction\toutput\na\n"), ("bad.json", b"["), ("bad.json", b"[]"), ("bad.jsonl.gz", b"\x1f\x8b"), ("bad.jsonl.gz", gzip.compress(good)[:-6]), ("bad.jsonl.zst", b"\x28\xb5\x2f\xfd"),
                              ("bad.jsonl.gz", good), ("bad.txt", b"\xff"), ("bad.txt", b""), ("bad.parquet", b"PAR1"), ("bad.tokens", b"FTCTOKEN" + bytes(100)), ("bad", good), ("bad.jsonl.gz", gzip.compress(bytes(60 << 20)))):
            file = self.write(name, content)
            result = self.judge(name, *self.command(plan, "out", "--data", file, model=model), out="out", place=name)
            if result.code == 0:
                self.forget("out")
        for what, path in (("absent", "absent.jsonl"), ("device", "/dev/zero"), ("terminal", "/dev/null"), ("folder", "empty"), ("seed", "synthetic:x"), ("seed", "synthetic:-1"), ("nul", "synthetic:"), ("long", "a" * 5000)):
            (self.folder / "empty").mkdir(exist_ok=True)
            self.judge(f"{what} {path:.30}", *self.command(plan, "out", "--data", self.folder / path if ":" not in path else path, model=model), codes=(1,), out="out", place="" if what == "long" else path)

    def forget(self, out):
        import shutil
        shutil.rmtree(self.folder / out, ignore_errors=True)


class CommandLines(Hostile):
    SETTINGS = ["learning_rate", "lr_scheduler_type", "warmup_steps", "warmup_ratio", "max_steps", "num_epochs", "seed", "logging_steps", "eval_steps", "output_dir", "template", "train_on_prompt", "val_set_size", "save_steps",
                "save_total_limit", "load_best_model_at_end", "metric_for_best_model", "save_on_signal", "data.train", "generate.max_new_tokens", "system_prompt", "lora.r", "precision", "unknown", "", "=", "LEARNING_RATE"]

    def test_every_setting_of_a_run(self):
        plan = self.compile(lora=LORA, max_steps=1)
        for field in self.SETTINGS:
            for text in TEXTS:
                result = self.judge(f"{field}={text!r}", *self.command(plan, "out", "--overwrite", "--stop-after", "1", "--set", f"{field}={text}"), codes=(0, 1))
                if result.code == 1:
                    self.assertIn(field.split("=")[0], result.err)

    def test_lines_that_make_no_sense(self):
        plan = self.compile(lora=LORA, max_steps=1)
        recipe = self.folder / "plan.textproto"
        out = self.folder / "out"
        for arguments in (
                [], ["compil"], ["compile"], ["compile", recipe, "-o"], ["compile", recipe, "-o", ""], ["compile", recipe, "-o", "/absent/plan"], ["compile", recipe, "-o", self.folder],
                ["compile", recipe, "-o", "/dev/full"], ["compile", recipe, recipe], ["compile", recipe, "--gpu", ""], ["compile", recipe, "--gpu", "../../etc"], ["compile", recipe, "--gpu", "\x1b[31m"],
                ["compile", recipe, "--set"], ["compile", recipe, "--set", "seed"], ["compile", recipe, "--set", "=1"], ["compile", recipe, "--set", "lora=1"], ["compile", recipe, "--set", "lora.r.x=1"],
                ["compile", recipe, "--head-lanes", "-1"], ["compile", recipe, "--head-lanes", "99999999999999"], ["compile", recipe, "--dump-dir", "/dev/null/x"], ["compile", "--", "-o"], ["check", "a" * 100000],
                ["check", ""], ["explain"], ["explain", recipe], ["explain", self.folder], ["explain", "/dev/zero"], ["data", recipe], ["data", recipe, "--model", ""], ["data", recipe, "--model", "owner/absent"],
                ["tokenize", "--model", "/dev/null"], ["tokenize", "--model", "a/b@c/d"], ["tokenize"], ["--absent"], ["check", recipe, "--lora-form", "x"]):
            self.judge(f"ftc {arguments!r:.80}", FTC, *arguments, codes=(1,))
        base = [plan, "--model", "seeded:1", "--out", out]
        for arguments in (
                [], [""], ["absent"], [recipe], [self.folder], ["/dev/zero"], [plan], [plan, plan], [plan, "--model", ""], [plan, "--model", "seeded:"], [plan, "--model", "seeded:-1"], [plan, "--model", "seeded:1x"],
                [plan, "--model", "absent"], [plan, "--model", "/dev/zero"], [plan, "--model", "x.gguf"], [plan, "--model", "a\x1b[31m"], [plan, "--model", "seeded:1", "--out", ""], [plan, "--model", "seeded:1", "--out", "/proc/x"],
                [plan, "--model", "seeded:1", "--out", plan], [plan, "--model", "seeded:1", "--out", "/dev/null/x"], [plan, "--model", "seeded:1", "--out", "a" * 300], [*base, "--threads", "0"], [*base, "--threads", "x"], [*base, "--threads", "1e9"],
                [*base, "--gpu", "0"], [*base, "--gpu", "-1"], [*base, "--ranks", "2"], [*base, "--max-steps", "0"], [*base, "--max-steps", "-1"], [*base, "--max-steps", "99999999999999999999"], [*base, "--stop-after", "0"],
                [*base, "--resume"], [*base, "--resume", ""], [*base, "--resume", "yes"], [*base, "--resume", "/dev/null"], [*base, "--verify-steps", "0"], [*base, "--set", "a"], [*base, "--adapter", ""], [*base, "--adapter", "absent"],
                [*base, "--adapter", plan], [*base, "--collectives", "x"], [*base, "--init-adapters", "x"], [*base, "--dump-gradients", "/dev/null/x"], [*base, "--absent"], [*base, "extra"], ["--model"], ["--plan", plan]):
            self.judge(f"ftrun {[str(a).replace(str(self.folder), '') for a in arguments]!r:.100}", FTRUN, *arguments, codes=(1, 2), out="out")


if __name__ == "__main__":
    unittest.main(verbosity=2)
