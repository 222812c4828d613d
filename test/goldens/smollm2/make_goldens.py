#!/usr/bin/env python3
"""Writes smollm2.safetensors beside this file: what transformers and PEFT compute in f32 on the weights of
SmolLM2-135M-Instruct.Q4_1.gguf, for SmolLm2Test.cpp.

    make_goldens.py MODEL.gguf TRAIN.tokens EVAL.tokens

The token files are those that ftrun names when it runs steps.textproto on that model: it keeps them in its cache.

prompt.N.ids, .top_ids, .top, .slice, .norm: next-token logits after three prompts: the 16 largest, every 769th, and the
norm. steps.loss, steps.grad_norm: five LoRA steps. eval.before, eval.after: held-out loss around them. adapter.norms:
the norms of A and B after them, sorted by name; adapter.slice: eight numbers of each.
"""
import math
import pathlib
import sys

import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

import reference  # noqa: E402
from gguf import GGUFReader

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "gradients"))
from make_goldens import DataRandom  # noqa: E402  the draws of runtime/Text/DataRandom.h

torch.set_default_dtype(torch.float32)  # that script works in double precision

SEED, STEPS, HORIZON, WARMUP, RATE, ROWS = 42, 5, 40, 5, 5e-4, 4
SYSTEM = "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
PROMPTS = [
    SYSTEM + "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n",
    "The quick brown fox jumps over the lazy",
    "def fibonacci(n):\n    if n < 2:\n        return n\n    return fibonacci(n - 1) + ",
]


def tokenizer(gguf):
    fields = GGUFReader(gguf).fields
    texts, merges, kinds = (fields[f"tokenizer.ggml.{key}"].contents() for key in ("tokens", "merges", "token_type"))
    made = Tokenizer(models.BPE(vocab={text: n for n, text in enumerate(texts)},
                                merges=[tuple(merge.split(" ")) for merge in merges]))
    made.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True),
                                                  pre_tokenizers.ByteLevel(add_prefix_space=False)])
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken(text, special=True) for text, kind in zip(texts, kinds) if kind == 3])
    return made


def prompts(model, codec, out):
    for n, text in enumerate(PROMPTS):
        ids = codec.encode(text).ids
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([ids])).logits[0, -1].double()
        top = logits.topk(16)
        out[f"prompt.{n}.ids"] = torch.tensor(ids, dtype=torch.float64)
        out[f"prompt.{n}.top_ids"] = top.indices.double()
        out[f"prompt.{n}.top"] = top.values
        out[f"prompt.{n}.slice"] = logits[::769].clone()
        out[f"prompt.{n}.norm"] = logits.norm().reshape(1)
        print(repr(text[-20:]), "->", repr(codec.decode([int(top.indices[0])])), top.values[:2].tolist())


def row_order(rows):
    order, random = list(range(rows)), DataRandom(SEED, "epoch/0")
    for last in range(rows, 1, -1):
        other = random.below(last)
        order[last - 1], order[other] = order[other], order[last - 1]
    return order


def rate(step):
    """Of step 1, 2, …, as transformers.get_cosine_schedule_with_warmup after step - 1 calls."""
    done = step - 1
    if done < WARMUP:
        return RATE * done / WARMUP
    return RATE * 0.5 * (1 + math.cos(math.pi * (done - WARMUP) / (HORIZON - WARMUP)))


def train(model, file, out):
    parameters = list(reference.adapters(model).values())
    optimizer = torch.optim.AdamW(parameters, lr=RATE, weight_decay=0.0)
    order, losses, norms = row_order(file.rows), [], []
    for step in range(1, STEPS + 1):
        batch = file.batch(order[(step - 1) * ROWS : step * ROWS])
        loss = reference.loss_sum(model, *batch) / int(batch[3].sum())
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(parameters, 1.0).item())
        losses.append(loss.item())
        optimizer.param_groups[0]["lr"] = rate(step)
        optimizer.step()
        optimizer.zero_grad()
        print(f"step {step}: loss {losses[-1]:.6f}, gradient norm {norms[-1]:.5f}, rate {rate(step):.2e}", flush=True)
    out["steps.loss"] = torch.tensor(losses, dtype=torch.float64)
    out["steps.grad_norm"] = torch.tensor(norms, dtype=torch.float64)
    trained = reference.adapters(model)
    out["adapter.norms"] = torch.tensor([p.detach().double().norm().item() for p in trained.values()])
    out["adapter.slice"] = torch.stack([p.detach().flatten()[:: p.numel() // 8][:8] for p in trained.values()])


def main():
    gguf, train_path, eval_path = sys.argv[1:]
    torch.set_num_threads(2)
    train_file, eval_file = reference.TokenFile(train_path), reference.TokenFile(eval_path)
    out = {}
    model = reference.base_model(gguf)
    prompts(model, tokenizer(gguf), out)
    model = reference.with_adapters(model, SEED)
    out["eval.before"] = torch.tensor([reference.evaluate(model, eval_file)], dtype=torch.float64)
    train(model, train_file, out)
    out["eval.after"] = torch.tensor([reference.evaluate(model, eval_file)], dtype=torch.float64)
    print("held out:", out["eval.before"].item(), out["eval.after"].item())
    metadata = {"seed": str(SEED), "train_tokens_sha256": train_file.digest, "eval_tokens_sha256": eval_file.digest}
    save_file(out, pathlib.Path(__file__).with_name("smollm2.safetensors"), metadata)


if __name__ == "__main__":
    main()
