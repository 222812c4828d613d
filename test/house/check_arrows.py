#!/usr/bin/env python3
"""Checks which folder may include which (docs/architecture.md): an arrow that is not allowed fails, naming file and line.

  check_arrows.py ROOT       checks the tree
  check_arrows.py --self-test  each forbidden arrow, planted in a tree of its own, must be found
"""
import os
import re
import sys
import tempfile

TOPS = ("compiler", "dialects", "recipes", "runtime", "tools")
SOURCES = (".c", ".cpp", ".cu", ".h", ".td", ".proto")
INCLUDE = re.compile(r'^\s*(?:#\s*include|include|import(?:\s+public)?)\s*[<"]([^">]+)[">]')

# Folder or file → the folders it may include, besides itself. The longest prefix that matches decides.
ALLOWED = {
    "dialects": [],
    "compiler": ["dialects", "recipes", "runtime/Config", "runtime/Plan", "runtime/Support"],
    "compiler/Codegen/GpuHarness.cpp": ["compiler", "runtime/Device"],  # runs the kernels of tests
    "recipes": [],
    "runtime": [],
    "runtime/Communication": ["runtime/Plan", "runtime/Rendezvous", "runtime/Support"],
    "runtime/Config": ["runtime/Support"],
    "runtime/Plan": ["runtime/Support"],
    "runtime/Program": ["runtime/Communication", "runtime/Device", "runtime/Plan", "runtime/Support"],  # one rank: no data, console, files
    "runtime/Rendezvous": ["runtime/Support"],  # processes that find each other: no plan, no collective
    "runtime/Support": [],
    "tools": ["runtime"],
    "tools/ftc": ["compiler", "runtime"],
    "tools/ft-opt": ["compiler", "dialects"],
}

# Headers of a library → the folders that may include them.
OWNERS = {
    re.compile(r"^(mlir|mlir-c|llvm|llvm-c)/"): ["compiler", "dialects", "tools/ftc", "tools/ft-opt"],
    re.compile(r"^(cuda|cublas|cudnn|nvrtc|nccl|nvml|nvToolsExt)\w*([./]|$)"): ["runtime/Device/Cuda"],
    re.compile(r"^(dnnl|oneapi/dnnl)"): ["runtime/Device/Cpu"],
}

# The compiler's phases do not know each other; these tie them, or are what a phase is for (Planning asks Fusion for the
# row programs of composite operations and Layout for borders, Export asks Codegen for kernels).
PHASE_ARROWS = {
    "Pipeline": None,
    "Report": ["Pipeline"],
    "Planning": ["Fusion", "Layout"],
    "Export": ["Codegen"],
}


def inside(path, folder):
    return path == folder or path.startswith(folder + "/")


def rule_of(path):
    return max((folder for folder in ALLOWED if inside(path, folder)), key=len)


def is_test(path):
    """Tests and their helpers stand beside their source and drive several phases."""
    return re.search(r"(Test|Testing|TestUtils|Harness|Simulator)\.(cpp|h)$", path) is not None


def phase_error(path, included):
    ours, theirs = path.split("/")[1], included.split("/")[1]
    if not inside(included, "compiler") or ours == theirs or is_test(path):
        return None
    allowed = PHASE_ARROWS.get(ours, [])
    return None if allowed is None or theirs in allowed else f"phase {ours} does not know {theirs}"


def error_of(path, included):
    """What is wrong with file `path` including `included`, both relative to the root; None if nothing."""
    for pattern, owners in OWNERS.items():
        if pattern.match(included) and not any(inside(path, owner) for owner in owners):
            return f"only {' and '.join(owners)} may include it"
    if included.split("/")[0] not in TOPS or "/" not in included:
        return None
    rule = rule_of(path)
    if not any(inside(included, folder) for folder in [rule] + ALLOWED[rule]):
        return f"{rule} may include {', '.join([rule] + ALLOWED[rule])}"
    return phase_error(path, included) if inside(path, "compiler") else None


def check(root):
    errors, files, arrows = [], 0, 0
    for top in TOPS:
        for folder, _, names in os.walk(os.path.join(root, top)):
            for name in sorted(names):
                if not name.endswith(SOURCES):
                    continue
                files += 1
                full = os.path.join(folder, name)
                path = os.path.relpath(full, root)
                with open(full, encoding="utf-8") as file:
                    for number, line in enumerate(file, 1):
                        match = INCLUDE.match(line)
                        if not match:
                            continue
                        arrows += 1
                        error = error_of(path, match.group(1))
                        if error:
                            errors.append(f"{path}:{number}: includes {match.group(1)}; {error}")
    return errors, files, arrows


