#!/usr/bin/env python3
"""Measures what comes in: tokenizers, data, weights. Writes reports/results/text.json and reports/text.md.

    reports/text.py [--build build] [--python PYTHON] [--tokenizer PATH ...] [--scratch DIR] [--gpu TARGET] [--plans DIR]
                    [--megabytes N] [PART ...]
    reports/text.py --compile DIR [--build build] [--gpu TARGET]

Parts, all but the first by default:
  equal        the comparisons of test/goldens with the libraries of Python, in PYTHON, which needs what their scripts name: how many
               texts and chats came out the same (half an hour, and 140 MB of packages)
  tokenizers   test/goldens/text/speed.py in PYTHON, which needs tokenizers and sentencepiece: each PATH (a folder with
               tokenizer.json, a tokenizer.model* or a tekken*.json) against its library, on one thread and on all cores,
               and some of `ftc`'s own trained forms
  data         `ftc data` on 2 GB of generated samples (or N MB) with the first PATH of each kind: MB/s, the most memory that
               the process had at a time, and how full its rows are; and 10,000 samples of drawn lengths
  weights      a model of 2.5 GB in BF16 in four files, its pages dropped before and not: GB/s into the processor's arena,
               or with --gpu into the GPU's, beside what reading the same files gives (in one thread, eight and as many as
               there are cores) and what PYTHON's torch copies from pinned memory to the GPU
What other processes take meanwhile is written beside each number.

Where there is no MLIR, and so no ftc: --compile DIR on a machine that has it writes the plans, --plans DIR takes them, and
build/test/bin/pack-data does what `ftc data` does.
"""
import argparse
import concurrent.futures
import json
import mmap
import os
import pathlib
import random
import re
import struct
import subprocess
import tempfile
import time

from cpu import CORES, ROOT, cpu_name, table, timed

FORMS = ROOT / "test/goldens/text"
DATA_RECIPE = """base_model: "qwen2.5-0.5b"
target: "cpu"
precision: BF16_TRUE
sequence_len: 2048
micro_batch_size: 1
learning_rate: 1e-4
max_steps: 1
data { train: "data.jsonl" }
"""
LOAD_RECIPE = """base_model: "llama-3.2-1b"
target: "cpu"
precision: BF16_TRUE
sequence_len: 16
micro_batch_size: 1
lora { r: 8 target_modules: "q_proj" }
learning_rate: 1e-4
max_steps: 1
data { train: "synthetic:1" }
"""
COPY_RATE = """import time, torch
host, best = torch.empty(1 << 30, dtype=torch.uint8).pin_memory(), 1e9
device = torch.empty_like(host, device="cuda")
for _ in range(6):
    torch.cuda.synchronize(); start = time.perf_counter()
    device.copy_(host, non_blocking=True); torch.cuda.synchronize(); best = min(best, time.perf_counter() - start)
print(host.numel() / best / 1e9)
"""


COMPARED = { # what, and the script with its arguments, in which a program's name is one under test/bin of the build
    "tokenizers trained here, a form each": ["text/compare.py", "tokenize"],
    "GGUF vocabularies made here": ["text/gguf_forms.py", "tokenize"],
    "pairs of a normaliser and a pre-tokenizer": ["text/combinations.py", "tokenize"],
    "published tokenizers": ["text/real.py", "tokenize"],
    "chat templates, by name": ["templates/make_goldens.py", "render-chats", "2000"]}


def counted(what, text):
    """A row of what a comparison printed."""
    lines = [(name, int(equal), int(all_)) for name, equal, all_ in re.findall(r"^(.*): (\d+) of (\d+) (?:chats )?equal", text, re.M)]
    return dict(what=what, kinds=len({name.removesuffix(" with its template") for name, _, _ in lines}),
                compared=sum(all_ for _, _, all_ in lines), equal=sum(equal for _, equal, _ in lines))


def measure_equal(options, folder):
    goldens = ROOT / "test/goldens"
    return [counted(what, subprocess.run([options.python, goldens / script, options.build / "test/bin" / program, *more],
                                         capture_output=True, text=True).stdout)
            for what, (script, program, *more) in COMPARED.items()]


