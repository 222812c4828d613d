#!/usr/bin/env python3
"""CPU ranks under mpirun, their collectives moved by MPI: the bits of one process; and what a lost rank leaves."""
import os
import pathlib
import shutil
import signal
import subprocess
import time
import unittest

import harness
from harness import FTRUN, LORA, WorkshopTest, call
from launch import HERE, free_port

PLUGIN = os.path.join(os.path.dirname(os.path.abspath(FTRUN)), "libftrun_mpi.so")
CONFORMANCE = os.path.join(os.path.dirname(os.path.dirname(PLUGIN)), "test/bin/MpiConformanceTest")


def mpirun(ranks, *options):
    root = ["--allow-run-as-root"] if os.getuid() == 0 else []
    return ["mpirun", *root, "--oversubscribe", "-np", ranks, "-x", f"MASTER_ADDR={HERE}", "-x",
            f"FTRUN_PORT={free_port()}", *options]


@unittest.skipUnless(shutil.which("mpirun") and os.path.exists(PLUGIN), "no mpirun, or no plug-in was built")
class Mpi(WorkshopTest):
    def run_under(self, plan, out, ranks=4, *options):
        return call(*mpirun(ranks), *self.command(plan, out, "--collectives", "mpi", *options))

    def test_gives_the_bits_of_one_process(self):
        for fields in (dict(parallelism="{ dp_replicate_size: 4 }"),
                       dict(parallelism="{ strategy: FSDP dp_shard_size: 4 }"),
                       dict(parallelism="{ strategy: HSDP dp_shard_size: 2 dp_replicate_size: 2 }"),
                       dict(parallelism="{ strategy: ZERO1 dp_shard_size: 4 }", precision="BF16_MIXED"),
                       dict(parallelism="{ dp_replicate_size: 4 }", lora=LORA, precision="BF16_TRUE")):
            with self.subTest(**fields):
                plan = self.compile(**fields)
                self.train(plan, "one", "--overwrite")
                result = self.run_under(plan, "several", 4, "--overwrite")
                self.assertEqual(result.code, 0, result.text)
                self.assertEqual(self.losses("one"), self.losses("several"))
                saved = "adapter_model.safetensors" if "lora" in fields else "model.safetensors"
                self.assertEqual(self.bytes("one", saved), self.bytes("several", saved))

    @unittest.skipUnless(os.path.exists(CONFORMANCE), "its program was not built")
    def test_collectives_have_the_bits_of_threads(self):
        """Ranks are processes; each collective goes through MPI and through rank 0."""
        for ranks in (2, 3, 4):
            with self.subTest(ranks=ranks):
                result = call(*mpirun(ranks, "-x", f"FTRUN_MPI_PLUGIN={PLUGIN}"), CONFORMANCE, "--gtest_color=no")
                self.assertEqual(result.code, 0, result.text)
                self.assertEqual(result.out.count("[  PASSED  ] 1 test"), ranks, result.text)

    def test_a_lost_rank_is_named_where_mpirun_lets_the_others_live(self):
        plan = self.compile(lora=LORA, parallelism="{ dp_replicate_size: 3 }")
        with open(self.folder / "said", "wb") as said:
            run = subprocess.Popen([str(a) for a in [*mpirun(3, "--enable-recovery"), *self.command(
                plan, "out", "--collectives", "mpi", "--max-steps", 1000000)]], stdout=said, stderr=said)
        metrics, end = self.folder / "out" / "metrics.jsonl", time.monotonic() + 40
        while time.monotonic() < end and not (metrics.exists() and metrics.stat().st_size):
            time.sleep(0.05)
        os.kill(self.process_of(run, 1), signal.SIGKILL)
        run.wait(60) # its own exit code speaks of what it recovered from
        text = (self.folder / "said").read_text(errors="replace")
        for rank in (0, 2):
            self.assertRegex(text, rf"ftrun \(rank {rank}\): rank 1: its (data )?connection closed")
        self.assertEqual([p.name for p in (self.folder / "out").rglob("*.tmp.*")], [])

    def process_of(self, run, rank):
        for child in subprocess.run(["ps", "--ppid", str(run.pid), "-o", "pid="], capture_output=True,
                                    text=True).stdout.split():
            if b"OMPI_COMM_WORLD_RANK=%d" % rank in pathlib.Path(f"/proc/{child}/environ").read_bytes().split(b"\0"):
                return int(child)
        self.fail("mpirun has no such rank")

    def test_refuses_by_name(self):
        plan = self.compile(parallelism="{ dp_replicate_size: 2 }")
        self.refused(call(*self.command(plan, "out", "--collectives", "mpi")), 1, "--collectives mpi", "in one process")
        for how in ("nccl", "peers"):
            self.refused(call(*self.command(plan, "out", "--collectives", how)), 1, f"--collectives {how}", "leave it out")
        one = self.compile("one")
        self.refused(call(*self.command(one, "out", "--collectives", "nccl")), 1, "for 1 rank of target cpu")
        alone = dict(RANK="0", WORLD_SIZE="2", MASTER_ADDR=HERE, FTRUN_PORT=str(free_port()), FTRUN_START_TIMEOUT="1",
                     FTRUN_MPI_PLUGIN="/nonexistent")
        self.refused(call(*self.command(plan, "out", "--collectives", "mpi"), environment=alone), 2,
                     "the MPI plug-in /nonexistent cannot be opened")


if __name__ == "__main__":
    unittest.main()
