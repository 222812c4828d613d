"""Small tokenizers of every form, trained on this repository's own texts: forms.py

Needs tokenizers, sentencepiece, mistral-common and gguf. Writes forms/<form>/ with a tokenizer.json, tokenizer.model or
tekken.json, and forms.json: texts and their ids by the form's own library. compare.py trains them again and compares more.
"""
import base64, io, json, os, random, tempfile
import sentencepiece as spm
from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers)

from make_goldens import BYTES, HERE, LLAMA3, SPECIALS
from make_goldens import TEXTS as OLD_TEXTS

ROOT = os.path.join(HERE, "..", "..", "..")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
TEKKEN = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?"
          r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")
TEXTS = OLD_TEXTS + [
    "\u2581x \u2581\u2581 y\u2581z", "<s>a</s><unk> <0x41><0xE4>", "\ufb01\u2460\uff21\u1e9b\u0323 \u212b\u2126 \u0344\u0958 \ufdfa", "\u0130I\u0131i \u1e9e\u00df \u03a3\u03c3\u03c2",
    "the <mask> a<mask>b  <mask>  , (word) word words wordy keyword", "A-B_c.d/e\\f@g#h$i%j^k&l*m(n)o+p=q",
]


# Not trained on: texts of few letters, in which many pairs of tokens have the same product.
PERIODIC = ["".join(random.Random(31 + i).choices("xy", k=3 + 2 * i)) for i in range(24)]


def random_texts(count, seed=20):
    rng = random.Random(seed)
    blocks = [(32, 127), (32, 127), (48, 58), (9, 33), (0xA0, 0x250), (0x300, 0x370), (0x370, 0x590), (0x590, 0x700),
              (0x900, 0xE00), (0x1E00, 0x2100), (0x2100, 0x2C00), (0x3000, 0x3100), (0x4E00, 0x9FFF), (0xAC00, 0xD7A4),
              (0xF900, 0xFFFE), (0x1F300, 0x1FAFF), (0x10000, 0x11000), (0x11000, 0x20000)]
    words = [w for t in TEXTS[:14] for w in t.split(" ")]
    inserts = SPECIALS + ["<s>", "</s>", "<unk>", "<mask>", "word", "\u2581", "  ", "\u200d", "\n\n", "<0x0A>", "[INST]"]
    for _ in range(count):
        out = ""
        for _ in range(rng.randint(1, 9)):
            if rng.random() < 0.3:
                out += rng.choice(["", " "]) + rng.choice(words)
            else:
                low, high = rng.choice(blocks)
                out += "".join(chr(rng.randrange(low, high)) for _ in range(rng.randint(1, 6)))
            if rng.random() < 0.2:
                out += rng.choice(inserts)
        data = bytearray("".join(c for c in out if not 0xD800 <= ord(c) < 0xE000).encode())
        if data and rng.random() < 0.25:
            for _ in range(rng.randint(1, 4)):
                data[rng.randrange(len(data))] = rng.randrange(256)
        yield bytes(data)


def corpus():
    lines = open(os.path.join(ROOT, "LICENSE")).read().split("\n")
    data = open(os.path.join(ROOT, "recipes", "data", "wordnet_train.jsonl")).read().split("\n")[:400]
    return [line for line in lines + data if line.strip()] + [l for t in TEXTS for l in t.split("\n") if l.strip()] * 2


def trained(pre, vocabulary, normalizer=None, specials=SPECIALS, alphabet=True, **model):
    tok = Tokenizer(models.BPE(**model))
    tok.pre_tokenizer = pre
    if normalizer:
        tok.normalizer = normalizer
    tok.train_from_iterator(corpus(), trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=specials, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet() if alphabet else []))
    return tok


def byte_level(regex=True, prefix=False):
    return pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=regex)


def split(pattern, last=True):
    parts = [pre_tokenizers.Split(Regex(pattern), "isolated")] + ([byte_level(False)] if last else [])
    return pre_tokenizers.Sequence(parts)


def qwen2():
    tok = trained(split(QWEN2), 600, normalizers.NFC())
    tok.decoder = decoders.ByteLevel()
    return tok


def tekken():
    tok = trained(split(TEKKEN), 600, ignore_merges=True)
    tok.decoder = decoders.ByteLevel()
    tok.post_processor = processors.TemplateProcessing(single="<|im_start|> $A <|im_end|>", pair="$A $B", special_tokens=[
        ("<|im_start|>", tok.token_to_id("<|im_start|>")), ("<|im_end|>", tok.token_to_id("<|im_end|>"))])
    return tok


