"""Compares every normaliser with every pre-tokenizer, token for token with `tokenizers`: combinations.py TOKENIZE [--texts N] [--part K/M]

TOKENIZE is build/test/bin/tokenize. Each pair has a model trained behind it (BPE, BPE with byte fallback, Unigram, in turn), added
tokens with flags, and N generated texts (default 10000). --part runs every Mth pair from K on. Prints a line for each and exits 1
where anything differs or is refused.
"""
import argparse, base64, json, os, random, sys, tempfile
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers as n, pre_tokenizers as p, trainers
import compare, forms


def precompiled():
    model = sentencepiece_model_pb2.ModelProto.FromString(forms.train_sentencepiece(dict(
        forms.sentencepiece_common(), model_type="bpe", normalization_rule_name="nmt_nfkc_cf")))
    return n.Precompiled(model.normalizer_spec.precompiled_charsmap)


def all_normalizers():
    return {
        "none": None, "NFC": n.NFC(), "NFD": n.NFD(), "NFKC": n.NFKC(), "NFKD": n.NFKD(), "Lowercase": n.Lowercase(),
        "Strip": n.Strip(), "Strip left": n.Strip(right=False), "Prepend": n.Prepend("\u2581"), "Replace": n.Replace(" ", "\u2581"),
        "Replace regex": n.Replace(Regex(r"\s{2,}|[0-9]{3}"), " "), "Precompiled": precompiled(),
        "sequence": n.Sequence([n.NFKC(), n.Lowercase(), n.Strip(), n.Replace("a", "")]),
        "Llama 2's": n.Sequence([n.Prepend("\u2581"), n.Replace(" ", "\u2581")])}


def all_pre_tokenizers():
    made = {"none": None, "ByteLevel": p.ByteLevel(False), "ByteLevel prefix": p.ByteLevel(True), "ByteLevel bytes": p.ByteLevel(False, use_regex=False),
            "Whitespace": p.Whitespace(), "WhitespaceSplit": p.WhitespaceSplit(), "Digits": p.Digits(False), "Digits single": p.Digits(True)}
    for behavior in ("removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"):
        made[f"Punctuation {behavior}"] = p.Punctuation(behavior)
        made[f"Split {behavior}"] = p.Split(Regex(r"\s+|\d"), behavior)
        made[f"Split inverted {behavior}"] = p.Split(Regex(r"\p{L}+"), behavior, invert=True)
        made[f"Split text {behavior}"] = p.Split("\u2581" if behavior == "isolated" else " ", behavior)
    for scheme in ("always", "never", "first"):
        for split in (True, False):
            made[f"Metaspace {scheme}{' split' if split else ''}"] = p.Metaspace(prepend_scheme=scheme, split=split)
    made["Llama 3's"], made["Qwen2's"], made["Tekken's"] = (forms.split(pattern) for pattern in (forms.LLAMA3, forms.QWEN2, forms.TEKKEN))
    made["SmolLM2's"] = p.Sequence([p.Digits(True), p.ByteLevel(False)])
    made["sequence"] = p.Sequence([p.WhitespaceSplit(), p.Punctuation("merged_with_previous"), p.Digits(True), p.Metaspace(prepend_scheme="always")])
    return made


def trained(kind, normalizer, pre_tokenizer):
    bytes_ = [f"<0x{b:02X}>" for b in range(256)]
    specials = ["<unk>", "<s>", "</s>"]
    tok = Tokenizer(models.Unigram() if kind == 2 else models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=kind == 1))
    if normalizer:
        tok.normalizer = normalizer
    if pre_tokenizer:
        tok.pre_tokenizer = pre_tokenizer
    alphabet = p.ByteLevel.alphabet() if "ByteLevel" in str(pre_tokenizer) else []
    if kind == 2:
        trainer = trainers.UnigramTrainer(vocab_size=600, special_tokens=specials, unk_token="<unk>", show_progress=False)
    else:
        trainer = trainers.BpeTrainer(vocab_size=900, special_tokens=specials + (bytes_ if kind == 1 else []), show_progress=False,
                                      initial_alphabet=alphabet, limit_alphabet=300)
    tok.train_from_iterator(forms.corpus()[:300], trainer)
    if kind == 1: # the bytes are tokens of the model, and not found in texts
        spec = json.loads(tok.to_str())
        spec["added_tokens"] = [t for t in spec["added_tokens"] if not t["content"].startswith("<0x")]
        tok = Tokenizer.from_str(json.dumps(spec))
    tok.add_tokens([AddedToken("word", single_word=True, normalized=True), AddedToken("<mask>", lstrip=True, special=True),
                    AddedToken("[INST]", rstrip=True, normalized=False), AddedToken("\ufb01n", normalized=True)])
    return tok


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tokenize")
    parser.add_argument("--texts", type=int, default=10000)
    parser.add_argument("--part", default="0/1")
    options = parser.parse_args()
    texts = compare.all_texts(options.texts, 80)
    first, step = (int(number) for number in options.part.split("/"))
    pairs = [(a, b) for a in all_normalizers().items() for b in all_pre_tokenizers().items()]
    equal = 0
    with tempfile.TemporaryDirectory() as scratch:
        for at, ((name, normalizer), (pre, pre_tokenizer)) in list(enumerate(pairs))[first::step]:
            kind = 0 if at % 3 == 2 and "ByteLevel" in str(pre_tokenizer) else at % 3 # Unigram is not read behind bytes
            folder = os.path.join(scratch, f"{name}, {pre}, {('BPE', 'BPE with bytes', 'Unigram')[kind]}")
            os.makedirs(folder)
            trained(kind, normalizer, pre_tokenizer).save(os.path.join(folder, "tokenizer.json"))
            try:
                equal += compare.compare(options.tokenize, folder, texts)
            except SystemExit as refused:
                print("refused:", refused, flush=True)
    total = len(pairs[first::step])
    print(f"{equal} of {total} pairs equal on {len(texts)} texts each")
    return equal != total


if __name__ == "__main__":
    sys.exit(main())
