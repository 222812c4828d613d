#!/usr/bin/env python3
"""Writes the golden gradients beside this file: <case>.safetensors with `loss` and every gradient in double precision.

An implementation of its own of the tiny models under recipes/models, with torch's autograd: weights as
`--model seeded:SEED --init-adapters normal` (adapters from the run's own seed), tokens as `--data synthetic:SEED`, the
first step of the run, dropout masks from Philox. Nothing is shared with ftc but the definitions that its headers state
(runtime/Weights/Seeded.h, runtime/Text/SyntheticData.h, BatchSource.h, docs/numerics.md). The metadata of each file
says what made it.

Needs torch and safetensors.  make_goldens.py [case ...]
"""
import hashlib
import json
import math
import pathlib
import sys

import numpy as np
import torch
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(HERE.parent / "weights"))
from seeded import seeded  # noqa: E402  the same numbers as runtime/Weights/Seeded.cpp, in numpy

torch.set_default_dtype(torch.float64)

ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
BATCH = dict(rows=2, sequence_len=24, max_document_len=24, max_documents_per_row=1, accumulation=1)
PACKED = dict(BATCH, max_document_len=9, max_documents_per_row=3)
CASES = {
    "gqa": dict(model="tiny-gqa", **BATCH),
    "gqa-packed": dict(model="tiny-gqa", **PACKED),
    "gqa-accumulated": dict(model="tiny-gqa", **dict(PACKED, accumulation=3)),
    "tied-packed": dict(model="tiny-tied", **PACKED),
    "head-dim-100": dict(model="tiny-head-dim-100", **PACKED),
    "gqa-lora-qv": dict(model="tiny-gqa", **PACKED, lora=dict(r=4, alpha=8, dropout=0.0, targets=["q_proj", "v_proj"])),
    "gqa-lora-all": dict(model="tiny-gqa", **PACKED, lora=dict(r=4, alpha=8, dropout=0.0, targets=ALL)),
    "gqa-lora-all-dropout": dict(model="tiny-gqa", **dict(PACKED, accumulation=2),
                                 lora=dict(r=4, alpha=8, dropout=0.25, targets=ALL)),
    "tied-lora-qv-dropout": dict(model="tiny-tied", **PACKED,
                                 lora=dict(r=3, alpha=6, dropout=0.1, targets=["q_proj", "v_proj"])),
    # Widths that fill no vector: 30, 37, 60, 101; ranks of 3.
    "odd-packed": dict(model="tiny-odd", **dict(PACKED, accumulation=2)),
    "odd-lora-all-dropout": dict(model="tiny-odd", **PACKED, lora=dict(r=3, alpha=5, dropout=0.1, targets=ALL)),
    "head-dim-100-lora-all": dict(model="tiny-head-dim-100", **PACKED,
                                  lora=dict(r=4, alpha=4, dropout=0.0, targets=ALL)),
}
MODEL_SEED, DATA_SEED, RUN_SEED = 11, 7, 42


# -- randomness: Philox4x32-10 -----------------------------------------------------------------------------------------


def philox_key(seed, stream, name):
    digest = hashlib.sha256(seed.to_bytes(8, "little") + stream.encode() + b"\0" + name.encode()).digest()
    return int.from_bytes(digest[:8], "little")


def philox(counter, key):
    """Counter words may be numpy uint64 arrays of one shape, or ints."""
    mask = np.uint64(0xFFFFFFFF)
    c = [np.asarray(word, dtype=np.uint64) for word in counter]
    k0, k1 = key & 0xFFFFFFFF, key >> 32
    for _ in range(10):
        p0, p1 = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        c = [(p1 >> np.uint64(32)) ^ c[1] ^ np.uint64(k0), p1 & mask, (p0 >> np.uint64(32)) ^ c[3] ^ np.uint64(k1), p0 & mask]
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return c


class DataRandom:
    def __init__(self, seed, name):
        self.words = self.drawn(philox_key(seed, "data", name))

    @staticmethod
    def drawn(key, blocks=1024):
        for first in range(0, 2**63, blocks):
            counter = np.arange(first, first + blocks, dtype=np.uint64)
            zero = np.zeros_like(counter)
            words = philox([counter & np.uint64(0xFFFFFFFF), counter >> np.uint64(32), zero, zero], key)
            yield from np.stack(words, axis=1).reshape(-1).tolist()

    def next(self):
        return next(self.words)

    def below(self, bound):
        product = self.next() * bound
        threshold = (2**32 - bound) % bound
        while product & 0xFFFFFFFF < threshold:
            product = self.next() * bound
        return product >> 32