def measure_tokenizers(options, folder):
    names = [FORMS / "gpt2", FORMS / "llama3", *(FORMS / "forms" / form for form in ("qwen2", "llama2", "gemma", "unigram")), *options.tokenizer]
    result = subprocess.run([options.python, FORMS / "speed.py", options.build / "test/bin/tokenize", *names],
                            capture_output=True, text=True)
    rows = re.findall(r"^(\S+), (\d+) threads: ftc ([\d.]+) MB/s, its library ([\d.]+) MB/s", result.stdout, re.M)
    if len(rows) != len(names) * len({1, CORES}):
        raise SystemExit(result.stdout + result.stderr)
    return [dict(model=model, threads=int(threads), ftc=float(ours), library=float(theirs)) for model, threads, ours, theirs in rows]


def compiled(options, name, recipe, folder, *more):
    """The plan of a recipe, or the one that --plans has."""
    if options.plans:
        return options.plans / f"{name}.bin"
    (folder / f"{name}.textproto").write_text(recipe)
    timed([options.build / "bin/ftc", "compile", folder / f"{name}.textproto", *more, "-o", folder / f"{name}.bin"])
    return folder / f"{name}.bin"


def words_of_samples():
    words = (ROOT / "LICENSE").read_text().split() + (ROOT / "recipes/data/wordnet_train.jsonl").read_text().split()[:40000]
    return [json.dumps(word, ensure_ascii=False)[1:-1] for word in words]


def write_samples(path, most):
    """Alpaca samples of text from this repository's own words, none twice."""
    rng, words = random.Random(1), words_of_samples()
    texts = [" ".join(words[at : at + rng.randint(20, 400)]) for at in range(0, len(words) - 400, 7)]
    questions = [" ".join(words[at : at + 20]) for at in range(0, len(words) - 400, 7)]
    size = number = 0
    with open(path, "w", buffering=1 << 22) as file:
        while size < most:
            number += 1
            size += file.write(f'{{"instruction": "{number}: {rng.choice(questions)}", "input": "", "output": "{rng.choice(texts)}"}}\n')
    return number


def write_lengths(path, count=10000):
    """Samples whose lengths are drawn as those of published sets of chats look: log-normal, a few of thousands of tokens."""
    rng, words = random.Random(2), words_of_samples()
    with open(path, "w") as file:
        for number in range(count):
            at, length = rng.randrange(len(words)), min(1500, int(rng.lognormvariate(5, 0.9)))
            text = " ".join((words[at:] + words)[:length])
            file.write(f'{{"instruction": "{number}", "input": "", "output": "{text}"}}\n')
    return count


def measure_data(options, folder):
    data, plan = folder / "data.jsonl", compiled(options, "data", DATA_RECIPE, folder)
    models = {path.suffix == ".json" or path.is_dir(): path for path in reversed(options.tokenizer)}
    rows = []
    for write in (lambda: write_samples(data, options.megabytes * 10**6), lambda: write_lengths(data)):
        samples = write()
        for model in models.values() or (FORMS / "gpt2", FORMS / "forms/sp_llama"):
            own = model
            if model.is_file():
                own = folder / model.name
                own.mkdir(exist_ok=True)
                link = own / ("tekken.json" if model.suffix == ".json" else "tokenizer.model")
                link.unlink(missing_ok=True)
                link.symlink_to(model.resolve())
            text, row = timed([options.build / "test/bin/pack-data", plan, own, data, folder / "tokens"])
            filled = re.search(r"filled to ([\d.]+) %", text)
            rows.append(dict(row, form=model.name, samples=samples, bytes=data.stat().st_size, filled_percent=float(filled[1])))
            (folder / "tokens").unlink()
        data.unlink()
    return rows