# (file, line, is it allowed)
CASES = [
    ("dialects/Ft/A.h", '#include "compiler/Model/B.h"', False),
    ("dialects/Ft/A.h", '#include "runtime/Support/Status.h"', False),
    ("dialects/Ft/A.td", 'include "compiler/Model/B.td"', False),
    ("dialects/Ft/A.h", '#include "mlir/IR/Builders.h"', True),
    ("compiler/Model/A.cpp", '#include "dialects/Ft/Ft.h"', True),
    ("compiler/Model/A.cpp", '#include "runtime/Plan/plan.pb.h"', True),
    ("compiler/Model/A.cpp", '#include "runtime/Device/Device.h"', False),
    ("compiler/Codegen/GpuHarness.cpp", '#include "runtime/Device/Device.h"', True),
    ("compiler/Codegen/KernelHarness.cpp", '#include "runtime/Device/Device.h"', False),
    ("compiler/Model/A.cpp", '#include "runtime/Weights/Gguf.h"', False),
    ("compiler/Model/A.cpp", '#include "tools/ftc/Commands.h"', False),
    ("compiler/Model/A.cpp", '#include "compiler/Planning/B.h"', False),
    ("compiler/Model/ATest.cpp", '#include "compiler/Planning/B.h"', True),
    ("compiler/Pipeline/A.cpp", '#include "compiler/Planning/B.h"', True),
    ("runtime/Weights/A.cpp", '#include "runtime/Plan/plan.pb.h"', True),
    ("runtime/Weights/A.cpp", '#include "compiler/Model/B.h"', False),
    ("runtime/Weights/A.cpp", '#  include "dialects/Ft/Ft.h"', False),
    ("runtime/Weights/A.cpp", "#include <mlir/IR/Builders.h>", False),
    ("runtime/Weights/ATest.cpp", '#include "llvm/ADT/ArrayRef.h"', False),
    ("runtime/Weights/A.cpp", '#include "recipes/recipe.pb.h"', False),
    ("runtime/Plan/A.cpp", '#include "runtime/Device/Device.h"', False),
    ("compiler/Import/A.cpp", '#include "runtime/Config/ModelConfig.h"', True),
    ("runtime/Config/A.cpp", '#include "runtime/Support/Json.h"', True),
    ("runtime/Config/A.cpp", '#include "runtime/Weights/Gguf.h"', False),
    ("runtime/Config/A.cpp", '#include "runtime/Plan/plan.pb.h"', False),
    ("runtime/Plan/a.proto", 'import "recipes/recipe.proto";', False),
    ("runtime/Communication/A.cpp", '#include "runtime/Device/Device.h"', False),
    ("runtime/Communication/A.cpp", '#include "runtime/Plan/Mesh.h"', True),
    ("runtime/Communication/A.cpp", '#include "runtime/Rendezvous/Connection.h"', True),
    ("runtime/Rendezvous/A.cpp", '#include "runtime/Plan/plan.pb.h"', False),
    ("runtime/Support/A.h", '#include "runtime/Plan/Verify.h"', False),
    ("runtime/Program/A.cpp", '#include "runtime/Training/Trainer.h"', False),
    ("runtime/Program/A.cpp", '#include "runtime/Metrics/Console.h"', False),
    ("runtime/Program/A.cpp", '#include "runtime/Device/Device.h"', True),
    ("runtime/Training/A.cpp", '#include "runtime/Program/RankProgram.h"', True),
    ("runtime/Program/A.cpp", "#include <cuda.h>", False),
    ("runtime/Program/A.cpp", "#include <cublasLt.h>", False),
    ("runtime/Program/A.cpp", "#include <cudnn_graph.h>", False),
    ("runtime/Device/Cuda/A.cpp", "#include <cuda.h>", True),
    ("runtime/Device/Cuda/A.cpp", "#include <dnnl.h>", False),
    ("runtime/Device/Cpu/A.cpp", "#include <oneapi/dnnl/dnnl.h>", True),
    ("runtime/Device/Cpu/A.cpp", "#include <cuda_runtime.h>", False),
    ("recipes/a.proto", 'import "runtime/Plan/plan.proto";', False),
    ("tools/ftrun/main.cpp", '#include "compiler/Pipeline/Pipeline.h"', False),
    ("tools/ftrun/main.cpp", '#include "runtime/Training/Run.h"', True),
    ("tools/ftc/main.cpp", '#include "compiler/Pipeline/Pipeline.h"', True),
    ("tools/ftc/main.cpp", '#include "dialects/Ft/Ft.h"', False),
]


def self_test():
    for path, line, allowed in CASES:
        with tempfile.TemporaryDirectory() as root:
            os.makedirs(os.path.join(root, os.path.dirname(path)))
            with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                file.write(f"// A comment.\n{line}\n")
            errors, _, arrows = check(root)
            wrong = arrows != 1 or (errors != [] if allowed else len(errors) != 1 or f"{path}:2: " not in errors[0])
            if wrong:
                sys.exit(f'"{line}" in {path} must be {"allowed" if allowed else "refused"}; got {errors}')
    print(f"{len(CASES)} planted arrows judged rightly")


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    errors, files, arrows = check(sys.argv[1])
    if arrows < 500:  # a tree in which the pattern finds nothing would pass
        sys.exit(f"{sys.argv[1]}: only {arrows} includes in {files} files; is this the root of the repository?")
    if errors:
        sys.exit("\n".join(errors))
    print(f"{arrows} includes of {files} files follow the arrows")


main()
