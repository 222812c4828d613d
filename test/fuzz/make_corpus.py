#!/usr/bin/env python3
"""Writes a small seed corpus for each fuzzer, from files of this repository and by hand: make_corpus.py FOLDER"""
import gzip
import json
import os
import shutil
import struct
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WEIGHTS = os.path.join(ROOT, "test", "goldens", "weights")
MODELS = os.path.join(ROOT, "recipes", "models")

CONFIGS = [
    {"rope_parameters": {"rope_type": "yarn", "factor": 8.0, "rope_theta": 10000.0}},
    {"rope_scaling": {"type": "linear", "factor": 1.0}, "sliding_window": 4096, "use_sliding_window": False},
    {"layer_types": ["full_attention"], "quantization_config": {"bits": 4}, "id2label": {"0": "a"}},
    {"num_key_value_heads": None, "head_dim": 16, "initializer_range": 1e308, "attention_dropout": 0},
]
ADAPTERS = [
    {"peft_type": "LORA", "r": 8, "lora_alpha": 16, "bias": "none", "target_modules": ["q_proj", "v_proj"]},
    {"peft_type": "LORA", "r": 8, "lora_alpha": 16.0, "rank_pattern": {}, "layers_to_transform": [0, 1]},
    {"r": 4, "use_dora": True, "init_lora_weights": "pissa", "new": {"a": [None, 1]}},
]
TEXTS = ['{"a":[1,-2.5e3,true,null,"\\u00e9"],"b":{"c":{}}}', '{"a":1,"a":2}', "[[[]]]", '{"a":1e999}', '"\\ud800"', "{"]
TOKENIZER = {"version": "1.0", "added_tokens": [{"id": 3, "content": "<s>", "special": True}],
             "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Prepend", "prepend": "_"},
                            {"type": "Replace", "pattern": {"String": " "}, "content": "_"}]},
             "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "\\s+|[a-z]+(?=b)|."}, "behavior": "Isolated",
                               "invert": False},
             "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
                                {"Sequence": {"id": "A", "type_id": 0}}],
                                "special_tokens": {"<s>": {"id": "<s>", "ids": [3], "tokens": ["<s>"]}}},
             "decoder": {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}]},
             "model": {"type": "BPE", "byte_fallback": True, "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}}
BYTES = {**TOKENIZER, "normalizer": None, "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False},
         "decoder": {"type": "ByteLevel"}, "post_processor": {"type": "ByteLevel"}}
TOKENIZERS = [json.dumps(TOKENIZER) + '\0{"bos_token": "<s>", "add_bos_token": true}',
              json.dumps(BYTES) + '\0{"eos_token": {"content": "<s>"}}']
TEKKENS = ['{"config":{"pattern":"a+|.","default_vocab_size":%d,"default_num_special_tokens":%d,"version":"%s"},%s'
           '"vocab":[#,{"rank":256,"token_bytes":"YWI="},{"rank":257,"token_bytes":"YWFi"}]}' % parts for parts in (
               (261, 3, "v3", ""), (260, 2, "v13", '"special_tokens":[{"rank":0,"token_str":"<s>","is_control":true}],'))]
MODEL_TEMPLATES = ['{"chat_template":"{{ messages[0].content }}","bos_token":"<s>"}', '{}\0{{ bos_token }}',
                   '{"chat_template":[{"name":"default","template":"x"}],"eos_token":{"content":"</s>"}}']
HUB_NAMES = ["v1\x000123abc\n", "refs/pr/1\x00../x", "0123abc"]


def raw_zstandard(text):
    """A frame of one block that is not packed."""
    return b"\x28\xb5\x2f\xfd\x20" + bytes([len(text)]) + struct.pack("<I", len(text) << 3 | 1)[:3] + text


SAMPLES = ['\0[{"instruction":"a","input":"","output":"b"}]', '\0{"prompt":"a","completion":"\\u00e9"}\n\n',
           '\1instruction,output\na,"b ""c"""\n', "\2prompt\tcompletion\na\tb\n",
           b"\0" + gzip.compress(b'{"instruction":"a","output":"b"}', mtime=0),
           b"\0" + raw_zstandard(b'{"instruction":"a","output":"b"}')]
POSITION = {"step": 3, "next_row": 24, "evaluated": True, "loss_sum": 0.1, "train_seconds": 1.5, "tokens": 9, "target_tokens": 5}
STATES = [json.dumps({"version": 1, "position": POSITION, "random": {"seed": 42}, "before": before, "answer_before": "a",
                      "best": best, "facts": {"seed": "42"}, "products": ["gemm"],
                      "files": {"a.safetensors": {"bytes": 12, "xxh3": "fedcba9876543210"}}})
          for before, best in ((None, None), ({"step": 0, "eval_loss": 4.5, "target_tokens": 9, "seconds": 0.5},
                                              {"step": 2, "eval_loss": 3.5}))]
INDICES = [{"weight_map": {"a": "a.safetensors"}}, {"weight_map": {"a": "../a.safetensors"}},
           {"metadata": {"total_size": 1}, "weight_map": {"b": "a.safetensors\u0000x"}}]

# A hello of rank 2 of 4 (rendezvous.proto), the same with facts and a problem, a challenge, a collective, and all as frames.
HELLO = b"\x0a\x10" + b"n" * 16 + b"\x10\x02\x18\x04\x2a\x01b\x30\x07"
RENDEZVOUS = [HELLO, HELLO + b"\x3a\x0b\x0a\x04plan\x12\x011\x18\x01" + b"\x40\x02\x4a\x02no", b"ftrun-rendezvous\x01" + b"n" * 16,
              b"\x08\x02\x10\x01\x18\x02\x22\x01\x00\x32\x05\x10\x01\x18\x80\x01\x3a\x04\x10\x01\x18\x20"]
RENDEZVOUS.append(b"".join(struct.pack("<I", len(text)) + text for text in RENDEZVOUS))


def gguf(values, tensors):
    """Version 3; values of strings, floats and integers; F32 tensors of one dimension."""
    def text(s):
        return struct.pack("<Q", len(s.encode())) + s.encode()
    def value(v):
        if isinstance(v, str):
            return struct.pack("<I", 8) + text(v)
        if isinstance(v, list):
            return struct.pack("<IIQ", 9, 8 if isinstance(v[0], str) else 5, len(v)) + b"".join(
                text(e) if isinstance(e, str) else struct.pack("<i", e) for e in v)
        return struct.pack("<If", 6, v) if isinstance(v, float) else struct.pack("<II", 4, v)
    out = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(values))
    for key, v in values.items():
        out += text(key) + value(v)
    for i, (name, size) in enumerate(tensors):
        out += text(name) + struct.pack("<IQIQ", 1, size, 0, 32 * i)
    return out + bytes(-len(out) % 32 + 32 * len(tensors))


