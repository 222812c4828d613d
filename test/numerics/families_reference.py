#!/usr/bin/env python3
"""Each family of models on a GPU, against `transformers` in double precision on the same GPU: loss and every gradient.

    families_reference.py --compile DIR [--ftc FTC] [--target NAME]   writes the plans; needs no GPU
    families_reference.py --plans DIR [--ftrun FTRUN] [--jobs N]      runs them, prints one table, exits 1 where one is off

Tiny models are compared with the goldens under test/goldens/gradients. Models of real widths (recipes/models, those of
more than 1.3 billion parameters cut to few layers) take a step of packed rows with adapters on all linears; the reference
is the model of `transformers` itself with the same seeded weights, which seeded_torch.py draws on the GPU. The second form
needs torch, transformers, numpy and safetensors, and works on a machine without ftc.

FP32_TRUE: 2^-24 grows as it does on the processor (CompiledGradientsTest), and by sums of thousands of terms at real widths.
BF16_MIXED: tiny models as in families.py. At real widths the bound is what the same model of `transformers` loses in torch's
own mixed precision: autocast to bfloat16, which has an f32 residual stream, bf16 products and adapters' copies as ours has,
with fused attention. Both have the frozen weights rounded to bf16, and are compared with the double step of those weights;
ours may be off by FACTOR times theirs, of all gradients and of the worst tensor.
"""
import argparse
import concurrent.futures
import json
import math
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDENS = ROOT / "test/goldens/gradients"
ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
SEEDS = dict(model=11, data=7, run=42)
PRECISIONS = ("FP32_TRUE", "BF16_MIXED")
TINY = ("linear", "llama3", "yarn", "qwen2", "qwen2-lora-all", "qwen3", "qwen3-lora-all", "mistral", "smollm3", "gemma3", "gemma3-lora-all")
# The worst tensor's error, of tiny models; Gemma's rounds more in 16 bits.
TINY_WORST, GEMMA = {"FP32_TRUE": 5e-6, "BF16_MIXED": 4e-2}, 2.5
# At real widths: the loss; all gradients, the worst tensor (of transformers' own in mixed precision too: beyond, it proves nothing).
REAL_LOSS, REAL_ERRORS = {"FP32_TRUE": 1e-5, "BF16_MIXED": 1e-3}, {"FP32_TRUE": (1e-4, 1e-3), "BF16_MIXED": (8e-2, 12e-2)}
FACTOR = 1.25
ROWS = dict(rows=2, sequence_len=1024, max_document_len=700, max_documents_per_row=4, accumulation=1)
LORA = dict(r=8, alpha=16, dropout=0.0, targets=ALL)
# Model, and fields of its config that are set.
REAL = {
    "Llama 3.2 1B": ("llama-3.2-1b", {}),
    "Qwen2.5 0.5B": ("qwen2.5-0.5b", {}),
    "Qwen3 0.6B": ("qwen3-0.6b", {}),
    "Mistral 7B, 4 layers": ("mistral-7b", {"num_hidden_layers": 4}),
    "Mistral 7B, 4 layers, window 300": ("mistral-7b", {"num_hidden_layers": 4, "sliding_window": 300}),
    "SmolLM3 3B, 8 layers": ("smollm3-3b", {"num_hidden_layers": 8, "no_rope_layers": [1, 1, 1, 0] * 2}),
    "Gemma 3 1B": ("gemma-3-1b", {}),
}


def config_of(name):
    model, fields = REAL[name]
    return json.loads((ROOT / "recipes/models" / model / "config.json").read_text()) | fields


def names_of(options):
    return [name for name in (*TINY, *REAL) if options.only in name]


def tiny_case(name):
    """What a golden's own metadata says of its step."""
    data = (GOLDENS / f"{name}.safetensors").read_bytes()
    size = int.from_bytes(data[:8], "little")
    return json.loads(json.loads(data[8 : 8 + size])["__metadata__"]["case"])


def recipe(base_model, case, lora, target, precision):
    lines = [f'base_model: "{base_model}"', f'target: "{target}"', f"precision: {precision}", f"sequence_len: {case['sequence_len']}",
             f"micro_batch_size: {case['rows']}", f"gradient_accumulation_steps: {case['accumulation']}",
             f"max_document_len: {case['max_document_len']}", f"max_documents_per_row: {case['max_documents_per_row']}",
             "learning_rate: 1e-3", "max_steps: 2", f"seed: {SEEDS['run']}", f'data {{ train: "synthetic:{SEEDS["data"]}" }}']
    if lora:
        lines += [f"lora {{ r: {lora['r']} lora_alpha: {lora['alpha']} lora_dropout: {lora['dropout']}"]
        lines += [f'target_modules: "{name}"' for name in lora["targets"]] + ["}"]
    return "\n".join(lines) + "\n"


