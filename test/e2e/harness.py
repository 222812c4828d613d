"""ftc and ftrun as a user calls them, for tests. Nothing beyond Python's standard library.

FTC_FTC and FTC_FTRUN name the programs; the working directory is the source tree's root. FTC_PLANS is a folder that keeps
plans by their recipe: what lies there is not compiled again, and a machine without a compiler takes them from it.
"""
import hashlib
import json
import math
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

FTC = os.environ.get("FTC_FTC", "build/bin/ftc")
FTRUN = os.environ.get("FTC_FTRUN", "build/bin/ftrun")
PLANS = os.environ.get("FTC_PLANS")
SECONDS = float(os.environ.get("FTC_TEST_SECONDS", "120"))  # that a call may take; more where other work takes the processors

# The two-layer model on packed synthetic tokens; a field of None is left out.
TINY = {
    "base_model": '"tiny-gqa"',
    "target": '"cpu"',
    "precision": "FP32_TRUE",
    "sequence_len": 24,
    "micro_batch_size": 2,
    "gradient_accumulation_steps": 2,
    "max_document_len": 9,
    "max_documents_per_row": 3,
    "learning_rate": 1e-3,
    "lr_scheduler_type": "CONSTANT",
    "max_steps": 3,
    "data": '{ train: "synthetic:7" }',
}
LORA = '{ r: 4 lora_alpha: 8 target_modules: "all-linear" }'


class Result:
    def __init__(self, completed):
        self.code, self.out, self.err = completed.returncode, completed.stdout, completed.stderr

    @property
    def text(self):
        return self.out + self.err


def call(*arguments, environment=None, timeout=SECONDS):
    variables = dict(os.environ, **(environment or {}))
    return Result(subprocess.run([str(argument) for argument in arguments], env=variables, timeout=timeout,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace"))


class WorkshopTest(unittest.TestCase):
    """A test with a folder of its own that is gone afterwards."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ftc-test-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def recipe(self, name="recipe", **fields):
        path = self.folder / f"{name}.textproto"
        lines = [f"{field}: {value}" for field, value in {**TINY, **fields}.items() if value is not None]
        path.write_text("\n".join(lines) + "\n")
        return path

    def compile(self, name="plan", *options, environment=None, **fields):
        plan, recipe = self.folder / f"{name}.bin", self.recipe(name, **fields)
        kept = None
        if PLANS:
            key = hashlib.sha256(repr((recipe.read_bytes(), options, environment)).encode()).hexdigest()[:16]
            kept = pathlib.Path(PLANS, f"{key}.bin")
            if kept.exists():
                shutil.copy(kept, plan)
                return plan
        result = call(FTC, "compile", recipe, "-o", plan, *options, environment=environment)
        self.assertEqual(result.code, 0, result.text)
        if kept:
            shutil.copy(plan, kept)
        return plan

    def command(self, plan, out, *options, model="seeded:11", threads=1):
        return [FTRUN, plan, "--model", model, "--threads", threads, "--out", self.folder / out, *options]

    def train(self, plan, out="out", *options, environment=None, **named):
        result = call(*self.command(plan, out, *options, **named), environment=environment)
        self.assertEqual(result.code, 0, result.text)
        return result

    def refused(self, result, code, *parts):
        """Exit code, one message on stderr that holds every part, and no stack trace or abort."""
        self.assertEqual(result.code, code, result.text)
        for part in parts:
            self.assertIn(part, result.err)

    def losses(self, out):
        lines = (self.folder / out / "metrics.jsonl").read_text().splitlines()
        return [line["loss"] for line in map(json.loads, lines) if "step_ms" in line]

    def summary(self, out):
        return json.loads((self.folder / out / "summary.json").read_text())

    def bytes(self, *path):
        return self.folder.joinpath(*path).read_bytes()

    def gradients(self, plan, name, *options, **named):
        """The first step's gradients, as raw tensors and as numbers."""
        self.train(plan, name, "--overwrite", "--stop-after", "1", "--init-adapters", "normal", "--dump-gradients",
                   self.folder / (name + "-gradients"), *options, **named)
        return tensors(self.folder / (name + "-gradients") / "gradients.safetensors")


def compile_only(*cases):
    """`FTC_PLANS=FOLDER PROGRAM compile`: the plans that each case compiles at its start, and nothing else."""
    if sys.argv[1:] != ["compile"]:
        return
    if not PLANS:
        sys.exit("compile: FTC_PLANS names no folder")
    os.makedirs(PLANS, exist_ok=True)
    for case in cases:
        test = case(next(name for name in dir(case) if name.startswith("test_")))
        test.setUp()
        test.doCleanups()
    sys.exit()


def tensors(path):
    """A safetensors file as {name: list of numbers}; F64, F32, BF16, I16 and U8."""
    data = pathlib.Path(path).read_bytes()
    size = struct.unpack_from("<Q", data)[0]
    header = json.loads(data[8 : 8 + size])
    result = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = (8 + size + offset for offset in entry["data_offsets"])
        raw = data[begin:end]
        if entry["dtype"] == "BF16":
            raw = b"".join(b"\0\0" + raw[i : i + 2] for i in range(0, len(raw), 2))
        kind = {"F64": "d", "F32": "f", "BF16": "f", "I16": "h", "U8": "B"}[entry["dtype"]]
        result[name] = list(struct.unpack(f"<{len(raw) // struct.calcsize(kind)}{kind}", raw))
    return result


def scale_tensor(path, name, factor):
    """Multiplies the numbers of an F32 tensor of a safetensors file, in place."""
    data = bytearray(path.read_bytes())
    size = struct.unpack_from("<Q", data)[0]
    begin, end = json.loads(data[8:8 + size])[name]["data_offsets"]
    numbers = struct.unpack_from(f"<{(end - begin) // 4}f", data, 8 + size + begin)
    struct.pack_into(f"<{len(numbers)}f", data, 8 + size + begin, *(factor * number for number in numbers))
    path.write_bytes(data)


def relative_error(actual, expected):
    """|actual - expected| / |expected|, 2-norms; infinite where that is no number."""
    if len(actual) != len(expected):
        return math.inf
    norm = math.fsum(e * e for e in expected)
    error = math.sqrt(math.fsum((a - e) ** 2 for a, e in zip(actual, expected)) / norm) if norm else math.inf
    return error if math.isfinite(error) else math.inf


def worst(actual, expected):
    """(error, name) of the tensor that differs most; infinite where names differ."""
    if actual.keys() != expected.keys():
        return math.inf, "names: " + ", ".join(sorted(actual.keys() ^ expected.keys()))
    return max((relative_error(actual[name], expected[name]), name) for name in expected)