def llama2():
    """As the tokenizer.json of Llama 2: no pre-tokenizer, bytes as fallback."""
    bytes_ = [f"<0x{b:02X}>" for b in range(256)]
    tok = trained(pre_tokenizers.Metaspace(prepend_scheme="always", split=True), 1000, specials=["<unk>", "<s>", "</s>"] + bytes_,
                  alphabet=False, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    spec = json.loads(tok.to_str())
    spec["added_tokens"] = [t for t in spec["added_tokens"] if not t["content"].startswith("<0x")]
    # Characters that came up rarely go, so that bytes stand in for them.
    spec = without_rare_characters(spec)
    spec["pre_tokenizer"] = None
    spec["normalizer"] = {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "\u2581"},
                          {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}]}
    spec["decoder"] = {"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
        {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}
    tok = Tokenizer.from_str(json.dumps(spec))
    tok.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B",
                                                       special_tokens=[("<s>", tok.token_to_id("<s>"))])
    return tok


def without_rare_characters(spec):
    vocabulary = spec["model"]["vocab"]
    gone = {t for t in vocabulary if not t.startswith("<") and any(ord(c) > 0x2581 or 0x300 <= ord(c) < 0x900 for c in t)}
    kept = [t for t, _ in sorted(vocabulary.items(), key=lambda item: item[1]) if t not in gone]
    spec["model"]["vocab"] = {t: i for i, t in enumerate(kept)}
    pair = lambda m: m if isinstance(m, list) else m.split(" ")
    spec["model"]["merges"] = [m for m in spec["model"]["merges"] if not gone & set([*pair(m), "".join(pair(m))])]
    return spec


def mistral_v3():
    """Metaspace that prepends to the first text alone and does not split, as newer conversions have it."""
    spec = json.loads(llama2().to_str())
    spec["normalizer"] = None
    spec["pre_tokenizer"] = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first", "split": False}
    spec["decoder"] = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first", "split": False}
    return Tokenizer.from_str(json.dumps(spec))


def gemma():
    """Spaces replaced, pieces cut with the blank, no prefix; unknown characters without bytes."""
    spec = json.loads(llama2().to_str())
    spec["normalizer"] = {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}
    spec["pre_tokenizer"] = {"type": "Split", "pattern": {"String": "\u2581"}, "behavior": "MergedWithPrevious", "invert": False}
    spec["model"]["byte_fallback"] = False
    return Tokenizer.from_str(json.dumps(spec))


def mixed():
    """Normalisers and pre-tokenizers that are seen less, added tokens with every flag, unknown characters one by one."""
    tok = trained(pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation("merged_with_previous"),
                                           pre_tokenizers.Digits(individual_digits=False)]),
                  700, normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase(), normalizers.Strip(),
                                             normalizers.Replace(Regex(r"\s{2,}"), " "), normalizers.Replace("(", "[")]),
                  specials=["<unk>"] + SPECIALS, alphabet=False, unk_token="<unk>")
    tok = Tokenizer.from_str(json.dumps(without_rare_characters(json.loads(tok.to_str()))))
    tok.add_tokens([AddedToken("word", single_word=True, normalized=True), AddedToken("\ufb01n", normalized=True),
                    AddedToken("<mask>", lstrip=True, rstrip=True, normalized=False, special=True),
                    AddedToken("A-B", normalized=True, lstrip=True), AddedToken("[INST]", rstrip=True, normalized=False)])
    tok.decoder = decoders.Fuse()
    return tok


def words():
    tok = trained(pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Punctuation("contiguous"),
                                           pre_tokenizers.Split(Regex(r"(?=(\d{2})+(?!\d))"), "isolated"),
                                           pre_tokenizers.Split("a", "merged_with_next"),
                                           pre_tokenizers.Split(Regex(r"[^\S\n]|[xyz]+$"), "removed", invert=False),
                                           pre_tokenizers.Split(Regex(r"\p{L}+|\p{^L}"), "contiguous", invert=True)]),
                  600, normalizers.NFKD(), specials=["<unk>"], alphabet=False, unk_token="<unk>", fuse_unk=True)
    return Tokenizer.from_str(json.dumps(without_rare_characters(json.loads(tok.to_str()))))


def prefixed():
    tok = trained(byte_level(True, True), 500)
    tok.decoder = decoders.ByteLevel()
    tok.post_processor = processors.RobertaProcessing(("<|im_end|>", 2), ("<|im_start|>", 1))
    return tok


JSON_FORMS = {"qwen2": qwen2, "tekken": tekken, "llama2": llama2, "mistral": mistral_v3, "gemma": gemma, "mixed": mixed,
              "words": words, "prefixed": prefixed}