GGUFS = [gguf({"general.architecture": "llama", "llama.embedding_length": 64, "llama.feed_forward_length": 96,
               "llama.block_count": 2, "llama.attention.head_count": 4, "llama.context_length": 128,
               "llama.attention.layer_norm_rms_epsilon": 1e-5, "llama.rope.scaling.type": "none"}, [("a", 4), ("b", 8)]),
         gguf({"general.architecture": "qwen2", "split.count": 3, "llama.rope.scaling.factor": 8.0}, []),
         gguf({"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "smollm", "tokenizer.ggml.tokens": ["a", "b", "ab", "<s>"],
               "tokenizer.ggml.token_type": [1, 1, 1, 3], "tokenizer.ggml.merges": ["a b"],
               "tokenizer.ggml.eos_token_id": 3}, []),
         gguf({"tokenizer.ggml.model": "llama", "tokenizer.ggml.tokens": ["<unk>", "<s>", "a", "ab"],
               "tokenizer.ggml.token_type": [2, 3, 1, 1], "tokenizer.ggml.bos_token_id": 1}, [])]


def split_gguf():
    """Two parts behind each other, and in front how long the first is."""
    parts = [gguf({"general.architecture": "llama", "split.no": 0, "split.count": 2, "split.tensors.count": 2}, [("a", 4)]),
             gguf({"split.no": 1, "split.count": 2, "split.tensors.count": 2}, [("b", 8)])]
    return struct.pack(">H", len(parts[0])) + b"".join(parts)


def pieces():
    """A model of SentencePiece: pieces of name, score and type; a BPE trainer."""
    def field(number, data):
        return bytes([number << 3 | 2, len(data)]) + data
    def piece(name, score, kind):
        return field(1, field(1, name.encode()) + b"\x15" + struct.pack("<f", score) + bytes([3 << 3, kind]))
    names = [("<unk>", 0, 2), ("<s>", 0, 3), ("\u2581", -1, 1), ("a", -2, 1), ("b", -3, 1), ("ab", -4, 1)]
    return b"".join(piece(*p) for p in names) + field(2, bytes([3 << 3, 2]))