# -- data ----------------------------------------------------------------------------------------------------------------


def synthetic_rows(case, vocabulary):
    """Rows of documents of random ids (the train split)."""
    random = DataRandom(DATA_SEED, "synthetic/train")
    count = min(max((1 << 20) // case["sequence_len"], 16), 256)
    rows = []
    for _ in range(count):
        left, row = case["sequence_len"], []
        while left > 0:
            length = min(left, case["max_document_len"])
            row.append([random.below(vocabulary) for _ in range(length)])
            left -= length
        rows.append(row)
    return rows


def first_step(case, vocabulary):
    """The rows of step 0, micro-batch by micro-batch."""
    rows = synthetic_rows(case, vocabulary)
    order, random = list(range(len(rows))), DataRandom(RUN_SEED, "epoch/0")
    for last in range(len(order), 1, -1):
        other = random.below(last)
        order[last - 1], order[other] = order[other], order[last - 1]
    taken = [rows[index] for index in order[: case["rows"] * case["accumulation"]]]
    return [taken[i : i + case["rows"]] for i in range(0, len(taken), case["rows"])]


# -- model ---------------------------------------------------------------------------------------------------------------


def make_parameters(config, lora):
    shapes = {"model.embed_tokens.weight": (config["vocab_size"], config["hidden_size"])}
    hidden, inner, size = config["hidden_size"], config["intermediate_size"], head_dim(config)
    q, kv = config["num_attention_heads"] * size, config["num_key_value_heads"] * size
    for layer in range(config["num_hidden_layers"]):
        at = f"model.layers.{layer}."
        shapes[at + "input_layernorm.weight"] = (hidden,)
        shapes[at + "post_attention_layernorm.weight"] = (hidden,)
        for name, shape in (("self_attn.q_proj", (q, hidden)), ("self_attn.k_proj", (kv, hidden)),
                            ("self_attn.v_proj", (kv, hidden)), ("self_attn.o_proj", (hidden, q)),
                            ("mlp.gate_proj", (inner, hidden)), ("mlp.up_proj", (inner, hidden)),
                            ("mlp.down_proj", (hidden, inner))):
            shapes[f"{at}{name}.weight"] = shape
    shapes["model.norm.weight"] = (hidden,)
    if not config["tie_word_embeddings"]:
        shapes["lm_head.weight"] = (config["vocab_size"], hidden)
    parameters = {}
    for key, shape in shapes.items():
        values = np.ones(shape) if len(shape) == 1 else seeded("NORMAL", 0.02, MODEL_SEED, key, math.prod(shape))
        parameters[key] = torch.tensor(np.asarray(values, dtype=np.float64).reshape(shape), requires_grad=not lora)
    adapters = {}
    for key, shape in shapes.items():
        module = key.removesuffix(".weight")
        if lora and module.split(".")[-1] in lora["targets"]:
            for part, dims, kind, scale in (("lora_A", (lora["r"], shape[1]), "UNIFORM", 1 / math.sqrt(shape[1])),
                                            ("lora_B", (shape[0], lora["r"]), "NORMAL", 0.02)):
                name = f"base_model.model.{module}.{part}.weight"
                values = seeded(kind, scale, RUN_SEED, name, math.prod(dims)).astype(np.float64).reshape(dims)
                adapters[name] = torch.tensor(values, requires_grad=True)
    return parameters, adapters


def head_dim(config):
    return config.get("head_dim", config["hidden_size"] // config["num_attention_heads"])


class Model:
    def __init__(self, config, parameters, adapters, lora):
        self.config, self.parameters, self.adapters, self.lora = config, parameters, adapters, lora

    def linear(self, module, x, site):
        """One linear, with its adapter on the dropped-out input where it has one."""
        y = x @ self.parameters[module + ".weight"].T
        a = self.adapters.get(f"base_model.model.{module}.lora_A.weight")
        if a is not None:
            b = self.adapters[f"base_model.model.{module}.lora_B.weight"]
            y = y + self.lora["alpha"] / self.lora["r"] * (self.drop(site, x) @ a.T) @ b.T
        return y

    def drop(self, site, x):
        p = self.lora["dropout"]
        if p == 0:
            return x
        rows, columns = x.shape
        position = np.arange(rows, dtype=np.uint64)[:, None] + np.uint64(self.first_position)
        feature = np.arange(columns, dtype=np.uint64)[None, :]
        position, feature = np.broadcast_arrays(position, feature)
        step = np.full_like(position, 1)  # the first step
        words = philox([step, position & np.uint64(0xFFFFFFFF), position >> np.uint64(32), feature // np.uint64(4)],
                       philox_key(RUN_SEED, "dropout", site))
        word = np.choose((feature % np.uint64(4)).astype(np.int64), words)
        return x * torch.tensor((word >= int(p * 2**32)).astype(np.float64)) / (1 - p)

    def norm(self, key, x):
        return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + self.config["rms_norm_eps"]) * self.parameters[key]

    def rotate(self, x, positions):
        """x [tokens, heads, head_dim]."""
        half = x.shape[-1] // 2
        theta = self.config.get("rope_theta", 10000.0)
        angle = positions[:, None] * theta ** (-torch.arange(half) / half)
        cos, sin = angle.cos()[:, None, :], angle.sin()[:, None, :]
        a, b = x[..., :half], x[..., half:]
        return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)

    def attention(self, at, x, positions, allowed):
        config, size, tokens = self.config, head_dim(self.config), x.shape[0]
        site = at + ".input"
        q = self.rotate(self.linear(at + ".q_proj", x, site).view(tokens, -1, size), positions)
        k = self.rotate(self.linear(at + ".k_proj", x, site).view(tokens, -1, size), positions)
        v = self.linear(at + ".v_proj", x, site).view(tokens, -1, size)
        group = config["num_attention_heads"] // config["num_key_value_heads"]
        k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
        scores = torch.einsum("thd,uhd->htu", q, k) / math.sqrt(size)
        weights = scores.masked_fill(~allowed, -math.inf).softmax(-1)
        o = torch.einsum("htu,uhd->thd", weights, v).reshape(tokens, -1)
        return self.linear(at + ".o_proj", o, at + ".o_proj.input")

    def mlp(self, at, x):
        gate, up = (self.linear(f"{at}.{name}_proj", x, at + ".input") for name in ("gate", "up"))
        return self.linear(at + ".down_proj", torch.nn.functional.silu(gate) * up, at + ".down_proj.input")

    def loss_sum(self, rows, first_position):
        """The sum of -log p over the targets of one micro-batch, and how many there are."""
        self.first_position = first_position
        documents = [document for row in rows for document in row]
        ids = torch.tensor([token for document in documents for token in document])
        labels = torch.tensor([token for document in documents for token in document[1:] + [-100]])
        positions = torch.tensor([float(i) for document in documents for i in range(len(document))])
        owner = torch.tensor([n for n, document in enumerate(documents) for _ in document])
        causal = torch.ones(len(ids), len(ids), dtype=torch.bool).tril()
        allowed = causal & (owner[:, None] == owner[None, :])
        x = self.parameters["model.embed_tokens.weight"][ids]
        for layer in range(self.config["num_hidden_layers"]):
            at = f"model.layers.{layer}"
            x = x + self.attention(at + ".self_attn", self.norm(at + ".input_layernorm.weight", x), positions, allowed)
            x = x + self.mlp(at + ".mlp", self.norm(at + ".post_attention_layernorm.weight", x))
        head = "model.embed_tokens.weight" if self.config["tie_word_embeddings"] else "lm_head.weight"
        logits = self.norm("model.norm.weight", x) @ self.parameters[head].T
        return torch.nn.functional.cross_entropy(logits, labels, ignore_index=-100, reduction="sum"), int((labels >= 0).sum())


def run(name, case):
    config = json.loads((ROOT / "recipes/models" / case["model"] / "config.json").read_text())
    lora = case.get("lora")
    parameters, adapters = make_parameters(config, lora)
    model = Model(config, parameters, adapters, lora)
    losses, targets = 0.0, 0
    tokens = case["rows"] * case["sequence_len"]
    for index, rows in enumerate(first_step(case, config["vocab_size"])):
        loss, count = model.loss_sum(rows, index * tokens)
        losses, targets = losses + loss, targets + count
    loss = losses / targets
    loss.backward()
    trained = adapters if lora else parameters
    tensors = {key: tensor.grad for key, tensor in trained.items()}
    tensors["loss"] = loss.detach().reshape(1)
    metadata = {"case": json.dumps(case), "model_seed": str(MODEL_SEED), "data_seed": str(DATA_SEED),
                "run_seed": str(RUN_SEED)}
    save_file(tensors, HERE / f"{name}.safetensors", metadata)
    print(f"{name}: loss {loss.item():.12f}, {targets} targets, {len(trained)} gradients")


if __name__ == "__main__":
    for name in sys.argv[1:] or CASES:
        run(name, CASES[name])
