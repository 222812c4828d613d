#!/usr/bin/env python3
"""FP16_MIXED on a GPU: scales go as GradScaler's, losses as the CPU's and as BF16_MIXED's, continued runs bit for bit.

  fp16.py compile FOLDER [TARGET]   compiles the plans, makes the models and runs them on the CPU; TARGET names the card: h200
  fp16.py run FOLDER [PART...]      runs the plans, on a machine that has no compiler, and prints a table; of the parts
                                    overflows, curves, tinyllama

FTC_FTC and FTC_FTRUN name the programs; the working directory is the source tree's root. Plans of two ranks run where there are
two GPUs. Exit 1 where something is not as it must be.
"""
import json
import os
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "test" / "e2e"))
from harness import FTC, FTRUN, TINY, call, scale_tensor  # noqa: E402

WHOLE_ROWS = dict(packing="false", max_document_len=None, max_documents_per_row=None, deterministic="TRUE")
OVERFLOWS = dict(precision="FP16_MIXED", max_steps=24, learning_rate=1e-4, gradient_accumulation_steps=1, **WHOLE_ROWS)
APART = dict(OVERFLOWS, micro_batch_size=1, max_grad_norm=0)  # a norm's last bits depend on who sums up what
CURVE = dict(max_steps=40, **WHOLE_ROWS)
# Of a model whose head is a thousand times too large: at GradScaler's first scale gradients overflow.
LARGE = {
    "one GPU": OVERFLOWS,
    "packed documents": dict(OVERFLOWS, packing="true", max_document_len=9, max_documents_per_row=3, deterministic="AUTO"),
    "accumulated": dict(OVERFLOWS, gradient_accumulation_steps=2, save_steps=5),
    "states on the host": dict(OVERFLOWS, offload_optimizer="{ device: CPU fraction: 1 }"),
    "two GPUs, DDP": dict(APART, parallelism="{ dp_replicate_size: 2 }"),
    "two GPUs, FSDP": dict(APART, parallelism="{ strategy: FSDP dp_shard_size: 2 }"),
}
CURVES = {precision: dict(CURVE, precision=precision) for precision in ("FP16_MIXED", "BF16_MIXED", "FP32_TRUE")}
LORA = dict(CURVES["FP16_MIXED"], lora='{ r: 4 lora_alpha: 8 target_modules: "all-linear" }')
STEPS = 12
RECIPES = {"FP16_MIXED": "tinyllama_mixed_precision_fp16", "BF16_MIXED": "tinyllama_mixed_precision"}


def checked(*arguments, timeout=400):
    result = call(*arguments, timeout=timeout)
    if result.code != 0:
        raise RuntimeError(f"exit {result.code}: {' '.join(map(str, arguments))}\n{result.text[-2000:]}")
    return result


def write_recipe(path, **fields):
    path.write_text("".join(f"{field}: {value}\n" for field, value in {**TINY, **fields}.items() if value is not None))


def steps_of(out):
    return [line for line in map(json.loads, (out / "metrics.jsonl").read_text().splitlines()) if "step_ms" in line]


def file_of(kind, name):
    return f"{kind} {name}".replace(",", "").replace(" ", "_") + ".bin"


def compile_tiny(folder, name, target, **fields):
    recipe = folder / "recipe.textproto"
    write_recipe(recipe, **{**fields, "target": f'"{target}"'})
    checked(FTC, "compile", recipe, "-o", folder / name)


def make_large(folder):
    """The two-layer model with that head, as safetensors beside its config."""
    compile_tiny(folder, "made.bin", "cpu")
    out = folder / "large"
    checked(FTRUN, folder / "made.bin", "--model", "seeded:11", "--stop-after", "1", "--overwrite", "--out", out)
    scale_tensor(out / "model.safetensors", "lm_head.weight", 1000)
    for other in out.iterdir():
        if other.suffix not in (".safetensors", ".json") or other.name == "summary.json":
            other.unlink()


