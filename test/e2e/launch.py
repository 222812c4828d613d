"""Ranks in several processes, started as a launcher starts them. Nothing beyond Python's standard library."""
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time

from harness import FTRUN

HERE = "127.0.0.1"


def free_port():
    with socket.socket() as s:
        s.bind((HERE, 0))
        return s.getsockname()[1]


def torchrun(rank, world, port):
    return dict(RANK=rank, LOCAL_RANK=rank, WORLD_SIZE=world, MASTER_ADDR=HERE, MASTER_PORT=port - 1)


def slurm(rank, world, port):
    return dict(SLURM_PROCID=rank, SLURM_NTASKS=world, SLURM_JOB_NODELIST=f"{HERE},other", FTRUN_PORT=port)


def open_mpi(rank, world, port):
    return dict(OMPI_COMM_WORLD_RANK=rank, OMPI_COMM_WORLD_SIZE=world, OMPI_COMM_WORLD_LOCAL_RANK=rank,
                MASTER_ADDR=HERE, FTRUN_PORT=port)


def mpich(rank, world, port):
    return dict(PMI_RANK=rank, PMI_SIZE=world, MPI_LOCALRANKID=rank, MASTER_ADDR=HERE, FTRUN_PORT=port)


class Rank:
    """One process. Its output goes to files, so that nobody has to read while it runs."""

    def __init__(self, folder, name, arguments, environment):
        folder = pathlib.Path(folder)
        self.out, self.err = folder / f"{name}.out", folder / f"{name}.err"
        variables = {key: value for key, value in os.environ.items() if not key.startswith(("OMPI_", "SLURM_", "FTRUN_"))}
        variables.update({key: str(value) for key, value in environment.items()})
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            self.process = subprocess.Popen([str(a) for a in arguments], env=variables, stdout=out, stderr=err)

    def signal(self, number):
        if self.process.poll() is None:
            self.process.send_signal(number)

    def wait(self, timeout):
        return self.process.wait(timeout=timeout)

    @property
    def code(self):
        return self.process.returncode

    @property
    def message(self):
        return self.err.read_text(errors="replace")


class World:
    """All ranks of a run; `per_rank` (environment), `plans`, `extra` (options) and `prefixes` change single ones."""

    def __init__(self, folder, plan, ranks=4, name="world", out="out", options=(), variables=torchrun, environment=None,
                 per_rank=None, plans=None, port=None, only=None, extra=None, prefixes=None, model="seeded:11"):
        self.port = port or free_port()
        self.folder, self.started = pathlib.Path(folder), time.monotonic()
        self.ranks = {}
        for rank in only if only is not None else range(ranks):
            command = [*(prefixes or {}).get(rank, ()), os.path.abspath(FTRUN), (plans or {}).get(rank, plan), "--model", model, "--threads", 1, "--out",
                       self.folder / out, *options, *(extra or {}).get(rank, ())]
            own = {**variables(rank, ranks, self.port), "FTRUN_START_TIMEOUT": 20, **(environment or {}),
                   **(per_rank or {}).get(rank, {})}
            self.ranks[rank] = Rank(self.folder, f"{name}-{rank}", command, own)

    def __getitem__(self, rank):
        return self.ranks[rank]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for rank in self.ranks.values():
            for number in (signal.SIGCONT, signal.SIGKILL):
                rank.signal(number)
            rank.wait(10)

    def wait(self, timeout=60, but=()):
        """The exit codes of all, or of all but some, by rank."""
        end = time.monotonic() + timeout
        return {number: rank.wait(max(0.01, end - time.monotonic())) for number, rank in self.ranks.items()
                if number not in but}

    def messages(self):
        return "\n".join(f"[{number}: {rank.code}] {rank.message}" for number, rank in self.ranks.items())

    def until_training(self, out="out", lines=1, timeout=40):
        path, end = self.folder / out / "metrics.jsonl", time.monotonic() + timeout
        while time.monotonic() < end:
            if path.exists() and path.read_bytes().count(b"\n") >= lines:
                return True
            if all(rank.process.poll() is not None for rank in self.ranks.values()):
                return False
            time.sleep(0.01)
        return False


class Proxy:
    """Forwards connections to a port, until it is cut: then they end, or, silent, carry nothing any more."""

    def __init__(self, port):
        self.target, self.pairs, self.carries = port, [], True
        self.listener = socket.create_server((HERE, 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                inner, _ = self.listener.accept()
            except OSError:
                return
            try:
                outer = socket.create_connection((HERE, self.target))
            except OSError:
                inner.close()
                continue
            self.pairs.append((inner, outer))
            for a, b in ((inner, outer), (outer, inner)):
                threading.Thread(target=self.forward, args=(a, b), daemon=True).start()

    def forward(self, source, target):
        try:
            while data := source.recv(1 << 16):
                if self.carries:
                    target.sendall(data)
            if self.carries:
                target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def cut(self, silently=False):
        self.carries = False
        if silently:
            return
        self.listener.close()
        for pair in self.pairs:
            for end in pair:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def close(self):
        self.cut()
        for pair in self.pairs:
            for end in pair:
                end.close()
