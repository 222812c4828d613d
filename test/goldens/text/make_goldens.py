"""Makes the goldens of runtime/Text with the PyPI package `tokenizers`: make_goldens.py SmolLM2.gguf

Needs tokenizers and gguf. Writes, beside itself: three small trained vocabularies (<name>/tokenizer.json), cases.json
(texts, their ids in each vocabulary and in SmolLM2's, and decodings) and sweep.json (digests over all code points).
"""
import hashlib, json, os, random, struct, sys
from gguf import GGUFReader
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

HERE = os.path.dirname(os.path.abspath(__file__))
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|im|>", "<|im_start|>x"]

TEXTS = [
    "Hello world", "  leading and trailing  ", "don't can't we'll I'D THEY'RE it's 'Tis", "a\tb\n\n  c\r\n\r\nd   ",
    "int main(void) {\n\tfor (int i = 0; i < 10; ++i)\n        x[i] += 0xFF & ~mask; // done\n}\n",
    "def f(x: list[int]) -> str:\n    return f\"{x!r:>10}\"  # 3.14e-10\n", "1234567890 12 345,678.90 v2.0.1",
    "\U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 \U0001f1e9\U0001f1ea\U0001f3f3\ufe0f\u200d\U0001f308 ok\U0001f44d\U0001f3fd",
    "\u4f60\u597d\uff0c\u4e16\u754c\u3002\u65e5\u672c\u8a9e\u306e\u30c6\u30b9\u30c8\ud55c\uad6d\uc5b4 \u8a9e", "\u4e00\u4e8c\u4e09\u3007\u2167\u00bd\u0664\u0665\u0966\u0967\uff11\uff12",
    "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645 \u0627\u0644\u0633\u0651\u064e\u0644\u0627\u0645\u064f \u0639\u064e\u0644\u064e\u064a\u0652\u0643\u064f\u0645", "e\u0301 a\u0308o\u0308 n\u0303 Z\u0351\u036b\u0343\u036aa\u0306\u0301lgo \u1ea1\u0301 \u0e01\u0e33\u0e40\u0e19\u0e35\u0e22\u0e1a",
    "\u0440\u0443\u0441\u0441\u043a\u0438\u0439 \u0442\u0435\u043a\u0441\u0442 \u05e2\u05d1\u05e8\u05d9\u05ea \u0939\u093f\u0928\u094d\u0926\u0940", "a\u00a0b\u2003c\u3000d\u200be\u180ef\u0085g\u2028h", "\x00\x01\x04\x7f\x1d\x06", "", " ", "\n",
    "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n", "a<|im_end|>b <|im_start|>x<|im|><|im_<|im_end|>|>",
    "don\u2019t \u017f 'S'\u017f 'LL'VE", "    \t\t  x  \u00a0 y", "x" * 300, "ab" * 200, " " * 70 + "z", "9" * 50, "'" * 20 + "s",
]
BYTES = [b"\xff", b"abc\xc3", b"\xc3\x28", b"\xe2\x82", b"\xe2\x28\xa1", b"\xf0\x9f\x98", b"\xf0\x9f\x98\x80\x80", b"\xed\xa0\x80",
         b"\xc0\xaf\xfe", b"\xf4\x90\x80\x80", b"ok \xf0\x28\x8c\xbc end", b"\xe0\x80\x80 1\x80\x80", b"\xf1\xf2\xf3\xf4 x"]


def random_texts(count):
    rng = random.Random(20)
    blocks = [(32, 127), (32, 127), (48, 58), (9, 33), (0xA0, 0x250), (0x300, 0x370), (0x370, 0x590), (0x590, 0x700),
              (0x900, 0xE00), (0x1E00, 0x2100), (0x2100, 0x2C00), (0x3000, 0x3100), (0x4E00, 0x9FFF), (0xAC00, 0xD7A4),
              (0x1F300, 0x1FAFF), (0x10000, 0x11000)]
    for _ in range(count):
        out = ""
        for _ in range(rng.randint(1, 9)):
            low, high = rng.choice(blocks)
            out += "".join(chr(rng.randrange(low, high)) for _ in range(rng.randint(1, 6)))
            if rng.random() < 0.2:
                out += rng.choice(SPECIALS)
        data = bytearray(out.encode())
        if rng.random() < 0.3:
            for _ in range(rng.randint(1, 4)):
                data[rng.randrange(len(data))] = rng.randrange(256)
        yield bytes(data)


