// Test support: buffers of any float type, and row programs compiled and run, here or on a GPU (see KernelHarness.h).
#pragma once

#include "compiler/Codegen/KernelHarness.h"
#include "compiler/Fusion/BuildRowProgram.h"
#include "compiler/Fusion/Programs/Programs.h"

#include "mlir/IR/MLIRContext.h"

namespace ft {

/// A context with every dialect that a program needs, and a module that programs are built into.
class ProgramTest : public KernelTest {
protected:
  ProgramTest();
  mlir::Type type(const std::string &name); ///< "f32", "bf16", "f16", "f64"
  /// Builds and compiles what `build` makes, for the best architecture that this machine runs or for its GPU, and runs
  /// all items.
  void run(const std::function<RowProgram(mlir::OpBuilder &)> &build, const std::vector<void *> &args);
  /// The first kernel.fused of the text, kept alive by the fixture.
  kernel::FusedOp parseFused(const std::string &text);

  mlir::MLIRContext context;

private:
  mlir::OwningOpRef<mlir::ModuleOp> parsed;
};

/// rows × columns floats with a pitch, whose padding a kernel must not touch. Reads and writes are in double.
class FloatMatrix {
public:
  FloatMatrix(mlir::Type type, int64_t rows, int64_t columns, int64_t padding = 0);
  double get(int64_t row, int64_t column) const { return at(row * layout.pitch + column); }
  /// Stores rounded to the type.
  void set(int64_t row, int64_t column, double value) { put(row * layout.pitch + column, value); }
  /// Values from N(0, scale²).
  FloatMatrix &randomize(unsigned seed, double scale = 1.0);
  bool paddingIntact() const;
  void *data() { return bytes.data(); }

  MatrixLayout layout;

private:
  double at(int64_t element) const;
  void put(int64_t element, double value);
  std::vector<char> bytes;
};

/// `value` as a number of the type.
double roundedTo(mlir::Type type, double value);

/// Relative error of one rounding to the type, and of an f32 computation: what a result of this type may miss.
double toleranceOf(mlir::Type type);

/// Compares every element with `expected(row, column)`: |difference| ≤ tolerance · max(|expected|, scale), the least
/// normal number of f16 in place of what is below it.
void expectMatrix(const FloatMatrix &actual, double tolerance, double scale,
                  const std::function<double(int64_t, int64_t)> &expected);

} // namespace ft
