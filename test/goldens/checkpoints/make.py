#!/usr/bin/env python3
"""Writes a tiny checkpoint of each family beside this file, as programs that people use write it: <family>/ with
config.json and model.safetensors by transformers, and model.gguf by the gguf package, with the names and the changes to
weights that llama.cpp's converter has. losses.json says what transformers computes with it, in double precision, on
texts.jsonl: the mean over all target tokens.

Weights are random, sizes scaled down; the tokenizer is ../text/gpt2's, which GGUF files hold and folders get in the test.

Needs torch, transformers, safetensors, tokenizers and gguf.  make.py
"""
import json
import pathlib
import shutil

import gguf
import numpy as np
import torch
import transformers
from safetensors.torch import load_file
from tokenizers import Tokenizer

HERE = pathlib.Path(__file__).resolve().parent
TOKENIZER = HERE / "../text/gpt2/tokenizer.json"
tokenizer = Tokenizer.from_file(str(TOKENIZER))
VOCABULARY = tokenizer.get_vocab_size()
EOS = tokenizer.token_to_id("<|endoftext|>")

SIZES = dict(vocab_size=VOCABULARY, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, head_dim=8, max_position_embeddings=256, rms_norm_eps=1e-5, bos_token_id=EOS,
             eos_token_id=EOS, pad_token_id=None)
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 16, "rope_theta": 500000.0}
GEMMA = dict(SIZES, num_hidden_layers=7, query_pre_attn_scalar=8, sliding_window=6)
VISION = dict(hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=28, patch_size=14)
MODELS = {
    "llama3": lambda: transformers.LlamaForCausalLM(transformers.LlamaConfig(
        **SIZES, rope_parameters=LLAMA3, tie_word_embeddings=True)),
    "qwen2": lambda: transformers.Qwen2ForCausalLM(transformers.Qwen2Config(
        **{k: v for k, v in SIZES.items() if k != "head_dim"}, tie_word_embeddings=True)),
    "qwen3": lambda: transformers.Qwen3ForCausalLM(transformers.Qwen3Config(
        **dict(SIZES, head_dim=16), tie_word_embeddings=True)),
    "smollm3": lambda: transformers.SmolLM3ForCausalLM(transformers.SmolLM3Config(
        **dict({k: v for k, v in SIZES.items() if k != "head_dim"}, num_hidden_layers=5), tie_word_embeddings=True)),
    "mistral": lambda: transformers.MistralForCausalLM(transformers.MistralConfig(**SIZES, sliding_window=6)),
    "gemma3": lambda: transformers.Gemma3ForCausalLM(transformers.Gemma3TextConfig(**GEMMA)),
    "gemma3_vision": lambda: transformers.Gemma3ForConditionalGeneration(transformers.Gemma3Config(
        text_config=transformers.Gemma3TextConfig(**GEMMA), vision_config=transformers.SiglipVisionConfig(**VISION),
        mm_tokens_per_image=4, boi_token_index=1, eoi_token_index=2, image_token_index=3)),
}
GGUF = {"llama3": gguf.MODEL_ARCH.LLAMA, "qwen2": gguf.MODEL_ARCH.QWEN2, "qwen3": gguf.MODEL_ARCH.QWEN3,
        "smollm3": gguf.MODEL_ARCH.SMOLLM3, "mistral": gguf.MODEL_ARCH.LLAMA, "gemma3": gguf.MODEL_ARCH.GEMMA3}
TEXTS = ["The quick brown fox jumps over the lazy dog.", "fn main() { println!(\"{}\", 6 * 7); }\n",
         "Licensed under the Apache License, Version 2.0; you may not use this file except in compliance.",
         "\u4f60\u597d\uff0c\u4e16\u754c! na\u00efve caf\u00e9"]


def randomise(model):
    """Everything is random, norms and biases as well, and exact in bf16."""
    torch.manual_seed(12)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            wide = parameter.ndim > 1
            values = torch.randn(parameter.shape) * (0.3 if wide else 0.2)
            if name.endswith("norm.weight") and "gemma" not in model.config.model_type:
                values += 1
            parameter.copy_(values.to(torch.bfloat16))


def loss_of(folder):
    """Of the model as it was saved, in double precision: where transformers' code asks for float32, it gets float64."""
    saved = torch.float32, torch.float, torch.Tensor.float
    torch.float32 = torch.float = torch.float64
    torch.Tensor.float = torch.Tensor.double
    try:
        config = transformers.AutoConfig.from_pretrained(folder)
        config._attn_implementation = "eager"
        model = transformers.AutoModelForImageTextToText if hasattr(config, "vision_config") else transformers.AutoModelForCausalLM
        model = model.from_config(config, dtype=torch.float64).eval()
        weights = {key: value.double() for key, value in load_file(folder / "model.safetensors").items()}
        if hasattr(config, "vision_config"):  # files keep the names that modules had before
            weights = {("model." + key).replace("model.language_model.model.", "model.language_model."): value
                       for key, value in weights.items()}
        missing, extra = model.load_state_dict(weights, strict=False)
        assert not extra and set(missing) <= {"lm_head.weight"}, (missing, extra)
        model.tie_weights()
        return mean_loss(model)
    finally:
        torch.float32, torch.float, torch.Tensor.float = saved


