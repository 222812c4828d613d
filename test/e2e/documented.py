#!/usr/bin/env python3
"""What docs/several-nodes.md tells to type, typed, with CPU ranks. Launchers that are not on this machine are replaced by
what they set; a model, by random weights."""
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import unittest

from harness import FTC, FTRUN, LORA, WorkshopTest
from launch import free_port

DOCUMENT = pathlib.Path("docs/several-nodes.md").read_text()
FTRUN_HERE = f"""#!/bin/bash
arguments=()
for each in "$@"; do
  case $each in PATH|/data/model) each=seeded:11 ;; /data/*) each=${{each#/data/}} ;; esac
  arguments+=("$each")
done
exec {os.path.abspath(FTRUN)} "${{arguments[@]}}" --threads 1
"""
TORCHRUN = """#!/usr/bin/env python3
import argparse, os, subprocess, sys
parser = argparse.ArgumentParser()
for option in ("--nnodes", "--nproc-per-node"):
    parser.add_argument(option, type=int)
parser.add_argument("--rdzv-backend", choices=["c10d"])
parser.add_argument("--rdzv-endpoint")
parser.add_argument("--no-python", action="store_true", required=True)
parser.add_argument("command", nargs=argparse.REMAINDER)
said = parser.parse_args()
world, port = said.nnodes * said.nproc_per_node, said.rdzv_endpoint.split(":")[1]
ranks = [subprocess.Popen(said.command, env={**os.environ, "RANK": str(rank), "WORLD_SIZE": str(world),
                                             "LOCAL_RANK": str(rank % said.nproc_per_node), "MASTER_ADDR": "127.0.0.1",
                                             "MASTER_PORT": port}) for rank in range(world)]
sys.exit(max([rank.wait() for rank in ranks]))
"""
SRUN = """#!/usr/bin/env python3
import os, subprocess, sys
command = [word for word in sys.argv[1:] if not word.startswith("--kill-on-bad-exit")]
tasks, a_node = int(os.environ["SLURM_NTASKS"]), int(os.environ["TASKS_A_NODE"])
ranks = [subprocess.Popen(command, env={**os.environ, "SLURM_PROCID": str(task), "SLURM_LOCALID": str(task % a_node)})
         for task in range(tasks)]
sys.exit(max([rank.wait() for rank in ranks]))
"""


def block(part):
    """The document's only block of code that holds it."""
    found = [text for text in re.findall(r"```\n(.*?)```", DOCUMENT, re.S) if part in text]
    assert len(found) == 1, (part, len(found))
    return found[0]


