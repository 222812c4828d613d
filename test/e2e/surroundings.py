#!/usr/bin/env python3
"""What stands around a run and may go wrong: who reads its lines, the disk that fills, who asks for its end, who is in its
folder."""
import json
import os
import pathlib
import pty
import shutil
import signal
import subprocess
import time
import unittest

from harness import FTRUN, LORA, WorkshopTest, call

RUN = dict(lora=LORA, save_steps=2, max_steps=2000)
PATIENT = 60 # seconds for what takes none


def until(condition):
    end = time.monotonic() + PATIENT
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


class SurroundedTest(WorkshopTest):
    def model(self, samples):
        """A folder with a tokenizer of the goldens, and samples."""
        config = json.loads(pathlib.Path("recipes/models/tiny-gqa/config.json").read_text())
        (self.folder / "model").mkdir()
        (self.folder / "model" / "config.json").write_text(json.dumps({**config, "vocab_size": 1000}))
        plan = self.compile("full", base_model='"model"', max_steps=1)
        self.train(plan, "trained", "--stop-after", "1")
        for name in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(pathlib.Path("test/goldens/text/digits", name), self.folder / "model")
        shutil.copy(self.folder / "trained" / "model.safetensors", self.folder / "model")
        with open(self.folder / "data.jsonl", "w", encoding="utf-8") as file:
            for i in range(samples):
                file.write(json.dumps({"instruction": f"{i}", "output": f"{i * i} " * 8}) + "\n")
        return self.folder / "model"


class Readers(WorkshopTest):
    """Nobody reads what it prints: the run goes on, and ends when it is asked to."""

    def steps(self):
        metrics = self.folder / "out" / "metrics.jsonl"
        return metrics.read_bytes().count(b"\n") if metrics.exists() else 0

    def judge(self, output):
        plan = self.compile(**RUN)
        child = subprocess.Popen([str(word) for word in self.command(plan, "out")], stdout=output, stderr=output)
        self.addCleanup(child.kill)
        self.assertTrue(until(lambda: self.steps() > 100), self.steps())
        child.send_signal(signal.SIGTERM)
        self.assertEqual(child.wait(PATIENT), 4)
        step = self.summary("out")["steps"]
        self.assertTrue((self.folder / "out" / f"checkpoint-{step}" / "complete").exists())

    def test_a_pipe_that_is_full(self):
        read, write = os.pipe()
        self.addCleanup(os.close, read)
        self.addCleanup(os.close, write)
        os.set_blocking(write, False)
        try:
            while True:
                os.write(write, bytes(4096))
        except BlockingIOError:
            os.set_blocking(write, True)
        self.judge(write)

    def test_a_terminal_that_is_paused(self):
        master, terminal = pty.openpty()
        self.addCleanup(os.close, master)
        self.addCleanup(os.close, terminal)
        os.write(master, b"\x13") # Ctrl-S
        self.judge(terminal)

    def test_a_slow_reader_gets_all(self):
        plan = self.compile(**RUN | dict(max_steps=1500, save_steps=500))
        child = subprocess.Popen([str(word) for word in self.command(plan, "out")], stdout=subprocess.PIPE, text=True)
        self.addCleanup(child.kill)
        self.assertTrue(until(lambda: self.steps() == 1500))
        lines = child.communicate(timeout=PATIENT)[0].splitlines() # more than a pipe holds
        self.assertEqual([int(line.split()[0]) for line in lines if line.split() and line.split()[0].isdigit()],
                         list(range(1, 1501)))


class Disks(SurroundedTest):
    def quoted(self, *arguments, **options):
        """The words of a run for a shell."""
        return " ".join(f"'{word}'" for word in self.command(*arguments, **options))

    def disk(self, name, size):
        """What runs a line of a shell that has a small disk of its own at this folder."""
        (self.folder / name).mkdir()
        unshare = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-Urm"]
        mount = f"mount -t tmpfs -o size={size} tmpfs {self.folder / name}"
        if not shutil.which("unshare") or call(*unshare, "sh", "-c", mount).code != 0:
            self.skipTest("no disk can be mounted here")
        return lambda line: call(*unshare, "sh", "-c", f"{mount} && {line}")

    def test_checkpoints_do_not_take_the_room_of_the_results(self):
        """A disk of 100 KiB, which checkpoints fill."""
        disk = self.disk("disk", "100k")
        plan = self.compile(lora=LORA, save_steps=1, max_steps=6)
        self.train(plan, "whole")
        for name in ("disk/a", "disk"): # a folder of its own, and the disk itself
            with self.subTest(name):
                kept = self.folder / f"kept-{name.replace('/', '-')}"
                result = disk(f"{self.quoted(plan, name)} && cp -r {self.folder / name} {kept}")
                self.assertEqual(result.code, 0, result.text)
                self.assertIn("could not be written", result.out) # the disk was full, else this shows nothing
                self.assertEqual((kept / "adapter_model.safetensors").read_bytes(),
                                 self.bytes("whole", "adapter_model.safetensors"))

    def test_a_cache_that_is_full_costs_no_run(self):
        """What text becomes on its way has no room in the cache, and finds some where temporary files are; or nowhere."""
        disk, cache, other = self.disk("cache", "64k"), self.folder / "cache", self.folder / "other"
        other.mkdir()
        model = self.model(samples=5000)
        plan = self.compile(base_model='"model"', template='"chatml"', lora=LORA, data='{ train: "data.jsonl" }', sequence_len=64,
                            max_documents_per_row=None, max_document_len=None, max_steps=1)
        command = self.quoted(plan, "out", "--overwrite", model=model)
        result = disk(f"XDG_CACHE_HOME={cache} TMPDIR={other} {command}")
        self.assertEqual(result.code, 0, result.text)
        result = disk(f"XDG_CACHE_HOME={cache} TMPDIR={cache} {command}")
        self.refused(result, 2, "a scratch file in ", "No space left on device; make room there, or let TMPDIR name a folder")

    def test_a_file_that_may_not_grow_as_long_is_told_before_the_first_step(self):
        plan = self.compile(max_steps=1)
        result = call("bash", "-c", f"ulimit -f 1; {self.quoted(plan, 'out')}")
        self.refused(result, 2, "out: model.safetensors takes ", "may write no file beyond 1.00 KiB; raise ulimit -f")
        self.assertFalse((self.folder / "out").exists())


