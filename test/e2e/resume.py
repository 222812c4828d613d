#!/usr/bin/env python3
"""A run that is stopped and continued is the run that was never stopped: the same bits in weights, losses and metrics."""
import hashlib
import json
import re
import shutil
import signal
import struct
import subprocess
import time
import unittest

from harness import FTC, LORA, WorkshopTest, call, tensors
from launch import World

DROPOUT = '{ r: 3 lora_alpha: 8 lora_dropout: 0.2 target_modules: "all-linear" }'
# What may differ between two runs of the same steps.
TIMES = ("step_ms", "host_ms", "save_ms", "tokens_per_second", "padded_tokens_per_second", "target_tokens_per_second",
         "memory_bytes", "eval_seconds", "offload")
# Of 256 rows 30 are in a step: the first epoch ends inside step 9.
RUN = dict(save_steps=3, max_steps=10, micro_batch_size=15, gradient_accumulation_steps=2, lr_scheduler_type="COSINE",
           warmup_steps=2)
SPLIT = {
    "full, ZERO1, SGD with momentum": dict(parallelism="{ strategy: ZERO1 dp_shard_size: 2 }", optim="SGD",
                                           sgd_momentum=0.9),
    "full, ZERO1, bf16": dict(parallelism="{ strategy: ZERO1 dp_shard_size: 2 }", precision="BF16_TRUE"),
    "full, ZERO2, mixed": dict(parallelism="{ strategy: ZERO2 dp_shard_size: 2 }", precision="BF16_MIXED"),
    "full, FSDP, tied": dict(parallelism="{ strategy: FSDP dp_shard_size: 3 }", base_model='"tiny-tied"'),
    "full, FSDP, mixed": dict(parallelism="{ strategy: FSDP dp_shard_size: 2 }", precision="BF16_MIXED"),
    "full, FSDP, halves": dict(parallelism="{ strategy: FSDP dp_shard_size: 2 }", precision="BF16_MIXED",
                               master_dtype="BF16_REMAINDER", optimizer_state_dtype="BF16"),
    "full, FSDP, 8-bit moments": dict(parallelism="{ strategy: FSDP dp_shard_size: 3 }", precision="BF16_MIXED",
                                      base_model='"tiny-blocks"', optimizer_state_dtype="INT8"),
    "full, FSDP, Lion, halves, 8-bit moments": dict(parallelism="{ strategy: FSDP dp_shard_size: 2 }", precision="BF16_MIXED",
                                                    base_model='"tiny-blocks"', master_dtype="BF16_REMAINDER",
                                                    optimizer_state_dtype="INT8", optim="LION"),
    "LoRA, FSDP, base in shares": dict(parallelism="{ strategy: FSDP dp_shard_size: 2 shard_frozen: TRUE }", lora=DROPOUT),
    "full, HSDP": dict(parallelism="{ strategy: HSDP dp_shard_size: 2 dp_replicate_size: 2 }", micro_batch_size=7),
}
FORMS = {
    "LoRA with dropout": dict(lora=DROPOUT),
    "full": dict(),
    "full, mixed": dict(precision="BF16_MIXED"),
    "full, bf16": dict(precision="BF16_TRUE", optimizer_state_dtype="BF16"),
    "full, f16": dict(precision="FP16_MIXED"),
    "full, 8-bit moments": dict(base_model='"tiny-blocks"', precision="BF16_TRUE", optimizer_state_dtype="INT8"),
    "full, halves": dict(precision="BF16_MIXED", master_dtype="BF16_REMAINDER"),
    "full, SGD with momentum": dict(optim="SGD", sgd_momentum=0.9),
    "full, SGD": dict(optim="SGD"),
    "full, Lion": dict(optim="LION"),
    "full, Lion, bf16": dict(precision="BF16_TRUE", optimizer_state_dtype="BF16", optim="LION"),
    "full, tied": dict(base_model='"tiny-tied"'),
    "LoRA, bf16": dict(lora=LORA, precision="BF16_TRUE"),
    "LoRA, two ranks": dict(lora=DROPOUT, parallelism="{ dp_replicate_size: 2 }"),
    **SPLIT,
}


class ResumeTest(WorkshopTest):
    def metrics(self, out):
        lines = (self.folder / out / "metrics.jsonl").read_text().splitlines()
        return [{k: v for k, v in json.loads(line).items() if k not in TIMES} for line in lines]

    def result(self, out):
        files = [path for path in (self.folder / out).iterdir() if path.suffix == ".safetensors"]
        self.assertEqual(len(files), 1)
        return files[0].read_bytes()

    def assertSameRun(self, out, whole):
        self.assertEqual(self.metrics(out), self.metrics(whole))
        self.assertEqual(self.result(out), self.result(whole))
        summaries = [self.summary(name) for name in (out, whole)]
        for field in ("steps", "train_loss", "eval_before", "eval_after", "interrupted"):
            self.assertEqual(summaries[0][field], summaries[1][field], field)

    def forget(self, *outs):
        for out in outs:
            shutil.rmtree(self.folder / out, ignore_errors=True)

    def checkpoints(self, out):
        return sorted((path.name for path in (self.folder / out).iterdir() if path.name.startswith("checkpoint-")),
                      key=lambda name: int(name.split("-")[1]) if name.split("-")[1].isdigit() else -1)


