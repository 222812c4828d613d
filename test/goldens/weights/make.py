"""Makes the golden files of runtime/Weights beside this script: python make.py
Needs numpy, and the packages gguf, ml_dtypes and safetensors, whose results are the reference. The tests need none of
them."""
import json
import os
import pathlib
import struct

import ml_dtypes
import numpy as np
from gguf import GGML_QUANT_SIZES
from gguf import GGMLQuantizationType as T
from gguf import GGUFReader, GGUFValueType, GGUFWriter, dequantize, quantize
from safetensors.numpy import save_file

from seeded import seeded

here = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(20)


def path(*names):
    return os.path.join(here, *names)


def random_blocks(kind, blocks):
    """Blocks of random bytes under finite random scales of every size and sign, subnormal ones included."""
    halves, quants = {T.Q8_0: (1, 32), T.Q4_0: (1, 16), T.Q4_1: (2, 16)}[kind]
    scales = rng.integers(0, 65536, (blocks, halves), dtype=np.uint16)
    scales[(scales & 0x7C00) == 0x7C00] ^= 0x4000
    return np.concatenate([scales.view(np.uint8).reshape(blocks, -1), rng.integers(0, 256, (blocks, quants), np.uint8)], 1)


def make_gguf():
    w = GGUFWriter(path("types.gguf"), "llama")
    w.add_uint8("test.u8", 200)
    w.add_int8("test.i8", -100)
    w.add_uint16("test.u16", 60000)
    w.add_int16("test.i16", -30000)
    w.add_uint32("test.u32", 4000000000)
    w.add_int32("test.i32", -2000000000)
    w.add_uint64("test.u64", 2**63 - 1)
    w.add_int64("test.i64", -(2**63))
    w.add_float32("test.f32", 1e-5)
    w.add_float64("test.f64", 1e-5)
    w.add_bool("test.bool", True)
    w.add_string("test.string", "grüße")
    w.add_array("test.ints", [1, -2, 3])
    w.add_array("test.reals", [0.5, -0.25])
    w.add_array("test.strings", ["a", "", "Ġthe"])
    w.add_array("test.bools", [True, False])
    expected = {}
    values = (rng.standard_normal((6, 96)) * 0.1).astype(np.float32)
    for kind in (T.F32, T.F16, T.BF16, T.Q8_0, T.Q4_0, T.Q4_1):
        data = quantize(values, kind) if kind != T.F32 else values
        w.add_tensor(kind.name, data if kind in (T.F32, T.F16) else data.view(np.uint8), raw_dtype=kind)
        expected[kind.name] = dequantize(data, kind).astype(np.float32).reshape(values.shape)
    for kind in (T.Q8_0, T.Q4_0, T.Q4_1):
        data = random_blocks(kind, 12).reshape(4, -1)
        w.add_tensor(kind.name + ".random", data, raw_dtype=kind)
        expected[kind.name + ".random"] = dequantize(data, kind).reshape(4, 96)
    # q of 3 heads of 8 rows, as llama.cpp's converter permutes it, and its bias.
    for name, plain in (("blk.0.attn_q.weight", values[:6, :].reshape(24, 24)), ("blk.0.attn_q.bias", values[0, :24])):
        permuted = plain.reshape(3, 2, 4, *plain.shape[1:]).swapaxes(1, 2).reshape(plain.shape)
        w.add_tensor(name, np.ascontiguousarray(permuted))
        expected[name] = plain
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    for t in GGUFReader(path("types.gguf")).tensors:
        if not t.name.startswith("blk"):
            assert np.array_equal(dequantize(t.data, t.tensor_type).reshape(-1).view(np.uint32),
                                  expected[t.name].reshape(-1).view(np.uint32)), t.name
    save_file({k: np.ascontiguousarray(v) for k, v in expected.items()}, path("types.expected.safetensors"))


def finite_blocks(kind, halves, blocks):
    """Blocks of random bytes whose f16 scales, at the offsets `halves`, are finite."""
    data = rng.integers(0, 256, (blocks, GGML_QUANT_SIZES[kind][1]), np.uint8)
    for at in halves:
        data[:, at + 1] ^= np.where((data[:, at + 1] & 0x7C) == 0x7C, 0x40, 0).astype(np.uint8)
    return data


