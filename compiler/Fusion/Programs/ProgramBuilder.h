// The frame of a standalone row program: its kernel.func, arguments and the run-time scalars.
#pragma once

#include "compiler/Fusion/Programs/Programs.h"
#include "compiler/Fusion/RowBuilder.h"
#include "runtime/Plan/plan.pb.h"

namespace ft {

struct ProgramArgument {
  mlir::MemRefType type;
  Access access;
};

class ProgramBuilder {
public:
  /// Creates the kernel at the position of `outer`; `b` then builds its body.
  ProgramBuilder(mlir::OpBuilder &outer, mlir::StringRef name, mlir::ArrayRef<ProgramArgument> arguments);

  mlir::Value operator[](unsigned argument) { return program.func.getBody().getArgument(argument); }
  mlir::Value item() { return program.func.getItem(); }
  /// A run-time scalar, f64.
  mlir::Value runScalar(mlir::Value scalars, plan::Scalar number) {
    return b.loadScalar(scalars, b.index(int64_t(number)));
  }
  /// Ends the body.
  RowProgram finish(int64_t items);

  RowBuilder b;

private:
  RowProgram program;
};

/// Arguments of a given length.
ProgramArgument vectorArgument(mlir::Type element, int64_t length, Access access);
ProgramArgument matrixArgument(const MatrixLayout &matrix, Access access);
ProgramArgument scalarsArgument(mlir::OpBuilder &builder);

/// Σ of `length` floats in f64: rows of up to 1024, each reduced by itself and added in order.
mlir::Value sumInOrder(RowBuilder &b, mlir::Value memory, int64_t length);

} // namespace ft
