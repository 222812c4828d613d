"""Compares ftc's tokenizers with their references, token for token: compare.py TOKENIZE [--texts N] [MODEL...]

TOKENIZE is build/test/bin/tokenize. Without a MODEL every form of forms.py is trained and compared, on its corpus and on N
generated texts (default 10000). A MODEL is a real one: a folder with tokenizer.json, tokenizer.model or tekken.json, a
tokenizer.model* of SentencePiece, or a tekken*.json of mistral-common (whose package carries such files). Prints one line for each and exits 1 where anything differs.
"""
import os, subprocess, sys, tempfile
import sentencepiece as spm
from tokenizers import Tokenizer
import forms


def reference(folder):
    """The library's encoder, and what `tokenize` is told so that both read the same."""
    if os.path.exists(os.path.join(folder, "tokenizer.json")):
        tok = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
        return lambda data, around=False: forms.encode_json(tok, data, around), []
    if os.path.exists(os.path.join(folder, "tekken.json")):
        return forms.tekken_encoder(os.path.join(folder, "tekken.json")), ["--text"]
    sp = spm.SentencePieceProcessor(model_file=os.path.join(folder, "tokenizer.model"))
    return lambda data, around=False: sp.encode(data), ["--text"]


def ours(tokenize, folder, texts, options):
    result = subprocess.run([tokenize, folder, *options], input="".join(t.hex() + "\n" for t in texts), text=True,
                            capture_output=True)
    if result.returncode:
        raise SystemExit(f"{folder}: {result.stderr}")
    return [[int(i) for i in line.split()] for line in result.stdout.split("\n")[:-1]], result.stderr.strip()


def compare(tokenize, folder, texts, around=False):
    encode, options = reference(folder)
    got, note = ours(tokenize, folder, texts, options + (["--add-special"] if around else []))
    assert len(got) == len(texts)
    wrong = [(t, g, e) for t, g, e in zip(texts, got, (encode(t, around) for t in texts)) if g != e]
    for text, mine, expected in wrong[:3]:
        print("  differs:", text, "\n   ours     ", mine[:60], "\n   reference", expected[:60])
    print(f"{os.path.basename(folder)}{' with its template' if around else ''}: {len(texts) - len(wrong)} of {len(texts)} equal; {note}")
    return not wrong


def folder_of(path, scratch):
    if os.path.isdir(path):
        return path
    folder = os.path.join(scratch, os.path.basename(path))
    os.makedirs(folder)
    os.symlink(os.path.abspath(path), os.path.join(folder, "tekken.json" if path.endswith(".json") else "tokenizer.model"))
    return folder


def all_texts(count, seed=77):
    """The corpus, and `count` generated texts."""
    return [t.encode() for t in forms.TEXTS + forms.PERIODIC] + forms.BYTES + [line.encode() for line in forms.corpus()] + \
        list(forms.random_texts(count, seed))


def main():
    arguments = sys.argv[1:]
    count = 10000
    if "--texts" in arguments:
        at = arguments.index("--texts")
        count = int(arguments[at + 1])
        del arguments[at:at + 2]
    tokenize, *models = arguments
    texts = all_texts(count)
    ok = True
    with tempfile.TemporaryDirectory() as scratch:
        if not models:
            forms.write(scratch, full=True)
            models = [os.path.join(scratch, name) for name in sorted(os.listdir(scratch))]
            models += [os.path.join(forms.HERE, name) for name in ("gpt2", "digits", "llama3")]
        for model in models:
            folder = folder_of(model, scratch)
            ok &= compare(tokenize, folder, texts)
            if not os.path.exists(os.path.join(folder, "tokenizer.model")):
                ok &= compare(tokenize, folder, texts[:200], around=True)
    raise SystemExit(0 if ok else 1)


if __name__ == "__main__":
    main()
