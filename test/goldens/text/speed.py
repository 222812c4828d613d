"""Times ftc's tokenizers against `tokenizers`, in one run on the same texts: speed.py TOKENIZE MODEL... [--threads N]

TOKENIZE is build/test/bin/tokenize; MODEL as for compare.py. The texts are the sources of Python's standard library and
this repository's data, cut into pieces of about 2 kB. Each program encodes them five times; the best time counts, without
reading and writing. Prints MB/s for 1 and for N threads (default: all), and how much faster ftc is. Exits 1 where it is slower.
"""
import glob, os, re, subprocess, sys, sysconfig, tempfile, time


def texts():
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..")
    names = sorted(glob.glob(os.path.join(sysconfig.get_paths()["stdlib"], "*.py"))) + \
        sorted(glob.glob(os.path.join(root, "recipes", "data", "*.jsonl"))) + [os.path.join(root, "LICENSE")]
    for name in names:
        text = open(name, encoding="utf-8", errors="replace").read()
        for at in range(0, len(text), 2000):
            yield text[at:at + 2000]


def theirs(folder, data, threads):
    """In a process of its own: the number of threads is fixed when the first batch starts."""
    script = ("import sys, time; from tokenizers import Tokenizer\n"
              "tok = Tokenizer.from_file(sys.argv[1]); texts = [bytes.fromhex(l).decode() for l in sys.stdin]\n"
              "best = 1e9\n"
              "for _ in range(5):\n"
              "    start = time.perf_counter(); tok.encode_batch_fast(texts, add_special_tokens=False); best = min(best, time.perf_counter() - start)\n"
              "print(best)")
    environment = {**os.environ, "TOKENIZERS_PARALLELISM": "true", "RAYON_NUM_THREADS": str(threads)}
    return float(subprocess.run([sys.executable, "-c", script, os.path.join(folder, "tokenizer.json")], input=data, text=True,
                                capture_output=True, check=True, env=environment).stdout)


def ours(tokenize, folder, data, threads):
    runs = [subprocess.run([tokenize, folder, "--threads", str(threads)], input=data, text=True, capture_output=True, check=True)
            for _ in range(5)]
    return min(float(re.search(r" in (\S+) s,", run.stderr).group(1)) for run in runs)


def main():
    arguments = sys.argv[1:]
    threads = os.cpu_count()
    if "--threads" in arguments:
        at = arguments.index("--threads")
        threads = int(arguments[at + 1])
        del arguments[at:at + 2]
    tokenize, *models = arguments
    import compare
    pieces = list(texts())
    size = sum(len(t.encode()) for t in pieces) / 1e6
    data = "".join(t.encode().hex() + "\n" for t in pieces)
    slower = False
    with tempfile.TemporaryDirectory() as scratch:
        for model in models:
            folder = compare.folder_of(model, scratch)
            for count in sorted({1, threads}):
                mine, other = ours(tokenize, folder, data, count), theirs(folder, data, count)
                slower |= mine > other
                print(f"{os.path.basename(model)}, {size:.1f} MB, {count} threads: ftc {size / mine:.1f} MB/s, tokenizers "
                      f"{size / other:.1f} MB/s, {other / mine:.1f} times as fast", flush=True)
    raise SystemExit(1 if slower else 0)


main()
