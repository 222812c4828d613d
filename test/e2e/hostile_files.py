#!/usr/bin/env python3
"""As hostile.py: what tokenizers, weights, adapters, checkpoints and data may hold."""
import copy
import gzip
import hashlib
import json
import os
import pathlib
import shutil
import struct
import unittest

from harness import FTC, LORA
from hostile import ALL, BASE, SAMPLE, VALUES, Hostile, changed, members


class Tokenizers(Hostile):
    def test_every_member_with_every_value(self):
        for name in ("llama3", "gpt2"):
            files = {file: json.loads(pathlib.Path(f"test/goldens/text/{name}/{file}").read_text(encoding="utf-8"))
                     for file in ("tokenizer.json", "tokenizer_config.json")}
            vocabulary = files["tokenizer.json"]["model"]["vocab"]
            for file, content in files.items():
                (self.folder / "t").mkdir(exist_ok=True)
                for other, whole in files.items():
                    self.write(f"t/{other}", json.dumps(whole))
                paths = [path for path in members(content) if path[:2] != ("model", "vocab") or len(path) == 2]
                for path in paths if ALL else self.random.sample(paths, min(25, len(paths))):
                    for value in self.some(VALUES, 3):
                        self.write(f"t/{file}", json.dumps(changed(content, path, value)))
                        self.judge(f"{file} {path} = {value!r:.40}", FTC, "tokenize", "--model", self.folder / "t")
            for token, value in (("a", -1), ("a", 1 << 40), ("a", "x"), ("", 3), ("\ud800", 2)):
                broken = copy.deepcopy(files["tokenizer.json"])
                broken["model"]["vocab"] = {**vocabulary, token: value}
                self.write("t/tokenizer.json", json.dumps(broken))
                self.judge(f"vocab {token!r}: {value}", FTC, "tokenize", "--model", self.folder / "t")

    def test_files_that_are_no_tokenizer(self):
        for what, content in (("empty", b""), ("zeros", bytes(1000)), ("json", b"{}"), ("gzip", gzip.compress(b"{}")),
                              ("text", b"hello\n" * 9)):
            for name in ("tokenizer.json", "tokenizer.model"):
                self.write("t/" + name, content)
                self.judge(f"{name} {what}", FTC, "tokenize", "--model", self.folder / "t", codes=(1,),
                           place="tokenizer.")
                (self.folder / "t" / name).unlink()
        self.judge("none", FTC, "tokenize", "--model", self.folder / "t", codes=(1,), place="tokenizer.json")


class Lost(Hostile):
    def test_links_that_lead_nowhere(self):
        """As in a cache whose blobs were removed or not copied: such a file is not absent."""
        model = self.model()
        self.write("model/chat_template.jinja", "{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}{{ m.content }}"
                   "{{ eos_token }}{% endgeneration %}{% else %}{{ m.content }}{% endif %}{% endfor %}")
        plan = self.compile("plan", **{**BASE, "template": '"model"'})
        self.judge("as it is", *self.command(plan, "ok", model=model), codes=(0,))
        for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "model.safetensors"):
            for target, reason in (("../blobs/4f", "is a link to ../blobs/4f, where nothing is"), (name, "levels of symbolic links"),
                                   ("/dev/zero", "is a device, pipe or socket")):
                file, aside = model / name, self.folder / "aside"
                file.rename(aside)
                file.symlink_to(target)
                self.judge(f"{name} -> {target}", *self.command(plan, "out", model=model), codes=(1,), place=name,
                           parts=[reason], out="out")
                file.unlink()
                aside.rename(file)
        data = self.folder / "parts"
        data.mkdir()
        self.write("parts/a.jsonl", SAMPLE * 4)
        (data / "b.jsonl").symlink_to("absent")
        self.judge("a part of the data", *self.command(plan, "out", "--data", data, model=model), codes=(1,),
                   place="b.jsonl", parts=["is a link to absent"], out="out")
        (self.folder / "gone").symlink_to("absent")
        self.judge("the model", *self.command(plan, "out", model=self.folder / "gone"), codes=(1,), place="gone",
                   parts=["is a link to absent"], out="out")


