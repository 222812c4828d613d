"""The trained forms as GGUF vocabularies, beside what the models' own tokenizers make of them: gguf_forms.py TOKENIZE [--texts N]

Kind "gpt2": merges of a trained form, and for each pre-tokenizer that files name, `tokenizers` set up as the published tokenizer.json of a
model with that name. Kind "llama": pieces and scores of a trained SentencePiece model, against `sentencepiece`. Needs gguf beside what
compare.py needs; prints a line for each and exits 1 where anything differs.
"""
import json, os, sys, tempfile
import sentencepiece as spm
from gguf import GGUFWriter
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers
import compare, forms

HERE = os.path.dirname(os.path.abspath(__file__))


def deepseek(letters, marks, ending, number):
    parts = [r"[\r\n]", letters, marks, *ending, "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+", number]
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(p), "isolated") for p in parts] + [forms.byte_level(False)])


# As the tokenizer.json of DeepSeek LLM 7B has them.
LETTERS = ("\\s?[A-Za-z\xb5\xc0-\xd6\xd8-\xf6\xf8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-\u0373\u0376\u0377\u037b-"
           "\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f\u0531-\u0556\u10a0-\u10c5"
           "\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d"
           "\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4"
           "\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115\u2119-"
           "\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-"
           "\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf\ufb00-"
           "\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a\U00010400-\U0001044f\U000104b0-\U000104d3\U000104d8-\U000104fb\U00010c80-"
           "\U00010cb2\U00010cc0-\U00010cf2\U000118a0-\U000118df\U0001e900-\U0001e943]+")


def byte_level_kinds():
    """For each name of a pre-tokenizer: normaliser, pre-tokenizer, ignore_merges."""
    digits = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), forms.byte_level()])
    llama3, qwen2, tekken = (forms.split(p) for p in (forms.LLAMA3, forms.QWEN2, forms.TEKKEN))
    return {"gpt-2": (None, forms.byte_level(), False), "smollm": (None, digits, False), "starcoder": (None, digits, False),
            "llama-bpe": (None, llama3, True), "smaug-bpe": (None, llama3, True), "qwen2": (normalizers.NFC(), qwen2, False),
            "deepseek-r1-qwen": (None, qwen2, False), "tekken": (None, tekken, True),
            "deepseek-llm": (None, deepseek(LETTERS, "\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+", [r"\s+$"], r"\p{N}+"), False),
            "deepseek-coder": (None, deepseek(r"\s?\p{L}+", r"\s?\p{P}+", [], r"\p{N}"), False)}


def write_gpt2(path, pre, tok):
    model = json.loads(tok.to_str())["model"]
    tokens = [t for t, _ in sorted(model["vocab"].items(), key=lambda item: item[1])]
    writer = GGUFWriter(path, "llama")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types([3 if t in forms.SPECIALS else 1 for t in tokens])
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in model["merges"]])
    writer.add_add_bos_token(False)
    finish(writer)


def write_llama(path, data):
    model = sentencepiece_model_pb2.ModelProto.FromString(data)
    writer = GGUFWriter(path, "llama")
    writer.add_tokenizer_model("llama")
    writer.add_token_list([p.piece for p in model.pieces])
    writer.add_token_scores([p.score for p in model.pieces])
    writer.add_token_types([int(p.type) for p in model.pieces])
    writer.add_add_space_prefix(model.normalizer_spec.add_dummy_prefix)
    writer.add_remove_extra_whitespaces(model.normalizer_spec.remove_extra_whitespaces)
    writer.add_add_bos_token(False)
    finish(writer)


def finish(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def check(tokenize, path, texts, options, encode):
    got, note = compare.ours(tokenize, path, texts, options)
    wrong = [(t, g, e) for t, g, e in zip(texts, got, map(encode, texts), strict=True) if g != e]
    for text, mine, theirs in wrong[:3]:
        print("  differs:", text, "\n   ours     ", mine[:60], "\n   reference", theirs[:60])
    print(f"GGUF, {os.path.basename(path)[:-5]}: {len(texts) - len(wrong)} of {len(texts)} equal; {note}", flush=True)
    return not wrong


def compare_all(tokenize, texts):
    ok = True
    with tempfile.TemporaryDirectory() as scratch:
        trained = forms.trained(forms.split(forms.LLAMA3), 900)
        model = json.loads(trained.to_str())["model"]
        for pre, (normalizer, steps, ignore) in byte_level_kinds().items():
            tok = Tokenizer(models.BPE(vocab=model["vocab"], merges=[tuple(m) for m in model["merges"]], ignore_merges=ignore))
            tok.pre_tokenizer = steps
            if normalizer:
                tok.normalizer = normalizer
            tok.add_special_tokens(forms.SPECIALS)
            path = os.path.join(scratch, f"{pre}.gguf")
            write_gpt2(path, pre, tok)
            ok &= check(tokenize, path, texts, [], lambda data: forms.encode_json(tok, data))
        options = forms.sentencepiece_forms(True)
        for name in ("sp_llama", "sp_gemma"): # the others' character maps have no place in a GGUF file
            data = forms.train_sentencepiece(options[name])
            sp = spm.SentencePieceProcessor(model_proto=data)
            path = os.path.join(scratch, f"{name}.gguf")
            write_llama(path, data)
            ok &= check(tokenize, path, texts, ["--text"], sp.encode)
    return ok


if __name__ == "__main__":
    sys.exit(0 if compare_all(sys.argv[1], compare.all_texts(int(sys.argv[3]) if len(sys.argv) > 3 else 10000, 79)) else 1)
