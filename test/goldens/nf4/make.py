"""Makes nf4.safetensors beside this script: python make.py (the standard library alone)

The rules of bitsandbytes, written anew from its published sources: quantisation in blocks of 64 by the decision tree of
its CUDA kernel, scales quantised in blocks of 256 by the bisection of its 8-bit kernel, and the names and layout of its
checkpoints. Every operation is rounded to f32, as IEEE says; two things are ours where its own builds differ: the map of
the 8-bit values is exact before it is rounded, and the mean of the scales is summed in order, in f64.

"numbers" are what was quantised: random blocks, and blocks of zeros, one outlier, subnormals, one element, halves of
thresholds, the thresholds themselves and their neighbours, and a last one that is not whole. "plain.weight" and
"nested.weight" are published checkpoints of it, and "plain.numbers" (f32) and "nested.numbers" (bf16) what they mean.
"""
import json
import os
import random
import struct
from bisect import bisect_left
from fractions import Fraction

VALUES = [-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
          -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
          0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0]
SHAPE = [266, 63]
INFINITY, NAN = float("inf"), float("nan")


def f32(x):
    try:
        return struct.unpack("<f", struct.pack("<f", x))[0]
    except OverflowError:
        return INFINITY if x > 0 else -INFINITY


def literal(text):
    """What a compiler makes of a decimal with the suffix f: rounded once, where f32(float(text)) may land on the other side."""
    near = struct.unpack("<I", struct.pack("<f", abs(float(text))))[0]
    nearby = [struct.unpack("<f", struct.pack("<I", bits))[0] for bits in (near - 1, near, near + 1)]
    nearest = min(nearby, key=lambda x: abs(Fraction(x) - abs(Fraction(text))))
    return -nearest if text.startswith("-") else nearest