class Weights(Hostile):
    def flips(self, data, end, number):
        """Copies with one to four bytes changed ahead of `end`, and copies that are cut."""
        for _ in range(number):
            copied = bytearray(data)
            for _ in range(self.random.randrange(1, 5)):
                copied[self.random.randrange(end)] = self.random.choice([0, 1, 0x1b, 0x7f, 0x80, 0xff,
                        self.random.randrange(256)])
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
        for i, data in enumerate(self.flips(whole, 8 + size, 200 if ALL else 30)):
            file.write_bytes(data)
            self.judge(f"flip {i}", *self.command(plan, "out", model=model, *("--overwrite",)), codes=(0, 1))
        header = json.loads(whole[8: 8 + size])
        name = next(key for key in header if key != "__metadata__")
        for path in [(name,), (name, "dtype"), (name, "shape"), (name, "data_offsets"), (name, "data_offsets", 0),
                     ("__metadata__",)]:
            for value in self.some(VALUES, 4):
                text = json.dumps(changed(header, path, value)).encode()
                file.write_bytes(struct.pack("<Q", len(text)) + text + whole[8 + size:])
                self.judge(f"{path} = {value!r:.40}", *self.command(plan, "out", model=model, *("--overwrite",)),
                           place="model.safetensors")
        file.unlink()
        self.write("model/model.safetensors.index.json", json.dumps({"weight_map": {name: "../../etc/passwd"}}))
        self.judge("index that leaves its folder", *self.command(plan, "fresh", model=model), codes=(1,),
                   place="index.json", out="fresh")

    def test_gguf(self):
        folder = os.path.abspath("test/goldens/checkpoints/llama3")
        plan = self.compile("plan", **{**BASE, "base_model": json.dumps(folder), "data": '{ train: "synthetic:1" }'})
        whole = pathlib.Path(folder, "model.gguf").read_bytes()
        file = self.folder / "m.gguf"
        file.write_bytes(whole)
        self.train(plan, "ok", model=file)
        for i, data in enumerate(self.flips(whole, 2000, 400 if ALL else 40)):
            file.write_bytes(data)
            self.judge(f"flip {i}", *self.command(plan, "out", "--overwrite", model=file), codes=(0, 1))

    def test_gguf_metadata_that_changes_the_computation(self):
        folder = os.path.abspath("test/goldens/checkpoints/llama3")
        plan = self.compile("plan", **{**BASE, "base_model": json.dumps(folder), "data": '{ train: "synthetic:1" }'})
        whole = pathlib.Path(folder, "model.gguf").read_bytes()
        tensors, values = struct.unpack_from("<QQ", whole, 8)
        def text(value):
            return struct.pack("<Q", len(value.encode())) + value.encode()
        for key, kind, value in (
                ("llama.attention.scale", 6, 0.5), ("llama.logit_scale", 6, 2.0),
                ("llama.rope.scaling.yarn_log_multiplier", 6, 0.1),
                ("llama.attention.causal", 7, False), ("llama.expert_count", 4, 8),
                ("llama.attn_logit_softcapping", 6, 50.0),
                ("llama.attention.sliding_window", 4, 16), ("llama.rope.dimension_sections", 4, 1),
                ("llama.embedding_scale", 6, 12.0),
                ("llama.new_key", 4, 1), ("llama.rope.scaling.type", 8, "longrope"), ("llama.pooling_type", 4, 1),
                ("general.type", 8, "adapter"), ("llama.\x1b[31m", 4, 1), ("llama." + "k" * 5000, 4, 1),
                ("llama.block_count", 4, 2)):
            packed = {4: lambda: struct.pack("<I", value), 6: lambda: struct.pack("<f", value), 7: lambda: bytes([value]),
                      8: lambda: text(value)}[kind]()
            added = text(key) + struct.pack("<I", kind) + packed
            added += self.filler(-len(added) % 32)
            data = whole[:8] + struct.pack("<QQ", tensors,
                                           values + (2 if len(added) % 32 == 0 and self.filled else 1)) + added + whole[24:]
            file = self.write("m.gguf", data)
            self.judge(key, *self.command(plan, "out", model=file), codes=(1,), place="m.gguf", out="out")

    def test_gguf_tokenizer_that_goes_with_a_trained_model(self):
        """The whole model is trained, so that its tokenizer is written again, and no text is read."""
        folder = os.path.abspath("test/goldens/checkpoints/llama3")
        plan = self.compile("plan", **{**BASE, "base_model": json.dumps(folder), "data": '{ train: "synthetic:1" }', "lora": None})
        whole = pathlib.Path(folder, "model.gguf").read_bytes()
        key = b"tokenizer.ggml.eos_token_id" + struct.pack("<I", 4)
        self.assertEqual(whole.count(key), 1)
        at = whole.index(key) + len(key)
        asks = b"tokenizer.ggml.add_bos_token" + struct.pack("<I", 7) + b"\0"
        self.assertEqual(whole.count(asks), 1)
        for number in (499, 500, 9999999, 0xffffffff):
            for add in (0, 1):
                data = whole[:at] + struct.pack("<I", number) + whole[at + 4:]
                data = data.replace(key, key.replace(b"eos", b"bos")).replace(asks, asks[:-1] + bytes([add]))
                result = self.judge(f"{number} {add}", *self.command(plan, "out", "--overwrite",
                                                                     model=self.write("m.gguf", data)), codes=(0,))
                self.assertEqual(number >= 500, "no tokenizer goes with the trained model: " in result.out, result.text)

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
        for path in [*members(config), ("new",), ("use_dora",), ("rank_pattern",), ("alpha_pattern",),
                     ("layer_replication",),
                     ("modules_to_save",), ("trainable_token_indices",), ("init_lora_weights",)]:
            for value in self.some(VALUES, 3):
                (adapter / "adapter_config.json").write_text(json.dumps(changed(config, path, value)))
                self.judge(f"{path} = {value!r:.40}", *self.command(plan, "out", "--overwrite", "--adapter", adapter,
                                                                    "--stop-after", "1"),
                           place="adapter_config.json")

    def test_keys_that_change_what_an_adapter_does(self):
        plan = self.compile(lora=LORA, max_steps=2)
        self.train(plan, "adapter", "--stop-after", "1")
        adapter = self.folder / "adapter"
        config = json.loads((adapter / "adapter_config.json").read_text())
        for key, value in {"use_dora": True, "use_rslora": True, "rank_pattern": {"q_proj": 2},
                           "alpha_pattern": {"q_proj": 2}, "bias": "all",
                           "lora_alpha": 9, "r": 5, "fan_in_fan_out": True, "layer_replication": [[0, 1], [0, 1]],
                           "modules_to_save": ["lm_head"],
                           "peft_type": "LOHA", "trainable_token_indices": [1], "init_lora_weights": "pissa",
                           "lora_bias": True,
                           "megatron_config": {"a": 1}, "next_year": True, "alora_invocation_tokens": [1],
                           "use_qalora": True,
                           "target_parameters": ["x"], "loftq_config": {"loftq_bits": 4}}.items():
            if key == "loftq_config":
                config["init_lora_weights"] = "loftq"
            (adapter / "adapter_config.json").write_text(json.dumps({**config, key: value}))
            self.judge(key, *self.command(plan, "out", "--adapter", adapter), codes=(1,), place="adapter_config.json",
                       out="out")

    def test_weights_of_an_adapter(self):
        plan = self.compile(lora=LORA, max_steps=2)
        self.train(plan, "adapter", "--stop-after", "1")
        adapter = self.folder / "adapter"
        whole = (adapter / "adapter_model.safetensors").read_bytes()
        for what, data in (("empty", b""), ("cut", whole[:500]), ("zeros", bytes(500)),
                           ("pickle", b"PK\x03\x04" + bytes(60)), ("nan", whole[:-4] + b"\0\0\xc0\x7f")):
            (adapter / "adapter_model.safetensors").write_bytes(data)
            self.judge(what, *self.command(plan, "out", "--adapter", adapter, "--overwrite"), codes=(1, 3),
                       place="adapter")


