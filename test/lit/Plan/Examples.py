"""Prints the examples of PlanOps.td as modules for ft-opt --split-input-file. Fails if an op has neither an example nor a
pointer to the test that has it."""
import re
import sys

text = open(sys.argv[1]).read()
for op in re.split(r"^def (?=Plan_\w+Op )", text, flags=re.M)[1:]:
    name = op.split(" ", 1)[0]
    example = re.search(r"```mlir\n(.*?)```", op, flags=re.S)
    if not example:
        assert "Example: see test/lit" in op, name + " has no example"
        continue
    print("// " + name + "\n" + example.group(1) + "\n// -----\n")
