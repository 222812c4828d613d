// Bytes of constant tables.
#pragma once

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"

#include <cstdint>
#include <string>

namespace ft {

/// The table of kind rope_cos or rope_sin ([positions, pairs], entry (p, i) = amplitude · cos or sin of p · frequency
/// i, computed in double and rounded once; Su et al., RoFormer) or of kind values (i32), row-major, in `type`.
std::string constantBytes(llvm::StringRef kind, mlir::DictionaryAttr init, mlir::Type type,
                          llvm::ArrayRef<int64_t> shape);

/// How many bytes these are.
uint64_t constantSize(llvm::StringRef kind, mlir::DictionaryAttr init, mlir::Type type, llvm::ArrayRef<int64_t> shape);

} // namespace ft
