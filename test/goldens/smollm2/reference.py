"""SmolLM2-135M-Instruct in transformers and PEFT, in f32 on the dequantised weights of its GGUF file, and token files."""
import hashlib
import math
import pathlib
import struct
import sys

import numpy as np
import torch
from gguf import GGUFReader, dequantize
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "weights"))
from seeded import seeded  # noqa: E402  the numbers of runtime/Weights/Seeded.cpp, in numpy

HEADS, KV_HEADS = 9, 3
NAMES = {
    "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
}
LINEARS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def state(gguf):
    """The file's tensors in f32 under their Hugging Face names, llama.cpp's permutation for rope undone."""
    tensors = {}
    for tensor in GGUFReader(gguf).tensors:
        weight = dequantize(tensor.data, tensor.tensor_type).astype(np.float32).reshape(tensor.shape.tolist()[::-1])
        if tensor.name == "token_embd.weight":
            key = "model.embed_tokens.weight"
        elif tensor.name == "output_norm.weight":
            key = "model.norm.weight"
        else:
            _, layer, name, _ = tensor.name.split(".")
            key = f"model.layers.{layer}.{NAMES[name]}.weight"
            heads = {"attn_q": HEADS, "attn_k": KV_HEADS}.get(name)
            if heads:
                half = weight.shape[0] // heads // 2
                weight = weight.reshape(heads, half, 2, -1).swapaxes(1, 2).reshape(weight.shape)
        tensors[key] = torch.from_numpy(np.ascontiguousarray(weight))
    return tensors


def base_model(gguf):
    config = LlamaConfig(hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=HEADS,
                         num_key_value_heads=KV_HEADS, vocab_size=49152, rms_norm_eps=1e-5, rope_theta=100000.0,
                         tie_word_embeddings=True, max_position_embeddings=8192, hidden_act="silu", use_cache=False,
                         attn_implementation="eager")
    model = LlamaForCausalLM(config).float()
    missing, unexpected = model.load_state_dict(state(gguf), strict=False)
    assert set(missing) <= {"lm_head.weight"} and not unexpected, (missing, unexpected)
    model.tie_weights()
    return model.eval()


def with_adapters(model, seed):
    """PEFT's LoRA with A as ftrun draws it: U(-1/sqrt(in), 1/sqrt(in)) from the Philox stream of its name; B zero."""
    model = get_peft_model(model, LoraConfig(r=16, lora_alpha=32, task_type="CAUSAL_LM", target_modules=LINEARS))
    for name, parameter in adapters(model).items():
        with torch.no_grad():
            if ".lora_A." in name:
                values = seeded("UNIFORM", 1 / math.sqrt(parameter.shape[1]), seed, name, parameter.numel())
                parameter.copy_(torch.from_numpy(values.reshape(parameter.shape)))
            else:
                parameter.zero_()
    return model


def adapters(model):
    """Trained parameters by the names of adapter_model.safetensors, sorted."""
    found = {name.replace(".default", ""): p for name, p in model.named_parameters() if ".lora_" in name}
    return dict(sorted(found.items()))


class TokenFile:
    """docs/token-file.md: ids, targets and documents of every row."""

    def __init__(self, path):
        data = pathlib.Path(path).read_bytes()
        assert data[:8] == b"FTCTOKEN" and struct.unpack_from("<I", data, 8)[0] == 3, path
        self.digest = hashlib.sha256(data).hexdigest()
        length, = struct.unpack_from("<I", data, 16)
        rows, documents = struct.unpack_from("<QQ", data, 56)
        at = 240

        def section(kind, count):
            nonlocal at
            at = (at + 63) // 64 * 64
            values = np.frombuffer(data, kind, count, at)
            at += values.nbytes
            return values

        self.ids = section("<u4", rows * length).reshape(rows, length).astype(np.int64)
        section("<u4", rows * length)
        first, lengths = section("<u8", rows + 1), section("<u4", documents)
        section("<u4", rows)
        mask = np.unpackbits(section("u1", rows * ((length + 7) // 8)).reshape(rows, -1), axis=1, bitorder="little")
        self.targets = mask[:, :length].astype(bool)
        self.documents = [lengths[int(first[row]) : int(first[row + 1])].tolist() for row in range(rows)]
        self.rows, self.length = int(rows), int(length)

    def batch(self, rows):
        """ids, positions within their documents, an additive mask of documents and causality, and targets."""
        positions = np.zeros((len(rows), self.length), np.int64)
        owner = np.zeros((len(rows), self.length), np.int64)
        for n, row in enumerate(rows):
            at = 0
            for index, size in enumerate(self.documents[row] + [self.length - sum(self.documents[row])]):
                positions[n, at : at + size] = np.arange(size)
                owner[n, at : at + size] = index
                at += size
        allowed = (owner[:, :, None] == owner[:, None, :]) & np.tri(self.length, dtype=bool)
        mask = torch.where(torch.from_numpy(allowed[:, None]), 0.0, torch.finfo(torch.float32).min)
        return torch.from_numpy(self.ids[rows]), torch.from_numpy(positions), mask, torch.from_numpy(self.targets[rows])


def loss_sum(model, ids, positions, mask, targets):
    """The sum of -log p over the targets; logits are made for them alone. `model` with or without PEFT."""
    causal = model.get_base_model() if hasattr(model, "get_base_model") else model
    hidden = causal.model(input_ids=ids, position_ids=positions, attention_mask=mask).last_hidden_state
    place = targets.nonzero(as_tuple=True)
    logits = causal.lm_head(hidden[place])
    return torch.nn.functional.cross_entropy(logits, ids[place[0], place[1] + 1], reduction="sum")


def evaluate(model, file, rows_at_once=4):
    """Mean over all targets of a token file."""
    total = 0.0
    with torch.no_grad():
        for first in range(0, file.rows, rows_at_once):
            rows = list(range(first, min(file.rows, first + rows_at_once)))
            total += loss_sum(model, *file.batch(rows)).item()
    return total / int(file.targets.sum())
