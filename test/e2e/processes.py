#!/usr/bin/env python3
"""Ranks in several processes: the same bits as threads of one process, and what is said when the start goes wrong."""
import os
import pathlib
import shutil
import signal
import socket
import time
import unittest

from harness import FTRUN, LORA, WorkshopTest, call
from launch import HERE, World, free_port, mpich, open_mpi, slurm, torchrun

FAKE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(FTRUN))), "runtime/Device/Cuda/fake")
FORMS = {
    "full": dict(),
    "LoRA, evaluated, three micro-batches": dict(
        lora=LORA, gradient_accumulation_steps=3, eval_steps=2, precision="BF16_MIXED",
        data='{ train: "synthetic:7" eval: "synthetic:8" }'),
    "full, FSDP": dict(strategy="FSDP"),
    "full, ZERO1, tied": dict(strategy="ZERO1", base_model='"tiny-tied"'),
    "LoRA, FSDP": dict(strategy="FSDP", frozen="TRUE", lora=LORA),
}


def over(ranks, strategy=None, frozen=None):
    if not strategy:
        return f"{{ dp_replicate_size: {ranks} }}"
    return f"{{ strategy: {strategy} dp_shard_size: {ranks} {f'shard_frozen: {frozen}' if frozen else ''} }}"


class ProcessTest(WorkshopTest):
    def world(self, plan, ranks=4, **named):
        world = World(self.folder, plan, ranks, **named)
        self.addCleanup(world.__exit__)
        return world

    def expect(self, world, codes, *parts, timeout=60, but=()):
        """The exit codes by rank, or of all; each message of those that failed holds every part."""
        got = world.wait(timeout, but)
        wanted = codes if isinstance(codes, dict) else {rank: codes for rank in got}
        self.assertEqual(got, wanted, world.messages())
        for rank in got:
            for part in parts if got[rank] else ():
                self.assertIn(part, world[rank].message)
            self.assertEqual(world[rank].message.count("\n"), 1 if got[rank] else 0, "one line")


