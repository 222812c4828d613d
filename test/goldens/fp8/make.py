"""Makes fp8.safetensors beside this script: python make.py (needs numpy and ml_dtypes)

"values" are what ml_dtypes says that the 256 codes of float8_e4m3fn stand for. "numbers" are rows, random at many scales
and adversarial ones: zeros, one outlier, subnormals, halves between codes, the largest number of f32. "codes" and
"scales" are what they become by ml_dtypes' rounding.

What tests import needs the standard library alone: the same rules by bisection in the table of values.
"""
import bisect
import importlib.util
import math
import os
import pathlib
import struct

LARGEST, LEAST = 448.0, 2.0**-126
ROWS, COLUMNS = 48, 80


def f32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def value(code):
    sign, exponent, mantissa = -1.0 if code & 128 else 1.0, code >> 3 & 15, code & 7
    if code & 127 == 127:
        return math.nan
    return sign * (mantissa * 2.0**-9 if exponent == 0 else (8 + mantissa) * 2.0 ** (exponent - 10))


VALUES = [value(code) for code in range(127)]


def encode(x):
    """The code of the nearest value, of the even one of two; the largest for what is larger."""
    magnitude = abs(x)
    above = bisect.bisect_left(VALUES, magnitude)
    if above == len(VALUES):
        code = above - 1
    elif above == 0 or VALUES[above] == magnitude:
        code = above
    else:
        up, down = VALUES[above] - magnitude, magnitude - VALUES[above - 1]
        code = above if up < down or (up == down and above % 2 == 0) else above - 1
    return code | (128 if math.copysign(1, x) < 0 else 0)


def scale_of(largest):
    return 1.0 if largest == 0 else max(f32(largest / LARGEST), LEAST)


def quantize(row):
    """Codes and scale of a row of f32."""
    scale = scale_of(max(abs(x) for x in row))
    inverse = f32(1.0 / scale)
    return [encode(f32(x * inverse)) for x in row], scale


def means(row):
    """What a row becomes: numbers of f32."""
    codes, scale = quantize(row)
    return [f32(value(code) * scale) for code in codes]


def adversarial(random):
    rows = [[0.0] * COLUMNS]
    rows.append([0.0] * (COLUMNS - 1) + [-3.5])
    rows.append([1e-6 * random.gauss(0, 1) for _ in range(COLUMNS - 1)] + [1e6])
    rows.append([random.gauss(0, 1) * 1e-40 for _ in range(COLUMNS)])
    rows.append([2.0**-149 * random.randrange(-3, 4) for _ in range(COLUMNS)])
    rows.append([random.gauss(0, 1) * 1e36 for _ in range(COLUMNS - 1)] + [3.4028234e38])
    halves = [(VALUES[i] + VALUES[i + 1]) / 2 for i in range(len(VALUES) - 1)]
    rows.append(([448.0] + halves)[:COLUMNS])  # scale 1: each number lies between two codes
    rows.append(([-448.0] + [-x for x in halves[-(COLUMNS - 1):]])[:COLUMNS])
    rows.append([448.0 * 2.0**-20 * (-1) ** i * (i % 9) / 8 for i in range(COLUMNS)])
    return rows


def main():
    import random

    import ml_dtypes
    import numpy

    nf4_path = pathlib.Path(__file__).parent / "../nf4/make.py"
    spec = importlib.util.spec_from_file_location("nf4", nf4_path)
    nf4 = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(nf4)

    kind, single = ml_dtypes.float8_e4m3fn, numpy.float32
    values = numpy.arange(256, dtype=numpy.uint8).view(kind).astype(single)
    source = random.Random(11)
    rows = adversarial(source)
    while len(rows) < ROWS:
        spread = 10 ** source.uniform(-8, 4)
        rows.append([source.gauss(0, spread) * (30 if source.random() < 0.02 else 1) for _ in range(COLUMNS)])
    numbers = numpy.array(rows, dtype=numpy.float64).astype(single)
    largest = numpy.abs(numbers).max(axis=1)
    scales = numpy.maximum(largest / single(LARGEST), single(LEAST))
    scales[largest == 0] = 1
    with numpy.errstate(under="ignore"):
        scaled = numbers * (single(1) / scales)[:, None]
    codes = numpy.clip(scaled, -LARGEST, LARGEST).astype(single).astype(kind).view(numpy.uint8)
    for row, of_row, scale in zip(numbers.tolist(), codes.tolist(), scales.tolist()):
        assert quantize(row) == (of_row, scale)
    assert all(numpy.isnan(v) if math.isnan(value(c)) else value(c) == v for c, v in enumerate(values.tolist()))
    nf4.save(os.path.join(os.path.dirname(os.path.abspath(__file__)), "fp8.safetensors"),
             {"codes": ("U8", [ROWS, COLUMNS], codes.tobytes()), "numbers": ("F32", [ROWS, COLUMNS], numbers.tobytes()),
              "scales": ("F32", [ROWS], scales.tobytes()), "values": ("F32", [256], values.tobytes())})


if __name__ == "__main__":
    main()