PIECES = pieces()


TEMPLATES = ["{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m['content'] | trim }}{% endfor %}",
             "{%- set ns = namespace(n=0) %}{% macro f(x, y=1) %}{{ x ~ y }}{% endmacro %}{{ f(messages[1:] | length) }}",
             "{% macro f(x=1) %}{% for i in [1] if f() == 1 %}{{ 'a' ~ [{'b': f([f()|length], x=1)}] }}{% endfor %}{% endmacro %}{{ f() }}",
             "{% set ns = namespace(x=1) %}{% for i in range(99999) %}{% for y in [ns.x] %}{% set ns.x = loop.cycle %}{% set ns.y = {'a': loop.changed(ns.y)}.get %}{% endfor %}{% endfor %}",
             "{% if add_generation_prompt and not tools is defined %}{{ messages | tojson(indent=2) }}{% endif %}"]
ALGORITHMS = [json.dumps({"version": 1, "device": "NVIDIA H200", "libraries": ["cuBLASLt 13.1.0"],
                          "products": ["gemm 8x8x8: algorithm 66 tile 20"]}), '{"version": 1, "device": null}']
RECIPES = ['base_model: "tiny-gqa" precision: FP32_TRUE learning_rate: 1e-3 sequence_len: 64 micro_batch_size: 1\n'
           'lora { r: 8 target_modules: "q_proj" lora_dropout: 0.1 }\ndata { train: "synthetic:1" }\0lora.r=4',
           "lr: 1\n# x\nseed : -1", "\0learning_rate=nan"]


def chats():
    """Each template of the goldens behind a small chat."""
    chat = json.dumps([{"role": "user", "content": "A?"}, {"role": "assistant", "content": "B."},
                       {"from": "human", "value": "C?"}, {"role": "assistant", "content": "D.", "train": True}])
    folder = os.path.join(ROOT, "test", "goldens", "templates")
    for name in sorted(os.listdir(folder)):
        if name.endswith(".jinja"):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                yield chat + "\0" + file.read()


def main(folder):
    def write(fuzzer, name, data):
        os.makedirs(os.path.join(folder, fuzzer), exist_ok=True)
        with open(os.path.join(folder, fuzzer, name), "wb") as file:
            file.write(data if isinstance(data, bytes) else data.encode())

    with open(os.path.join(MODELS, "tiny-gqa", "config.json"), encoding="utf-8") as file:
        config = file.read()
    configs = [config] + [json.dumps({**json.loads(config), **change}) for change in CONFIGS]
    for fuzzer, texts in (("ModelConfigFuzz", configs), ("AlgorithmsFuzz", ALGORITHMS), ("AdapterConfigFuzz", [json.dumps(a) for a in ADAPTERS]),
                          ("JsonFuzz", TEXTS + [config]), ("SafetensorsIndexFuzz", [json.dumps(i) for i in INDICES]),
                          ("GgufFuzz", GGUFS), ("GgufTokenizerFuzz", GGUFS[2:]), ("JsonTokenizerFuzz", TOKENIZERS),
                          ("SentencePieceFuzz", [PIECES]), ("CheckpointStateFuzz", STATES), ("SamplesFuzz", SAMPLES), ("ChatFuzz", chats()), ("PlanFuzz", [bytes(64)]), ("RecipeFuzz", RECIPES),
                          ("TemplateFuzz", TEMPLATES), ("TokenFileFuzz", [b"FTCTOKEN" + bytes(200)]), ("RendezvousFuzz", RENDEZVOUS),
                          ("TekkenFuzz", TEKKENS), ("SplitGgufFuzz", [split_gguf()]), ("ModelTemplateFuzz", MODEL_TEMPLATES),
                          ("HubCacheFuzz", HUB_NAMES)):
        for i, text in enumerate(texts):
            write(fuzzer, str(i), text)
    for fuzzer, name in (("GgufFuzz", "types.gguf"), ("GgufFuzz", "blocks.gguf"), ("SafetensorsFuzz", "tiny.safetensors")):
        os.makedirs(os.path.join(folder, fuzzer), exist_ok=True)
        shutil.copy(os.path.join(WEIGHTS, name), os.path.join(folder, fuzzer, name))


if len(sys.argv) != 2:
    sys.exit(__doc__)
main(sys.argv[1])