class Equality(ProcessTest):
    def test_processes_are_threads_bit_for_bit(self):
        for form, (name, fields) in enumerate(FORMS.items()):
            fields = dict(fields)
            split = [fields.pop(key, None) for key in ("strategy", "frozen")]
            for ranks in (2, 4) if form == 1 else (3,):
                with self.subTest(form=name, ranks=ranks):
                    plan = self.compile("plan", micro_batch_size=2, parallelism=over(ranks, *split), **fields)
                    self.train(plan, "threads", "--overwrite")
                    world = self.world(plan, ranks, out="processes", options=["--overwrite"])
                    self.expect(world, 0)
                    files = sorted(path.name for path in (self.folder / "threads").iterdir())
                    self.assertEqual(files, sorted(path.name for path in (self.folder / "processes").iterdir()))
                    for file in files:
                        if file.endswith((".safetensors", ".textproto", ".txt", "_config.json")):
                            self.assertEqual(self.bytes("threads", file), self.bytes("processes", file), file)
                    self.assertEqual(self.losses("threads"), self.losses("processes"))
                    summary = self.summary("processes")
                    self.assertEqual(summary["train_loss"], self.summary("threads")["train_loss"])
                    memory = summary["memory"]
                    self.assertLess(memory["measured_arenas_bytes"] / memory["predicted_arenas_bytes"], 1.01)

    def test_variables_of_each_launcher(self):
        plan = self.compile(lora=LORA, parallelism=over(2))
        self.train(plan, "threads")
        for variables in (torchrun, slurm, open_mpi, mpich):
            with self.subTest(variables.__name__):
                world = self.world(plan, 2, out=variables.__name__, variables=variables)
                self.expect(world, 0)
                self.assertEqual(self.bytes("threads", "adapter_model.safetensors"),
                                 self.bytes(variables.__name__, "adapter_model.safetensors"))

    @unittest.skipUnless(shutil.which("mpirun"), "no Open MPI here")
    def test_mpirun(self):
        plan = self.compile(lora=LORA, parallelism=over(4), micro_batch_size=1)
        self.train(plan, "threads")
        mpirun = ["mpirun", *(["--allow-run-as-root"] if os.geteuid() == 0 else []), "--oversubscribe", "-np", 4]
        command = self.command(plan, "processes")
        self.refused(call(*mpirun, *command), 2, "mpirun -x MASTER_ADDR=HOST")
        port = dict(FTRUN_PORT=str(free_port()))
        result = call(*mpirun, "-x", f"MASTER_ADDR={HERE}", *command, environment=port)
        self.assertEqual(result.code, 0, result.text)
        self.assertEqual(self.bytes("threads", "adapter_model.safetensors"),
                         self.bytes("processes", "adapter_model.safetensors"))

    def test_names_the_slowest_rank(self):
        # Steps compute longer than they exchange.
        plan = self.compile(lora=LORA, parallelism=over(2), max_steps=40, micro_batch_size=16, sequence_len=128,
                            max_document_len=None, max_documents_per_row=None)
        world = self.world(plan, 2)
        while world[1].process.poll() is None: # half of its time
            for number in (signal.SIGSTOP, signal.SIGCONT):
                world[1].signal(number)
                time.sleep(0.02)
        self.expect(world, 0)
        ranks = self.summary("out")["ranks"]
        self.assertEqual([entry["rank"] for entry in ranks], [0, 1])
        self.assertEqual([entry["slowest_rank"] for entry in ranks], [False, True])
        self.assertGreater(ranks[0]["exposed_communication_ms"], ranks[1]["exposed_communication_ms"])
        self.assertIn(f"slowest: rank 1 (host {ranks[1]['host']}), most in", world[0].out.read_text())
        self.train(plan, "threads")
        self.assertIn("slowest_segment", self.summary("threads")["ranks"][1])

    def test_continues_from_a_checkpoint(self):
        plan = self.compile(lora=LORA, parallelism=over(2), save_steps=3, max_steps=8)
        self.train(plan, "whole")
        self.expect(self.world(plan, 2, options=["--stop-after", 5]), 0)
        for path in (self.folder / "out").glob("checkpoint-5"):
            shutil.rmtree(path)
        self.expect(self.world(plan, 2, name="again", options=["--resume", "auto"]), 0)
        self.assertEqual(self.losses("out"), self.losses("whole"))
        self.assertEqual(self.bytes("out", "adapter_model.safetensors"),
                         self.bytes("whole", "adapter_model.safetensors"))
        world = self.world(plan, 2, name="done", options=["--resume", "auto"])
        self.expect(world, 0)
        self.assertIn("nothing is left to do", world[0].out.read_text())
        world = self.world(plan, 2, name="one", extra={0: ["--resume", self.folder / "out" / "checkpoint-3"]}, out="new")
        self.expect(world, 1, "rank 1 (host", "another checkpoint to continue from than rank 0: none and not checkpoint-3",
                    "an output folder that all hosts see")

    def test_shares_of_several_processes_are_saved_and_loaded(self):
        for name in ("full, FSDP", "LoRA, FSDP"):
            fields = dict(FORMS[name])
            split = [fields.pop(key, None) for key in ("strategy", "frozen")]
            with self.subTest(name):
                for out in ("whole", "out"):
                    shutil.rmtree(self.folder / out, ignore_errors=True)
                plan = self.compile(parallelism=over(3, *split), save_steps=3, max_steps=8, **fields)
                self.train(plan, "whole")
                world = self.world(plan, 3, options=["--stop-after", 5])
                self.expect(world, 0)
                self.assertIn("checkpoint-3 was collected from all ranks", world[0].out.read_text())
                again = self.world(plan, 3, name="again", options=["--resume", "auto"])
                self.expect(again, 0)
                self.assertIn("checkpoint-5 behind step 5 of 8: continues bit for bit", again[0].out.read_text())
                self.assertEqual(self.losses("out"), self.losses("whole"))
                for folder in ("", "checkpoint-6", "checkpoint-8"):
                    for path in (self.folder / "whole" / folder).glob("*.safetensors"):
                        self.assertEqual(self.bytes("out", folder, path.name), path.read_bytes(), f"{folder} {path.name}")

    def test_a_full_disk_leaves_no_rank_waiting(self):
        plan = self.compile(parallelism=over(3, "FSDP"), save_steps=2, max_steps=6)
        self.train(plan, "whole")
        blocks = (self.folder / "whole" / "model.safetensors").stat().st_size // 1024 + 8 # moments take twice as much
        limited = ["bash", "-c", f'ulimit -f {blocks}; exec "$@"', "bash"]
        world = self.world(plan, 3, prefixes={0: limited})
        self.expect(world, 0)
        self.assertEqual(world[0].out.read_text().count("could not be written"), 3)
        self.assertEqual(self.summary("out")["checkpoints_lost"], 3)
        self.assertEqual(self.bytes("out", "model.safetensors"), self.bytes("whole", "model.safetensors"))

    def test_ends_with_the_best_model(self):
        # Tokens drawn at random teach nothing of others: few in a step and a high rate, and the held-out loss rises.
        fields = dict(save_steps=2, eval_steps=1, max_steps=12, learning_rate=0.1, load_best_model_at_end="true",
                      micro_batch_size=1, data='{ train: "synthetic:7" eval: "synthetic:8" }')
        for name, form in (("DDP", dict(parallelism=over(2), lora=LORA)), ("FSDP", dict(parallelism=over(2, "FSDP", "TRUE"), lora=LORA))):
            with self.subTest(name):
                plan = self.compile(**fields, **form)
                self.train(plan, name + "-threads")
                best = self.summary(name + "-threads")["best_step"]
                self.assertLess(best, 12, "the last is the best: the test shows nothing")
                world = self.world(plan, 2, name=name, out=name)
                self.expect(world, 0)
                self.assertIn(f"takes the weights of step {best}", world[0].out.read_text())
                result = next((self.folder / name).glob("*.safetensors")).name
                self.assertEqual(self.bytes(name, result), self.bytes(name + "-threads", result))
                # A rank that does not see the folder.
                elsewhere = ["bash", "-c", f'exec "${{@/{name}-apart/{name}-elsewhere}}"', "bash"]
                world = self.world(plan, 2, name=name + "-apart", out=name + "-apart", prefixes={1: elsewhere})
                self.expect(world, 0)
                self.assertIn("not every rank finds its checkpoint", world[0].out.read_text())

    def test_a_second_rank_3_does_not_hinder_the_first(self):
        plan = self.compile(lora=LORA, parallelism=over(4))
        world = self.world(plan, only=[0, 1, 3])
        time.sleep(1.5)
        second = self.world(plan, name="second", only=[3], port=world.port)
        self.assertEqual(second.wait(), {3: 2})
        self.assertIn("a second rank 3 (host", second[3].message)
        rest = self.world(plan, name="rest", only=[2], port=world.port)
        self.expect(world, 0)
        self.expect(rest, 0)

    def test_nothing_listens_once_all_have_come(self):
        plan = self.compile(lora=LORA, parallelism=over(3), max_steps=1000000)
        world = self.world(plan, 3)
        self.assertTrue(world.until_training(), world.messages())
        sockets = {rank: self.sockets(world[rank].process.pid) for rank in range(3)}
        # Two connections of each other rank, seen from both ends: heartbeats and data.
        self.assertEqual(sockets, {0: ["established"] * 4, 1: ["established"] * 2, 2: ["established"] * 2})
        world[0].signal(signal.SIGTERM)
        self.expect(world, 4)

    def sockets(self, process):
        """The states of the process's TCP sockets."""
        names = {"01": "established", "0A": "listens"}
        states = {}
        for table in ("tcp", "tcp6"):
            for line in pathlib.Path(f"/proc/{process}/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                states[f"socket:[{fields[9]}]"] = names.get(fields[3], fields[3])
        open_files = [os.readlink(path) for path in pathlib.Path(f"/proc/{process}/fd").iterdir()]
        return sorted(states[name] for name in open_files if name in states)

    def test_a_secret_and_an_interface(self):
        plan = self.compile(lora=LORA, parallelism=over(2))
        world = self.world(plan, 2, environment=dict(FTRUN_SECRET="s3cret", FTRUN_INTERFACE="lo"))
        self.expect(world, 0)

    def test_a_slow_rank_changes_nothing(self):
        plan = self.compile(lora=LORA, parallelism=over(2), max_steps=40)
        self.train(plan, "threads")
        world = self.world(plan, 2)
        while world[1].process.poll() is None: # a tenth of its time
            for number, seconds in ((signal.SIGSTOP, 0.09), (signal.SIGCONT, 0.01)):
                world[1].signal(number)
                time.sleep(seconds)
        self.expect(world, 0)
        self.assertEqual(self.bytes("threads", "adapter_model.safetensors"),
                         self.bytes("out", "adapter_model.safetensors"))


class RanksOfAProcess(ProcessTest):
    """Two processes of two ranks each, as one process a host has it."""

    def pair(self, plan, *options, **named):
        return self.world(plan, 2, options=["--ranks", 2, *options], **named)

    def test_they_are_threads_bit_for_bit(self):
        for fields in (dict(parallelism=over(4, "FSDP"), save_steps=2, max_steps=4),
                       dict(parallelism="{ strategy: HSDP dp_shard_size: 2 dp_replicate_size: 2 }"),
                       dict(parallelism=over(4), lora=LORA, eval_steps=2, precision="BF16_MIXED",
                            data='{ train: "synthetic:7" eval: "synthetic:8" }')):
            with self.subTest(**fields):
                plan = self.compile(**fields)
                self.train(plan, "threads", "--overwrite")
                self.expect(self.pair(plan, "--overwrite"), 0)
                files = sorted(path.relative_to(self.folder / "threads") for path in (self.folder / "threads").rglob("*"))
                self.assertEqual(files, sorted(path.relative_to(self.folder / "out")
                                               for path in (self.folder / "out").rglob("*")))
                for file in files:
                    if file.suffix == ".safetensors":
                        self.assertEqual(self.bytes("threads", file), self.bytes("out", file), file)
                self.assertEqual(self.losses("threads"), self.losses("out"))
                memory = self.summary("out")["memory"]
                self.assertLess(memory["measured_arenas_bytes"] / memory["predicted_arenas_bytes"], 1.01)
                self.assertEqual([entry["rank"] for entry in self.summary("out")["ranks"]], [0, 1, 2, 3])

    def test_they_continue_from_a_checkpoint(self):
        plan = self.compile(parallelism=over(4, "FSDP"), save_steps=3, max_steps=8)
        self.train(plan, "threads")
        self.expect(self.pair(plan, "--stop-after", 5), 0)
        self.expect(self.pair(plan, "--resume", "auto", name="again"), 0)
        self.assertEqual(self.bytes("threads", "model.safetensors"), self.bytes("out", "model.safetensors"))

    def test_a_process_that_dies_or_is_asked_to_end(self):
        plan = self.compile(lora=LORA, parallelism=over(4), max_steps=1000000)
        for victim in (0, 1):
            shutil.rmtree(self.folder / "out", ignore_errors=True)
            world = self.pair(plan)
            self.assertTrue(world.until_training(), world.messages())
            world[victim].signal(signal.SIGKILL)
            self.expect(world, {1 - victim: 3}, f"(ranks {2 - 2 * victim} to {3 - 2 * victim}): rank ", but=[victim])
            self.assertRegex(world[1 - victim].message, rf"rank [{2 * victim}{2 * victim + 1}]: its (data )?connection "
                             r"(to rank 0 )?closed")
            shutil.rmtree(self.folder / "out")
            world = self.pair(plan)
            self.assertTrue(world.until_training(), world.messages())
            world[victim].signal(signal.SIGTERM)
            self.expect(world, 4)
            self.assertTrue((self.folder / "out" / "adapter_model.safetensors").exists())

    def test_refuses_by_name(self):
        plan = self.compile(lora=LORA, parallelism=over(4))
        self.expect(self.world(plan, 2), 1, "torchrun started 2 ranks, and the plan is for 4",
                    "or give each process 2 with --ranks 2")
        self.expect(self.world(plan, 2, options=["--ranks", 3]), 1,
                    "torchrun started 2 processes of 3 ranks each, and the plan is for 4")
        self.expect(self.world(plan, 2, options=["--ranks", 1024]), 1, "--ranks 1024: torchrun started 2 processes",
                    "at most 1024 ranks")
        self.expect(self.pair(plan, "--collectives", "mpi"), 1, "in several processes of several ranks each")
        world = self.pair(plan, plans={1: self.folder / "nowhere.bin"})
        self.expect(world, 1, "nowhere.bin")
        self.assertRegex(world[0].message, r"rank [23] \(host")
        self.assertFalse((self.folder / "out").exists())

    @unittest.skipUnless(os.path.exists(FAKE), "no fake driver was built")
    def test_gpus_of_a_process(self):
        plan = self.compile("gpu", "--gpu", "h200", lora=LORA, precision="BF16_MIXED", target=None, parallelism=over(4))
        fake = dict(LD_LIBRARY_PATH=FAKE, FTC_NCCL_DIR=FAKE, FTC_CUBLAS_DIR="/none")
        for gpus, said in ((4, "cuBLASLt: FTC_CUBLAS_DIR is /none"), # as far as it goes without a GPU
                           (2, "cuBLASLt: FTC_CUBLAS_DIR is /none"), # each sees its own
                           (1, "--ranks 2: the driver shows 1 GPUs"), (3, "number 1 of its host, and the driver shows 3")):
            with self.subTest(gpus=gpus):
                self.expect(self.pair(plan, environment={**fake, "FTC_FAKE_GPUS": gpus}), 2)
                world = self.pair(plan, environment={**fake, "FTC_FAKE_GPUS": gpus})
                self.expect(world, 2)
                self.assertIn(said, world[1].message)


class Start(ProcessTest):
    def setUp(self):
        super().setUp()
        self.plan = self.compile(lora=LORA, parallelism=over(4))

    def tearDown(self):
        self.assertFalse((self.folder / "out").exists(), "a refused run leaves no folder")

    def test_another_plan(self):
        other = self.compile("other", lora=LORA, parallelism=over(4), seed=7)
        self.expect(self.world(self.plan, plans={2: other}), 1, "rank 2 (host", "another recipe than rank 0")

    def test_another_plan_of_the_same_recipe(self):
        other = self.compile("other", "--lora-form", "unfolded", lora=LORA, parallelism=over(4))
        self.expect(self.world(self.plan, plans={1: other}), 1, "rank 1 (host", "another plan than rank 0",
                    "compile once, and give every rank that plan.bin")

    def test_another_adapter_to_start_from(self):
        folders = {}
        for rank in (0, 1):
            plan = self.compile(f"seed-{rank}", lora=LORA, seed=rank + 1)
            folders[rank] = self.folder / f"adapter-{rank}"
            self.train(plan, f"adapter-{rank}")
        world = self.world(self.plan, extra={rank: ["--adapter", folders[rank == 3]] for rank in range(4)})
        self.expect(world, 1, "rank 3 (host", "another adapter than rank 0: ", "give every rank the same with --adapter, or none")

    def test_another_option(self):
        world = self.world(self.plan, extra={1: ["--set", "learning_rate=0.5"]})
        self.expect(world, 1, "rank 1 (host", "another set of options than rank 0: --set learning_rate=0.5 and not none")
        world = self.world(self.plan, extra={0: ["--dump-gradients", self.folder / "gradients"]})
        self.expect(world, 1, "another set of options than rank 0: none and not --dump-gradients")

    def test_another_model(self):
        worlds = {rank: World(self.folder, self.plan, 4, name=f"m{rank}", only=[rank], port=port, model=model)
                  for port in [free_port()] for rank, model in enumerate(["seeded:11"] * 3 + ["seeded:12"])}
        for world in worlds.values():
            self.addCleanup(world.__exit__)
            self.expect(world, 1, "rank 3 (host", "another model than rank 0", "give every rank the same files")

    def test_another_library(self):
        if "oneDNN" not in call(FTRUN, "--devices").out:
            self.skipTest("no oneDNN here")
        world = self.world(self.plan, per_rank={1: dict(FTC_DNNL_DIR=self.folder)})
        self.expect(world, 2, "rank 1 (host", "another library than rank 0: ", "install the same version on every host")

    def test_a_rank_that_cannot_run_is_everybodys(self):
        world = self.world(self.plan, plans={3: self.folder / "nowhere.bin"})
        self.expect(world, 1, "nowhere.bin")
        self.assertIn("rank 3 (host", world[0].message)

    def test_rank_zero_that_cannot_run_is_everybodys(self):
        world = self.world(self.plan, plans={0: self.folder / "nowhere.bin"})
        self.expect(world, 1, "nowhere.bin")
        self.assertIn("rank 0 (host", world[2].message)

    def test_another_secret(self):
        world = self.world(self.plan, environment=dict(FTRUN_SECRET="a", FTRUN_START_TIMEOUT=4),
                           per_rank={3: dict(FTRUN_SECRET="b")})
        self.expect(world, 2, "FTRUN_SECRET")
        self.assertIn("rank 3 has not come within 4 s", world[1].message)

    def test_another_world_than_the_plans(self):
        self.expect(self.world(self.plan, 5), 1, "torchrun started 5 ranks, and the plan is for 4")

    def test_another_world_than_rank_zeros(self):
        world = self.world(self.plan, per_rank={2: dict(WORLD_SIZE=3)})
        self.expect(world, 1)
        self.assertIn("torchrun started 3 ranks, and the plan is for 4", world[2].message)
        self.assertIn("rank 2 (host", world[0].message)

    def test_a_rank_is_missing(self):
        world = self.world(self.plan, only=[0, 1, 3], environment=dict(FTRUN_START_TIMEOUT=3))
        self.expect(world, 2, "rank 2 has not come within 3 s (FTRUN_START_TIMEOUT)")

    def test_rank_zero_is_missing(self):
        world = self.world(self.plan, only=[1, 2], environment=dict(FTRUN_START_TIMEOUT=3))
        self.expect(world, 2, f"does not reach rank 0 at {HERE}:", "within 3 s")

    def test_the_port_is_taken(self):
        with socket.create_server((HERE, 0)) as taken:
            port = taken.getsockname()[1]
            world = self.world(self.plan, port=port, environment=dict(FTRUN_START_TIMEOUT=4))
            got = world.wait()
            self.assertEqual(set(got.values()), {2}, world.messages())
            self.assertIn(f"port {port} of {HERE}: Address already in use; FTRUN_PORT names another port",
                          world[0].message)
            self.assertIn("it takes the connection and does not answer", world[1].message)

    def test_a_second_rank_3(self):
        world = self.world(self.plan, only=[0, 1, 3], environment=dict(FTRUN_START_TIMEOUT=6))
        second = self.world(self.plan, name="second", only=[3], port=world.port)
        codes = {**world.wait(), "second": second.wait()[3]}
        self.assertEqual(codes, {0: 2, 1: 2, 3: 2, "second": 2})
        text = world[3].message + second[3].message
        self.assertIn("a second rank 3 (host", text)
        self.assertIn("rank 2 has not come", world[0].message)

    def gpu_plan(self):
        return self.compile("gpu", "--gpu", "h200", lora=LORA, precision="BF16_MIXED", target=None, parallelism=over(2))

    @unittest.skipIf(os.path.exists("/dev/nvidiactl"), "there is a GPU")
    def test_a_gpu_plan_without_a_driver(self):
        self.expect(self.world(self.gpu_plan(), 2), 2, "no NVIDIA driver on this machine")

    @unittest.skipUnless(os.path.exists(FAKE), "no fake driver was built")
    def test_a_gpu_plan_without_what_it_needs(self):
        """On a driver without a GPU behind it, whose card is of the plan's architecture."""
        plan = self.gpu_plan()
        fake = dict(LD_LIBRARY_PATH=FAKE, FTC_NCCL_DIR=FAKE, FTC_CUBLAS_DIR="/none")
        self.expect(self.world(plan, 2, environment={**fake, "FTC_NCCL_DIR": "/none"}), 2, "NCCL: FTC_NCCL_DIR is /none")
        self.expect(self.world(plan, 2, environment={**fake, "FTC_FAKE_NCCL_VERSION": "21703"}), 2, "is NCCL 2.17.3")
        self.expect(self.world(plan, 2, environment=fake), 2, "cuBLASLt: FTC_CUBLAS_DIR is /none")
        two = {**fake, "FTC_FAKE_GPUS": 2}
        self.expect(self.world(plan, 2, environment=two, per_rank={rank: dict(LOCAL_RANK="") for rank in (0, 1)}), 2,
                    "set LOCAL_RANK")
        self.expect(self.world(plan, 2, environment=two, options=["--gpu", 2]), 2, "--gpu 2: the driver shows 2 GPUs")
        self.expect(self.world(plan, 2, environment=fake, options=["--collectives", "peers"]), 1, "must be nccl")

    def test_no_host_under_mpirun(self):
        world = self.world(self.plan, only=[0], variables=lambda rank, world, port: dict(
            OMPI_COMM_WORLD_RANK=rank, OMPI_COMM_WORLD_SIZE=world))
        self.expect(world, 2, "-x MASTER_ADDR")

    def test_half_a_launcher(self):
        world = self.world(self.plan, only=[0], variables=lambda rank, world, port: dict(RANK=rank))
        self.expect(world, 2, "RANK and no WORLD_SIZE")

    def test_a_start_is_interrupted(self):
        world = self.world(self.plan, only=[0, 1])
        time.sleep(1.5)
        world[1].signal(signal.SIGTERM)
        self.assertEqual(world[1].wait(10), 4)
        world[0].signal(signal.SIGTERM)
        self.assertEqual(world[0].wait(20), 4)
        self.assertIn("nothing was started", world[0].message)


if __name__ == "__main__":
    unittest.main()