def make_blocks():
    """The encodings with blocks of several parts: what dequantize makes of random bytes."""
    w = GGUFWriter(path("blocks.gguf"), "llama")
    expected = {}
    for kind, halves in ((T.Q5_0, [0]), (T.Q5_1, [0, 2]), (T.IQ4_NL, [0]), (T.Q2_K, [80, 82]), (T.Q3_K, [108]),
                         (T.Q4_K, [0, 2]), (T.Q5_K, [0, 2]), (T.Q6_K, [208]), (T.IQ4_XS, [0])):
        elements = GGML_QUANT_SIZES[kind][0]
        data = finite_blocks(kind, halves, 1024 // elements).reshape(2, -1)
        w.add_tensor(kind.name, data, raw_dtype=kind)
        expected[kind.name] = dequantize(data, kind).astype(np.float32).reshape(2, 512)
        assert np.isfinite(expected[kind.name]).all()
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    save_file(expected, path("blocks.expected.safetensors"))


def name_types(file, names):
    """Numpy has no floats of eight bits, so they are written as u8 and their type is named here."""
    with open(file, "rb") as f:
        size, = struct.unpack("<Q", f.read(8))
        header, data = json.loads(f.read(size)), f.read()
    for tensor, kind in names.items():
        header[tensor]["dtype"] = kind
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(file, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)


def make_safetensors():
    d = rng.standard_normal((3, 5))
    tensors = {"f64": d, "f32": d.astype(np.float32), "f16": d.astype(np.float16),
               "i32": rng.integers(-99, 99, (7,), np.int32), "i64": rng.integers(-99, 99, (2, 2), np.int64),
               "u8": rng.integers(0, 255, (5,), np.uint8), "scalar": np.array(2.5, np.float32),
               "empty": np.zeros((0, 4), np.float32)}
    bits = np.arange(256, dtype=np.uint8)
    eights = {"f8_e4m3": ml_dtypes.float8_e4m3fn, "f8_e5m2": ml_dtypes.float8_e5m2}
    for name, kind in eights.items():
        tensors[name] = bits
        tensors[name + ".f32"] = bits.view(kind).astype(np.float32)
    save_file(tensors, path("tiny.safetensors"), metadata={"format": "pt"})
    name_types(path("tiny.safetensors"), {name: name.upper() for name in eights})
    os.makedirs(path("sharded"), exist_ok=True)
    shards = {"model-00001-of-00002.safetensors": ["f64", "i32"], "model-00002-of-00002.safetensors": ["f32", "f16"]}
    for file, names in shards.items():
        save_file({n: tensors[n] for n in names}, path("sharded", file))
    with open(path("sharded", "model.safetensors.index.json"), "w") as f:
        json.dump({"metadata": {}, "weight_map": {n: file for file, names in shards.items() for n in names}}, f)


def make_seeded():
    arrays = {}
    for kind, scale in (("NORMAL", 0.02), ("UNIFORM", 0.125)):
        arrays[kind] = seeded(kind, scale, 42, "model.layers.0.self_attn.q_proj.weight", 4099)
    normal = seeded("NORMAL", 1.0, 7, "moments", 1 << 20).astype(np.float64)
    assert abs(normal.mean()) < 5e-3 and abs(normal.std() - 1) < 5e-3 and abs((normal**4).mean() - 3) < 5e-2
    save_file(arrays, path("seeded.safetensors"))


def make_split():
    """A model of two parts, as llama-gguf-split names them; the first has the metadata."""
    w = GGUFWriter(path("split"), "llama", split_max_tensors=2)
    w.add_uint32("llama.block_count", 1)
    for i, name in enumerate(("a", "b", "c")):
        w.add_tensor(name, np.full(8, i, np.float32))
    w.write_header_to_file(pathlib.Path(path("split")))
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


make_gguf()
make_safetensors()
make_seeded()
make_blocks()
make_split()