def compile_all(folder, target):
    folder.mkdir(parents=True, exist_ok=True)
    make_large(folder)
    expected = {}
    jobs = [("large", name, dict(fields, base_model=f'"{folder / "large"}"'), folder / "large")
            for name, fields in LARGE.items()]
    jobs += [("curve", name, fields, "seeded:11") for name, fields in {**CURVES, "LoRA": LORA}.items()]
    for kind, name, fields, model in jobs:
        compile_tiny(folder, "cpu.bin", "cpu", **fields)
        checked(FTRUN, folder / "cpu.bin", "--model", model, "--threads", 1, "--overwrite", "--out", folder / "out")
        expected[f"{kind} {name}"] = steps_of(folder / "out")
        compile_tiny(folder, file_of(kind, name), target, **fields)
    for precision, recipe in RECIPES.items():
        checked(FTC, "compile", f"recipes/{recipe}.textproto", "--gpu", target, "--set", f"max_steps={STEPS}", "-o",
                folder / file_of("tinyllama", precision))
    (folder / "expected.json").write_text(json.dumps(expected))
    for left in ("cpu.bin", "made.bin", "recipe.textproto", "out"):
        path = folder / left
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def scales_of_torch(overflows):
    """What PyTorch's own GradScaler holds behind each step, given which steps overflow; None where there is no PyTorch."""
    try:
        import torch
    except ImportError:
        return None
    weight = torch.zeros(1, device="cuda", requires_grad=True)
    optimizer, scaler, scales = torch.optim.SGD([weight], lr=0.1), torch.amp.GradScaler("cuda"), []
    for overflow in overflows:
        weight.grad = scaler.scale(torch.full((1,), float("inf") if overflow else 1.0, device="cuda"))
        scaler.step(optimizer)
        scaler.update()
        scales.append(scaler.get_scale())
    return scales


