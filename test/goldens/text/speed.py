"""Times ftc's tokenizers against `tokenizers`, in one run on the same texts: speed.py TOKENIZE MODEL... [--threads N]

TOKENIZE is build/test/bin/tokenize. MODEL is a folder with tokenizer.json, or a tekken*.json, of which `tokenizers` gets the
same vocabulary and merges as tokenizer.json; or a tokenizer.model*, against `sentencepiece`. The texts are this repository's
data and the sources of Python's libraries, cut into pieces of about 2 kB: 1 MB of them for each thread. Each program encodes
them three times; the best time counts, without reading and writing. Prints MB/s for 1 and for N threads (default: all), and how much faster ftc is. Exits 1 where it is slower.
"""
import base64, glob, json, os, re, subprocess, sys, sysconfig, tempfile
import forms


def from_tekken(path, folder):
    """A Tekken file's vocabulary as tokenizer.json: the merges are the pairs that rank before their product."""
    data = json.load(open(path))
    letters = forms.byte_alphabet()
    specials = data["config"]["default_num_special_tokens"]
    size = data["config"]["default_vocab_size"] - specials
    ranks = {base64.b64decode(t["token_bytes"]): t["rank"] for t in data["vocab"][:size]}
    write = lambda token: "".join(letters[b] for b in token)
    merges = []
    for token, rank in sorted(ranks.items(), key=lambda item: item[1]):
        local = [(ranks[token[:i]], ranks[token[i:]], token[:i], token[i:]) for i in range(1, len(token))
                 if token[:i] in ranks and token[i:] in ranks]
        merges += [(write(a), write(b)) for *_, a, b in sorted(local)]
    spec = {"version": "1.0", "truncation": None, "padding": None,
            "added_tokens": [{"id": 1, "content": "<s>", "single_word": False, "lstrip": False, "rstrip": False,
                              "normalized": False, "special": True}],
            "normalizer": None, "pre_tokenizer": json.loads(forms.split(forms.TEKKEN).__getstate__()),
            "post_processor": None, "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
            "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                      "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": True,
                      "vocab": {write(t): r + specials for t, r in ranks.items()}, "merges": merges}}
    spec["model"]["vocab"]["<s>"] = 1
    json.dump(spec, open(os.path.join(folder, "tokenizer.json"), "w"))
    return folder


PER_THREAD = 10**6


def texts(most):
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..")
    names = [os.path.join(root, "LICENSE")] + sorted(glob.glob(os.path.join(root, "recipes", "data", "*.jsonl")))
    for folder in ("stdlib", "purelib"):
        names += sorted(glob.glob(os.path.join(sysconfig.get_paths()[folder], "**", "*.py"), recursive=True))
    for name in names:
        text = open(name, encoding="utf-8", errors="replace").read()
        for at in range(0, len(text), 2000):
            piece = text[at:at + 2000]
            most -= len(piece.encode())
            if most < 0:
                return
            yield piece


JSON = "from tokenizers import Tokenizer\ntok = Tokenizer.from_file(path); go = lambda: tok.encode_batch_fast(texts, add_special_tokens=False)"
PIECES = "from sentencepiece import SentencePieceProcessor\ntok = SentencePieceProcessor(model_file=path); go = lambda: tok.encode(texts, num_threads=threads)"


def theirs(folder, data, threads):
    """In a process of its own: the number of threads is fixed when the first batch starts."""
    pieces = os.path.join(folder, "tokenizer.model")
    path, library = (pieces, PIECES) if os.path.exists(pieces) else (os.path.join(folder, "tokenizer.json"), JSON)
    script = ("import sys, time; path, threads, best = sys.argv[1], int(sys.argv[2]), 1e9\n"
              "texts = [bytes.fromhex(l).decode() for l in sys.stdin]\n" + library + "\nfor _ in range(3):\n"
              "    start = time.perf_counter(); go(); best = min(best, time.perf_counter() - start)\n"
              "print(best)")
    environment = {**os.environ, "TOKENIZERS_PARALLELISM": "true", "RAYON_NUM_THREADS": str(threads)}
    return float(subprocess.run([sys.executable, "-c", script, path, str(threads)], input=data, text=True,
                                capture_output=True, check=True, env=environment).stdout)


def ours(tokenize, folder, data, threads):
    runs = [subprocess.run([tokenize, folder, "--threads", str(threads)], input=data, text=True, capture_output=True, check=True)
            for _ in range(3)]
    return min(float(re.search(r" in (\S+) s,", run.stderr).group(1)) for run in runs)


def folder_of(path, scratch):
    """A folder for `ftc`, and one for the library."""
    if os.path.isdir(path):
        return path, path
    own, other = (os.path.join(scratch, os.path.basename(path) + end) for end in ("", ".json"))
    os.makedirs(own)
    tekken = path.endswith(".json")
    os.symlink(os.path.abspath(path), os.path.join(own, "tekken.json" if tekken else "tokenizer.model"))
    if tekken:
        os.makedirs(other)
    return own, from_tekken(path, other) if tekken else own


def measure(tokenize, models, threads):
    """Rows of model, threads, and MB/s of ftc and of the library."""
    sets = {}
    for count in sorted({1, threads}):
        pieces = [text.encode() for text in texts(PER_THREAD * count)]
        sets[count] = sum(map(len, pieces)) / 1e6, "".join(piece.hex() + "\n" for piece in pieces)
    with tempfile.TemporaryDirectory() as scratch:
        for model in models:
            own, other = folder_of(model, scratch)
            for count, (size, data) in sets.items():
                yield os.path.basename(model), count, size / ours(tokenize, own, data, count), size / theirs(other, data, count)


def main():
    arguments = sys.argv[1:]
    threads = os.cpu_count()
    if "--threads" in arguments:
        at = arguments.index("--threads")
        threads = int(arguments[at + 1])
        del arguments[at:at + 2]
    tokenize, *models = arguments
    slower = False
    for model, count, mine, other in measure(tokenize, models, threads):
        slower |= mine < other
        print(f"{model}, {count} threads: ftc {mine:.1f} MB/s, its library {other:.1f} MB/s, {mine / other:.1f} times as fast",
              flush=True)
    raise SystemExit(1 if slower else 0)


if __name__ == "__main__":
    main()