def mean_loss(model):
    total, count = 0.0, 0
    for text in TEXTS:
        ids = torch.tensor([tokenizer.encode(text).ids + [EOS]])
        with torch.no_grad():
            logits = model(input_ids=ids, use_cache=False).logits[0, :-1]
        total += torch.nn.functional.cross_entropy(logits.double(), ids[0, 1:], reduction="sum").item()
        count += ids.shape[1] - 1
    return total / count


def interleaved(weight, heads):
    """llama.cpp's permutation of q and k: its rotations pair neighbours."""
    return weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)


def llama3_divisors(rope, width):
    """What llama.cpp's converter writes as rope_freqs.weight."""
    low, high = (rope["original_max_position_embeddings"] / rope[f"{which}_freq_factor"] for which in ("low", "high"))
    out = []
    for frequency in 1.0 / rope["rope_theta"] ** (np.arange(0, width, 2) / width):
        wave = 2 * np.pi / frequency
        smooth = (rope["original_max_position_embeddings"] / wave - rope["low_freq_factor"]) / (
            rope["high_freq_factor"] - rope["low_freq_factor"])
        out.append(1 if wave < high else rope["factor"] if wave > low else 1 / ((1 - smooth) / rope["factor"] + smooth))
    return np.array(out, np.float32)


def write_tokenizer(writer):
    spec = json.loads(TOKENIZER.read_text())
    special = {token["id"] for token in spec["added_tokens"]}
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in spec["model"]["merges"]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([token for token, _ in vocabulary])
    writer.add_token_types([gguf.TokenType.CONTROL if i in special else gguf.TokenType.NORMAL for _, i in vocabulary])
    writer.add_token_merges(merges)
    writer.add_eos_token_id(EOS)
    writer.add_add_bos_token(False)


def write_metadata(writer, config, family):
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name(family)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    rope = config.rope_parameters
    writer.add_rope_freq_base((rope.get("full_attention") or rope)["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_key_length(width)
    writer.add_value_length(width)
    writer.add_vocab_size(config.vocab_size)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_BF16)
    if family == "gemma3":
        writer.add_sliding_window(config.sliding_window)
    else:
        writer.add_rope_dimension_count(width)
    write_tokenizer(writer)
    return width


def write_gguf(model, family, path):
    config, arch = model.config, GGUF[family]
    writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[arch])
    width = write_metadata(writer, config, family)
    names = gguf.get_tensor_name_map(arch, config.num_hidden_layers)
    if family == "llama3":
        writer.add_tensor("rope_freqs.weight", llama3_divisors(LLAMA3, width))
    for key, value in model.state_dict().items():
        if key == "lm_head.weight" and config.tie_word_embeddings:
            continue
        data = value.float().numpy()
        if arch in (gguf.MODEL_ARCH.LLAMA, gguf.MODEL_ARCH.SMOLLM3) and key.endswith(("q_proj.weight", "k_proj.weight")):
            data = interleaved(data, config.num_attention_heads if "q_proj" in key else config.num_key_value_heads)
        if family == "gemma3" and key.endswith("norm.weight"):
            data = data + 1
        name = names.get_name(key, try_suffixes=(".weight", ".bias"))
        if data.ndim == 1:  # as the converter: what is small stays in single precision
            writer.add_tensor(name, data)
        else:
            kind = gguf.GGMLQuantizationType.BF16
            writer.add_tensor(name, gguf.quants.quantize(data, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    (HERE / "texts.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    losses = {}
    for family, make in MODELS.items():
        model = make().eval()
        model.set_attn_implementation("eager")
        randomise(model)
        folder = HERE / family
        shutil.rmtree(folder, ignore_errors=True)
        model.to(torch.bfloat16).save_pretrained(folder)
        (folder / "generation_config.json").unlink(missing_ok=True)
        if family in GGUF:
            write_gguf(model, family, folder / "model.gguf")
        losses[family] = loss_of(folder)
        print(family, losses[family], sum(f.stat().st_size for f in folder.iterdir()), "bytes", flush=True)
    (HERE / "losses.json").write_text(json.dumps(losses, indent=1) + "\n")


if __name__ == "__main__":
    main()
