"""Two ranks of 4 rows against one of 8 on tiny models: losses, and the same bits again and poisoned."""
import hashlib
import json
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
TINY = ["base_model=tiny-gqa", "sequence_len=128", "max_steps=20", "deterministic=TRUE"]
FORMS = [(precision, steps) for precision in ("FP32_TRUE", "BF16_TRUE") for steps in (1, 3)]


def compile_tiny(ftc, folder):
    for precision, steps in FORMS:
        common = [*TINY, f"precision={precision}", f"gradient_accumulation_steps={steps}"]
        for name, recipe, more in (("one", "bench_lora_1b", []), ("two", "bench_lora_1b_ddp2", ["micro_batch_size=4"])):
            command = [ftc, "compile", ROOT / f"recipes/{recipe}.textproto", "-o", folder / f"tiny.{precision}.{steps}.{name}.bin"]
            subprocess.run([*command, *(f"--set={setting}" for setting in common + more)], check=True, capture_output=True)


def losses(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if "step_ms" in line]


def digest(folder):
    return hashlib.sha256(b"".join(file.read_bytes() for file in sorted(folder.glob("*.safetensors")))).hexdigest()


def run_tiny(ftrun, folder, work, left):
    rows = []
    for precision, steps in FORMS:
        runs = dict(one="one", two="two", again="two", poison="two")
        if left() < 15 or not (folder / f"tiny.{precision}.{steps}.two.bin").exists():
            continue
        for name, plan in runs.items():
            command = [ftrun, folder / f"tiny.{precision}.{steps}.{plan}.bin", "--model", "seeded:1", "--overwrite", "--out",
                       work / name, *(["--poison"] if name == "poison" else [])]
            said = subprocess.run(command, capture_output=True, text=True)
            if said.returncode:
                rows.append(f"tiny {precision}, {name}: exit {said.returncode}: {said.stderr[-200:]}")
                break
        else:
            most = max(abs(b / a - 1) for a, b in zip(losses(work / "one"), losses(work / "two")))
            same = [digest(work / name) == digest(work / "two") for name in ("again", "poison")]
            rows.append(f"tiny {precision}, {steps} micro-batches: losses of two ranks differ from one's by at most {most:.1e}; "
                        f"again and poisoned: the same bits: {same}")
    return rows
