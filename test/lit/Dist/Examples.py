"""Prints the examples of the op descriptions in a folder of .td files as modules for ft-opt --split-input-file.

Every example is a whole module. Fails if an op has none.
"""
import pathlib
import re
import sys

modules = []
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.td")):
    for op in re.split(r"^def ", path.read_text(), flags=re.M)[1:]:
        examples = re.findall(r"```mlir\n(.*?)```", op, flags=re.S)
        if re.match(r"Dist_\w+Op : ", op) and not examples:
            sys.exit(f"{path}: {op.split()[0]} has no example")
        modules += [f"// {op.split()[0]}\n{example}" for example in examples]
print("\n// -----\n".join(modules))
