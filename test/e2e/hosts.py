#!/usr/bin/env python3
"""Random recipes with the optimizer on the host: on one to four ranks, whatever is trained and in which types, a run leaves
what it leaves with the optimizer on the device (each step's numbers, the weights, and all of a checkpoint), also where steps
overflow, where it is stopped and goes on, on the host or on the device, and where memory is poisoned or steps are run twice.

  hosts.py [RECIPES [SEED [FIRST [JOBS]]]]     eight by default, one after the other; each takes five seconds of a core
"""
import json
import random
import sys
import unittest

import mixtures
from harness import call, scale_tensor, tensors
from mixtures import Draw, Mixtures, message

RECIPES, SEED, FIRST, JOBS = 8, 1, 0, 1
NUMBERS = ("step", "loss", "grad_norm", "eval_loss", "loss_scale", "skipped_steps", "learning_rate")


class HostDraw(Draw):
    """A recipe of several ranks whose masters and moments are on the host, all or some."""

    def __init__(self, number):
        super().__init__(number)
        rng = self.host = random.Random(f"host {mixtures.SEED} {number}")
        self.fields.update(offload_optimizer=message(device="CPU", fraction=rng.choice([0.02, 0.2, 0.5, 0.8, 1, 1]),
                                                     pin_memory=rng.choice([None, None, "false"])))
        self.fields.update(max_steps=rng.randint(3, 6), save_steps=rng.choice([1, 2, 100]), generate=None, template=None)
        self.generates = False
        self.fields.update(optim=rng.choice([self.fields["optim"], "ADAMW"]))
        if self.fields["optim"] == "ADAMW":
            self.fields.update(sgd_momentum=None, adam_epsilon=1e-6)
        self.overflows = self.precision == "FP16_MIXED" and rng.random() < 0.7
        self.buckets = rng.choice([[], ["--bucket-bytes", "1024"], ["--bucket-bytes", "4096"]])

    def world(self):
        self.precision = self.rng.choice(["FP32_TRUE", "BF16_TRUE", "BF16_MIXED", "BF16_MIXED", "FP16_MIXED", "FP16_MIXED", "FP64_TRUE"])
        strategy, shard, replicate = self.rng.choice([(None, None, None)] * 3 + [
            ("DDP", None, 2), ("DDP", None, 3), ("ZERO1", 2, None), ("ZERO1", 4, None), ("ZERO2", 2, None), ("ZERO2", 3, None),
            ("FSDP", 2, None), ("FSDP", 3, None), ("FSDP", 4, None), ("HSDP", 2, 2), ("AUTO", 2, None)])
        self.ranks = (shard or 1) * (replicate or 1)
        frozen = self.rng.choice([None, "TRUE"]) if self.lora and strategy not in (None, "DDP", "AUTO") else None
        self.parallelism = strategy and message(strategy=strategy, dp_shard_size=shard, dp_replicate_size=replicate,
                                                shard_frozen=frozen)


