#!/usr/bin/env python3
"""Random recipes over all options that ranks meet: several ranks train as one rank of all their rows, with the same bits again,
poisoned and continued from a checkpoint; what one world began another ends; and the same recipe is planned and proved for GPUs.

  mixtures.py [RECIPES [SEED [FIRST [JOBS]]]]     eight by default, one after the other; each takes five seconds of a core
"""
import concurrent.futures
import json
import pathlib
import random
import re
import shutil
import sys
import unittest

from budgets import model_of
from harness import FTC, WorkshopTest, call, tensors, worst

RECIPES, SEED, FIRST, JOBS = 8, 1, 0, 1
# Of losses, relative, and of trained tensors: in FP64_TRUE ranks add what one rank adds, in another order, and AdamW's first
# steps divide by the root of a square; below, what one rounding of a parameter and such a step make of it.
TOLERANCE = {"FP64_TRUE": (1e-12, 1e-11), "FP32_TRUE": (1e-5, 1e-4), "BF16_MIXED": (1e-2, 5e-2), "BF16_TRUE": (1e-2, 5e-2),
             "FP16_MIXED": (1e-2, 2e-2)}
TARGETS = '"q_proj" "k_proj" "v_proj" "o_proj" "gate_proj" "up_proj" "down_proj"'.split()
# Lion's steps have one size and a sign, which rounding decides where a sum is little more than that: of such tensors no
# relative error is bounded, but how many of all elements are elsewhere is, and how far.
TURNED = {"FP64_TRUE": 1e-4, "FP32_TRUE": 1e-3, "BF16_MIXED": 0.02, "BF16_TRUE": 0.02, "FP16_MIXED": 0.02}
# What several ranks refuse and one does not.
REFUSED = ("quantization", )


def message(**fields):
    return "{ " + " ".join(f"{name}: {value}" for name, value in fields.items() if value is not None) + " }"


