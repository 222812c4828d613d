#!/usr/bin/env python3
"""Writes goldens of the families of models beside this file: <case>.safetensors with `loss`, the `logits` of the last
token of the first row, and every gradient in double precision.

The models are `transformers`' own, run in double precision throughout: where their code asks for float32, it gets
float64. Weights, tokens and batches are those of make_goldens.py. The metadata of each file says what made it.

Needs torch, transformers and safetensors.  make_family_goldens.py [case ...]
"""
import json
import math
import sys

import numpy as np
import torch
import transformers
from safetensors.torch import save_file

import make_goldens as base

PACKED, ALL = base.PACKED, base.ALL
LORA = dict(r=4, alpha=8, dropout=0.0, targets=ALL)
CASES = {
    "linear": dict(model="tiny-linear", **PACKED),
    "llama3": dict(model="tiny-llama3", **base.BATCH),
    "yarn": dict(model="tiny-yarn", **base.BATCH),
    "qwen2": dict(model="tiny-qwen2", **base.BATCH),
    "qwen2-lora-all": dict(model="tiny-qwen2", **dict(PACKED, accumulation=2), lora=LORA),
    "qwen3": dict(model="tiny-qwen3", **dict(PACKED, accumulation=2)),
    "qwen3-lora-all": dict(model="tiny-qwen3", **PACKED, lora=LORA),
    "mistral": dict(model="tiny-mistral", **PACKED),
    "smollm3": dict(model="tiny-smollm3", **base.BATCH),
    "gemma3": dict(model="tiny-gemma3", **PACKED),
    "gemma3-lora-all": dict(model="tiny-gemma3", **base.BATCH, lora=LORA),
}
CONFIGS = {"llama": transformers.LlamaConfig, "qwen2": transformers.Qwen2Config, "qwen3": transformers.Qwen3Config,
           "mistral": transformers.MistralConfig, "smollm3": transformers.SmolLM3Config,
           "gemma3_text": transformers.Gemma3TextConfig}

# Whatever asks for single precision gets double.
torch.float32 = torch.float = torch.float64
torch.Tensor.float = torch.Tensor.double


def weight_of(key, shape, offset_norms):
    """What `--model seeded:SEED` fills a parameter with."""
    if len(shape) == 1 and key.endswith(".weight") and not offset_norms:
        return np.ones(shape)
    return base.seeded("NORMAL", 0.02, base.MODEL_SEED, key, math.prod(shape)).astype(np.float64).reshape(shape)


class Adapted(torch.nn.Module):
    """A linear with a low-rank adapter beside it."""

    def __init__(self, linear, module, lora):
        super().__init__()
        self.linear, self.scale = linear, lora["alpha"] / lora["r"]
        rows, columns = linear.weight.shape
        self.a = self.draw(f"base_model.model.{module}.lora_A.weight", (lora["r"], columns), "UNIFORM",
                           1 / math.sqrt(columns))
        self.b = self.draw(f"base_model.model.{module}.lora_B.weight", (rows, lora["r"]), "NORMAL", 0.02)

    @staticmethod
    def draw(key, shape, kind, scale):
        values = base.seeded(kind, scale, base.RUN_SEED, key, math.prod(shape)).astype(np.float64).reshape(shape)
        return torch.nn.Parameter(torch.tensor(values))

    def forward(self, x):
        return self.linear(x) + self.scale * (x @ self.a.T) @ self.b.T


def make_model(config):
    model_config = CONFIGS[config["model_type"]](**{k: v for k, v in config.items() if k not in ("_name_or_path", "model_type")})
    # A padding token would leave its row without a gradient.
    model_config.pad_token_id = model_config.bos_token_id = model_config.eos_token_id = None
    model_config._attn_implementation = "eager"
    model = transformers.AutoModelForCausalLM.from_config(model_config, dtype=torch.float64)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            assert parameter.dtype == torch.float64, key
            offset = config["model_type"] == "gemma3_text"
            parameter.copy_(torch.tensor(weight_of(key, tuple(parameter.shape), offset)))
    return model


def adapt(model, lora):
    """Replaces the targets; returns the adapters by PEFT's keys."""
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    adapters = {}
    for name, module in list(model.named_modules()):
        if isinstance(module, torch.nn.Linear) and name.split(".")[-1] in lora["targets"]:
            adapted = Adapted(module, name, lora)
            parent = model.get_submodule(name.rsplit(".", 1)[0])
            setattr(parent, name.rsplit(".", 1)[1], adapted)
            adapters[f"base_model.model.{name}.lora_A.weight"] = adapted.a
            adapters[f"base_model.model.{name}.lora_B.weight"] = adapted.b
    return adapters


def forward(model, rows):
    """Logits of one micro-batch, and the labels; positions restart in each document, and that is its border."""
    ids = torch.tensor([[token for document in row for token in document] for row in rows])
    labels = torch.tensor([[token for document in row for token in document[1:] + [-100]] for row in rows])
    positions = torch.tensor([[i for document in row for i in range(len(document))] for row in rows])
    return model(input_ids=ids, position_ids=positions, use_cache=False).logits, labels


def run(name, case):
    config = json.loads((base.ROOT / "recipes/models" / case["model"] / "config.json").read_text())
    model = make_model(config)
    lora = case.get("lora")
    trained = adapt(model, lora) if lora else dict(model.named_parameters())
    losses, targets = 0.0, 0
    for rows in base.first_step(case, config["vocab_size"]):
        logits, labels = forward(model, rows)
        flat = labels.flatten()
        losses = losses + torch.nn.functional.cross_entropy(logits.flatten(0, 1), flat, ignore_index=-100, reduction="sum")
        targets += int((flat >= 0).sum())
    loss = losses / targets
    loss.backward()
    tensors = {key: tensor.grad for key, tensor in trained.items()}
    tensors["loss"] = loss.detach().reshape(1)
    tensors["logits"] = logits.detach()[0, -1].clone()
    assert all(tensor.dtype == torch.float64 for tensor in tensors.values())
    metadata = {"case": json.dumps(case), "model_seed": str(base.MODEL_SEED), "data_seed": str(base.DATA_SEED),
                "run_seed": str(base.RUN_SEED),
                "made_by": f"transformers {transformers.__version__}, torch {torch.__version__}"}
    save_file(tensors, base.HERE / f"{name}.safetensors", metadata)
    print(f"{name}: loss {loss.item():.12f}, {targets} targets, {len(trained)} gradients")


if __name__ == "__main__":
    for name in sys.argv[1:] or CASES:
        run(name, CASES[name])
