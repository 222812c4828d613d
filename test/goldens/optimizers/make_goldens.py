#!/usr/bin/env python3
"""Writes lion.json beside this file: the losses of 200 steps of Lion, for test/e2e/lion.py.

The tiny model, its data and its gradients are those of ../gradients/make_goldens.py, in double precision and with torch's
autograd; the optimizer is that of the package lion-pytorch. Nothing is shared with ftc but the definitions that its
headers state.

Needs torch, safetensors and lion-pytorch.  make_goldens.py
"""
import json
import pathlib
import sys

import torch
from lion_pytorch import Lion

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "gradients"))
import make_goldens as tiny  # noqa: E402

# As test/e2e/lion.py has it.
CASE = dict(model="tiny-gqa", rows=16, sequence_len=24, max_document_len=24, max_documents_per_row=1)
STEPS, RATE, DECAY, BETAS, CLIP = 200, 3e-3, 0.1, (0.9, 0.99), 0.5


def batches(vocabulary):
    """Rows of each step, in the order of runtime/Text/BatchSource.h; a step does not cross the end of an epoch here."""
    rows, epoch = tiny.synthetic_rows(CASE, vocabulary), 0
    while True:
        order, random = list(range(len(rows))), tiny.DataRandom(tiny.RUN_SEED, f"epoch/{epoch}")
        for last in range(len(order), 1, -1):
            other = random.below(last)
            order[last - 1], order[other] = order[other], order[last - 1]
        for first in range(0, len(order), CASE["rows"]):
            yield [rows[index] for index in order[first : first + CASE["rows"]]]
        epoch += 1


def main():
    config = json.loads((tiny.ROOT / "recipes/models" / CASE["model"] / "config.json").read_text())
    parameters, adapters = tiny.make_parameters(config, None)
    model = tiny.Model(config, parameters, adapters, None)
    matrices = [p for p in parameters.values() if p.dim() >= 2]
    others = [p for p in parameters.values() if p.dim() < 2]
    optimizer = Lion([dict(params=matrices, weight_decay=DECAY), dict(params=others, weight_decay=0.0)], lr=RATE, betas=BETAS)
    losses, clipped = [], 0
    for step, rows in zip(range(STEPS), batches(config["vocab_size"])):
        optimizer.zero_grad()
        loss, count = model.loss_sum(rows, 0)
        (loss / count).backward()
        clipped += float(torch.nn.utils.clip_grad_norm_(parameters.values(), CLIP)) > CLIP
        optimizer.step()
        losses.append(loss.item() / count)
    (HERE / "lion.json").write_text(json.dumps(dict(
        steps=STEPS, learning_rate=RATE, weight_decay=DECAY, betas=BETAS, max_grad_norm=CLIP, losses=losses)) + "\n")
    print(f"lion: loss {losses[0]:.6f} to {losses[-1]:.6f}, {clipped} of {STEPS} steps clipped")


if __name__ == "__main__":
    main()
