"""Compares ftc's tokenizers with their references, token for token: compare.py TOKENIZE [--texts N] [MODEL...]

TOKENIZE is build/test/bin/tokenize. Without a MODEL every form of forms.py is trained and compared, on its corpus and on N
generated texts (default 10000). A MODEL is a real one: a folder with tokenizer.json or tokenizer.model, a tokenizer.model*
of SentencePiece, or a tekken.json of mistral-common. Prints one line for each and exits 1 where anything differs.
"""
import base64, json, os, subprocess, sys, tempfile, time
import sentencepiece as spm
from tokenizers import Tokenizer
import forms


def alphabet():
    printable = [*range(33, 127), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    out, extra = {}, 0x100
    for b in range(256):
        out[b] = chr(b) if b in printable else chr(extra)
        extra += b not in printable
    return out


def from_tekken(path, folder):
    """A Tekken file's vocabulary as tokenizer.json: the merges are the pairs that rank before their product."""
    data = json.load(open(path))
    letters = alphabet()
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


def reference(folder):
    """The library's encoder, and what `tokenize` is told so that both read the same."""
    if os.path.exists(os.path.join(folder, "tokenizer.json")):
        tok = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
        return lambda data, around=False: forms.encode_json(tok, data, around), []
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
    if path.endswith(".json"):
        return from_tekken(path, folder)
    os.symlink(os.path.abspath(path), os.path.join(folder, "tokenizer.model"))
    return folder


def main():
    arguments = sys.argv[1:]
    count = 10000
    if "--texts" in arguments:
        at = arguments.index("--texts")
        count = int(arguments[at + 1])
        del arguments[at:at + 2]
    tokenize, *models = arguments
    texts = [t.encode() for t in forms.TEXTS] + forms.BYTES + [l.encode() for l in forms.corpus()] + list(forms.random_texts(count, 77))
    ok = True
    with tempfile.TemporaryDirectory() as scratch:
        if not models:
            forms.write(scratch, full=True)
            models = [os.path.join(scratch, name) for name in sorted(os.listdir(scratch))]
        for model in models:
            folder = folder_of(model, scratch)
            ok &= compare(tokenize, folder, texts)
            if os.path.exists(os.path.join(folder, "tokenizer.json")):
                ok &= compare(tokenize, folder, texts[:200], around=True)
    raise SystemExit(0 if ok else 1)


if __name__ == "__main__":
    main()