class Hosts(Mixtures):
    overflowed = []

    @classmethod
    def tearDownClass(cls):
        print(f"steps of {len(cls.overflowed)} recipes overflowed")

    def model(self, draw, number):
        model = super().model(draw, number)
        if not draw.overflows:
            return model
        # A head far too large: at GradScaler's first scale its gradients overflow f16.
        base = self.compile(f"base-{number}", "--cpu-code", "avx2", base_model=draw.fields["base_model"], precision="FP32_TRUE",
                            learning_rate=1e-9, max_steps=1)
        self.train(base, f"base-{number}")
        file = self.folder / f"base-{number}" / "model.safetensors"
        head = "lm_head.weight" if "lm_head.weight" in tensors(file) else "model.embed_tokens.weight"
        scale_tensor(file, head, 1000)
        return self.folder / f"base-{number}"

    def left(self, out):
        """Each step's numbers, the file of weights, and what its last checkpoint holds."""
        lines = (self.folder / out / "metrics.jsonl").read_text().splitlines()
        numbers = [[line.get(field) for field in NUMBERS] for line in map(json.loads, lines)]
        file, = (self.folder / out).glob("*.safetensors")
        last = max((self.folder / out).glob("checkpoint-*"), key=lambda folder: int(folder.name.split("-")[1]))
        states = {path.name: tensors(path) for path in last.glob("*.safetensors")}
        return numbers, file.read_bytes(), {name: repr(states[name]) for name in states}

    def same(self, what, one, other):
        self.assertEqual(one[0], other[0], f"{what}: numbers of steps")
        self.assertTrue(one[1] == other[1], f"{what}: weights")
        self.assertEqual(one[2].keys(), other[2].keys(), f"{what}: files of a checkpoint")
        for name in one[2]:
            self.assertTrue(one[2][name] == other[2][name], f"{what}: {name} of the last checkpoint")

    def one(self, number):
        draw = HostDraw(number)
        model = self.model(draw, number)
        fields = dict(draw.fields, micro_batch_size=draw.rows, parallelism=draw.parallelism)
        common = [option for option in draw.options if option not in ("--gradients", draw.gradients)]
        options = ["--cpu-code", "avx2", *draw.buckets, *common]
        recipe = self.recipe(f"device-{number}", **dict(fields, offload_optimizer=None))
        there = call(mixtures.FTC, "compile", recipe, *options, "-o", self.folder / f"device-{number}.bin")
        if there.code == 1 and any(part in there.err for part in mixtures.REFUSED):
            return "refused"
        self.assertEqual(there.code, 0, there.text)
        device = self.folder / f"device-{number}.bin"
        host = self.compile(f"host-{number}", *options, "--gradients", draw.gradients, **fields)
        normal = ["--overwrite", *(["--init-adapters", "normal"] if draw.lora else [])]
        run = lambda plan, out, *more: self.train(plan, f"{out}-{number}", *normal, *more, model=model)
        run(device, "d")
        run(host, "h")
        whole = self.left(f"d-{number}")
        self.same("on the host", self.left(f"h-{number}"), whole)
        if any(line[NUMBERS.index("skipped_steps")] for line in whole[0]):
            self.overflowed.append(number)
        stop = draw.host.randint(1, draw.fields["max_steps"] - 1)
        first, second = draw.host.choice([(host, host), (device, host), (host, device)])
        run(first, "r", "--stop-after", stop)
        self.train(second, f"r-{number}", *normal[1:], "--resume", "auto", model=model)
        self.same(f"stopped behind step {stop}", self.left(f"r-{number}"), whole)
        if draw.host.random() < 0.4 and draw.ranks * draw.micro_batches < 4 and not draw.evaluates:
            run(host, "p", "--poison")
            self.same("poisoned", self.left(f"p-{number}"), whole)
        if draw.host.random() < 0.3:
            run(host, "v", "--verify-steps", draw.host.randint(1, 3))
            self.same("steps run twice", self.left(f"v-{number}"), whole)
        return "ran"

    def told(self, number):
        try:
            return self.one(number)
        except BaseException as error:
            draw = HostDraw(number)
            fields = [f"{name}: {value}" for name, value in draw.fields.items() if value is not None]
            print(f"\nrecipe {number} of seed {mixtures.SEED}: {draw.rows} rows a rank, {draw.parallelism} {draw.gradients} {draw.buckets}",
                  *fields, f"{type(error).__name__}: {str(error)[-600:]}", sep="\n", flush=True)
            raise


if __name__ == "__main__":
    mixtures.RECIPES, mixtures.SEED, mixtures.FIRST, mixtures.JOBS = [
        *map(int, sys.argv[1:]), *(RECIPES, SEED, FIRST, JOBS)[len(sys.argv) - 1:]]
    del Mixtures # whose test this file is not
    unittest.main(argv=sys.argv[:1])