class Documented(WorkshopTest):
    def setUp(self):
        super().setUp()
        self.programs = self.folder / "bin"
        self.programs.mkdir()
        for name, text in (("ftrun", FTRUN_HERE), ("torchrun", TORCHRUN), ("srun", SRUN)):
            (self.programs / name).write_text(text)
            (self.programs / name).chmod(0o755)
        (self.programs / "ftc").symlink_to(os.path.abspath(FTC))

    def type(self, text, where=None, **environment):
        variables = {**os.environ, "PATH": f"{self.programs}:{os.environ['PATH']}", "FTRUN_START_TIMEOUT": "60",
                     **{name: str(value) for name, value in environment.items()}}
        done = subprocess.run(["bash", "-c", text], cwd=where or self.folder, env=variables, timeout=300, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def planned(self, ranks):
        plan = self.compile(lora=LORA, parallelism=f"{{ dp_replicate_size: {ranks} }}", micro_batch_size=1)
        self.train(plan, "threads")

    def trained(self):
        """The run's result is that of threads; gone afterwards."""
        results = list((self.folder / "out").rglob("adapter_model.safetensors"))
        self.assertEqual(len(results), 1)
        self.assertEqual(results[0].read_bytes(), self.bytes("threads", "adapter_model.safetensors"))
        shutil.rmtree(self.folder / "out")

    def test_compiles_once(self):
        line = block("ftc compile").split("#")[0]
        self.type(line.replace("-o plan.bin", f"-o {self.folder}/plan.bin"), where=os.getcwd())
        self.assertTrue((self.folder / "plan.bin").exists())

    def test_by_hand(self):
        self.planned(2)
        self.type(block("RANK=0 LOCAL_RANK=0").replace("29500", str(free_port() - 1)))
        self.trained()

    def test_torchrun(self):
        self.planned(16)
        lines = block("torchrun --nnodes").splitlines()
        self.assertEqual(len(lines), 2)
        for line in lines:
            self.type(line.replace("29500", str(free_port() - 1)))
            self.trained()

    @unittest.skipUnless(shutil.which("mpirun") and (pathlib.Path(FTRUN).parent / "libftrun_mpi.so").exists(),
                         "no mpirun, or no plug-in was built")
    def test_mpirun(self):
        self.planned(4)
        line = block("mpirun -np").replace("node-a:2,node-b:2", "localhost:4").replace("node-a", "127.0.0.1")
        self.type(line.replace("mpirun", f"mpirun -x FTRUN_PORT={free_port()}"), OMPI_ALLOW_RUN_AS_ROOT=1,
                  OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1)
        self.trained()

    def test_slurm(self):
        self.planned(16)
        script = block("#SBATCH")
        self.assertTrue(script.startswith("#!/bin/bash\n#SBATCH"))
        nodes, tasks = map(int, re.search(r"--nodes=(\d+) --ntasks-per-node=(\d+)", script).groups())
        job = dict(SLURM_JOB_NODELIST="127.0.0.1,node-b", SLURM_JOB_ID=random.randrange(1 << 31))
        self.type(script, SLURM_NTASKS=nodes * tasks, TASKS_A_NODE=tasks, **job)
        self.trained()
        instead = re.search(r"`--ntasks-per-node=(\d+) --gpus-per-task=(\d+) .*`(--ranks \d+)`", DOCUMENT)
        self.assertEqual(instead.group(3), f"--ranks {instead.group(2)}")
        self.type(script.replace("ftrun plan.bin", f"ftrun plan.bin {instead.group(3)}"), SLURM_NTASKS=nodes,
                  TASKS_A_NODE=1, **job)
        self.trained()

    def test_pods(self):
        manifest = block("kind: JobSet")
        field = lambda pattern: re.search(pattern, manifest).group(1)
        pods = int(field(r"completions: (\d+)"))
        self.assertEqual({pods}, {int(field(r"parallelism: (\d+)")), int(field(r'WORLD_SIZE, value: "(\d+)"'))})
        port = int(field(r'MASTER_PORT, value: "(\d+)"'))
        self.assertEqual(int(field(r"containerPort: (\d+)")), port + 1)
        name, job = field(r"metadata: \{name: (\S+)\}"), field(r"- name: (\S+)\n +template")
        self.assertEqual(field(r"MASTER_ADDR, value: (\S+)\}"), f"{name}-{job}-0-0.{name}", "the first pod's")
        self.planned(pods)
        shell, option, command = json.loads(field(r"command: (\[.*\])"))
        ranks = [subprocess.Popen([shell, option, command], cwd=self.folder, env={
            "PATH": f"{self.programs}:{os.environ['PATH']}", "JOB_COMPLETION_INDEX": str(index), "WORLD_SIZE": str(pods),
            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "FTRUN_SECRET": "of the secret",
            "HOME": os.environ.get("HOME", "/")}, stdout=subprocess.DEVNULL) for index in range(pods)]
        self.assertEqual([rank.wait(120) for rank in ranks], [0] * pods)
        self.trained()

    def test_each_variable_of_ours_is_one_that_is_read(self):
        table = re.findall(r"^\| `(FTRUN_\w+)` \|", DOCUMENT, re.M)
        source = pathlib.Path("runtime/Rendezvous/Launch.cpp").read_text()
        self.assertEqual(set(table), set(re.findall(r'"(FTRUN_\w+)"', source)))


if __name__ == "__main__":
    unittest.main()
