#!/usr/bin/env python3
"""The README's verdicts are those of `ftc check` now: of every recipe, of every target that a table names, and the memory
table that it explains.

  verdicts.py              compares
  verdicts.py --update     writes what differs into README.md; what a row says of the source stays
"""
import concurrent.futures
import os
import pathlib
import re
import sys
import unittest

from harness import FTC, call

README = pathlib.Path("README.md")
SHOWN = ("recipes/open_llama_13b_full_adam.textproto", "--gpu", "a100-80gb")
TWINS_MAY_NEED_MORE = 0.4 * 2**30  # as the README says of <name>_packed
ROW = re.compile(r"^\| `(\w+)` \|.*$", re.M)


class Verdict:
    def __init__(self, recipe, *options):
        result = call(FTC, "check", f"recipes/{recipe}.textproto", *options)
        self.text = result.out + result.err
        found = re.search(r"^  needs +(\d+) ", result.out, re.M)
        if result.code not in (0, 2) or not found:
            raise AssertionError(f"{recipe}: exit {result.code}: {self.text}")
        self.fits, self.needs = result.code == 0, int(found[1])
        has = re.search(r"^  has +(\d+) ", result.out, re.M)
        self.has = int(has[1]) if has else None
        self.target = re.search(r"^target (\S+)", result.out, re.M)[1]
        mesh = re.search(r"^mesh (.*?), attention", result.out, re.M)
        self.ranks = 1
        for size in re.findall(r"= (\d+)", mesh[1]) if mesh else ():
            self.ranks *= int(size)


def gib(size):
    return f"{size / 2**30:.1f} GiB"


def recipe_row(verdict, source):
    """Of the first table: target, verdict, needs, and what was measured where the recipe comes from."""
    word = ("fits" if verdict.fits else "**does not fit**") if verdict.has else "–"
    each = f" on each of {verdict.ranks}" if verdict.ranks > 1 else ""
    return f"{verdict.target} | {word} | {gib(verdict.needs)} = {verdict.needs / 1e9:.1f} GB{each} | {source}"


def model_row(verdicts):
    return " | ".join(f"{'fits' if verdict.fits else '**does not fit**'}: {gib(verdict.needs)}" for verdict in verdicts)


def run(jobs):
    """{key: Verdict} of {key: arguments}, as many at once as there are processors."""
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        return dict(zip(jobs, pool.map(lambda arguments: Verdict(*arguments), jobs.values())))


def written(text):
    """The README with the verdicts of now, and the twins' verdicts by their names."""
    recipes, models = text.split("\nModels that people own", 1)
    targets = re.findall(r"needs on (\S+) \(has ([\d.]+) GiB\)", models)
    names, model_names = (ROW.findall(part) for part in (recipes, models))
    jobs = {(name, ""): (name,) for name in names}
    jobs.update({(name + "_packed", ""): (name + "_packed",) for name in names
                 if pathlib.Path(f"recipes/{name}_packed.textproto").exists()})
    jobs.update({(name, target): (name, "--gpu", target) for name in model_names for target, _ in targets})
    verdicts = run(jobs)

    def first(row):
        return f"| `{row[1]}` | {recipe_row(verdicts[row[1], ''], row[0].split(' | ')[-1])}"

    def second(row):
        return f"| `{row[1]}` | {model_row([verdicts[row[1], target] for target, _ in targets])} |"

    recipes, models = ROW.sub(first, recipes), ROW.sub(second, models)
    for target, _ in targets:
        has = verdicts[model_names[0], target].has
        models = re.sub(rf"(needs on {target} \(has )[\d.]+ GiB", rf"\g<1>{gib(has)}", models)
    shown = call(FTC, "check", *SHOWN)
    start = recipes.index("target a100-80gb (")
    recipes = recipes[:start] + shown.out + shown.err + recipes[recipes.index("```", start):]
    return recipes + "\nModels that people own" + models, verdicts, names, model_names


class Verdicts(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.text = README.read_text()
        cls.now, cls.verdicts, cls.names, cls.model_names = written(cls.text)

    def test_the_readme_says_what_check_says(self):
        lines = zip(self.text.splitlines(), self.now.splitlines())
        different = [f"README.md says  {a}\nftc check says  {b}" for a, b in lines if a != b]
        self.assertEqual(self.text, self.now, "\n".join(["", *different, "test/e2e/verdicts.py --update writes it"]))

    def test_every_recipe_is_named(self):
        files = {path.stem for path in pathlib.Path("recipes").glob("*.textproto")}
        named = {*self.names, *self.model_names, *(name for name, _ in self.verdicts)}
        self.assertEqual(files - named, set())
        self.assertGreater(len(self.names), 30)
        self.assertGreater(len(self.model_names), 15)

    def test_twins_need_little_more(self):
        for name in self.names:
            if twin := self.verdicts.get((name + "_packed", "")):
                self.assertLessEqual(twin.needs - self.verdicts[name, ""].needs, TWINS_MAY_NEED_MORE, name)
                self.assertEqual(twin.fits, self.verdicts[name, ""].fits, name)

    def test_models_fit_a_card_that_people_own(self):
        """The README's sentence in front of the table."""
        self.assertIn("All fit a card of 24 GB", self.text)
        self.assertEqual([name for name in self.model_names if not self.verdicts[name, "rtx4090"].fits], [])


if __name__ == "__main__":
    if sys.argv[1:] == ["--update"]:
        README.write_text(written(README.read_text())[0])
    else:
        unittest.main()
