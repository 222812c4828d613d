#!/usr/bin/env python3
"""Makes the demo's data out of WordNet 3.0 (Debian package wordnet-base): make_wordnet_data.py [--wordnet DIR] [--out DIR] [--more FILE]

Words: written in lower case, 4 to 14 letters, whose first sense occurs 2 to 200 times in WordNet's tagged texts (cntlist.rev);
each with the part of speech that occurs most. Of these the 2,000 whose SHA-256 is smallest, in that order, so that the
choice depends on nothing but the word. Every twentieth is held out. FILE gets the 4,000 words behind them. Needs nothing but
Python 3.
"""
import argparse
import hashlib
import json
import os

PARTS = {1: ("noun", "noun"), 2: ("verb", "verb"), 3: ("adj", "adjective"), 4: ("adv", "adverb"), 5: ("adj", "adjective")}


def tag_counts(folder):
    """{(word, file): times} for first senses; lines are "lemma%type:…::… sense_number tag_count"."""
    counts = {}
    with open(os.path.join(folder, "cntlist.rev"), encoding="ascii") as lines:
        for line in lines:
            key, sense, count = line.split()
            word, rest = key.split("%", 1)
            if sense == "1":
                counts[word, PARTS[int(rest[0])][0]] = int(count)
    return counts


def first_offsets(folder, part):
    """{word: offset of its first synset in data.<part>}"""
    offsets = {}
    with open(os.path.join(folder, "index." + part), encoding="ascii") as lines:
        for line in lines:
            if not line.startswith(" "):
                fields = line.split()
                # lemma pos synset_cnt p_cnt [symbols…] sense_cnt tagsense_cnt offset…
                offsets[fields[0]] = int(fields[4 + int(fields[3]) + 2])
    return offsets


def definition(data, offset, word):
    """The gloss at a byte offset, without its examples; nothing where the synset spells the word with capitals."""
    data.seek(offset)
    synset, gloss = data.readline().decode("ascii").split(" | ", 1)
    fields = synset.split()
    # offset lex_filenum ss_type w_cnt (hexadecimal) word lex_id word lex_id …; adjectives may be marked: "neither(a)"
    spellings = {spelling.split("(")[0] for spelling in fields[4 : 4 + 2 * int(fields[3], 16) : 2]}
    return gloss.split('; "', 1)[0].strip().rstrip(";").strip() if word in spellings else ""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--wordnet", default="/usr/share/wordnet")
    parser.add_argument("--out", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "recipes", "data"))
    parser.add_argument("--more")
    options = parser.parse_args()

    best = {}
    for (word, part), count in tag_counts(options.wordnet).items():
        if word.isalpha() and word.islower() and 4 <= len(word) <= 14 and 2 <= count <= 200:
            best[word] = max(best.get(word, (0, "")), (count, part))
    spoken = {file: name for file, name in PARTS.values()}
    offsets = {part: first_offsets(options.wordnet, part) for part in spoken}
    data = {part: open(os.path.join(options.wordnet, "data." + part), "rb") for part in spoken}

    samples = []
    for word in sorted(best, key=lambda w: hashlib.sha256(w.encode()).hexdigest()):
        part = best[word][1]
        if word not in offsets[part]:  # counted in the texts, no longer in the dictionary
            continue
        gloss = definition(data[part], offsets[part][word], word)
        if 15 <= len(gloss) <= 160 and '"' not in gloss:
            samples.append({"instruction": "Define the word.", "input": f"{word} ({spoken[part]})", "output": gloss})
        if len(samples) == (6000 if options.more else 2000):
            break

    files = {os.path.join(options.out, "wordnet_train.jsonl"): [s for i, s in enumerate(samples[:2000]) if i % 20 != 19],
             os.path.join(options.out, "wordnet_eval.jsonl"): samples[19:2000:20]}
    if options.more:
        files[options.more] = samples[2000:]
    for name, chosen in files.items():
        with open(name, "w", encoding="utf-8") as out:
            for sample in chosen:
                out.write(json.dumps(sample, ensure_ascii=False) + "\n")


main()