# A character map of a few rules keeps a committed model small; its kinds: one to several, several to one, to nothing, to
# a blank.
RULES = {"\ufb01": "fi", "\u2460": "1", "\uff21": "A", "\u3000": " ", "\u00a0": " ", "\t": " ", "\n": " ", "e\u0301": "\u00e9",
         "a\u0308": "\u00e4", "\u200b": "", "\ufdfa": "\u0635\u0644\u0649 \u0627\u0644\u0644\u0647", "\u2126": "\u03a9", "\x7f": ""}


RULE_FILES = []  # open until the models are trained


def normalization(name, full):
    if full:
        return {"normalization_rule_name": name}
    points = lambda text: " ".join(f"{ord(c):X}" for c in text)
    f = tempfile.NamedTemporaryFile("w", suffix=".tsv")
    f.writelines(f"{points(a)}\t{points(b)}\n" for a, b in RULES.items())
    f.flush()
    RULE_FILES.append(f)
    return {"normalization_rule_tsv": f.name}


def sentencepiece_common():
    return dict(vocab_size=800, character_coverage=0.98, hard_vocab_limit=False, num_threads=1, minloglevel=2,
                train_extremely_large_corpus=False)


def sentencepiece_forms(full):
    common = sentencepiece_common()
    return {
        "sp_llama": dict(model_type="bpe", byte_fallback=True, normalization_rule_name="identity", split_digits=True,
                         remove_extra_whitespaces=False, allow_whitespace_only_pieces=True, **common),
        "sp_open_llama": dict(model_type="bpe", byte_fallback=True, **normalization("nmt_nfkc", full), split_digits=True, **common),
        "sp_unigram": dict(model_type="unigram", byte_fallback=False, **normalization("nmt_nfkc_cf", full),
                           user_defined_symbols=["<mask>", "[INST]", "word"], **common),
        "sp_unigram_bytes": dict(model_type="unigram", byte_fallback=True, **normalization("nfkc", full),
                                 add_dummy_prefix=False, **common),
        "sp_gemma": dict(model_type="bpe", byte_fallback=True, normalization_rule_name="identity", add_dummy_prefix=False,
                         remove_extra_whitespaces=False, user_defined_symbols=["\n\n", "\u2581\u2581", "<mask>"], **common),
        "sp_suffix": dict(model_type="bpe", **normalization("nmt_nfkc", full), treat_whitespace_as_suffix=True,
                          byte_fallback=False, **common),
    }


def train_sentencepiece(options):
    out = io.BytesIO()
    spm.SentencePieceTrainer.train(sentence_iterator=iter(corpus()), model_writer=out, **options)
    return out.getvalue()


def json_unigram(full, byte_fallback, normalizers_behind, pre_tokenizer):
    """A unigram model of SentencePiece as converters write it: the character map taken over, spaces by Metaspace."""
    from sentencepiece import sentencepiece_model_pb2
    rules = normalization("nfkc" if byte_fallback else "nmt_nfkc", full)
    model = sentencepiece_model_pb2.ModelProto.FromString(train_sentencepiece(dict(
        sentencepiece_common(), model_type="unigram", byte_fallback=byte_fallback, **rules)))
    charsmap = base64.b64encode(model.normalizer_spec.precompiled_charsmap).decode()
    spec = json.loads(Tokenizer(models.Unigram([(p.piece, p.score) for p in model.pieces], 0, byte_fallback)).to_str())
    spec["normalizer"] = {"type": "Sequence", "normalizers": [
        {"type": "Precompiled", "precompiled_charsmap": charsmap}, *normalizers_behind]}
    spec["pre_tokenizer"] = pre_tokenizer
    spec["decoder"] = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True}
    tok = Tokenizer.from_str(json.dumps(spec))
    tok.add_special_tokens(["<unk>", "<s>", "</s>", AddedToken("<mask>", lstrip=True, special=True)])
    tok.post_processor = processors.TemplateProcessing(single="$A </s>", pair="$A </s> $B </s>",
                                                       special_tokens=[("</s>", tok.token_to_id("</s>"))])
    return tok


def metaspace(**how):
    return {"type": "Metaspace", "replacement": "\u2581", **how}


