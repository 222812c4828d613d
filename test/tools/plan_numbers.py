#!/usr/bin/env python3
"""Compares the numbers of all recipes' plans between two builds of ftc: the bytes of every arena, and the predicted step.

  plan_numbers.py BASE CANDIDATE [RECIPE…]   two ftc programs; recipes: paths, all of recipes/ where none is given
  plan_numbers.py --self-test                moved numbers, planted, must be found

Each recipe is checked for the target that it names. Prints a row a recipe, with the wall time of both; exits 1 where an
arena differs by more than 0.1 %, a predicted time by more than 0.5 %, or the answers are not of one kind.
"""
import glob
import os
import re
import subprocess
import sys
import time

ARENA_SHARE, TIME_SHARE = 0.001, 0.005
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def numbers(text):
    """Bytes by arena and the predicted milliseconds, out of what `ftc check` prints."""
    arenas, inside = {}, False
    for line in text.splitlines():
        fields = line.split()
        if fields[:2] == ["arena", "holds"]:
            inside = True
        elif inside and line.startswith("  ") and not line.startswith("  pinned"):
            found = re.match(r"  (\S+) .*? (\d+) +\d+\.\d{3}\b", line)
            if found:
                arenas[found.group(1)] = arenas.get(found.group(1), 0) + int(found.group(2))
        elif inside and line.startswith("  pinned"):
            arenas["pinned"] = arenas.get("pinned", 0) + int(line.split()[-2])
        else:
            inside = False
    step = re.search(r"^predicted step ([\d.]+) ms", text, flags=re.M)
    return arenas, float(step.group(1)) if step else None


def apart(a, b):
    return abs(a - b) / max(abs(a), abs(b), 1e-300)


def differences(base, candidate):
    """What moved, as text: one entry an arena or time."""
    (arenas, step), (new_arenas, new_step) = base, candidate
    if not arenas or step is None:
        return ["base printed no numbers"]
    moved = []
    for name in sorted(arenas.keys() | new_arenas.keys()):
        old, new = arenas.get(name), new_arenas.get(name)
        if old is None or new is None or apart(old, new) > ARENA_SHARE:
            moved.append(f"{name} {old} -> {new}")
    if new_step is None or apart(step, new_step) > TIME_SHARE:
        moved.append(f"predicted step {step} -> {new_step} ms")
    return moved


def check(program, recipe):
    start = time.monotonic()
    run = subprocess.run([program, "check", recipe], capture_output=True, text=True, check=False)
    return run.returncode, numbers(run.stdout + run.stderr), time.monotonic() - start


def compare(base, candidate, recipes):
    failed = 0
    print(f"{'recipe':<36}{'needs':>16}{'step ms':>12}{'base s':>8}{'new s':>8}  moved")
    for recipe in recipes:
        (code, old, seconds), (new_code, new, new_seconds) = check(base, recipe), check(candidate, recipe)
        moved = differences(old, new)
        if code != new_code:
            moved.append(f"exit code {code} -> {new_code}")
        failed += bool(moved)
        name = os.path.splitext(os.path.basename(recipe))[0]
        print(f"{name:<36}{new[0].get('needs', 0):>16}{new[1] or 0:>12.1f}{seconds:>8.2f}{new_seconds:>8.2f}  "
              f"{'; '.join(moved) or '-'}", flush=True)
    print(f"{len(recipes)} recipes, {failed} moved")
    return failed


SAMPLE = """target cpu (x86-64 processor)
  arena           holds                            bytes         GiB
  weights         weights                     1000000000       0.931
  weights         constant tables                 262144       0.000
  activations     transient values               5000000       0.005   largest live set 5000000 (+0.00 %)
  outside         program, libraries           209715200       0.195   estimate
  needs                                       1214977344       1.131
  pinned host memory: 60416 bytes
peak of the activations, 5000000 bytes, at update: x:
  layers.*.mlp                                     1 ×         5000000
predicted step 200.0 ms, 2387 tokens/s
"""


def self_test():
    base = numbers(SAMPLE)
    assert base == ({"weights": 1000262144, "activations": 5000000, "outside": 209715200, "needs": 1214977344,
                     "pinned": 60416}, 200.0), base
    planted = [("     5000000       0.005", "     5000000       0.005", 0), ("     5000000       0.005", "     5004000       0.005", 0),
               ("     5000000       0.005", "     5006000       0.005", 1), ("60416 bytes", "60928 bytes", 1),
               ("step 200.0", "step 200.9", 0), ("step 200.0", "step 201.1", 1), ("predicted step", "step", 1),
               ("  activations ", "  transients  ", 2)]
    for old, new, wanted in planted:
        assert old in SAMPLE, old
        moved = differences(base, numbers(SAMPLE.replace(old, new)))
        assert len(moved) == wanted, (new, moved)
    assert differences(numbers("ftc: no such recipe"), base) == ["base printed no numbers"]
    print(f"{len(planted)} planted changes judged rightly")


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    recipes = sys.argv[3:] or sorted(glob.glob(os.path.join(ROOT, "recipes", "*.textproto")))
    sys.exit(1 if compare(sys.argv[1], sys.argv[2], recipes) else 0)


main()
