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
  std::optional<PlaceUse> scaleA = {}, scaleB = {};         ///< of codes: a row of f32 each
  bool fastAccumulation = false;
};

/// What a library's attention works on. Without `gradients` it is the forward pass.
struct AttentionSpec {
  struct Gradients {
    PlaceUse ofO, ofQ, ofK, ofV;
  };
  PlaceUse q, k, v, o, lse;
  std::optional<Gradients> gradients;
  PlaceUse documentOffsets, documentLens; ///< where documents are ragged
  int64_t sequenceLen = 0, heads = 0, kvHeads = 0, headDim = 0;
  double scale = 1;
  int64_t workspaceVersion = 0; ///< that nobody reads
};

/// What a norm adds up: sums of squares of each gradient, side by side.
struct NormSums {
  struct Part {
    mlir::Value gradient;
    const RowProgram *program;
    int64_t first;        ///< element of `all`
    bool isThere = false; ///< computed in front of the norm's own steps
  };
  PlaceUse all; ///< as the norm reads it
  llvm::SmallVector<Part, 0> parts;
};

/// A run that ranks exchange.
struct CollectiveSpec {
  plan::CollectiveKind kind;
  std::optional<plan::Reduction> reduction;
  llvm::SmallVector<int64_t> axes;                ///< indices into the mesh
  llvm::SmallVector<const RowProgram *> programs; ///< by member: what ranks that read each other's memory reduce with
  PlaceUse whole;
  std::optional<PlaceUse> part;      ///< of what gathers or scatters
  std::optional<PlaceUse> workspace; ///< for the shares of peers
};

/// Emits steps at the end of a plan.segment. Names of steps: the operation's location name and what the step does.
class StepEmitter {
public:
  StepEmitter(mlir::OpBuilder &builder, KernelPool &kernels, KernelPool &hostKernels, const PlanningOptions &options,
              SegmentLayout &values);

  void setName(llvm::StringRef operation) { prefix = operation.str(); }
  void gemm(llvm::StringRef what, const GemmSpec &spec);
  /// `uses` in the order of the program's arguments; read and write versions are taken where its accesses say so. On
  /// the host where the program is for it.
  void launch(llvm::StringRef what, const RowProgram &program, llvm::ArrayRef<PlaceUse> uses);
  void copy(llvm::StringRef what, const PlaceUse &from, const PlaceUse &to);
  /// A kernel that moves `from` to `to`, of the same rows, columns and batch, and converts it to the type there.
  void convert(llvm::StringRef what, const PlaceUse &from, const PlaceUse &to);
  /// The same for each pair, in one launch.
  void convertAll(llvm::StringRef what, llvm::ArrayRef<PlaceUse> from, llvm::ArrayRef<PlaceUse> to);
  /// Bytes of `from` with rows and columns exchanged.
  void transpose(llvm::StringRef what, const PlaceUse &from, const PlaceUse &to);
  void memset(llvm::StringRef what, const PlaceUse &to);
  void attention(llvm::StringRef what, const AttentionSpec &spec);
  void collective(llvm::StringRef what, const CollectiveSpec &spec);
  /// The batch record arrives in these inputs; nothing where there are none.
  void receive(llvm::ArrayRef<PlaceUse> inputs);
  /// These outputs leave; nothing where there are none.
  void emit(llvm::ArrayRef<PlaceUse> outputs);

  /// A value of the segment as a step reads it, writes it, or adds to what it has written there.
  PlaceUse reading(mlir::Value v) const { return {values.place(v), values.version(v), 0}; }
  PlaceUse writing(mlir::Value v) const { return {values.place(v), 0, values.version(v)}; }
  PlaceUse updating(mlir::Value v) const { return {values.place(v), values.version(v), values.version(v)}; }
  /// Brings what a sum starts from to its place, and says which version it has there; 0 where it starts from zero.
  int64_t startSum(model::Accumulating op);

  /// True for the first operation of the segment that claims `buffer`: its launch does the work of all that do.
  bool claim(mlir::Attribute buffer) { return claimed.insert(buffer).second; }

  /// Of the segment's norms, by operation, from the first step of each on.
  llvm::DenseMap<mlir::Operation *, NormSums> normSums;

  mlir::OpBuilder &builder;
  KernelPool &kernels, &hostKernels;
  const PlanningOptions &options;
  SegmentLayout &values;

private:
  plan::OperandAttr operand(const PlaceUse &use) const;
  mlir::ArrayAttr operands(llvm::ArrayRef<PlaceUse> uses) const;
  plan::OperandAttr workspace(llvm::StringRef buffer, int64_t bytes, int64_t version) const;
  std::string stepName(llvm::StringRef what) const;
  template <typename Op> void add(std::string name, typename Op::Properties fields);

  std::string prefix;
  llvm::DenseSet<mlir::Attribute> claimed;
};

} // namespace ft
