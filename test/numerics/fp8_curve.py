#!/usr/bin/env python3
"""What FP8 costs LoRA on SmolLM2-135M, without ftc: 200 steps by true FP8 products of torch on a Hopper GPU, three seeds beside each
other in one batch of 4 rows each, the same batches for every form; held-out losses beside those on a base in bf16.

    fp8_curve.py MODEL.gguf TRAIN.tokens HELD_OUT.tokens...

Needs torch, transformers, gguf, accelerate; two minutes on an H200. Token files are those of `ftc data recipes/smollm2_lora.textproto
--model MODEL.gguf -o TRAIN.tokens`; --set data.train=FILE packs others, as that of `tools/make_wordnet_data.py --more FILE`. STEPS=2
FORMS=1 ROWS=2 try it elsewhere.
"""
import math
import os
import pathlib
import struct
import sys
import time

import numpy
import torch
from torch.nn.functional import cross_entropy, pad, scaled_dot_product_attention, silu

GPU = torch.cuda.is_available()
DEVICE = "cuda" if GPU else "cpu"
STEPS, FORMS, HELD_ROWS = (int(os.environ.get(name, default)) for name, default in (("STEPS", 200), ("FORMS", 99), ("ROWS", 400)))
SEEDS, ROWS, RANK, LAYERS, HEADS, KV_HEADS, HEAD, EPSILON, THETA = 3, 4, 16, 30, 9, 3, 64, 1e-5, 1e5
PEAK, WARMUP = 5e-4, 5  # learning rate: linear, then cosine
GROUPS = {"qkv": ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"], "o": ["self_attn.o_proj"],
          "gate_up": ["mlp.gate_proj", "mlp.up_proj"], "down": ["mlp.down_proj"]}