def plan_name(name, precision):
    return name.replace(" ", "-").replace(",", "") + f".{precision}.bin"


def compile_plans(options):
    options.compile.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        for name in names_of(options):
            case, lora, base = ROWS, LORA, "model"
            if name in TINY:
                case = tiny_case(name)
                base, lora = case["model"], case.get("lora")
            else:
                (folder / "model").mkdir(exist_ok=True)
                (folder / "model/config.json").write_text(json.dumps(config_of(name)))
            for precision in PRECISIONS:
                (folder / "recipe.textproto").write_text(recipe(base, case, lora, options.target, precision))
                subprocess.run([options.ftc, "compile", folder / "recipe.textproto", "-o", options.compile / plan_name(name, precision)],
                               check=True, stdout=subprocess.DEVNULL)


def run_plan(options, folder, name, precision):
    """What is wrong, if it ended badly; gradients and metrics lie in the folder."""
    out = folder / plan_name(name, precision)
    try:
        done = subprocess.run([options.ftrun, options.plans / plan_name(name, precision), "--model", f"seeded:{SEEDS['model']}",
                               "--init-adapters", "normal", "--stop-after", "1", "--dump-gradients", out / "gradients", "--out", out / "run"],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
    except subprocess.TimeoutExpired:
        return "not done in 120 s"
    return done.stdout[-400:] if done.returncode else ""


def tensors_of(path):
    """A file's tensors as numpy's, in double precision. (torch's float32 is double by now, and so would F32 be.)"""
    import numpy
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    tensors = {}
    for name, entry in json.loads(data[8 : 8 + size]).items():
        if name == "__metadata__":
            continue
        begin, end = (8 + size + offset for offset in entry["data_offsets"])
        stored = numpy.frombuffer(data[begin:end], {"F64": "<f8", "F32": "<f4", "BF16": "<u2"}[entry["dtype"]])
        if entry["dtype"] == "BF16":
            stored = (stored.astype("<u4") << 16).view("<f4")
        tensors[name] = stored.astype("<f8")
    return tensors


def result_of(folder, name, precision):
    out = folder / plan_name(name, precision)
    loss = json.loads((out / "run/metrics.jsonl").read_text().splitlines()[0])["loss"]
    return loss, tensors_of(out / "gradients/gradients.safetensors")


class Reference:
    """Losses and gradients of transformers' models, in double precision and in torch's mixed precision."""

    def __init__(self, device):
        import torch
        from seeded_torch import Seeded
        float32 = torch.float32
        self.torch, self.device, self.to_single = torch, device, torch.Tensor.float
        torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False # sums of products in f32, as ours
        torch.set_default_device(device)
        sys.path.insert(0, str(GOLDENS))
        import make_family_goldens as families # from here on, torch's float32 is double
        self.families, self.base = families, families.base
        self.draws = Seeded(torch, float32)
        mine = self.draws.normal(0.02, self.key("model.norm.weight"), 9999).double().cpu().numpy()
        assert (mine == self.base.seeded("NORMAL", 0.02, SEEDS["model"], "model.norm.weight", 9999)).all(), "weights are drawn otherwise"
        families.weight_of = self.weight

    def key(self, name):
        import hashlib
        digest = hashlib.sha256(SEEDS["model"].to_bytes(8, "little") + b"init\0" + name.encode()).digest()
        return int.from_bytes(digest[:8], "little")

    def weight(self, name, shape, offset_norms):
        if len(shape) == 1 and name.endswith(".weight") and not offset_norms:
            return self.torch.ones(shape)
        parts, count = [], math.prod(shape)
        return self.draws.normal(0.02, self.key(name), count).double().reshape(shape)

    def single(self, wanted):
        """Whether what asks for float32 gets it, or double as make_family_goldens has it."""
        torch = self.torch
        torch.float32 = torch.float = self.draws.f32 if wanted else torch.float64
        torch.Tensor.float = self.to_single if wanted else torch.Tensor.double
        torch.set_default_dtype(torch.float32)

    def steps(self, config):
        """One step in double; the same with frozen weights as bf16 holds them; that in mixed precision."""
        torch, families = self.torch, self.families
        model = families.make_model(config)
        model.gradient_checkpointing_enable(dict(use_reentrant=False))
        model.train()
        adapters = families.adapt(model, LORA)
        (rows,) = self.base.first_step(ROWS, config["vocab_size"])

        def step():
            logits, labels = families.forward(model, rows)
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1).float(), labels.flatten(), ignore_index=-100)
            loss.backward()
            gradients = {name: tensor.grad.double().cpu().flatten().numpy() for name, tensor in adapters.items()}
            model.zero_grad()
            return loss.item(), gradients

        results = [step()]
        with torch.no_grad():
            for parameter in model.parameters():
                if not parameter.requires_grad:
                    parameter.copy_(parameter.bfloat16())
        results.append(step())
        self.single(True)
        try:
            model.to(torch.float32).set_attn_implementation("sdpa")
            with torch.autocast(self.device, torch.bfloat16):
                results.append(step())
        finally:
            self.single(False)
        del model, adapters
        torch.cuda.empty_cache()
        return results