UNIGRAM_FORMS = {
    "unigram": lambda full: json_unigram(
        full, False, [{"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}],
        {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, metaspace(prepend_scheme="always", split=True)]}),
    "unigram_bytes": lambda full: json_unigram(
        full, True, [{"type": "Strip", "strip_left": False, "strip_right": True},
                     {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "\u2581"}],
        metaspace(prepend_scheme="first", split=False)),
}


def tekken_file():
    """As tekken.json: the ranks are the tokens' own. Behind those that were trained, some in no order that merges could have
    made: to which pair a token falls apart is then not always the first."""
    trained_tokens = sorted(tekken().get_vocab().items(), key=lambda item: item[1])[len(SPECIALS):]
    back = {c: b for b, c in byte_alphabet().items()}
    tokens = [bytes([b]) for b in range(256)]
    for text, _ in trained_tokens:
        token = bytes(back[c] for c in text)
        tokens += [token] if len(token) > 1 else []
    rng = random.Random(30)
    drawn = {"".join(rng.choice("xy") for _ in range(rng.randint(2, 6))).encode() for _ in range(60)} - set(tokens)
    tokens += rng.sample(sorted(drawn), len(drawn))
    vocabulary = [{"rank": i, "token_bytes": base64.b64encode(t).decode(), "token_str": None} for i, t in enumerate(tokens)]
    unused = [{"rank": len(tokens), "token_bytes": base64.b64encode(b"no token of the model").decode(), "token_str": None}]
    return {"config": {"pattern": TEKKEN, "num_vocab_tokens": len(tokens) + 1, "default_vocab_size": len(tokens) + 30,
                       "default_num_special_tokens": 30, "version": "v3"}, "vocab": vocabulary + unused}


def byte_alphabet():
    """GPT-2's letters of the 256 bytes."""
    printable = [*range(33, 127), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    out, extra = {}, 0x100
    for b in range(256):
        out[b] = chr(b) if b in printable else chr(extra)
        extra += b not in printable
    return out


def tekken_encoder(path):
    """mistral-common takes control tokens in a text as text."""
    from mistral_common.tokens.tokenizers.tekken import Tekkenizer
    tok = Tekkenizer.from_file(path)
    return lambda data, around=False: tok.encode(data.decode("utf-8", errors="replace"), bos=around, eos=False)


def encode_json(tok, data, around=False):
    return tok.encode(data.decode("utf-8", errors="replace"), add_special_tokens=around).ids


def write(folder, full=False):
    encoders = {}
    made = {**{n: make() for n, make in JSON_FORMS.items()}, **{n: make(full) for n, make in UNIGRAM_FORMS.items()}}
    for name, tok in made.items():
        os.makedirs(os.path.join(folder, name), exist_ok=True)
        spec = json.loads(tok.to_str())
        with open(os.path.join(folder, name, "tokenizer.json"), "w") as f:
            json.dump(spec, f, separators=(",", ":"))
            f.write("\n")
        tok = Tokenizer.from_str(json.dumps(spec))
        encoders[name] = lambda data, around=False, tok=tok: encode_json(tok, data, around)
    for name, options in sentencepiece_forms(full).items():
        os.makedirs(os.path.join(folder, name), exist_ok=True)
        model = train_sentencepiece(options)
        with open(os.path.join(folder, name, "tokenizer.model"), "wb") as f:
            f.write(model)
        sp = spm.SentencePieceProcessor(model_proto=model)
        encoders[name] = lambda data, around=False, sp=sp: sp.encode(data)
    path = os.path.join(folder, "tekken_file", "tekken.json")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        json.dump(tekken_file(), f, separators=(",", ":"))
        f.write("\n")
    encoders["tekken_file"] = tekken_encoder(path)
    return encoders


def main():
    encoders = write(os.path.join(HERE, "forms"))
    texts = [t.encode() for t in TEXTS + PERIODIC] + BYTES + list(random_texts(40))
    rng, decodings = random.Random(22), []
    for name in [*JSON_FORMS, *UNIGRAM_FORMS]:
        tok = Tokenizer.from_file(os.path.join(HERE, "forms", name, "tokenizer.json"))
        for _ in range(12):
            ids = [rng.choice([rng.randrange(tok.get_vocab_size()), rng.randrange(280)]) for _ in range(rng.randint(1, 12))]
            decodings.append({"form": name, "ids": ids, "text": tok.decode(ids, skip_special_tokens=False),
                              "skipped": tok.decode(ids, skip_special_tokens=True)})
    from mistral_common.tokens.tokenizers.base import SpecialTokenPolicy
    from mistral_common.tokens.tokenizers.tekken import Tekkenizer
    tok = Tekkenizer.from_file(os.path.join(HERE, "forms", "tekken_file", "tekken.json"))
    for _ in range(12):
        ids = [rng.choice([rng.randrange(tok.n_words), rng.randrange(286)]) for _ in range(rng.randint(1, 12))]
        decodings.append({"form": "tekken_file", "ids": ids, "text": tok.decode(ids, SpecialTokenPolicy.KEEP),
                          "skipped": tok.decode(ids, SpecialTokenPolicy.IGNORE)})
    lines = lambda items: ",\n".join(json.dumps(item, separators=(",", ":")) for item in items)
    with open(os.path.join(HERE, "forms.json"), "w") as f:
        f.write('{"cases":[\n' + lines({"hex": t.hex(), **{n: e(t) for n, e in encoders.items()}} for t in texts)
                + '\n],"decodings":[\n' + lines(decodings) + "\n]}\n")


if __name__ == "__main__":
    main()