class Checkpoints(Hostile):
    def test_every_member_of_a_state(self):
        plan = self.compile(lora=LORA, save_steps=2, max_steps=4, eval_steps=2,
                            data='{ train: "synthetic:7" eval: "synthetic:8" }')
        self.train(plan, "out", "--stop-after", "2")
        folder = self.folder / "out" / "checkpoint-2"
        state = json.loads((folder / "state.json").read_text())
        for path in members(state):
            for value in self.some(VALUES, 3):
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
            for what, data in (("empty", b""), ("cut", whole[:-1]), ("longer", whole + b"\0"),
                               ("flipped", bytes([whole[0] ^ 1]) + whole[1:])):
                (folder / name).write_bytes(data)
                self.judge(f"{name} {what}", *self.command(plan, "other", "--resume", folder), codes=(1,),
                           place="checkpoint-2", out="other")
            (folder / name).unlink()
            self.judge(f"{name} absent", *self.command(plan, "other", "--resume", folder), codes=(1,),
                       place="checkpoint-2", out="other")
            (folder / name).symlink_to("/dev/zero" if name == "state.json" else "/dev/null")
            self.judge(f"{name} a device", *self.command(plan, "other", "--resume", folder), codes=(1,),
                       place="checkpoint-2", out="other")
            (folder / name).unlink()
            (folder / name).write_bytes(whole)
        for name, text in (("latest-checkpoint", "../../etc\n"), ("latest-checkpoint", "checkpoint-999999\n"),
                           ("latest-checkpoint", "\0" * 99)):
            (out / name).write_text(text)
            self.assertIn("checkpoint-2 behind step 2", self.judge(repr(text),
                                                                   *self.command(plan, "new", "--resume", out,
                                                                           "--overwrite"), codes=(0,)).text)