class BitForBit(ResumeTest):
    def test_every_form_continues_bit_for_bit(self):
        for name, fields in FORMS.items():
            with self.subTest(name):
                self.forget("whole", "parts")
                plan = self.compile("plan", **{**RUN, **fields})
                self.train(plan, "whole")
                self.train(plan, "parts", "--stop-after", "4")
                said = self.train(plan, "parts", "--resume", "auto")
                self.assertIn("checkpoint-4 behind step 4 of 10: continues bit for bit", said.out)
                self.assertSameRun("parts", "whole")
                self.assertEqual(self.checkpoints("parts"), [f"checkpoint-{n}" for n in (3, 4, 6, 9, 10)])
                self.assertEqual(self.bytes("parts", "latest-checkpoint"), b"checkpoint-10\n")

    def test_shares_are_saved_as_the_whole(self):
        """Whatever ranks held, a checkpoint has the tensors of one rank's, and another world continues from it."""
        for name, form in SPLIT.items():
            with self.subTest(name):
                self.forget("out", "one")
                alone = self.compile("alone", **{**RUN, **form, "parallelism": None})
                self.train(alone, "one", "--stop-after", "2")
                self.train(self.compile("plan", **{**RUN, **form}), "out", "--stop-after", "2")
                for file in ("optimizer", "adapter_model" if "lora" in form else "model"):
                    sizes = [{key: len(numbers) for key, numbers in
                              tensors(self.folder / out / "checkpoint-2" / f"{file}.safetensors").items()}
                             for out in ("out", "one")]
                    self.assertEqual(*sizes)
                self.assertRegex(self.train(alone, "out", "--resume", "auto").out,
                                 r"continues, not bit-identical: .*ranks is [234] there and 1 now")
        three = self.compile("three", **{**RUN, **SPLIT["full, FSDP, tied"]})
        two = self.compile("two", **{**RUN, **SPLIT["full, FSDP, tied"], "parallelism": "{ dp_replicate_size: 2 }"})
        self.train(two, "between", "--stop-after", "2")
        self.assertIn("ranks is 2 there and 3 now", self.train(three, "between", "--resume", "auto").out)

    def test_several_breaks_and_other_places(self):
        plan = self.compile(lora=DROPOUT, **RUN)
        self.train(plan, "whole")
        for steps in (1, 2, 5, 7, 9):
            self.train(plan, "parts", "--resume", "auto", "--stop-after", str(steps))
        self.train(plan, "parts", "--resume", "auto")
        self.assertSameRun("parts", "whole")
        # From a checkpoint in the middle, into another folder.
        self.train(plan, "other", "--resume", self.folder / "whole" / "checkpoint-6")
        self.assertEqual(self.result("other"), self.result("whole"))
        self.assertEqual([line["step"] for line in self.metrics("other")], [7, 8, 9, 10])

    def test_a_checkpoint_is_what_peft_and_hugging_face_name(self):
        plan = self.compile(lora=LORA, **RUN)
        self.train(plan, "out", "--stop-after", "3")
        folder = self.folder / "out" / "checkpoint-3"
        weights, moments = (tensors(folder / f"{name}.safetensors") for name in ("adapter_model", "optimizer"))
        self.assertEqual({f"{key}.{kind}" for key in weights for kind in ("exp_avg", "exp_avg_sq")}, set(moments))
        self.assertEqual((folder / "adapter_config.json").read_bytes(), self.bytes("out", "adapter_config.json"))
        self.assertEqual((folder / "adapter_model.safetensors").read_bytes(), self.result("out"))
        # PEFT's folder is a start for another run.
        self.train(plan, "next", "--adapter", folder, "--stop-after", "1")


