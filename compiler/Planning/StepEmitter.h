// What an operation sees while it becomes steps (interface PlanSteps): where its values lie, and what to emit.
#pragma once

#include "compiler/Planning/KernelPool.h"
#include "compiler/Planning/PlanningOptions.h"
#include "compiler/Planning/SegmentLayout.h"

namespace ft {

/// A place with the versions that a step reads and writes there.
struct PlaceUse {
  Place place;
  int64_t read = 0, write = 0;
  int64_t batch = 1, batchPitchBytes = 0;
};

/// The place as kernels know it.
inline MatrixLayout matrixOf(const Place &place) { return {place.elementType, place.rows, place.columns, place.pitch}; }

/// What a GEMM multiplies: A and B with their transposes, D with the version that it accumulates onto (read != 0).
struct GemmSpec {
  PlaceUse a, b, d;
  bool transA = false, transB = false;
  double alpha = 1;
  int64_t batch = 1, strideA = 0, strideB = 0, strideD = 0; ///< elements
};

/// Emits steps at the end of a plan.segment. Names of steps: the operation's location name and what the step does.
class StepEmitter {
public:
  StepEmitter(mlir::OpBuilder &builder, KernelPool &kernels, const PlanningOptions &options, SegmentLayout &values);

  void setName(llvm::StringRef operation) { prefix = operation.str(); }
  void gemm(llvm::StringRef what, const GemmSpec &spec);
  /// `uses` in the order of the program's arguments; read and write versions are taken where its accesses say so.
  void launch(llvm::StringRef what, const RowProgram &program, llvm::ArrayRef<PlaceUse> uses);
  void copy(llvm::StringRef what, const PlaceUse &from, const PlaceUse &to);
  /// A kernel that moves `from` to `to`, of the same rows, columns and batch, and converts it to the type there.
  void convert(llvm::StringRef what, const PlaceUse &from, const PlaceUse &to);
  void memset(llvm::StringRef what, const PlaceUse &to);

  /// A value of the segment as a step reads it, writes it, or adds to what it has written there.
  PlaceUse reading(mlir::Value v) const { return {values.place(v), values.version(v), 0}; }
  PlaceUse writing(mlir::Value v) const { return {values.place(v), 0, values.version(v)}; }
  PlaceUse updating(mlir::Value v) const { return {values.place(v), values.version(v), values.version(v)}; }
  /// Brings what a sum starts from to its place, and says which version it has there; 0 where it starts from zero.
  int64_t startSum(model::Accumulating op);

  /// True for the first operation of the segment that claims `buffer`: its launch does the work of all that do.
  bool claim(mlir::Attribute buffer) { return claimed.insert(buffer).second; }

  mlir::Attribute operand(const PlaceUse &use) const;
  std::string stepName(llvm::StringRef what) const;

  mlir::OpBuilder &builder;
  KernelPool &kernels;
  const PlanningOptions &options;
  SegmentLayout &values;

private:
  std::string prefix;
  llvm::DenseSet<mlir::Attribute> claimed;
};

} // namespace ft
