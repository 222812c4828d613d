"""Writes runtime/Tokenizer/UnicodeTables.inc: which characters the PyPI package `tokenizers` takes for what.

Needs tokenizers and libutf8proc.so.2 of Debian. Each part of `tokenizers` follows another version of Unicode (its regular
expressions 16, Rust's own tables 17, its normalisation 12), so the classes are asked of it, character by character.
"""
import ctypes, os, unicodedata
from tokenizers import Regex, normalizers, pre_tokenizers

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "..", "..", "..", "runtime", "Tokenizer", "UnicodeTables.inc")
POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
PCRE2_UNICODE = "14.0.0"  # of PCRE2 10.42
CATEGORIES = ["Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po",
              "Sm", "Sc", "Sk", "So"]


def ranges(points):
    out = []
    for c in sorted(points):
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def survivors(pre, points):
    """The characters that a pre-tokenizer which removes what it matches leaves."""
    left = set()
    for start in range(0, len(points), 4096):
        for piece, _ in pre.pre_tokenize_str("".join(map(chr, points[start:start + 4096]))):
            left.update(map(ord, piece))
    return left


def matched(pre):
    return set(POINTS) - survivors(pre, POINTS)


def main():
    # One process, one version: what PCRE2 knows is Python's table, where that has the same version.
    assert unicodedata.unidata_version == PCRE2_UNICODE, "run with a Python whose unicodedata is of Unicode 14 (3.11)"
    utf8proc = ctypes.CDLL("libutf8proc.so.2")
    utf8proc.utf8proc_tolower.restype = ctypes.c_int32

    digits = pre_tokenizers.Digits(individual_digits=True)
    numeric = {c for c in POINTS if c != 0x61 and len(digits.pre_tokenize_str("a" + chr(c) + "a")) == 3}
    punctuation = matched(pre_tokenizers.Punctuation("removed"))
    whitespace = pre_tokenizers.Whitespace()
    word = {c for c in POINTS if len(whitespace.pre_tokenize_str("a" + chr(c))) == 1 and
            whitespace.pre_tokenize_str("a" + chr(c))[0][0] == "a" + chr(c)}

    additions = {}
    for category in CATEGORIES:
        now = matched(pre_tokenizers.Split(Regex(r"\p{%s}" % category), "removed"))
        before = {c for c in POINTS if unicodedata.category(chr(c)) == category}
        additions[category] = now - before
        gone = before - now
        if gone:
            print(category, "lost", [hex(c) for c in gone])
    for category, points in additions.items():
        moved = [c for c in points if unicodedata.category(chr(c)) != "Cn"]
        if moved:
            print(category, "moved here", [hex(c) for c in moved])

    class Property(ctypes.Structure):
        _fields_ = [("category", ctypes.c_int16), ("combining", ctypes.c_int16)]
    utf8proc.utf8proc_get_property.restype = ctypes.POINTER(Property)
    nfd, nfkd = normalizers.NFD(), normalizers.NFKD()
    utf8proc.utf8proc_NFKD.restype = ctypes.c_void_p
    decompose = lambda c: ctypes.string_at(utf8proc.utf8proc_NFKD(chr(c).encode())).decode()
    def unknown(c):
        if decompose(c) != nfkd.normalize_str(chr(c)):
            return True
        combining = utf8proc.utf8proc_get_property(c).contents.combining
        # Between marks of the lowest and the highest class a known mark moves, an unknown one is a wall.
        low, high = "\u0334", "\u0345"
        return combining != 0 and nfd.normalize_str("a" + high + chr(c) + low) == "a" + high + chr(c) + low
    newer = {c for c in POINTS if c and unknown(c)} | {0x11930}  # the second half of U+11938

    lower = normalizers.Lowercase()
    delta = {}
    for c in POINTS:
        text = lower.normalize_str(chr(c))
        if len(text) == 1 and ord(text) != utf8proc.utf8proc_tolower(c):
            delta.setdefault(ord(text) - c, set()).add(c)

    with open(OUT, "w") as f:
        f.write("// Made by test/goldens/text/make_unicode.py. First and last of each range.\n")
        def table(name, points):
            f.write(f"constexpr CodeRange {name}[] = {{\n")
            items = [f"{{0x{a:X}, 0x{b:X}}}," for a, b in ranges(points)]
            line = "   "
            for item in items:
                if len(line) + len(item) + 1 > 120:
                    f.write(line + "\n")
                    line = "   "
                line += " " + item
            f.write(line + "\n};\n")
        table("Numeric", numeric)
        table("Punctuation", punctuation)
        table("Word", word)
        table("UnknownToNormalization", newer)
        f.write("constexpr LowercaseRange NewLowercase[] = {\n")
        for d, points in sorted(delta.items()):
            for a, b in ranges(points):
                f.write(f"    {{0x{a:X}, 0x{b:X}, {d}}},\n")
        f.write("};\nconstexpr NewCharacters RegexAdditions[] = {\n")
        for category, points in additions.items():
            if points:
                text = "".join(f"\\\\x{{{a:x}}}" + (f"-\\\\x{{{b:x}}}" if b > a else "") for a, b in ranges(points))
                f.write(f'    {{"{category}", ' + "\n     ".join(f'"{p}"' for p in split_parts(text)) + "},\n")
        f.write("};\n")


def split_parts(text):
    """Cut between ranges, so that every line stays below 120 columns."""
    parts, line = [], ""
    for item in text.replace("}\\\\x", "}\0\\\\x").split("\0"):
        if len(line) + len(item) > 100:
            parts.append(line)
            line = ""
        line += item
    return parts + [line]


main()
