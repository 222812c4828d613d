"""Prints the examples of the op descriptions in a folder of .td files as modules for ft-opt --split-input-file.

An example that is not a whole module is put into a function whose arguments are the values that it does not define.
Fails if an op has no example.
"""
import pathlib
import re
import sys


def arguments(statement, known):
    """Name and type of each operand of one op in its declarative form."""
    body = statement.split(" = ", 1)[-1]
    head, types = body.split(" : ", 1) if "{" not in body else re.split(r"\} : ", body, maxsplit=1)
    names = re.findall(r"%[\w]+(?:#\d+)?", re.sub(r"\{.*", "", head))
    if types.startswith("("):
        types = types[1:].split(") -> ")[0]
    else:
        types = types.split(" to ")[0].split(" -> ")[0]
    found = re.findall(r"tensor<[^>]*>", types)
    assert len(names) == len(found), statement
    return {name: type for name, type in zip(names, found) if name.split("#")[0] not in known}


def wrap(example):
    if "func.func" in example or "ft.variable" in example:
        return example
    needed, known = {}, set()
    for line in example.strip().split("\n"):
        needed.update(arguments(line.strip(), known))
        known.update(name.split(":")[0] for name in re.findall(r"%[\w:]+", line.split(" = ")[0]))
    parameters = ", ".join(f"{name}: {type}" for name, type in needed.items())
    return f"func.func @example({parameters}) {{\n{example}\n  return\n}}"


def main(folder):
    modules = []
    for path in sorted(pathlib.Path(folder).glob("*.td")):
        for op in re.split(r"^def ", path.read_text(), flags=re.M)[1:]:
            name = op.split()[0]
            examples = re.findall(r"```mlir\n(.*?)```", op, flags=re.S)
            if re.match(r"\w+ : Ft_Op<", op) and not examples:
                sys.exit(f"{path}: {name} has no example")
            modules += [f"// {name}\n{wrap(example)}" for example in examples]
    print("\n// -----\n".join(modules))


if __name__ == "__main__":
    main(sys.argv[1])