class Draw:
    """A recipe of one rank, and what makes it one of several."""

    lion, gradients, compares_hosts = False, "auto", False

    def __init__(self, number):
        self.rng = random.Random(f"{SEED} {number}")
        self.precision = self.rng.choice(["FP64_TRUE"] * 5 + ["FP32_TRUE", "BF16_MIXED", "BF16_TRUE", "FP16_MIXED"])
        self.lora = self.chance(0.5)
        self.micro_batches = self.rng.choice([1, 1, 2, 3])
        self.generates = self.chance(0.15)
        self.saves, self.evaluates = self.chance(0.4), self.chance(0.5)
        others = random.Random(f"Lion and host {SEED} {number}") # which leave the draws above as they are
        self.lion, self.gradients = others.random() < 0.35, others.choice(["auto", "stay", "leave"])
        self.compares_hosts = others.random() < 0.5
        self.world()
        self.fields = {**self.shape(), **self.method(), **self.optimizer()}

    def chance(self, share):
        return self.rng.random() < share

    def world(self):
        strategy = self.rng.choice(["DDP", "ZERO1", "ZERO2", "ZERO3", "FSDP", "FSDP", "HSDP", "AUTO"])
        shard, replicate = self.rng.choice([1, 2, 2, 3, 4, 5, 8]), self.rng.choice([1, 2, 3])
        if strategy == "HSDP":
            shard, replicate = self.rng.choice([2, 2, 3, 4]), self.rng.choice([2, 2, 3])
        elif strategy == "DDP":
            shard, replicate = None, shard
        else:
            replicate = None
        self.ranks = (shard or 1) * (replicate or 1)
        frozen = self.rng.choice([None, "TRUE", "TRUE", "FALSE"]) if self.lora and strategy != "DDP" else None
        low = not self.lora and self.precision == "BF16_MIXED" and self.micro_batches == 1 and self.chance(0.4)
        self.parallelism = message(strategy=strategy, dp_shard_size=shard, dp_replicate_size=replicate, shard_frozen=frozen,
                                   reduce_dtype="BF16" if low else None)

    def shape(self):
        rng, length = self.rng, 8 * self.rng.randint(1, 5)
        packed = self.chance(0.7)
        longest = rng.randint(8, length) if packed else length
        masked = rng.choice(["", ":50", ":0-99"])
        self.rows = rng.randint(1, 3) if self.ranks < 5 else 1
        fields = dict(precision=self.precision, sequence_len=length, gradient_accumulation_steps=self.micro_batches,
                      packing=str(packed).lower(), max_document_len=longest, max_steps=rng.randint(2, 4),
                      max_documents_per_row=-(-length // longest) + rng.randint(0, 3) if packed else None,
                      data=f'{{ train: "synthetic:{rng.randint(1, 9)}{masked}" }}', seed=rng.randint(0, 99))
        if self.evaluates:
            fields.update(data=fields["data"].replace(" }", f' eval: "synthetic:{rng.randint(1, 9)}{masked}" }}'),
                          eval_steps=rng.choice([None, 1, 2]))
        if masked and self.rows * length > 16 and self.chance(0.6):
            fields.update(max_target_tokens=rng.randint(1, self.rows * length - 1))
        if self.generates:
            fields.update(sequence_len=48, max_document_len=48, template='"chatml"', max_target_tokens=None,
                          max_documents_per_row=4 if packed else None, generate='{ instruction: "7" max_new_tokens: 3 }')
        return fields

    def method(self):
        rng = self.rng
        fields = dict(gradient_checkpointing=rng.choice([None, "NONE", "SELECTIVE", "FULL"]),
                      activation_offload=rng.choice([None, None, "TRUE"]), deterministic=rng.choice([None, None, "FALSE"]))
        if not self.lora:
            return fields
        modules = '"all-linear"' if self.chance(0.5) else "[" + ", ".join(rng.sample(TARGETS, rng.randint(1, 7))) + "]"
        fields["lora"] = message(r=rng.randint(1, 9), lora_alpha=rng.choice([4, 8, 7.5]), target_modules=modules,
                                 lora_dropout=rng.choice([0, 0, 0.1, 0.4]))
        if self.chance(0.25):
            kind = rng.choice(["NF4", "NF4", "FP8"]) if self.precision != "FP64_TRUE" else "NF4"
            fields["quantization"] = message(
                type=kind, double_quant=rng.choice([None, "true"]) if kind == "NF4" else None,
                products=rng.choice([None, "DEQUANTIZED"]) if kind == "FP8" else None,
                resident_transposes=rng.choice([None, "TRUE", "FALSE"]) if kind == "FP8" else None)
        return fields

    def optimizer(self):
        rng, full = self.rng, not self.lora
        sgd = not self.chance(0.7)
        self.lion &= not sgd
        fields = dict(optim="SGD" if sgd else "LION" if self.lion else "ADAMW", weight_decay=rng.choice([0, 0.1]),
                      weight_decay_norms=rng.choice([None, "true"]), max_grad_norm=rng.choice([0, 0.05, 1]),
                      learning_rate=1e-3, lr_scheduler_type=rng.choice(["CONSTANT", "LINEAR", "COSINE"]),
                      warmup_steps=rng.choice([None, 1]), save_steps=1 if self.saves else None)
        if not sgd:
            fields.update(adam_beta1=rng.choice([0, 0.9]), adam_beta2=rng.choice([0.95, 0.999]), adam_epsilon=1e-6)
        elif self.chance(0.6):
            fields.update(sgd_momentum=0.9)
        if self.lion:
            fields.update(adam_epsilon=None, learning_rate=3e-4)
        if full and self.precision in ("BF16_TRUE", "BF16_MIXED") and self.chance(0.4):
            fields.update(optimizer_state_dtype="BF16")
        elif not sgd and self.precision != "FP64_TRUE" and self.chance(0.3):
            fields.update(optimizer_state_dtype="INT8")
        if full and self.precision == "BF16_MIXED" and not sgd and self.chance(0.4):
            fields.update(master_dtype="BF16_REMAINDER")
        if self.chance(0.25):
            fields.update(offload_optimizer=message(device="CPU", fraction=rng.choice([0.3, 0.5, 1]),
                                                    pin_memory=rng.choice([None, "false"])))
        return fields


class Mixtures(WorkshopTest):
    def model(self, draw, number):
        """A folder with a config.json, and what --model names."""
        folder = self.folder / f"model-{number}"
        folder.mkdir()
        config = model_of(draw.rng, 1)
        if draw.chance(0.3):
            name = draw.rng.choice(["tiny-gemma3", "tiny-smollm3", "tiny-mistral", "tiny-odd"])
            config = json.loads(pathlib.Path("recipes/models", name, "config.json").read_text())
        if draw.generates:
            config["vocab_size"] = 700
        elif draw.chance(0.04):
            config["vocab_size"] = 32003
        width = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
        draw.options = [*(["--lora-form", "unfolded"] if draw.lora and draw.chance(0.2) else []),
                        *(["--head-lanes", str(-(-width // 16) * 16)] if draw.chance(0.15) else [])]
        (folder / "config.json").write_text(json.dumps(config))
        if "offload_optimizer" in draw.fields:
            draw.options += ["--gradients", draw.gradients]
        draw.fields["base_model"] = f'"{folder}"'
        if not draw.generates:
            return "seeded:11"
        self.train(self.compile(f"weights-{number}", base_model=f'"{folder}"'), f"weights-{number}")
        shutil.copy("test/goldens/text/digits/tokenizer.json", self.folder / f"weights-{number}")
        return self.folder / f"weights-{number}"

    def left(self, out):
        """Losses, norms and answers of a run, and the file that it leaves."""
        lines = (self.folder / out / "metrics.jsonl").read_text().splitlines()
        numbers = [[line.get(field) for field in ("step", "loss", "grad_norm", "eval_loss")] for line in map(json.loads, lines)]
        summary = self.summary(out)
        file, = (self.folder / out).glob("*.safetensors")
        return numbers, [summary.get("answer_before"), summary.get("answer_after")], file

    def same(self, draw, one, several):
        losses, weights = TOLERANCE[draw.precision]
        self.assertEqual([line[0] for line in one[0]], [line[0] for line in several[0]])
        for a, b in zip(one[0], several[0]):
            for x, y in zip(a[1:], b[1:]):
                self.assertEqual(x is None, y is None)
                if x is not None:
                    self.assertLess(abs(x - y), (min(100 * losses, 0.3) if y == b[2] else losses) * abs(x), f"{a} {b}")
        if draw.precision == "FP64_TRUE":
            self.assertEqual(one[1], several[1])
        if draw.lion:
            return self.turned(draw, tensors(one[2]), tensors(several[2]))
        self.assertLess(worst(tensors(several[2]), tensors(one[2])), (weights, ""))

    def turned(self, draw, one, several):
        """Of elements that took another step few there are, and none is farther away than steps reach."""
        self.assertEqual(one.keys(), several.keys())
        reach = 2.5 * draw.fields["max_steps"] * draw.fields["learning_rate"]
        apart = [abs(a - b) for name in one for a, b in zip(one[name], several[name], strict=True)]
        far = 0.01 if draw.precision in ("BF16_MIXED", "BF16_TRUE") else 0 # a rounding of a weight beside it
        largest = max(abs(x) for name in one for x in one[name])
        self.assertLess(max(apart), reach + far * largest)
        self.assertLess(sum(x > draw.fields["learning_rate"] / 2 for x in apart) / len(apart), TURNED[draw.precision])

    def as_planned(self, plan, out, ranks):
        """The arenas are those of the table; another number of ranks is refused."""
        table = call(FTC, "explain", plan).out
        needs, outside = (int(re.search(pattern, table)[1]) for pattern in (r"needs +(\d+)", r"outside .*? (\d{5,})"))
        others = int(re.search(r"other ranks .*? (\d{4,})", table)[1]) if ranks > 1 else 0
        memory = self.summary(out)["memory"]
        self.assertEqual(memory["predicted_arenas_bytes"], ranks * (needs - outside - others))
        self.assertLess(memory["measured_arenas_bytes"], 1.02 * memory["predicted_arenas_bytes"] + ranks * 2**16)
        other = call(*self.command(plan, f"{out}-other", "--ranks", ranks + 1))
        self.refused(other, 1, f"--ranks {ranks + 1}: the plan is for {ranks}")
        self.assertFalse((self.folder / f"{out}-other").exists())

    def same_bits(self, name, one, other):
        self.assertEqual(one[:2], other[:2], name)
        self.assertEqual(one[2].read_bytes(), other[2].read_bytes(), name)

    def moved(self, draw, name, here, there, options, model):
        """Begun in one world and ended in another."""
        self.train(here, f"{name}-moved", *options, "--stop-after", 1, model=model)
        said = self.train(there, f"{name}-moved", *options[1:], "--resume", "auto", model=model).out
        if draw.ranks > 1:
            self.assertRegex(said, r"continues, not bit-identical: .*ranks is \d+ there and \d+ now")
        one, moved = self.left(f"{name}-one"), self.left(f"{name}-moved")
        self.same(draw, one, (moved[0], one[1], moved[2]))

    def one(self, number):
        draw = Draw(number)
        model = self.model(draw, number)
        normal = ("--overwrite", "--init-adapters", "normal") if draw.lora else ("--overwrite",)
        one = self.compile(f"one-{number}", *draw.options, micro_batch_size=draw.rows * draw.ranks, **draw.fields)
        split = dict(draw.fields, micro_batch_size=draw.rows, parallelism=draw.parallelism)
        plan = self.folder / f"several-{number}.bin"
        said = call(FTC, "compile", self.recipe(f"several-{number}", **split), *draw.options, "-o", plan)
        if said.code == 1 and any(part in said.err for part in REFUSED):
            return "refused"
        self.assertEqual(said.code, 0, said.text)
        name = f"run-{number}"
        self.train(one, f"{name}-one", *normal, model=model)
        self.train(plan, name, *normal, model=model)
        several = self.left(name)
        self.same(draw, self.left(f"{name}-one"), several)
        self.as_planned(plan, name, draw.ranks)
        if "offload_optimizer" in draw.fields and draw.compares_hosts:
            self.on_the_device(draw, number, split, normal, model, several)
        if draw.chance(0.5):
            # Which fills each rank's workspace around each product.
            poison = ["--poison"] if draw.ranks < 4 and not draw.evaluates else []
            self.train(plan, f"{name}-again", *normal, *poison, model=model)
            self.same_bits("again", self.left(f"{name}-again"), several)
        if draw.saves:
            self.train(plan, f"{name}-resumed", *normal, "--stop-after", 1, model=model)
            self.train(plan, f"{name}-resumed", *normal[1:], "--resume", "auto", model=model)
            resumed = self.left(f"{name}-resumed")
            self.same_bits("resumed", (resumed[0], several[1], resumed[2]), several)
            self.moved(draw, name, *draw.rng.sample([one, plan], 2), normal, model)
        if draw.precision != "FP64_TRUE" and draw.ranks <= 8:
            said = call(FTC, "compile", self.folder / f"several-{number}.textproto", "--gpu", "h200", "-o", plan)
            self.assertEqual(said.code, 0, said.text)
        return "ran"

    def on_the_device(self, draw, number, fields, normal, model, several):
        """Where an optimizer runs moves no bit."""
        options = draw.options[:draw.options.index("--gradients")]
        plan = self.compile(f"device-{number}", *options, **dict(fields, offload_optimizer=None))
        self.train(plan, f"device-{number}", *normal, model=model)
        self.same_bits("on the device", self.left(f"device-{number}"), several)

    def told(self, number):
        try:
            return self.one(number)
        except BaseException as error:
            draw = Draw(number)
            fields = [f"{name}: {value}" for name, value in draw.fields.items() if value is not None]
            print(f"\nrecipe {number} of seed {SEED}: {draw.rows} rows a rank, {draw.parallelism}", *fields, f"{type(error).__name__}: {str(error)[-600:]}", sep="\n", flush=True)
            raise

    def test_random_recipes(self):
        outcomes = []
        with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
            runs = {number: pool.submit(self.told, number) for number in range(FIRST, FIRST + RECIPES)}
            for number, run in runs.items():
                with self.subTest(number=number, seed=SEED):
                    outcomes.append(run.result())
        print(f"{outcomes.count('ran')} of {RECIPES} recipes ran, {outcomes.count('refused')} were refused by name")
        self.assertGreater(outcomes.count("ran"), RECIPES // 2)


if __name__ == "__main__":
    RECIPES, SEED, FIRST, JOBS = [*map(int, sys.argv[1:]), *(RECIPES, SEED, FIRST, JOBS)[len(sys.argv) - 1:]]
    unittest.main(argv=sys.argv[:1])