class Mixups(WorkshopTest):
    def test_an_adapter_where_a_model_is_named(self):
        full, plan = self.compile("full", max_steps=1), self.compile(lora=LORA, max_steps=1)
        self.train(full, "model")
        self.train(plan, "adapter", model=self.folder / "model")
        adapter, model = self.folder / "adapter", self.folder / "model"
        for named in (adapter, adapter / "adapter_model.safetensors"):
            self.refused(call(*self.command(plan, "out", model=named)), 1, "an adapter, not a model", "--adapter")
        self.refused(call(*self.command(plan, "out", model=model / "config.json")), 1, "is one file of a model; name the folder")
        self.refused(call(*self.command(plan, "out", "--adapter", model, model=model)), 1, "holds no adapter_config.json; name")
        self.refused(call(*self.command(plan, "out", "--adapter", adapter / "adapter_model.safetensors", model=model)), 1,
                     "is a file; name the folder that holds it")
        for name in ("adapter_config.json", "adapter_model.safetensors"):
            shutil.copy(adapter / name, model)
        self.assertIn("model holds an adapter beside the model, which transformers would load and this run does not",
                      self.train(plan, "beside", model=model).out)
        self.assertNotIn("beside the model", self.train(plan, "on", "--adapter", model, model=model).out)


class Ends(SurroundedTest):
    def test_a_signal_while_text_is_read_ends_it_at_once(self):
        model = self.model(samples=150000) # which take a while to read
        plan = self.compile(base_model='"model"', template='"chatml"', lora=LORA, data='{ train: "data.jsonl" }', sequence_len=64,
                            max_documents_per_row=None, max_document_len=None, max_steps=2)
        environment = dict(os.environ, XDG_CACHE_HOME=str(self.folder / "cache"))
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            with self.subTest(number):
                child = subprocess.Popen([str(word) for word in self.command(plan, "out", model=model)], env=environment,
                                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                self.addCleanup(child.kill)
                time.sleep(0.5)
                begin = time.monotonic()
                child.send_signal(number)
                _, said = child.communicate(timeout=PATIENT)
                self.assertEqual((child.returncode, said),
                                 (4, "ftrun: interrupted before the first step; nothing was trained\n"))
                self.assertLess(time.monotonic() - begin, 5)
                self.assertFalse((self.folder / "out").exists())
                self.assertEqual([path for path in (self.folder / "cache").rglob("*") if path.is_file()], [])

    def test_a_working_folder_that_is_gone(self):
        plan, gone = self.compile(max_steps=1), self.folder / "gone"
        gone.mkdir()
        result = call("bash", "-c", f"cd '{gone}'; rmdir '{gone}'; exec \"$@\"", "bash", os.path.abspath(FTRUN), plan,
                      "--model", "seeded:1", "--out", "out")
        self.refused(result, 1, "--out out: the working folder was removed; change into one that is there")

    def test_a_second_run_into_the_folder_is_told_of_the_first(self):
        plan = self.compile(**RUN | dict(max_steps=100000))
        child = subprocess.Popen([str(word) for word in self.command(plan, "out")], stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
        self.addCleanup(child.kill)
        self.assertTrue(until(lambda: (self.folder / "out" / "checkpoint-4" / "complete").exists()))
        for options in ([], ["--overwrite"], ["--resume", "auto"]):
            self.refused(call(*self.command(plan, "out", *options)), 1, "another run writes there; name another folder")
        child.send_signal(signal.SIGTERM)
        self.assertEqual(child.wait(PATIENT), 4)
        self.assertIn("continues bit for bit", self.train(plan, "out", "--resume", "auto", "--stop-after", "6").out)


if __name__ == "__main__":
    unittest.main(verbosity=2)