class Tokens:
    """A token file (docs/token-file.md): tokens, positions and documents [rows, length]; of each row's targets, padded to the
    most, place, label and 1 or 0."""

    def __init__(self, path):
        data, at = pathlib.Path(path).read_bytes(), 248
        length, (rows, documents) = struct.unpack_from("<I", data, 16)[0], struct.unpack_from("<2Q", data, 56)

        def section(dtype, count):
            nonlocal at
            at = -(-at // 64) * 64
            values = numpy.frombuffer(data, dtype, count, at)
            at += values.nbytes
            return values

        token = section("<u4", rows * length).reshape(rows, length).astype(numpy.int64)
        section("<u4", rows * length)
        starts, lengths = section("<u8", rows + 1), section("<u4", documents)
        section("<u4", rows)
        bits = section("u1", rows * -(-length // 8)).reshape(rows, -1)
        target = numpy.unpackbits(bits, axis=1, bitorder="little")[:, :length].astype(bool)
        position, document = numpy.zeros((rows, length), numpy.int64), numpy.full((rows, length), 1 << 20)
        place, label, weight = (numpy.zeros((rows, target.sum(1).max()), t) for t in (numpy.int64, numpy.int64, numpy.float32))
        for row in range(rows):
            end = 0
            for i in range(int(starts[row]), int(starts[row + 1])):
                size = int(lengths[i])
                position[row, end:end + size], document[row, end:end + size] = numpy.arange(size), i
                end += size
            position[row, end:] = numpy.arange(length - end)
            places = numpy.nonzero(target[row])[0]
            place[row, :len(places)], label[row, :len(places)], weight[row, :len(places)] = places, token[row, places + 1], 1
        self.rows = rows
        self.parts = [torch.from_numpy(part).to(DEVICE) for part in (token, position, document, place, label, weight)]


def codes(x):
    """E4M3 and a scale for each row."""
    scale = (x.float().abs().amax(-1, keepdim=True) / 448).clamp(min=2**-126)
    return (x.float() / scale).to(torch.float8_e4m3fn), scale


def by_blocks(x):
    """The numbers of codes with a scale for each 128 columns."""
    columns = x.shape[-1]
    code, scale = codes(pad(x.float(), (0, -columns % 128)).unflatten(-1, (-1, 128)))
    return (code.float() * scale).flatten(-2)[..., :columns]


def multiply(x, x_scale, w, w_scale, fast):
    """(x · x_scale)(w · w_scale)ᵀ in bf16: by the library, or emulated."""
    if GPU:
        return torch._scaled_mm(x, w.t(), scale_a=x_scale, scale_b=w_scale, out_dtype=torch.bfloat16, use_fast_accum=fast)
    return ((x.float() @ w.float().t()) * x_scale * w_scale).bfloat16()


class Product(torch.autograd.Function):
    """x · Wᵀ. forward: bf16, numbers (x in bf16, W the numbers of codes), codes, blocks; backward: bf16, numbers, codes."""

    @staticmethod
    def forward(context, x, linear, forward, backward):
        context.of = linear, backward, x.shape
        rows = x.flatten(0, -2)
        if forward == "codes":
            y = multiply(*codes(rows), linear.codes, linear.scales, fast=True)
        elif forward == "blocks":
            y = (by_blocks(rows) @ (linear.codes.float() * linear.scales.t()).t()).bfloat16()
        else:
            y = rows @ (linear.weight if forward == "bf16" else linear.numbers).t()
        return y.unflatten(0, x.shape[:-1])

    @staticmethod
    def backward(context, dy):
        linear, backward, shape = context.of
        rows = dy.flatten(0, -2)
        if backward == "codes":  # W's scales folded into the gradient, the same bytes transposed
            dx = multiply(*codes(rows.float() * linear.scales), linear.transposed, linear.ones, fast=False)
        else:
            dx = rows @ (linear.weight if backward == "bf16" else linear.numbers)
        return dx.reshape(shape), None, None, None


class Linear:
    """A group of linears over one x, with adapters of their own, of each seed."""

    def __init__(self, weights, kind):
        self.kind, self.outputs = kind, [weight.shape[0] for weight in weights]
        self.weight = torch.cat(weights).to(DEVICE).bfloat16()
        self.codes, scales = codes(self.weight)
        self.numbers, self.scales = (self.codes.float() * scales).bfloat16(), scales.view(1, -1).contiguous()
        self.transposed, self.ones = self.codes.t().contiguous(), torch.ones(1, self.weight.shape[1], device=DEVICE)
        self.shapes = {"a": (RANK * len(weights), self.weight.shape[1]), "b": (self.weight.shape[0], RANK)}

    def __call__(self, x, form):
        y = Product.apply(x, self, *form(self.kind))
        s = torch.bmm(x.reshape(SEEDS, -1, x.shape[-1]), self.a.bfloat16().transpose(1, 2))
        parts = [torch.bmm(of, b.transpose(1, 2))
                 for of, b in zip(s.split(RANK, 2), self.b.bfloat16().split(self.outputs, 1))]
        return y + 2.0 * torch.cat(parts, 2).reshape(y.shape)


class Model:
    def __init__(self, path):
        from transformers import AutoModelForCausalLM
        path = pathlib.Path(path).resolve()
        weights = AutoModelForCausalLM.from_pretrained(str(path.parent), gguf_file=path.name, dtype=torch.float32).state_dict()
        get = lambda name: weights[f"model.{name}.weight"]
        self.embedding, self.norm = (get(name).to(DEVICE).bfloat16() for name in ("embed_tokens", "norm"))
        self.blocks = []
        for layer in range(LAYERS):
            of = lambda name: get(f"layers.{layer}.{name}")
            norms = [of(name).to(DEVICE).bfloat16() for name in ("input_layernorm", "post_attention_layernorm")]
            self.blocks.append((norms, [Linear([of(name) for name in names], kind) for kind, names in GROUPS.items()]))
        angles = torch.arange(256).float()[:, None] / THETA**(torch.arange(0, HEAD, 2).float() / HEAD)
        self.angles = torch.cat([angles, angles], 1).to(DEVICE)

    def linears(self):
        return [linear for _, group in self.blocks for linear in group]

    def hidden(self, token, position, document, form):
        rows, length = token.shape
        past = torch.ones(length, length, dtype=torch.bool, device=DEVICE).tril()
        mask = (document[:, None, :, None] == document[:, None, None, :]) & past
        bias = torch.zeros(mask.shape, dtype=torch.bfloat16, device=DEVICE).masked_fill(~mask, torch.finfo(torch.bfloat16).min)
        cos, sin = (f(self.angles).bfloat16()[position][:, None] for f in (torch.cos, torch.sin))
        rope = lambda y: y * cos + torch.cat([-y[..., HEAD // 2:], y[..., :HEAD // 2]], -1) * sin
        norm = lambda y, gain: gain * (y.float() * torch.rsqrt(y.float().square().mean(-1, keepdim=True) + EPSILON)).bfloat16()
        x = self.embedding[token]
        for (before, behind), (qkv, o, gate_up, down) in self.blocks:
            heads = qkv(norm(x, before), form).view(rows, length, -1, HEAD).transpose(1, 2)
            q, k, v = heads.split([HEADS, KV_HEADS, KV_HEADS], 1)
            k, v = (y.repeat_interleave(HEADS // KV_HEADS, 1) for y in (rope(k), v))
            attended = scaled_dot_product_attention(rope(q), k, v, attn_mask=bias)
            x = x + o(attended.transpose(1, 2).flatten(2), form)
            gate, up = gate_up(norm(x, behind), form).chunk(2, -1)
            x = x + down(silu(gate) * up, form)
        return norm(x, self.norm)

    def losses(self, tokens, rows, form):
        """[seeds, targets] of rows [seeds · n], zero where there is no target, and 1 where there is."""
        token, position, document, place, label, weight = (part[rows] for part in tokens.parts)
        x = self.hidden(token, position, document, form)
        x = x.gather(1, place[..., None].expand(-1, -1, x.shape[-1])).flatten(0, 1)
        loss = cross_entropy((x @ self.embedding.t()).float(), label.flatten(), reduction="none")
        return (loss * weight.flatten()).view(SEEDS, -1), weight.view(SEEDS, -1)


def adapters(model):
    """Masters, gradients and both moments, each [seeds, parameters]; A uniform as torch's Linear has it, B zero."""
    count = sum(rows * columns for linear in model.linears() for rows, columns in linear.shapes.values())
    masters, *others = (torch.zeros(SEEDS, count, device=DEVICE) for _ in range(4))
    at = 0
    for number, linear in enumerate(model.linears()):
        for name, shape in linear.shapes.items():
            part = slice(at, at + shape[0] * shape[1])
            at = part.stop
            for seed in range(SEEDS if name == "a" else 0):
                generator = torch.Generator().manual_seed(1000 * seed + number)
                start = (torch.rand(shape, generator=generator) * 2 - 1) / math.sqrt(shape[1])
                masters[seed, part] = start.flatten().to(DEVICE)
            parameter = masters[:, part].view(SEEDS, *shape).detach().requires_grad_()
            parameter.grad = others[0][:, part].view(SEEDS, *shape)
            setattr(linear, name, parameter)
    return masters, *others


def batches(rows):
    """[steps, seeds · ROWS], each seed in an order of its own."""
    seeds = []
    for seed in range(SEEDS):
        generator = torch.Generator().manual_seed(seed + 1)
        rounds = [torch.randperm(rows, generator=generator) for _ in range(-(-STEPS * ROWS // rows))]
        seeds.append(torch.cat(rounds)[:STEPS * ROWS].view(STEPS, ROWS))
    return torch.cat(seeds, 1).to(DEVICE)


def train(model, tokens, form):
    masters, gradients, first, second = adapters(model)
    start, order, step_number = masters.clone(), batches(tokens.rows), torch.zeros(1, dtype=torch.long, device=DEVICE)
    rates = [PEAK * (step + 1) / WARMUP if step < WARMUP else
             PEAK / 2 * (1 + math.cos(math.pi * (step - WARMUP) / (STEPS - WARMUP))) for step in range(STEPS)]
    rates = torch.tensor(rates, device=DEVICE)

    def step():
        gradients.zero_()
        losses, targets = model.losses(tokens, order.index_select(0, step_number).view(-1), form)
        (losses.sum(1) / targets.sum(1)).sum().backward()
        with torch.no_grad():
            gradients.mul_((1 / (gradients.norm(dim=1, keepdim=True) + 1e-6)).clamp(max=1))
            first.lerp_(gradients, 0.1)
            second.lerp_(gradients.square(), 0.001)
            n = (step_number + 1).float()
            masters.sub_(rates[step_number] * first / (1 - 0.9**n) / ((second / (1 - 0.999**n)).sqrt() + 1e-8))
            step_number.add_(1)

    run = step
    if GPU:
        side = torch.cuda.Stream()
        with torch.cuda.stream(side):
            step()
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            step()
        run = graph.replay
        masters.copy_(start)
        for state in (first, second, step_number):
            state.zero_()
    for _ in range(STEPS):
        run()


def held_out(model, tokens, form):
    """[seeds, targets]."""
    found = []
    with torch.no_grad():
        for at in range(0, min(tokens.rows, HELD_ROWS), 22):
            rows = torch.arange(at, min(tokens.rows, HELD_ROWS, at + 22), device=DEVICE)
            losses, targets = model.losses(tokens, rows.repeat(SEEDS), form)
            found.append(losses[:, targets[0] > 0])
    return torch.cat(found, 1).double()


def forms():
    """{name: the kind of a product: its forward and backward pass}"""
    but = lambda *kinds, forward="codes", backward="codes": lambda kind: ("numbers" if kind in kinds else forward, backward)
    return {"bf16": lambda kind: ("bf16", "bf16"), "weights": but(*GROUPS, backward="numbers"),
            "weights, gradients": but(*GROUPS), "weights, activations": but(backward="numbers"),
            "weights, activations, gradients": but(), "all, but activations of down": but("down"),
            "all, but activations of gate, up": but("gate_up"), "all, but activations of q, k, v": but("qkv"),
            "all, but activations of o": but("o"), "all, but activations of o, down": but("o", "down"),
            "all, a scale for each 128 activations": but(forward="blocks")}


def main():
    model, (tokens, *others) = Model(sys.argv[1]), map(Tokens, sys.argv[2:])
    expected = None
    for name, form in list(forms().items())[:FORMS]:
        began = time.time()
        train(model, tokens, form)
        found = [held_out(model, other, form) for other in others]
        expected = expected or found
        said = []
        for ours, theirs in zip(found, expected):
            far, mean = ours - theirs, theirs.mean()
            error = far.mean(0).std() / math.sqrt(far.shape[1])
            said.append(f"{ours.mean():.4f} {100 * far.mean() / mean:+.2f} % ± {100 * error / mean:.2f} ({far.shape[1]} targets; seeds "
                        f"{' '.join(f'{100 * of / mean:+.2f}' for of in far.mean(1))})")
        print(f"{name:40s} {'   '.join(said)}   {time.time() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