def compare(actual, expected):
    """Error of the loss, of all gradients as one vector, of the worst tensor, and its name."""
    loss, gradients = actual
    wanted, exact = expected
    if gradients.keys() != exact.keys():
        return math.inf, math.inf, math.inf, str(sorted(gradients.keys() ^ exact.keys())[:2])
    errors, square, norm = {}, 0.0, 0.0
    for name, tensor in exact.items():
        mine = gradients[name]
        difference, size = float(((mine - tensor) ** 2).sum()), float((tensor**2).sum())
        square, norm = square + difference, norm + size
        errors[name] = math.sqrt(difference / size) if size else (math.inf if difference else 0.0)
    where = max(errors, key=lambda name: errors[name] if errors[name] == errors[name] else math.inf)
    return abs(loss - wanted) / wanted, math.sqrt(square / norm), errors[where], where


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compile", type=pathlib.Path)
    parser.add_argument("--plans", type=pathlib.Path)
    parser.add_argument("--target", default="h200")
    parser.add_argument("--ftc", default=ROOT / "build/bin/ftc")
    parser.add_argument("--ftrun", default=ROOT / "build/bin/ftrun")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("--only", default="", help="cases whose name holds this")
    options = parser.parse_args()
    if options.compile:
        return compile_plans(options)
    names = names_of(options)
    bad = False
    with tempfile.TemporaryDirectory() as scratch, concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        folder = pathlib.Path(scratch)
        # They go on beside the references: nothing is timed here.
        runs = {(name, precision): pool.submit(run_plan, options, folder, name, precision) for name in names for precision in PRECISIONS}
        import torch
        reference = Reference(options.device) if set(names) & set(REAL) else None
        print(f"{'model':34} {'precision':10} {'loss':>9} {'its error':>9} {'gradients':>9} {'worst':>9} {'transformers: all three':>27}  of")
        for name in names:
            if name in TINY:
                exact = tensors_of(GOLDENS / f"{name}.safetensors")
                exact.pop("logits", None)
                expected = dict.fromkeys(PRECISIONS, (exact.pop("loss")[0], exact))
            else:
                start = time.monotonic()
                try:
                    double, rounded, mixed = reference.steps(config_of(name))
                    expected = dict(zip(PRECISIONS, (double, rounded)))
                except Exception as error: # the others are compared all the same
                    bad = True
                    print(f"{name:34} transformers FAILED: {type(error).__name__}: {str(error)[-300:]}", flush=True)
                    torch.cuda.empty_cache()
                    continue
                print(f"{name}: transformers {time.monotonic() - start:.0f} s", file=sys.stderr)
            for precision in PRECISIONS:
                failure = runs[name, precision].result()
                if failure:
                    bad = True
                    print(f"{name:34} {precision:10} FAILED: {failure}")
                    continue
                actual = result_of(folder, name, precision)
                loss, whole, worst, where = compare(actual, expected[precision])
                theirs = f"{'':27}"
                if name in TINY:
                    ok = worst < TINY_WORST[precision] * (GEMMA if name.startswith("gemma") and precision != "FP32_TRUE" else 1)
                else:
                    bounds = REAL_ERRORS[precision]
                    if precision == "BF16_MIXED":
                        own = compare(mixed, rounded)
                        theirs = "".join(f"{error:9.1e}" for error in own[:3])
                        bounds = [min(bound, FACTOR * error) for bound, error in zip(bounds, own[1:3])]
                    ok = loss < REAL_LOSS[precision] and whole < bounds[0] and worst < bounds[1]
                bad |= not ok
                print(f"{name:34} {precision:10} {actual[0]:9.5f} {loss:9.1e} {whole:9.1e} {worst:9.1e} {theirs}  {where}{'' if ok else '  WRONG'}", flush=True)
    raise SystemExit(1 if bad else 0)


if __name__ == "__main__":
    main()
