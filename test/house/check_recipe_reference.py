#!/usr/bin/env python3
"""Checks that docs/recipe.md names every field of recipes/recipe.proto. Usage: check_recipe_reference.py ROOT"""
import re
import sys

root = sys.argv[1]
with open(f"{root}/recipes/recipe.proto", encoding="utf-8") as file:
    fields = re.findall(r"^\s*(?:optional|repeated)\s+[\w.]+\s+(\w+)\s*=\s*\d+;", file.read(), re.MULTILINE)
with open(f"{root}/docs/recipe.md", encoding="utf-8") as file:
    code = " ".join(re.findall(r"`([^`\n]+)`", file.read()))
words = set(re.findall(r"\w+", code))
missing = [field for field in fields if field not in words]
if len(fields) < 50:
    sys.exit(f"only {len(fields)} fields found in recipe.proto; has its form changed?")
if missing:
    sys.exit(f"docs/recipe.md does not name: {', '.join(missing)}")
print(f"{len(fields)} fields documented")
