"""Reference of runtime/Weights/Seeded.h in numpy: seeded(kind, scale, seed, key, count) -> float32 array.

Every operation is float32 and rounded once, in the order of the C++ source, so the bits are the same."""
import hashlib

import numpy as np

f32 = np.float32


def philox_words(key, blocks):
    """Philox4x32-10 with counters (low, high, 0, 0) of `blocks`: uint32 array [blocks, 4]."""
    mask = np.uint64(0xFFFFFFFF)
    c = [blocks & mask, blocks >> np.uint64(32), np.zeros_like(blocks), np.zeros_like(blocks)]
    k0, k1 = key & 0xFFFFFFFF, key >> 32
    for _ in range(10):
        p0, p1 = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        c = [(p1 >> np.uint64(32)) ^ c[1] ^ np.uint64(k0), p1 & mask, (p0 >> np.uint64(32)) ^ c[3] ^ np.uint64(k1), p0 & mask]
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack(c, axis=1).astype(np.uint32)


def log_of(x):
    bits = x.view(np.uint32) - np.uint32(0x3F3504F3)
    exponent = bits.view(np.int32) >> 23
    f = ((bits & np.uint32(0x7FFFFF)) + np.uint32(0x3F3504F3)).view(f32) - f32(1)
    p = np.full_like(f, f32(7.0376836292e-2))
    for c in (-1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1, 2.0000714765e-1,
              -2.4999993993e-1, 3.3333331174e-1):
        p = p * f + f32(c)
    square, e = f * f, exponent.astype(f32)
    tail = p * f * square + e * f32(-2.12194440e-4) - f32(0.5) * square
    return f + tail + e * f32(0.693359375)


def normal_pair(first, second, scale):
    u = ((first >> np.uint32(8)) + np.uint32(1)).astype(f32) * f32(2.0**-24)
    radius = np.sqrt(f32(-2) * log_of(u)) * f32(scale)
    angle = (second >> np.uint32(8)).astype(np.int64)
    quarter = angle >> 22
    x = ((angle & 0x3FFFFF) - 0x200000).astype(f32) * f32(2.0**-22) * f32(1.57079632679)
    z = x * x
    s = ((f32(-1.9515295891e-4) * z + f32(8.3321608736e-3)) * z - f32(1.6666654611e-1)) * z * x + x
    c = (((f32(2.443315711809948e-5) * z - f32(1.388731625493765e-3)) * z + f32(4.166664568298827e-2)) * z * z
         - f32(0.5) * z + f32(1))
    cosine = np.choose(quarter, [c, -s, -c, s])
    sine = np.choose(quarter, [s, c, -s, -c])
    return radius * cosine, radius * sine


def seeded(kind, scale, seed, key, count):
    digest = hashlib.sha256(seed.to_bytes(8, "little") + b"init\0" + key.encode()).digest()
    words = philox_words(int.from_bytes(digest[:8], "little"), np.arange((count + 3) // 4, dtype=np.uint64))
    if kind == "NORMAL":
        a, b = normal_pair(words[:, 0], words[:, 1], scale)
        c, d = normal_pair(words[:, 2], words[:, 3], scale)
        return np.stack([a, b, c, d], axis=1).reshape(-1)[:count]
    assert kind == "UNIFORM"
    k = (words >> np.uint32(8)).astype(np.int64)
    return (f32(scale) * ((2 * k + 1 - (1 << 24)).astype(f32) * f32(2.0**-24))).reshape(-1)[:count]