def small(name, pre, vocabulary, ignore_merges=False, bos=None):
    """A vocabulary trained on the texts and on this repository's own documents."""
    tok = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    tok.pre_tokenizer, tok.decoder = pre, decoders.ByteLevel()
    root = os.path.join(HERE, "..", "..", "..")
    corpus = TEXTS + [open(os.path.join(root, "LICENSE")).read()]
    tok.train_from_iterator(corpus * 2, trainers.BpeTrainer(vocab_size=vocabulary, special_tokens=SPECIALS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    tok.post_processor = processors.ByteLevel(trim_offsets=False)
    config = {"eos_token": "<|endoftext|>", "add_bos_token": False}
    if bos:
        tok.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), processors.TemplateProcessing(
            single=f"{bos} $A", pair=f"{bos} $A {bos} $B", special_tokens=[(bos, tok.token_to_id(bos))])])
        config = {"eos_token": {"content": "<|im_end|>"}, "bos_token": bos}
    folder = os.path.join(HERE, name)
    os.makedirs(folder, exist_ok=True)
    spec = json.loads(tok.to_str())
    with open(os.path.join(folder, "tokenizer.json"), "w") as f:
        json.dump(spec, f, separators=(",", ":"))
        f.write("\n")
    with open(os.path.join(folder, "tokenizer_config.json"), "w") as f:
        json.dump(config, f)
        f.write("\n")
    return Tokenizer.from_str(json.dumps(spec))


def smollm2(path):
    fields = GGUFReader(path).fields
    get = lambda key: fields["tokenizer.ggml." + key].contents()
    tokens = get("tokens")
    tok = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(tokens)}, merges=[tuple(m.split(" ")) for m in get("merges")]))
    tok.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tok.decoder = decoders.ByteLevel()
    tok.add_special_tokens([AddedToken(t, special=True) for t, kind in zip(tokens, get("token_type")) if kind == 3])
    return tok


def encode(tok, data):
    return tok.encode(data.decode("utf-8", errors="replace"), add_special_tokens=False).ids


def sweep(tok):
    """For every 4096 code points: SHA-256 over the ids (u32, little-endian) of a text that has each in five places."""
    digests = []
    for start in range(0, 0x110000, 4096):
        text = "".join("a" + c + "1" + c + "! " + c + c + "\n" for c in map(chr, range(start, start + 4096)) if not 0xD800 <= ord(c) < 0xE000)
        ids = tok.encode(text, add_special_tokens=False).ids
        digests.append(hashlib.sha256(struct.pack(f"<{len(ids)}I", *ids)).hexdigest()[:16])
    return digests


def main():
    byte_level = lambda regex=True: pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=regex)
    toks = {
        "gpt2": small("gpt2", byte_level(), 500),
        "digits": small("digits", pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), byte_level()]), 700),
        "llama3": small("llama3", pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LLAMA3), "isolated"), byte_level(False)]), 500, True, "<|im_start|>"),
        "smollm2": smollm2(sys.argv[1]),
    }
    texts = [t.encode() for t in TEXTS] + BYTES + list(random_texts(120))
    cases = [{"hex": data.hex(), **{name: encode(tok, data) for name, tok in toks.items()}} for data in texts]
    rng = random.Random(21)
    decodings = []
    for name, tok in toks.items():
        for _ in range(40):
            ids = [rng.choice([rng.randrange(tok.get_vocab_size()), rng.randrange(280)]) for _ in range(rng.randint(1, 12))]
            decodings.append({"tokenizer": name, "ids": ids, "text": tok.decode(ids, skip_special_tokens=False),
                              "skipped": tok.decode(ids, skip_special_tokens=True)})
    with open(os.path.join(HERE, "cases.json"), "w") as f:
        f.write('{"cases":[\n' + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + '\n],"decodings":[\n'
                + ",\n".join(json.dumps(d, separators=(",", ":")) for d in decodings) + "\n]}\n")
    with open(os.path.join(HERE, "sweep.json"), "w") as f:
        json.dump({name: sweep(tok) for name, tok in toks.items()}, f, indent=0)
        f.write("\n")


if __name__ == "__main__":
    main()