class Said(ResumeTest):
    """What --resume refuses, and what it names and continues."""

    def setUp(self):
        super().setUp()
        self.plan = self.compile(lora=LORA, **RUN)

    def test_auto_says_when_it_starts_anew(self):
        said = self.train(self.plan, "out", "--resume", "auto", "--stop-after", "3")
        self.assertIn("note: --resume auto: ", said.out)
        self.assertIn("holds no checkpoint; starts at step 1", said.out)

    def test_a_checkpoint_behind_the_last_step_is_the_result(self):
        self.train(self.plan, "out", "--stop-after", "3")
        for option in ("--max-steps", "--stop-after"):
            said = self.train(self.plan, "early", "--overwrite", "--resume", self.folder / "out" / "checkpoint-3", option, "2")
            self.assertIn("note: the checkpoint is behind step 2, the last that this run was asked for", said.out)
            self.assertEqual(self.result("early"), self.bytes("out", "checkpoint-3", "adapter_model.safetensors"))
        said = self.train(self.plan, "out", "--resume", "auto", "--stop-after", "3")
        self.assertNotIn("note: the checkpoint", said.out)

    def test_a_finished_run_is_left_as_it_is(self):
        self.train(self.plan, "out")
        before = self.bytes("out", "summary.json")
        said = self.train(self.plan, "out", "--resume", "auto").out
        self.assertIn("nothing is left to do", said)
        self.assertNotIn("made otherwise", said)
        self.assertEqual(self.bytes("out", "summary.json"), before)
        self.assertIn("made otherwise: learning_rate is 0.001 there and 0.5 now; to run it with what is asked for now, name",
                      self.train(self.plan, "out", "--resume", "auto", "--set", "learning_rate=0.5").out)
        self.assertEqual(self.bytes("out", "summary.json"), before)
        # A process that died behind its last checkpoint had yet to write what the run leaves.
        (self.folder / "out" / "summary.json").unlink()
        (self.folder / "out" / "adapter_model.safetensors").unlink()
        self.train(self.plan, "out", "--resume", "auto")
        self.train(self.plan, "whole")
        self.assertSameRun("out", "whole")

    def test_checkpoints_are_not_overwritten_unasked(self):
        self.train(self.plan, "out", "--stop-after", "4")
        (self.folder / "out" / "summary.json").unlink()
        self.refused(call(*self.command(self.plan, "out")), 1, "unfinished run with checkpoint-4", "--resume auto",
                     "--overwrite")
        self.assertEqual(self.checkpoints("out"), ["checkpoint-3", "checkpoint-4"])
        self.train(self.plan, "out", "--overwrite", "--stop-after", "1")
        self.assertEqual(self.checkpoints("out"), ["checkpoint-1"])

    def test_refuses_another_model_and_another_adapter(self):
        self.train(self.plan, "out", "--stop-after", "4")
        before = sorted(path.name for path in (self.folder / "out").iterdir())
        for plan, model, parts in (
                (self.plan, "seeded:12", ["made with another model"]),
                (self.compile("eight", **RUN, lora=LORA.replace("r: 4", "r: 8")), "seeded:11",
                 ["made with another adapter", "r 4", "r 8"]),
                (self.compile("alpha", **RUN, lora=LORA.replace("lora_alpha: 8", "lora_alpha: 16")), "seeded:11",
                 ["made with another adapter", "lora_alpha 16"]),
                (self.compile("full", **RUN), "seeded:11", ["made with another adapter", "none now"]),
                (self.compile("sgd", **RUN, lora=LORA, optim="SGD"), "seeded:11",
                 ["made with another optim", "optim is ADAMW there and SGD now"])):
            with self.subTest(str(parts)):
                self.refused(call(*self.command(plan, "out", "--resume", "auto", model=model)), 1, *parts)
        self.assertEqual(sorted(path.name for path in (self.folder / "out").iterdir()), before)

    def test_names_what_else_differs_and_continues(self):
        self.train(self.plan, "out", "--stop-after", "4")
        checkpoint = self.folder / "out" / "checkpoint-4"
        wider = self.compile("wider", lora=LORA, **{**RUN, "micro_batch_size": 20})
        mixed = self.compile("mixed", lora=LORA, precision="BF16_MIXED", **RUN)
        ranks = self.compile("ranks", lora=LORA, parallelism="{ dp_replicate_size: 2 }", **RUN)
        for number, (plan, options, parts) in enumerate([
                (self.plan, ["--set", "learning_rate=0.002"], ["learning_rate is 0.001 there and 0.002 now"]),
                (self.plan, ["--set", "seed=7"], ["seed is 42 there and 7 now"]),
                (self.plan, ["--data", "synthetic:9"], ["data is "]),
                (self.plan, ["--max-steps", "12"], ["steps is 10 there and 12 now"]),
                (wider, [], ["micro_batch_size is 15 there and 20 now", "rows_per_step is 30 there and 40 now"]),
                (mixed, [], ["precision is FP32_TRUE there and BF16_MIXED now"]),
                (self.plan, ["--set", "val_set_size=0.5"], ["eval_data is none there and "]),
                (ranks, [], ["ranks is 1 there and 2 now"])]):
            with self.subTest(str(parts)):
                said = self.train(plan, f"out{number}", "--resume", checkpoint, *options)
                self.assertIn("continues, not bit-identical: ", said.out)
                for part in parts:
                    self.assertIn(part, said.out)
                self.assertGreaterEqual(self.summary(f"out{number}")["steps"], 10)
        said = self.train(self.plan, "threads", "--resume", checkpoint, threads=2)
        self.assertIn("continues, not bit-identical: ", said.out)
        self.assertIn("threads is 1 there and 2 now", said.out)

    def test_names_another_machine_or_library(self):
        """A checkpoint that says that it was made elsewhere: what cannot be had here is named, and the run goes on."""
        self.train(self.plan, "out", "--stop-after", "4")
        folder = self.folder / "out" / "checkpoint-4"
        state = json.loads((folder / "state.json").read_text())
        for key, value in (("processor", "PDP-11, 1 thread (x86-64-v3)"), ("libraries", "oneDNN 9.9.9"), ("ftrun", "9.9"),
                           ("threads", "64"), ("target", "h200"), ("products", ["oneDNN of next year"] + state["products"][1:]),
                           ("products", state["products"][1:])):
            with self.subTest(f"{key} {value!r:.30}"):
                other = json.loads(json.dumps(state))
                part = f"{key} is {value} there and "
                if key != "products":
                    other["facts"][key] = value
                else:
                    other[key] = value
                    part = ('"oneDNN of next year" there and ' if len(value) == len(state["products"])
                            else f"{len(value)} products were prepared there and {len(value) + 1} now")
                text = json.dumps(other)
                (folder / "state.json").write_text(text)
                (folder / "complete").write_text(hashlib.sha256(text.encode()).hexdigest() + "\n")
                said = self.train(self.plan, "moved", "--overwrite", "--resume", folder)
                self.assertIn("continues, not bit-identical: ", said.out)
                self.assertIn(part, said.out)

    def test_refuses_options_that_contradict(self):
        self.train(self.plan, "out", "--stop-after", "4")
        for options, parts in (
                (["--resume", "auto", "--overwrite"], ["--resume auto continues what --overwrite would remove"]),
                (["--resume", "auto", "--adapter", self.folder / "out"], ["both say what to start from"]),
                (["--resume", self.folder / "absent"], ["absent: no such folder"]),
                (["--resume", self.folder], ["holds no complete checkpoint"]),
                (["--resume", self.folder / "out" / "checkpoint-3"], ["checkpoint-4, which is newer"]),
                (["--resume", self.folder / "out" / "checkpoint-4", "--overwrite"], ["holds what --resume reads"])):
            with self.subTest(str(options)):
                self.refused(call(*self.command(self.plan, "out", *options)), 1, *parts)
        self.assertEqual(self.checkpoints("out"), ["checkpoint-3", "checkpoint-4"])

    def test_a_plan_without_memory_for_checkpoints_says_so(self):
        plan = self.compile("bare", lora=LORA)
        for options in (["--set", "save_steps=2"], ["--set", "save_on_signal=true"], ["--verify-steps", "2"]):
            self.refused(call(*self.command(plan, "bare", *options)), 1, "compile the recipe with save_steps")
        self.train(plan, "bare")
        self.assertEqual(self.checkpoints("bare"), [])

    def test_check_and_explain_count_the_memory(self):
        text = call(FTC, "check", self.folder / "plan.textproto").out
        self.assertRegex(text, r"checkpoint +what is being saved +\d+")
        self.assertIn("pinned host memory for checkpoints: ",
                      call(FTC, "check", self.folder / "plan.textproto", "--gpu", "h200").out)