class Data(Hostile):
    def test_files_that_are_no_samples(self):
        model = self.model()
        plan = self.compile("plan", **BASE)
        good = SAMPLE.encode()
        chat = b'{"messages": %s}\n'
        files = {
            "empty": b"", "spaces": b" \n\n\t\n", "zeros": bytes(1000), "cut": good * 3 + good[:20], "number": b"1\n",
            "list of numbers": b"[1, 2]",
            "list in list": b"[[{}]]", "object of objects": b'{"data": [' + good + b"]}", "no fields": b"{}\n",
            "other fields": b'{"q": "a", "a": "b"}\n',
            "number for text": b'{"instruction": 1, "output": 2}\n', "null": b'{"instruction": null, "output": null}\n',
            "list for text": b'{"instruction": [], "output": {}}\n',
            "empty output": b'{"instruction": "a", "output": ""}\n',
            "out of range": b'{"instruction": "a", "output": "b", "x": 1e999}\n',
            "surrogate": b'{"instruction": "\\ud800", "output": "b"}\n',
            "not utf-8": b'{"instruction": "\xff\xfe", "output": "b"}\n',
            "nul": b'{"instruction": "a\\u0000b", "output": "b\\u0000"}\n',
            "escape": b'{"instruction": "\\u001b[2J", "output": "\\u202e"}\n',
            "deep": b'{"instruction": ' + b"[" * 200000,
            "twice": b'{"instruction": "a", "instruction": "b", "output": "c"}\n',
            "utf-16": SAMPLE.encode("utf-16"), "utf-32": SAMPLE.encode("utf-32"), "bom": b"\xef\xbb\xbf" + good,
            "crlf": good.replace(b"\n", b"\r\n"), "cr": good.replace(b"\n", b"\r"),
            "gzip named jsonl": gzip.compress(good), "parquet": b"PAR1" + bytes(100), "zip": b"PK\x03\x04" + bytes(60),
            "html": b"<html>", "lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
            "chat of nothing": chat % b"[]", "chat of numbers": chat % b"[1]",
            "chat without role": chat % b'[{"content": "a"}]',
            "chat of strange role": chat % b'[{"role": "\\u001b", "content": "a"}]',
            "chat of user alone": chat % b'[{"role": "user", "content": "a"}]',
            "chat with null": chat % b'[{"role": "assistant", "content": null}]',
            "chat with object": chat % b'[{"role": "assistant", "content": {"a": 1}}]',
            "long line": b'{"instruction": "' + b"a" * 3000000 + b'", "output": "b"}\n',
            "only long": b'{"instruction": "' + b"a " * 500 + b'", "output": "b"}\n',
            "trailing comma": b'[{"instruction": "a", "output": "b"},]', "two forms": good + b'{"text": "c"}\n',
            "python": b"{'instruction': 'a', 'output': 'b'}\n", "nan": b'{"instruction": NaN, "output": "b"}\n',
            "huge number": b'{"instruction": "a", "output": "b", "id": ' + b"9" * 100000 + b"}\n",
            "special token": b'{"instruction": "<|im_end|>", "output": "<|endoftext|>"}\n'}
        for what, content in files.items():
            with self.subTest(what):
                file = self.write("bad.jsonl", content)
                result = self.judge(what, *self.command(plan, "out", "--data", file, model=model), out="out")
                if result.code == 0:
                    self.forget("out")
                else:
                    self.assertIn("bad.jsonl", result.err)
        for name, content in (("bad.csv", b"a,b\n1\n"), ("bad.csv", b'instruction,output\n"a,b\n'),
                              ("bad.csv", b"instruction,instruction\na,b\n"),
                              ("bad.csv", b"instruction,output\n" + b"a,b,c\n"), ("bad.csv", b"\n"),
                              ("bad.tsv", b"instruction\toutput\na\n"), ("bad.json", b"["), ("bad.json", b"[]"),
                              ("bad.jsonl.gz", b"\x1f\x8b"), ("bad.jsonl.gz", gzip.compress(good)[:-6]),
                              ("bad.jsonl.zst", b"\x28\xb5\x2f\xfd"),
                              ("bad.jsonl.gz", good), ("bad.txt", b"\xff"), ("bad.txt", b""), ("bad.parquet", b"PAR1"),
                              ("bad.tokens", b"FTCTOKEN" + bytes(100)), ("bad", good),
                              ("bad.jsonl.gz", gzip.compress(bytes(60 << 20)))):
            file = self.write(name, content)
            result = self.judge(name, *self.command(plan, "out", "--data", file, model=model), out="out", place=name)
            if result.code == 0:
                self.forget("out")
        for what, path in (("absent", "absent.jsonl"), ("device", "/dev/zero"), ("terminal", "/dev/null"),
                           ("folder", "empty"), ("seed", "synthetic:x"), ("seed", "synthetic:-1"), ("nul", "synthetic:"),
                           ("long", "a" * 5000)):
            (self.folder / "empty").mkdir(exist_ok=True)
            self.judge(f"{what} {path:.30}", *self.command(plan, "out", "--data",
                                                           self.folder / path if ":" not in path else path, model=model),
                                                           codes=(1,), out="out", place="" if what == "long" else path)

    def forget(self, out):
        shutil.rmtree(self.folder / out, ignore_errors=True)


if __name__ == "__main__":
    unittest.main(verbosity=2)
