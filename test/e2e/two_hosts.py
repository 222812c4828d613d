#!/usr/bin/env python3
"""Two hosts as two network namespaces with a cable between them: ranks 0 and 1 on one, 2 and 3 on the other.

Runs as root or not, where the machine lets a user have namespaces; is skipped elsewhere.
"""
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time
import unittest

from harness import FTRUN, LORA, WorkshopTest, call
from launch import World

PLUGIN = os.path.join(os.path.dirname(os.path.abspath(FTRUN)), "libftrun_mpi.so")
HERE, THERE = "10.77.0.1", "10.77.0.2"
INSIDE = "FTC_INSIDE_NAMESPACE"


def sh(*words):
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout


class TwoHosts(WorkshopTest):
    @classmethod
    def setUpClass(cls):
        cls.other = subprocess.Popen(["unshare", "-n", "-u", "sleep", "1000"])
        while os.readlink(f"/proc/{cls.other.pid}/ns/uts") == os.readlink("/proc/self/ns/uts"):
            time.sleep(0.01)
        cls.there = ["nsenter", "-t", str(cls.other.pid), "-n", "-u"]
        socket.sethostname("here")
        sh(*cls.there, sys.executable, "-c", "import socket; socket.sethostname('there')")
        sh("ip", "link", "set", "lo", "up")
        sh("ip", "link", "add", "cable0", "type", "veth", "peer", "name", "cable1")
        sh("ip", "link", "set", "cable1", "netns", str(cls.other.pid))
        sh("ip", "address", "add", f"{HERE}/24", "dev", "cable0")
        sh(*cls.there, "ip", "address", "add", f"{THERE}/24", "dev", "cable1")
        sh(*cls.there, "ip", "link", "set", "cable1", "up")
        sh(*cls.there, "ip", "link", "set", "lo", "up")

    @classmethod
    def tearDownClass(cls):
        cls.other.kill()
        cls.other.wait()

    def setUp(self):
        super().setUp()
        sh("ip", "link", "set", "cable0", "up")
        self.plan = self.compile(lora=LORA, parallelism="{ dp_replicate_size: 4 }", micro_batch_size=1)

    def world(self, *options, variables=None, **environment):
        variables = variables or (
            lambda rank, world, port: dict(RANK=rank, WORLD_SIZE=world, MASTER_ADDR=HERE, MASTER_PORT=29500))
        world = World(self.folder, self.plan, variables=variables, options=options, environment=environment,
                      prefixes={2: self.there, 3: self.there})
        self.addCleanup(world.__exit__)
        return world

    def test_the_same_bits_as_on_one_host(self):
        self.train(self.plan, "threads")
        of_slurm = lambda rank, world, port: dict(SLURM_PROCID=rank, SLURM_NTASKS=world, SLURM_LOCALID=rank % 2,
                                                  SLURM_JOB_NODELIST=f"{HERE},{THERE}", SLURM_JOB_ID=4711)
        for variables, environment in ((None, {}), (None, dict(FTRUN_SECRET="a secret")), (of_slurm, {})):
            world = self.world("--overwrite", variables=variables, **environment)
            self.assertEqual(set(world.wait().values()), {0}, world.messages())
            self.assertEqual(self.bytes("threads", "adapter_model.safetensors"),
                             self.bytes("out", "adapter_model.safetensors"))

    def test_a_process_a_host(self):
        self.train(self.plan, "threads")
        world = World(self.folder, self.plan, 2, options=["--ranks", 2], prefixes={1: self.there},
                      variables=lambda rank, world, port: dict(RANK=rank, WORLD_SIZE=world, LOCAL_RANK=0,
                                                               MASTER_ADDR=HERE, MASTER_PORT=29500))
        self.addCleanup(world.__exit__)
        self.assertEqual(set(world.wait().values()), {0}, world.messages())
        self.assertEqual([entry["host"] for entry in self.summary("out")["ranks"]], ["here", "here", "there", "there"])
        self.assertEqual(self.bytes("threads", "adapter_model.safetensors"),
                         self.bytes("out", "adapter_model.safetensors"))

    def test_a_host_that_knows_its_own_name_as_its_loopback(self):
        def with_names(name, text):
            (self.folder / name).write_text(text)
            return ["unshare", "-m", "sh", "-c", f'mount --bind {self.folder / name} /etc/hosts && exec "$@"', "sh"]
        here = with_names("names-here", "127.0.0.1 localhost here\n")
        there = self.there + with_names("names-there", f"127.0.0.1 localhost there\n{HERE} here\n")
        world = World(self.folder, self.plan, 2, options=["--ranks", 2], prefixes={0: here, 1: there},
                      variables=lambda rank, world, port: dict(RANK=rank, WORLD_SIZE=world, MASTER_ADDR="here",
                                                               MASTER_PORT=29500))
        self.addCleanup(world.__exit__)
        self.assertEqual(set(world.wait().values()), {0}, world.messages())

    @unittest.skipUnless(shutil.which("mpirun"), "no Open MPI here")
    def test_one_mpirun_over_both(self):
        """Its daemon on the other host is started there as by ssh; what hosts exchange goes over the cable."""
        self.train(self.plan, "threads")
        agent = self.folder / "agent"
        agent.write_text(f'#!/bin/sh\nshift\nexec {" ".join(self.there)} sh -c "$*"\n')
        agent.chmod(0o755)
        cable = [word for name in ("oob", "btl") for word in ("--mca", f"{name}_tcp_if_include", f"{HERE}/24")]
        mpirun = ["mpirun", "--allow-run-as-root", "--mca", "plm_rsh_agent", agent, "--mca", "btl", "tcp,self", *cable,
                  "--host", f"{HERE}:2,{THERE}:2", "-np", 4, "-x", f"MASTER_ADDR={HERE}", "-x", "FTRUN_START_TIMEOUT=20"]
        forms = [[], ["--collectives", "mpi"]] if os.path.exists(PLUGIN) else [[]]
        for form in forms:
            with self.subTest(form=form):
                result = call(*mpirun, *self.command(self.plan, "out", "--overwrite", *form))
                self.assertEqual(result.code, 0, result.text)
                self.assertEqual([entry["host"] for entry in self.summary("out")["ranks"]],
                                 ["here", "here", "there", "there"])
                self.assertEqual(self.bytes("threads", "adapter_model.safetensors"),
                                 self.bytes("out", "adapter_model.safetensors"))

    def test_listens_where_rank_0_is_reached_and_no_longer_than_the_start(self):
        world = World(self.folder, self.plan, only=[0], name="first", options=["--max-steps", 1000000],
                      variables=lambda rank, size, port: dict(RANK=rank, WORLD_SIZE=size, MASTER_ADDR=HERE,
                                                              MASTER_PORT=29500))
        self.addCleanup(world.__exit__)
        end = time.monotonic() + 20
        while not self.listening() and time.monotonic() < end:
            time.sleep(0.02)
        self.assertEqual(self.listening(), [f"{HERE}:29501"])
        others = World(self.folder, self.plan, only=[1, 2, 3], name="others", options=["--max-steps", 1000000],
                       variables=lambda rank, size, port: dict(RANK=rank, WORLD_SIZE=size, MASTER_ADDR=HERE,
                                                               MASTER_PORT=29500),
                       prefixes={2: self.there, 3: self.there})
        self.addCleanup(others.__exit__)
        self.assertTrue(others.until_training(), world.messages() + others.messages())
        self.assertEqual(self.listening(), [])

    def listening(self):
        """Local address of each listening TCP socket of this namespace."""
        found = []
        for name, width in (("tcp", 8), ("tcp6", 32)):
            for line in pathlib.Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
                address, state = line.split()[1], line.split()[3]
                if state == "0A":
                    host, port = address.split(":")
                    octets = [str(int(host[i:i + 2], 16)) for i in range(0, 8, 2)][::-1]
                    found.append((".".join(octets) if width == 8 else host) + f":{int(port, 16)}")
        return found

    def test_an_interface_that_one_host_has_not(self):
        world = self.world(FTRUN_INTERFACE="cable0", FTRUN_START_TIMEOUT=3)
        self.assertEqual(world.wait(), {0: 2, 1: 2, 2: 2, 3: 2})
        self.assertIn("FTRUN_INTERFACE=cable0: this host has no such interface; it has", world[2].message)
        self.assertIn("ranks 2 and 3 have not come within 3 s", world[0].message)

    def test_a_cable_that_is_pulled(self):
        world = self.world("--max-steps", 1000000)
        self.assertTrue(world.until_training(), world.messages())
        sh("ip", "link", "set", "cable0", "down")
        self.assertEqual(set(world.wait(60).values()), {3}, world.messages())
        for rank in (0, 1):
            self.assertRegex(world[rank].message, r"rank [23]: no heartbeat for 20 s \(host")
        for rank in (2, 3):
            self.assertRegex(world[rank].message, r"rank 0: no heartbeat for 20 s \(host")


def main():
    if INSIDE in os.environ:
        return unittest.main()
    unshare = ["unshare", "-nu"] if os.geteuid() == 0 else ["unshare", "-Urnu"]
    probe = subprocess.run([*unshare, "ip", "link", "add", "cable0", "type", "veth", "peer", "name", "cable1"],
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) if shutil.which("ip") else None
    if not probe or probe.returncode != 0:
        print("skipped: this machine gives no network namespaces, or has no ip")
        sys.exit(77)
    os.environ[INSIDE] = "1"
    os.execvp(unshare[0], [*unshare, sys.executable, "-B", *sys.argv])


if __name__ == "__main__":
    main()