def write_model(folder, parts=4):
    """Llama-3.2-1B's tensors in BF16 below 2 in magnitude, in several files with an index."""
    config = json.loads((ROOT / "recipes/models/llama-3.2-1b/config.json").read_text())
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    width, inner, heads, kv = (config[key] for key in ("hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads"))
    head = config.get("head_dim") or width // heads
    tensors = {"model.embed_tokens.weight": (config["vocab_size"], width), "model.norm.weight": (width,)}
    for layer in range(config["num_hidden_layers"]):
        for name, shape in (("self_attn.q_proj", (heads * head, width)), ("self_attn.k_proj", (kv * head, width)),
                            ("self_attn.v_proj", (kv * head, width)), ("self_attn.o_proj", (width, heads * head)),
                            ("mlp.gate_proj", (inner, width)), ("mlp.up_proj", (inner, width)), ("mlp.down_proj", (width, inner)),
                            ("input_layernorm", (width,)), ("post_attention_layernorm", (width,))):
            tensors[f"model.layers.{layer}.{name}.weight"] = shape
    noise = bytearray(os.urandom(1 << 24))
    noise[1::2] = noise[1::2].translate(bytes(byte & 0xBF for byte in range(256))) # exponents below 2: all finite
    names, index, total = list(tensors), {}, 0
    for part in range(parts):
        file_name = f"model-{part + 1:05}-of-{parts:05}.safetensors"
        own, header, at = names[part::parts], {}, 0
        for name in own:
            count = 2 * tensors[name][0] * (tensors[name][1] if len(tensors[name]) > 1 else 1)
            header[name] = dict(dtype="BF16", shape=tensors[name], data_offsets=[at, at + count])
            index[name] = file_name
            at += count
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        with open(folder / file_name, "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text)
            while at > 0:
                file.write(memoryview(noise)[: min(at, len(noise))])
                at -= len(noise)
            os.fsync(file.fileno())
        total += (folder / file_name).stat().st_size
    (folder / "model.safetensors.index.json").write_text(json.dumps(dict(metadata={}, weight_map=index)))
    return total


def drop(folder):
    """The files' pages leave memory."""
    for path in folder.iterdir():
        descriptor = os.open(path, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def read_rate(folder, threads, block=1 << 22, direct=True):
    """GB/s of plain reads, each thread its own blocks, past the page cache where the file system lets that be."""
    jobs = [(path, at) for path in sorted(folder.glob("*.safetensors")) for at in range(0, path.stat().st_size, block)]
    flags = os.O_RDONLY | (os.O_DIRECT if direct else 0)
    files = {path: os.open(path, flags) for path, _ in jobs}
    buffers = [mmap.mmap(-1, block) for _ in range(threads)]

    def work(number):
        return sum(os.preadv(files[path], [buffers[number]], at) for path, at in jobs[number::threads])

    start = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        size = sum(pool.map(work, range(threads)))
    rate = size / (time.monotonic() - start) / 1e9
    for descriptor in files.values():
        os.close(descriptor)
    return round(rate, 2)


def rate_of_reading(folder, cold):
    """The best rate in one thread, in eight and in as many as there are cores."""
    rates = []
    for threads in sorted({1, 8, CORES}):
        if cold:
            drop(folder)
        try:
            rates.append(read_rate(folder, threads, direct=cold))
        except OSError: # no O_DIRECT here
            drop(folder)
            rates.append(read_rate(folder, threads, direct=False))
    return max(rates)


def measure_weights(options, folder):
    size = write_model(folder / "model")
    rows = []
    for target in ["cpu"] * (not options.only_gpu) + [options.gpu] * bool(options.gpu):
        plan = compiled(options, f"load-{target}", LOAD_RECIPE, folder, "--gpu", target)
        copy = None if target == "cpu" else round(float(subprocess.run([options.python, "-c", COPY_RATE], capture_output=True,
                                                                       text=True, check=True).stdout), 2)
        for cold in (True, True, False, False):
            reading = rate_of_reading(folder / "model", cold)
            if cold:
                drop(folder / "model")
            text, row = timed([options.build / "bin/ftrun", plan, "--model", folder / "model", "--out", folder / "out", "--overwrite"])
            loaded = re.search(r"loaded .* of weights in ([\d.]+) s, ([\d.]+) GB/s", text)
            rows.append(dict(row, cores=CORES, target=target, cold=cold, bytes=size, load_seconds=float(loaded[1]), gb_per_s=float(loaded[2]),
                             read_gb_per_s=reading, copy_gb_per_s=copy))
    return rows


def report(results):
    parts = [f"# What comes in: tokenizers, data, weights\n\n`reports/text.py` wrote this on {results['cpu']}, {CORES} cores. \"Others\" is how "
             "many cores other\nprocesses took during the measurement."]
    if "equal" in results:
        parts.append("## Equal to the libraries\n\nToken for token to `tokenizers`, `sentencepiece` and `mistral-common`: a corpus and 10,000 generated "
                     "texts for each kind, of code, joined\nemoji, CJK, Arabic, combining marks, controls, runs of spaces, invalid UTF-8, "
                     "special tokens. Chats, 2,000 generated ones\nfor each template, are what `transformers` renders, or fail in both.\n\n" + table(
                         ["what", "kinds", "compared", "equal"],
                         [[row["what"], row["kinds"], row["compared"], row["equal"]] for row in results["equal"]]))
    if "tokenizers" in results:
        parts.append("## Tokenizers\n\nThe sources of Python's library and this repository's data, in pieces of 2 kB; each program encodes them three "
                     "times, the best\ncounts. The library is `tokenizers`, or `sentencepiece` for a tokenizer.model.\n\n" + table(
                         ["tokenizer", "threads", "ftc, MB/s", "library, MB/s", "times as fast"],
                         [[row["model"], row["threads"], row["ftc"], row["library"], f"{row['ftc'] / row['library']:.1f}"]
                          for row in results["tokenizers"]]))
    if "data" in results:
        parts.append("## `ftc data` on generated Alpaca samples\n\nFrom the file to the packed token file, all of it: reading, digest, tokens, "
                     "packing, writing.\n\n" + table(
                         ["tokenizer", "GB", "samples", "seconds", "MB/s", "most memory, GiB", "rows filled, %", "others"],
                         [[row["form"], f"{row['bytes'] / 1e9:.2f}", row["samples"], row["seconds"], f"{row['bytes'] / 1e6 / row['seconds']:.0f}",
                           f"{row['peak_bytes'] / 2**30:.2f}", row["filled_percent"], row["other_cores"]] for row in results["data"]]))
    if "weights" in results:
        parts.append("## Weights into the arena\n\nLlama-3.2-1B's tensors in BF16, in four files; \"reading\" is the best of plain reads of the same "
                     "files on 1, 8 and all\nthreads, past the page cache where the pages were dropped; \"copying\", torch's from pinned memory to the GPU.\n\n" + table(
                         ["cores", "into", "pages", "GB", "seconds", "GB/s", "reading, GB/s", "copying, GB/s", "share of the least", "others"],
                         [[row["cores"], row["target"], "dropped" if row["cold"] else "in memory", f"{row['bytes'] / 1e9:.2f}", row["load_seconds"],
                           row["gb_per_s"], row["read_gb_per_s"], row["copy_gb_per_s"] or "–",
                           f"{row['gb_per_s'] / min(row['read_gb_per_s'], row['copy_gb_per_s'] or 1e9):.0%}", row["other_cores"]]
                          for row in results["weights"]]))
    return "\n\n".join(parts) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--python", default="python3", help="with tokenizers and sentencepiece; with --gpu, torch")
    parser.add_argument("--tokenizer", type=pathlib.Path, action="append", default=[])
    parser.add_argument("--scratch", type=pathlib.Path, help="a folder on the disk that is measured")
    parser.add_argument("--plans", type=pathlib.Path, help="a folder that --compile wrote")
    parser.add_argument("--compile", type=pathlib.Path, help="write the plans into this folder, and measure nothing")
    parser.add_argument("--gpu", help="also load into this target's memory")
    parser.add_argument("--only-gpu", action="store_true", help="do not load into the processor's")
    parser.add_argument("--megabytes", type=int, default=2000, help="of generated samples")
    parser.add_argument("part", nargs="*", help="equal, tokenizers, data, weights")
    options = parser.parse_args()
    if options.compile:
        options.compile.mkdir(parents=True, exist_ok=True)
        compiled(options, "data", DATA_RECIPE, options.compile, *["--gpu", options.gpu] * bool(options.gpu)) # its kernels are fewer
        for target in ["cpu"] + [options.gpu] * bool(options.gpu):
            compiled(options, f"load-{target}", LOAD_RECIPE, options.compile, "--gpu", target)
        return
    parts = options.part or ["tokenizers", "data", "weights"]
    if set(parts) - {"equal", "tokenizers", "data", "weights"}:
        parser.error("parts are equal, tokenizers, data and weights")
    stored = ROOT / "reports/results/text.json"
    results = json.loads(stored.read_text()) if stored.exists() else {}
    results.update(cpu=cpu_name(), cores=CORES)
    for part in parts:
        with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
            rows = globals()[f"measure_{part}"](options, pathlib.Path(folder))
        others = [row for row in results.get(part, []) if part == "weights" and row["cores"] != CORES] # another machine's
        results[part] = others + rows
        stored.parent.mkdir(exist_ok=True)
        stored.write_text(json.dumps(results, indent=1) + "\n")
    text = report(results)
    (ROOT / "reports/text.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