class Best(ResumeTest):
    """load_best_model_at_end of a run in several folders is that of one."""
    FORM = dict(lora=LORA, max_steps=10, save_steps=2, eval_steps=2, save_total_limit=2, load_best_model_at_end="true", learning_rate=0.5,
                data='{ train: "synthetic:7" eval: "synthetic:8" }')

    def test_the_best_step_may_lie_in_another_folder(self):
        for parallelism in (None, "{ dp_replicate_size: 2 }"):
            with self.subTest(parallelism):
                self.forget("whole", "out", "next", "last")
                plan = self.compile(**self.FORM, parallelism=parallelism)
                self.train(plan, "whole")
                self.assertEqual(self.summary("whole")["best_step"], 2, "of the numbers that this test stands on")
                self.train(plan, "out", "--stop-after", "6")
                self.train(plan, "next", "--resume", self.folder / "out" / "checkpoint-6", "--stop-after", "8")
                self.train(plan, "next", "--resume", "auto", "--stop-after", "9")
                said = self.train(plan, "last", "--resume", f"{self.folder / 'next' / 'checkpoint-9'}/")
                self.assertIn(f"from {self.folder / 'out' / 'checkpoint-2'}", said.out)
                self.assertEqual(self.result("last"), self.result("whole"))
                self.assertEqual(self.summary("last")["best_step"], 2)
                # The same where the best is what is resumed, under a name of its user's; and where it is not there any more.
                kept = self.folder / "kept"
                (self.folder / "out" / "checkpoint-2").rename(kept)
                self.assertIn(f"from {kept}", self.train(plan, "last", "--overwrite", "--resume", kept).out)
                self.assertEqual(self.result("last"), self.result("whole"))
                self.forget("kept")
                self.assertIn("note: the best step was 2, and its checkpoint is lost: ",
                              self.train(plan, "next", "--resume", "auto").out)

    def test_other_held_out_data_begin_anew(self):
        plan = self.compile(**self.FORM)
        self.train(plan, "out", "--stop-after", "6")
        other = self.compile("other", **{**self.FORM, "data": '{ train: "synthetic:7" eval: "synthetic:9" }'})
        self.assertIn("note: step 2 was the best so far, on other held-out data", self.train(other, "out", "--resume", "auto").out)
        self.assertNotEqual(self.summary("out").get("best_step"), 2)