class Table:
    def __init__(self, folder):
        self.folder, self.failed = folder, []
        self.expected = json.loads((folder / "expected.json").read_text())

    def row(self, name, text, good):
        print(f"{'ok    ' if good else 'FAILED'} {name:<44} {text}", flush=True)
        if not good:
            self.failed.append(name)

    def run(self, kind, name, *options, out="out", model="seeded:11", keep=False):
        where = self.folder / out
        fresh = () if keep else ("--overwrite",)
        result = checked(FTRUN, self.folder / file_of(kind, name), "--model", model, "--out", where, *fresh, *options)
        return steps_of(where), result

    def follows_scaler(self, steps):
        """Whether scales and counts are GradScaler's, given the steps whose norm is not finite."""
        scale, skipped = 65536, 0
        for step in steps:
            if isinstance(step["grad_norm"], str):  # JSON has no infinity
                scale, skipped = scale / 2, skipped + 1
            if (step["loss_scale"], step["skipped_steps"]) != (scale, skipped):
                return False, skipped
        return True, skipped

    def apart(self, steps, others):
        return max(abs(a["loss"] / b["loss"] - 1) for a, b in zip(steps, others))

    def weights(self, out="out"):
        files = [path for path in (self.folder / out).iterdir() if path.suffix == ".safetensors"]
        return files[0].read_bytes()

    def overflows(self):
        gpus = call(FTRUN, "--devices").out.count("arch sm_")
        model, bits = self.folder / "large", {}
        for name, fields in LARGE.items():
            if "parallelism" in fields and gpus < 2:
                print(f"--     overflows, {name}: left out, there are {gpus} GPUs")
                continue
            steps, _ = self.run("large", name, model=model)
            bits[name] = self.weights()
            good, skipped = self.follows_scaler(steps)
            there = self.expected[f"large {name}"]
            same = [s["loss_scale"] for s in steps] == [s["loss_scale"] for s in there]
            torch = scales_of_torch([isinstance(s["grad_norm"], str) for s in steps])
            if torch:
                self.row(f"PyTorch's GradScaler, {name}", f"{torch[0]:.0f} to {torch[-1]:.0f}",
                         torch == [s["loss_scale"] for s in steps])
            self.row(f"overflows, {name}", f"{skipped} of {len(steps)} steps skipped, on the CPU {there[-1]['skipped_steps']}; "
                     f"scales {'as' if same else 'not as'} there; loss apart by {self.apart(steps, there):.1e}",
                     good and 0 < skipped < len(steps))
        self.row("states on the host leave the same bits", "", bits["one GPU"] == bits["states on the host"])
        if "two GPUs, FSDP" in bits:
            self.row("FSDP leaves the bits of DDP", "", bits["two GPUs, DDP"] == bits["two GPUs, FSDP"])
        shutil.rmtree(self.folder / "parts", ignore_errors=True)
        self.run("large", "accumulated", "--stop-after", "7", out="parts", model=model, keep=True)
        _, said = self.run("large", "accumulated", "--resume", "auto", out="parts", model=model, keep=True)
        same = "continues bit for bit" in said.out and self.weights("parts") == bits["accumulated"]
        self.row("a run that is continued leaves the same bits", "", same)

    def curves(self):
        losses = {}
        for name in [*CURVES, "LoRA"]:
            steps, _ = self.run("curve", name)
            losses[name] = steps
            there = self.expected[f"curve {name}"]
            apart = self.apart(steps, there)
            self.row(f"40 steps of the two-layer model, {name}", f"GPU and CPU apart by {apart:.1e}; last loss "
                     f"{steps[-1]['loss']:.5f}", apart < (1e-2 if name == "BF16_MIXED" else 1e-3))
        plain = losses["FP32_TRUE"]
        f16, bf16 = (self.apart(losses[name], plain) for name in ("FP16_MIXED", "BF16_MIXED"))
        self.row("nearer to FP32_TRUE than BF16_MIXED is", f"{f16:.1e} and {bf16:.1e}", f16 < bf16)
        self.run("curve", "FP16_MIXED")
        clean = self.weights()
        self.run("curve", "FP16_MIXED", "--poison")
        self.row("poison changes no bit", "", self.weights() == clean)

    def tinyllama(self):
        losses = {}
        for precision in RECIPES:
            steps, result = self.run("tinyllama", precision, model="seeded:1")
            losses[precision] = steps
            times = sorted(step["step_ms"] for step in steps[4:])
            memory = " ".join(line.split(":", 1)[1].strip() for line in result.out.splitlines()
                              if line.startswith("memory"))
            scale = f", scale {steps[-1]['loss_scale']:.0f}, {steps[-1]['skipped_steps']} skipped" if precision[1] == "P" else ""
            self.row(f"tinyllama 1.1B, {precision}", f"{times[len(times) // 2]:.1f} ms a step, losses {steps[0]['loss']:.4f} to "
                     f"{steps[-1]['loss']:.4f}{scale}; {memory}", True)
        apart = self.apart(losses["FP16_MIXED"], losses["BF16_MIXED"])
        self.row(f"{STEPS} steps of tinyllama", f"FP16_MIXED and BF16_MIXED apart by {apart:.1e}", apart < 1e-2)


def main():
    command, folder = sys.argv[1], pathlib.Path(sys.argv[2]).absolute()
    if command == "compile":
        return compile_all(folder, sys.argv[3] if len(sys.argv) > 3 else "h200")
    table = Table(folder)
    parts = dict(overflows=table.overflows, curves=table.curves, tinyllama=table.tinyllama)
    for name in sys.argv[3:] or parts:
        try:
            parts[name]()
        except (RuntimeError, OSError, KeyError) as error:
            table.row(f"{name} ended", str(error), False)
    print("failed: " + ", ".join(table.failed) if table.failed else "all as it must be")
    return 1 if table.failed else 0


if __name__ == "__main__":
    sys.exit(main())
