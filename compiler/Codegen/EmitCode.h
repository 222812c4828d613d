// LLVM IR → machine code or PTX for one processor.
#pragma once

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <memory>
#include <string>

namespace llvm {
class Module;
class TargetMachine;
} // namespace llvm

namespace ft {

/// A machine for "x86-64-v3", "x86-64-v4" or "sm_NN" (sm_80 and later, with the lowest PTX version that knows it).
/// Floating-point contraction is off.
llvm::Expected<std::unique_ptr<llvm::TargetMachine>> openTargetMachine(llvm::StringRef arch);

/// Optimises `module` in place for `machine`; vectorisers are off, since kernels are written as vectors, and no library
/// function is recognised or called.
void optimize(llvm::Module &module, llvm::TargetMachine &machine);

/// An object file (x86-64), or text: assembly or PTX.
enum class CodeFormat { Object, Text };
llvm::Expected<std::string> emitCode(llvm::Module &module, llvm::TargetMachine &machine, CodeFormat format);

} // namespace ft