class Base(ResumeTest):
    """Adapters continue over the weights that they were trained over."""

    def change(self, name, bit):
        """One bit in the middle of a tensor of the folder `base`; again: as it was."""
        file = self.folder / "base" / "model.safetensors"
        data = bytearray(file.read_bytes())
        size = struct.unpack_from("<Q", data)[0]
        begin, end = json.loads(data[8 : 8 + size])[name]["data_offsets"]
        data[8 + size + (begin + end) // 8 * 4] ^= bit
        file.write_bytes(data)

    def test_a_bit_of_the_base_that_changed_is_seen(self):
        base = self.folder / "base"
        self.train(self.compile("maker"), "base", "--stop-after", "1")
        plans = [self.compile("one", lora=LORA, **RUN),
                 self.compile("quantised", lora=LORA, **RUN, quantization="{ type: NF4 }"),
                 self.compile("ranks", lora=LORA, **RUN, parallelism="{ strategy: FSDP dp_shard_size: 2 shard_frozen: TRUE }")]
        sums = set()
        for plan in plans:
            with self.subTest(plan.stem):
                self.forget("whole", "parts")
                self.train(plan, "whole", model=base)
                self.train(plan, "parts", "--stop-after", "4", model=base)
                before = sorted(path.name for path in (self.folder / "parts").iterdir())
                self.change("model.layers.1.mlp.up_proj.weight", 1)
                for out, resume in (("parts", "auto"), ("other", self.folder / "parts" / "checkpoint-3")):
                    self.refused(call(*self.command(plan, out, "--resume", resume, model=base)), 1,
                                 "base are not those that it was trained on: XXH3 over them is ", " there and ",
                                 "start anew with another --out")
                self.assertEqual(sorted(path.name for path in (self.folder / "parts").iterdir()), before)
                self.assertFalse((self.folder / "other").exists())
                self.change("model.layers.1.mlp.up_proj.weight", 1)
                said = self.train(plan, "parts", "--resume", "auto", model=base)
                self.assertIn("checkpoint-4 behind step 4 of 10: continues bit for bit", said.out)
                self.assertNotIn("both ends of each tensor", said.out)
                self.assertSameRun("parts", "whole")
                sums |= {self.summary(out)["base_weights_xxh3"] for out in ("whole", "parts")}
        self.assertEqual(len(sums), 1, "the same whatever ranks load, and in whatever form")

    def test_each_process_compares_what_it_sees(self):
        base = self.folder / "base"
        self.train(self.compile("maker"), "base", "--stop-after", "1")
        plan = self.compile("two", lora=LORA, **RUN, parallelism="{ dp_replicate_size: 2 }")

        def run(out, codes, *options):
            with World(self.folder, plan, ranks=2, out=out, options=options, model=base) as world:
                self.assertEqual(set(world.wait(240).values()) - {3}, codes, world.messages())
                return world[0].out.read_text() + world.messages()
        run("whole", {0})
        run("parts", {0}, "--stop-after", "4")
        self.change("model.layers.0.mlp.down_proj.weight", 128)
        self.assertIn("base are not those that it was trained on: XXH3 over them is ", run("parts", {1}, "--resume", "auto"))
        self.change("model.layers.0.mlp.down_proj.weight", 128)
        self.assertIn("continues bit for bit", run("parts", {0}, "--resume", "auto"))
        self.assertSameRun("parts", "whole")
        self.assertEqual(*(self.summary(out)["base_weights_xxh3"] for out in ("whole", "parts")))

    def test_a_base_that_nothing_is_read_from_may_change(self):
        """All weights of a full run are in its checkpoints."""
        base = self.folder / "base"
        self.train(self.compile("maker"), "base", "--stop-after", "1")
        plan = self.compile("full", **RUN)
        self.train(plan, "whole", model=base)
        self.train(plan, "parts", "--stop-after", "4", model=base)
        self.change("model.layers.1.mlp.up_proj.weight", 1)
        self.assertIn("continues bit for bit", self.train(plan, "parts", "--resume", "auto", model=base).out)
        self.assertSameRun("parts", "whole")
        self.assertNotIn("base_weights_xxh3", self.summary("whole"))

    def test_a_checkpoint_that_does_not_say_is_compared_as_far_as_it_does(self):
        base = self.folder / "base"
        self.train(self.compile("maker"), "base", "--stop-after", "1")
        plan = self.compile(lora=LORA, **RUN)
        self.train(plan, "out", "--stop-after", "4", model=base)
        folder = self.folder / "out" / "checkpoint-4"
        state = json.loads((folder / "state.json").read_text())
        del state["facts"]["base_weights"]
        text = json.dumps(state)
        (folder / "state.json").write_text(text)
        (folder / "complete").write_text(hashlib.sha256(text.encode()).hexdigest() + "\n")
        self.assertIn("note: the checkpoint does not say which weights its base had",
                      self.train(plan, "out", "--resume", "auto", model=base).out)


class Damage(ResumeTest):
    def test_a_damaged_checkpoint_is_left_aside_for_the_one_before(self):
        plan = self.compile(lora=LORA, **RUN)
        self.train(plan, "whole")
        self.train(plan, "out", "--stop-after", "7")
        file = self.folder / "out" / "checkpoint-7" / "optimizer.safetensors"
        data = bytearray(file.read_bytes())
        data[-1] ^= 1
        file.write_bytes(data)
        said = self.train(plan, "out", "--resume", "auto")
        self.assertIn("checkpoint-7: is damaged and left aside", said.out)
        self.assertIn("checkpoint-6 behind step 6 of 10: continues bit for bit", said.out)
        self.assertSameRun("out", "whole")
        self.assertTrue((self.folder / "out" / "checkpoint-7.damaged").is_dir())

    def test_what_says_whether_a_checkpoint_is_whole_may_be_damaged_itself(self):
        """A checkpoint that was complete once is not taken for one that never was."""
        plan = self.compile(lora=LORA, **RUN)
        self.train(plan, "whole")
        out = self.folder / "out"
        for name in ("state.json", "complete"):
            for what in ("changed", "cut", "absent", "unreadable"):
                if (name, what) == ("complete", "absent"):
                    continue # such a one was never complete
                with self.subTest(f"{name} {what}"):
                    self.forget("out")
                    self.train(plan, "out", "--stop-after", "7")
                    file = out / "checkpoint-7" / name
                    data = file.read_bytes()
                    file.unlink()
                    if what == "unreadable":
                        file.symlink_to(name)
                    elif what != "absent":
                        file.write_bytes(data[:9] + b"x" + data[10:] if what == "changed" else b"")
                    self.refused(call(*self.command(plan, "other", "--resume", out / "checkpoint-7")), 1, name)
                    said = self.train(plan, "out", "--resume", "auto")
                    self.assertIn("checkpoint-7: is damaged and left aside", said.out)
                    self.assertIn("checkpoint-6 behind step 6 of 10: continues bit for bit", said.out)
                    self.assertSameRun("out", "whole")
                    self.assertEqual(sorted(path.name for path in (out / "checkpoint-7.damaged").iterdir()),
                                     sorted(path.name for path in (self.folder / "whole" / "checkpoint-3").iterdir()
                                            if (path.name, what) != (name, "absent")))
        self.forget("out")
        self.train(plan, "out", "--stop-after", "4")
        (out / "summary.json").unlink()
        for folder in out.glob("checkpoint-*"):
            (folder / "complete").write_text("x\n")
        self.refused(call(*self.command(plan, "out", "--resume", "auto")), 1, "none of its 2 checkpoints can be read")
        self.refused(call(*self.command(plan, "out")), 1, "unfinished run with checkpoint-4")
        self.assertEqual(self.checkpoints("out"), ["checkpoint-3", "checkpoint-4"])

    def test_where_none_can_be_read_auto_does_not_start_anew(self):
        plan = self.compile(lora=LORA, **RUN)
        self.train(plan, "out", "--stop-after", "3")
        file = self.folder / "out" / "checkpoint-3" / "optimizer.safetensors"
        file.write_bytes(file.read_bytes()[:-1])
        self.refused(call(*self.command(plan, "out", "--resume", "auto")), 1, "none of its 1 checkpoints can be read",
                     "optimizer.safetensors: has")

    def test_what_was_never_complete_goes(self):
        plan = self.compile(lora=LORA, **RUN)
        self.train(plan, "out", "--stop-after", "3")
        out = self.folder / "out"
        shutil.copytree(out / "checkpoint-3", out / "checkpoint-6")
        (out / "checkpoint-6" / "complete").unlink()
        shutil.copytree(out / "checkpoint-3", out / "checkpoint-9.tmp.77.0")
        said = self.train(plan, "out", "--resume", "auto", "--stop-after", "4")
        self.assertIn("checkpoint-3 behind step 3", said.out)
        self.assertEqual(self.checkpoints("out"), ["checkpoint-3", "checkpoint-4"])

    def test_a_full_disk_costs_checkpoints_and_not_the_run(self):
        plan = self.compile(lora=LORA, **RUN)
        self.train(plan, "whole")
        largest = (self.folder / "whole" / "adapter_model.safetensors").stat().st_size + 1000

        def limit():
            import resource
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest)) # moments take twice as much

        command = [str(word) for word in self.command(plan, "out")]
        child = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=limit)
        self.assertEqual(child.returncode, 0, child.stderr)
        self.assertIn("the checkpoint of step 3 could not be written: ", child.stdout)
        self.assertIn("optimizer.safetensors: cannot write", child.stdout)
        self.assertIn("training goes on", child.stdout)
        self.assertEqual(self.checkpoints("out"), [])
        self.assertEqual(self.result("out"), self.result("whole"))
        self.assertEqual(self.summary("out")["checkpoints_lost"], 4)


