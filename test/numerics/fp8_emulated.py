#!/usr/bin/env python3
"""What E4M3 costs a model before training, without ftc: held-out loss in f32 of transformers, with weights of all linears in the
blocks rounded by output row and their inputs by token. Needs torch, transformers, gguf, accelerate; seven minutes on two cores.

    fp8_emulated.py MODEL.gguf recipes/data/wordnet_eval.jsonl [EVERY]      every EVERY-th row (1)
"""
import json
import pathlib
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
ATTENTION, MLP = ("q_proj", "k_proj", "v_proj", "o_proj"), ("gate_proj", "up_proj", "down_proj")
NORMS = ("q_proj", "k_proj", "v_proj", "gate_proj", "up_proj")  # what reads a norm's output


def rounded(x):
    """Each row of x as codes of E4M3 and a scale mean it."""
    scale = x.abs().amax(-1, keepdim=True) / 448
    scale = torch.where(scale == 0, torch.ones_like(scale), scale.clamp(min=2**-126))
    return (x / scale).to(torch.float8_e4m3fn).float() * scale


def samples(tokenizer, file, every):
    for line in pathlib.Path(file).read_text().splitlines()[::every]:
        sample = json.loads(line)
        asked = f"{sample['instruction']}\n\n{sample['input']}" if sample.get("input") else sample["instruction"]
        prompt = (f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n{asked}<|im_end|>\n<|im_start|>assistant\n")
        before, answer = (tokenizer(text, add_special_tokens=False).input_ids
                          for text in (prompt, f"{sample['output']}<|im_end|>\n"))
        yield before + answer, len(before)


def main():
    model_file, data, every = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2], int(sys.argv[3]) if sys.argv[3:] else 1
    folder, name = str(model_file.parent), model_file.name
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32)
    texts = list(samples(AutoTokenizer.from_pretrained(folder, gguf_file=name), data, every))
    linears = {key: module for key, module in model.named_modules() if key.split(".")[-1] in ATTENTION + MLP}
    weights = {key: module.weight.data for key, module in linears.items()}
    chosen = []
    for key, module in linears.items():
        module.register_forward_pre_hook(
            lambda _, inputs, kind=key.split(".")[-1]: (rounded(inputs[0]),) if kind in chosen else None)
    print(f"{len(texts)} texts, {sum(len(ids) - at for ids, at in texts)} target tokens")
    for codes, kinds in ((False, ()), (True, ()), (True, ATTENTION + MLP), (True, ("down_proj",)), (True, ("o_proj",)), (True, NORMS)):
        chosen[:] = kinds
        for key, module in linears.items():
            module.weight.data = rounded(weights[key]) if codes else weights[key]
        total = count = 0
        with torch.no_grad():
            for ids, at in texts:
                logits = model(input_ids=torch.tensor([ids])).logits[0, at - 1:-1]
                total += float(torch.nn.functional.cross_entropy(logits, torch.tensor(ids[at:]), reduction="sum"))
                count += len(ids) - at
        print(f"weights {'E4M3' if codes else 'f32'}, inputs in E4M3 of {', '.join(kinds) or 'none'}: {total / count:.4f}", flush=True)


if __name__ == "__main__":
    main()
