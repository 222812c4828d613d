"""What tests of an optimizer on the host have in common: forms of runs, and whether one leaves what another does."""
import json
import re
import shutil
import tempfile

import harness
from harness import FTC, LORA, WorkshopTest, call

DECAY = {"weight_decay": 0.1} # two kinds of updates, so two buckets at least
ONE = {"gradient_accumulation_steps": 1} # of one micro-batch gradients leave as soon as they are final
DROPOUT = '{ r: 3 lora_alpha: 8 lora_dropout: 0.2 target_modules: "all-linear" }'
# What a run leaves must not depend on where its optimizer runs.
FORMS = {
    "full": dict(DECAY),
    "full, one micro-batch": dict(DECAY, **ONE),
    "full, clipped": dict(DECAY, max_grad_norm=0.05),
    "full, not clipped": dict(max_grad_norm=0),
    "full, tied": dict(DECAY, base_model='"tiny-tied"'),
    "full, biases": dict(DECAY, base_model='"tiny-qwen2"'),
    "full, SGD": dict(DECAY, optim="SGD"),
    "full, SGD with momentum": dict(DECAY, optim="SGD", sgd_momentum=0.9),
    "LoRA": dict(lora=LORA),
    "LoRA, one micro-batch": dict(ONE, lora=LORA),
    "LoRA with dropout": dict(lora=DROPOUT),
    "LoRA, odd sizes": dict(base_model='"tiny-odd"', lora=LORA),
    "QLoRA": dict(lora=LORA, quantization="{ type: NF4 }"),
}
BOTH = ("full", "full, one micro-batch") # whose gradients stay, and whose leave
PRECISIONS = ["FP32_TRUE", "BF16_TRUE", "BF16_MIXED", "FP64_TRUE"]
SMALL = "4096" # bytes of a bucket: tiny models have a dozen, of which a share is some, rather than one or two


def offload(fraction, rest=""):
    return f"{{ device: CPU fraction: {fraction} {rest} }}"


class OffloadTest(WorkshopTest):
    """Compiles each recipe once for all tests of a case, unless a test says otherwise with small buckets and for AVX2
    alone: what is computed where is tested here, and that AVX-512 has the same bits by KernelsTest."""

    @classmethod
    def setUpClass(cls):
        cls.plans, harness.PLANS = harness.PLANS, harness.PLANS or tempfile.mkdtemp(prefix="ftc-plans-")

    @classmethod
    def tearDownClass(cls):
        if not cls.plans:
            shutil.rmtree(harness.PLANS, ignore_errors=True)
        harness.PLANS = cls.plans

    form = ("--bucket-bytes", SMALL, "--cpu-code", "avx2")

    def compile(self, name="plan", *options, **fields):
        return super().compile(name, *self.form, *options, **fields)

    def left(self, name, *options, gradients="auto", **fields):
        """What a run of the recipe leaves: each step's numbers, and the bytes that it trained."""
        self.compile(name, "--gradients", gradients, **fields)
        return self.ran(name, *options, **fields)

    def ran(self, name, *options, plan=None, **fields):
        self.train(self.folder / f"{plan or name}.bin", name, "--overwrite", "--init-adapters", "normal", *options)
        lines = (self.folder / name / "metrics.jsonl").read_text().splitlines()
        numbers = [[line.get(field) for field in ("loss", "grad_norm", "eval_loss")] for line in map(json.loads, lines)]
        saved = "adapter_model.safetensors" if "lora" in fields else "model.safetensors"
        return numbers, self.bytes(name, saved)

    def same(self, fractions=(0, 0.5, 1), **fields):
        numbers, trained = self.left("device", **fields)
        for fraction in fractions:
            there = self.left("host", offload_optimizer=offload(fraction), **fields)
            self.assertEqual(there[0], numbers, f"fraction {fraction}")
            self.assertEqual(there[1], trained, f"fraction {fraction}")
            if self.form and fraction == 0.5:
                self.assertLess(self.share(), 100, "a part of it, not all")

    def share(self, name="host"):
        """Of the trained parameters, in per cent, whose states a plan has on the host."""
        said = call(FTC, "explain", self.folder / f"{name}.bin").out
        return int(re.search(r"note: optimizer on the host: .* trained parameters \((\d+) %\)", said)[1])