class PowerCuts(ResumeTest):
    """Four ranks, each with a quarter of everything, whose machine loses its power around a checkpoint: ahead of an
    evaluation that is due, in the middle of an epoch. What nobody synced is gone, or half there."""
    # Of 256 rows 24 are in a step: the first epoch ends inside step 11.
    FORM = dict(parallelism="{ strategy: FSDP dp_shard_size: 4 shard_frozen: TRUE }", lora=DROPOUT, save_steps=4, eval_steps=4,
                max_steps=14, micro_batch_size=3, gradient_accumulation_steps=2,
                data='{ train: "synthetic:7" eval: "synthetic:8" }')
    CUTS = {
        "while it is written aside": (True, lambda out, last: ((last / "complete").unlink(), (last / "state.json").write_bytes(b""),
                                                            last.rename(f"{last}.tmp.99.0"))),
        "in its renaming": (True, lambda out, last: ((last / "complete").unlink(), (last / "optimizer.safetensors").unlink())),
        "ahead of its marker": (True, lambda out, last: (last / "complete").unlink()),
        "ahead of the pointer": (False, lambda out, last: (out / "latest-checkpoint").write_text("checkpoint-4\n")),
        "behind it": (False, lambda out, last: None),
    }
    LOGS = {"kept": lambda data: data, "gone": lambda data: None, "torn": lambda data: data[:len(data) // 2],
            "zeros": lambda data: bytes(len(data))}

    def test_a_cut_at_each_place_of_a_checkpoint(self):
        plan = self.compile(**self.FORM)
        self.train(plan, "whole", threads=4)
        out = self.folder / "out"
        for number, (where, (is_lost, cut)) in enumerate(self.CUTS.items()):
            step = (8, 12)[number % 2] # an evaluation is due behind both; in the first epoch, and in the second
            with self.subTest(where):
                for log, change in list(self.LOGS.items())[:None if where == "behind it" else 1]:
                    self.forget("out")
                    self.train(plan, "out", "--stop-after", str(step), threads=4)
                    for file in ("summary.json", "adapter_model.safetensors", "adapter_config.json"):
                        (out / file).unlink() # of a process that dies there is none
                    cut(out, out / f"checkpoint-{step}")
                    lines = change(self.bytes("out", "metrics.jsonl"))
                    (out / "metrics.jsonl").unlink()
                    if lines is not None:
                        (out / "metrics.jsonl").write_bytes(lines)
                    said = self.train(plan, "out", "--resume", "auto", threads=4)
                    begins = step - 4 if is_lost else step
                    self.assertIn(f"checkpoint-{begins} behind step {begins} of 14: continues bit for bit", said.out)
                    self.assertEqual(self.result("out"), self.result("whole"), log)
                    for file in ("adapter_model", "optimizer"):
                        self.assertEqual(*(self.bytes(name, "checkpoint-14", f"{file}.safetensors") for name in ("out", "whole")))
                    rest = [[line for line in self.metrics(name) if line["step"] > begins or (line["step"] == begins and "eval_loss" in line)]
                            for name in ("out", "whole")]
                    self.assertEqual(*rest)
                    if log == "kept":
                        self.assertSameRun("out", "whole")


class Policy(ResumeTest):
    HELD = dict(data='{ train: "synthetic:7" eval: "synthetic:8" }')

    def test_a_limit_keeps_the_newest(self):
        plan = self.compile(lora=LORA, save_total_limit=2, **RUN)
        self.train(plan, "out")
        self.assertEqual(self.checkpoints("out"), ["checkpoint-9", "checkpoint-10"])

    def test_ends_with_the_best_model(self):
        self.ends_with_the_best_model("adapter_model.safetensors", lora=LORA)

    def test_ends_with_the_best_model_of_shares(self):
        self.ends_with_the_best_model("adapter_model.safetensors", **SPLIT["LoRA, FSDP, base in shares"])

    def ends_with_the_best_model(self, file, **form):
        # Tokens drawn at random teach nothing of others: at a high rate the held-out loss rises.
        fields = dict(save_steps=2, eval_steps=1, max_steps=12, lr_scheduler_type="CONSTANT", warmup_steps=0)
        plan = self.compile(**{**RUN, **self.HELD, **fields, **form}, save_total_limit=1,
                            load_best_model_at_end="true", learning_rate=0.1)
        said = self.train(plan, "out")
        losses = {line["step"]: line["eval_loss"] for line in self.metrics("out") if "eval_loss" in line}
        saved = {step: loss for step, loss in losses.items() if step % 2 == 0 and step > 0}
        best = min(saved, key=saved.get)
        self.assertLess(best, 12, "the last is the best: the test shows nothing")
        self.assertIn(f"takes the weights of step {best}", said.out)
        self.assertEqual(self.summary("out")["best_step"], best)
        self.assertEqual(self.summary("out")["eval_after"]["eval_loss"], saved[best])
        self.assertEqual(self.checkpoints("out"), [f"checkpoint-{best}", "checkpoint-12"])
        self.assertEqual(self.result("out"),
                         (self.folder / "out" / f"checkpoint-{best}" / file).read_bytes())

    def test_an_interrupt_leaves_the_step_it_finished(self):
        plan = self.compile(lora=LORA, **{**RUN, **self.HELD, "save_steps": 1000000, "eval_steps": 5})
        out = self.folder / "out"
        with subprocess.Popen([str(word) for word in self.command(plan, "out", "--max-steps", "1000000")],
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as child:
            while not ((out / "metrics.jsonl").exists() and (out / "metrics.jsonl").stat().st_size > 3000):
                time.sleep(0.01)
            child.send_signal(signal.SIGTERM)
            _, message = child.communicate(timeout=60)
        self.assertEqual(child.returncode, 4, message)
        steps = self.summary("out")["steps"]
        self.assertIn(f"--resume auto continues from checkpoint-{steps}", message)
        self.assertEqual(self.checkpoints("out"), [f"checkpoint-{steps}"])
        for name, resume in (("out", "auto"), ("whole", "none")):
            self.train(plan, name, "--resume", resume, "--max-steps", "1000000", "--stop-after", str(steps + 5))
        self.assertSameRun("out", "whole")

    def test_an_interrupted_evaluation_is_made_again(self):
        plan = self.compile(lora=LORA, save_steps=100, max_steps=100, eval_steps=3,
                            data='{ train: "synthetic:7" eval: "synthetic:8" }')
        self.train(plan, "whole", "--stop-after", "8")
        # Behind step 6 an evaluation is due: --stop-after ends before it, as an interrupt in the middle of it does.
        self.train(plan, "out", "--stop-after", "6")
        self.train(plan, "out", "--resume", "auto", "--stop-after", "8")
        self.assertSameRun("out", "whole")

    def test_the_step_line_says_what_saving_took(self):
        said = self.train(self.compile(lora=LORA, **RUN))
        self.assertEqual(len(re.findall(r"saving [0-9.]+ ms", said.out)), 4)
        lines = (self.folder / "out" / "metrics.jsonl").read_text().splitlines()
        self.assertEqual([line["step"] for line in map(json.loads, lines) if "save_ms" in line], [3, 6, 9, 10])


class VerifySteps(ResumeTest):
    def test_a_step_run_twice_changes_nothing(self):
        for name in ("LoRA with dropout", "full, mixed", "LoRA, two ranks", "full, FSDP, mixed", "full, ZERO1, bf16"):
            with self.subTest(name):
                self.forget("whole", "twice")
                plan = self.compile("plan", **{**RUN, **FORMS[name], "eval_steps": 4}, data=Policy.HELD["data"])
                self.train(plan, "whole")
                self.train(plan, "twice", "--verify-steps", "2")
                self.assertSameRun("twice", "whole")
                self.train(plan, "twice", "--overwrite", "--verify-steps", "1", "--stop-after", "5")
                self.train(plan, "twice", "--resume", "auto", "--verify-steps", "3")
                self.assertSameRun("twice", "whole")


if __name__ == "__main__":
    unittest.main(verbosity=2)