def bf16(x):
    bits = struct.unpack("<I", struct.pack("<f", x))[0]
    return (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16


def inverse(x):
    return INFINITY if x == 0 else f32(1.0 / x)


def times(x, y):
    return NAN if 0 in (x, y) and INFINITY in (abs(x), abs(y)) else f32(x * y)


THRESHOLDS = [literal(text) for text in (
    "-0.8480964004993439", "-0.6106329262256622", "-0.4599952697753906", "-0.33967943489551544", "-0.23460740596055984",
    "-0.13791173323988914", "-0.045525018125772476", "0.03979014977812767", "0.1202552504837513", "0.2035212516784668",
    "0.2920137718319893", "0.3893125355243683", "0.5016634166240692", "0.6427869200706482", "0.8614784181118011")]


def above(x):
    """The next number of f32 towards infinity, of one that is not 0."""
    bits = struct.unpack("<i", struct.pack("<f", x))[0]
    return struct.unpack("<f", struct.pack("<i", bits + (1 if x > 0 else -1)))[0]


def code_of(x):
    """The number of thresholds below x; of NaN, which is above none, 0."""
    return bisect_left(THRESHOLDS, x)


def quantize(numbers):
    codes, scales = [], []
    for first in range(0, len(numbers), 64):
        block = numbers[first:first + 64]
        scales.append(max(abs(x) for x in block))
        codes += [code_of(times(x, inverse(scales[-1]))) for x in block]
    codes += [0] * (len(codes) % 2)
    return bytes(codes[i] << 4 | codes[i + 1] for i in range(0, len(codes), 2)), scales


def dynamic_map():
    data = [0.0, 1.0]
    for e in range(7):
        for j in range(2**e):
            exact = (Fraction(1, 10) + Fraction(9, 10) * Fraction(2 * j + 1, 2**(e + 1))) / 10**(6 - e)
            data += [f32(float(exact)), -f32(float(exact))]
    return sorted(data)


def bisect(code, x):
    pivot, upper_pivot, lower_pivot, lower, upper = 127, 255, 0, -1.0, 1.0
    value = code[pivot]
    for i in (64, 32, 16, 8, 4, 2, 1):
        if x > value:
            lower_pivot, lower, pivot = pivot, value, pivot + i
        else:
            upper_pivot, upper, pivot = pivot, value, pivot - i
        value = code[pivot]
    upper = code[upper_pivot] if upper_pivot == 255 else upper
    lower = code[lower_pivot] if lower_pivot == 0 else lower
    if x > value:
        return upper_pivot if x > f32(f32(upper + value) * 0.5) else pivot
    return lower_pivot if x < f32(f32(lower + value) * 0.5) else pivot


def quantize_scales(scales, code):
    mean = f32(sum(scales) / len(scales))
    centred = [f32(s - mean) for s in scales]
    codes, nested = [], []
    for first in range(0, len(centred), 256):
        block = centred[first:first + 256]
        nested.append(max(abs(x) for x in block))
        codes += [bisect(code, times(x, inverse(nested[-1]))) for x in block]
    return bytes(codes), nested, mean


def dequantize(codes, scales, count):
    halves = [half for byte in codes for half in (byte >> 4, byte & 15)]
    return [times(f32(VALUES[half]), scales[i // 64]) for i, half in enumerate(halves[:count])]


def make_numbers():
    rng = random.Random(4)
    count = SHAPE[0] * SHAPE[1]
    numbers = [f32(rng.gauss(0, 1) * 10.0**rng.uniform(-3, -1)) if i % 640 < 64 else f32(rng.gauss(0, 0.02))
               for i in range(count)]
    smallest = struct.unpack("<f", struct.pack("<I", 1))[0]
    special = [[0.0] * 64,
               [0.0] * 17 + [-0.3] + [0.0] * 46,
               [f32(rng.randrange(-1000, 1000) * smallest) for _ in range(64)],
               [f32(rng.uniform(-1, 1) * 2.0**-128) for _ in range(64)],
               [-0.0, smallest] + [0.0] * 62,
               [f32(rng.choice(VALUES)) * 0.0625 for _ in range(63)] + [0.0625],
               [0.11, -0.11] * 32,
               [1.0, *THRESHOLDS, *map(above, THRESHOLDS), *(-above(-x) for x in THRESHOLDS)] + [0.0] * 18]
    for at, block in enumerate(special):
        numbers[64 * (3 * at + 5):64 * (3 * at + 6)] = map(f32, block)
    return numbers


def floats(values):
    return struct.pack(f"<{len(values)}f", *values)


def checkpoint(name, codes, shape=SHAPE, **parts):
    state = {"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": shape}
    tensors = {f"{name}.weight": ("U8", [len(codes), 1], codes)}
    if "mean" in parts:
        state.update(nested_blocksize=256, nested_dtype="float32", nested_offset=parts.pop("mean"))
    for key, (dtype, data) in parts.items():
        tensors[f"{name}.weight.{key}"] = (dtype, [len(data) // (1 if dtype == "U8" else 4)], data)
    text = json.dumps(state).encode()
    tensors[f"{name}.weight.quant_state.bitsandbytes__nf4"] = ("U8", [len(text)], text)
    return tensors


def save(path, tensors):
    header, offset = {}, 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(data for _, _, data in tensors.values()))


def main():
    numbers, code = make_numbers(), dynamic_map()
    codes, scales = quantize(numbers)
    scale_codes, nested, mean = quantize_scales(scales, code)
    again = [f32(times(code[c], nested[i // 256]) + mean) for i, c in enumerate(scale_codes)]
    values = floats(VALUES)
    tensors = {"numbers": ("F32", SHAPE, floats(numbers))}
    tensors.update(checkpoint("plain", codes, absmax=("F32", floats(scales)), quant_map=("F32", values)))
    tensors.update(checkpoint("nested", codes, absmax=("U8", scale_codes), quant_map=("F32", values),
                              nested_absmax=("F32", floats(nested)), nested_quant_map=("F32", floats(code)), mean=mean))
    tensors["plain.numbers"] = ("F32", SHAPE, floats(dequantize(codes, scales, len(numbers))))
    tensors["nested.numbers"] = ("BF16", SHAPE, b"".join(struct.pack("<H", bf16(x))
                                                         for x in dequantize(codes, again, len(numbers))))
    save(os.path.join(os.path.dirname(os.path.abspath(__file__)), "nf4.safetensors"), tensors)


if __name__ == "__main__":
    main()
