// What Planning asks operations of ft, dist and kernel (InPlace, Placement, PlanSteps), answered from outside the
// dialects. One file a family of operations; each answers all three for them.
#pragma once

#include "compiler/Fusion/Programs/Programs.h"
#include "compiler/Planning/PlaceRequests.h"
#include "compiler/Planning/StepEmitter.h"

#include "mlir/IR/DialectRegistry.h"

namespace ft {

/// Registers every model below.
void registerSteps(mlir::DialectRegistry &registry);

void attachAttentionSteps(mlir::MLIRContext &context);
void attachCodeSteps(mlir::MLIRContext &context);
void attachCollectiveSteps(mlir::MLIRContext &context);
void attachDequantizeSteps(mlir::MLIRContext &context);
void attachEmbeddingSteps(mlir::MLIRContext &context);
void attachFusedSteps(mlir::MLIRContext &context);
void attachHeadLossSteps(mlir::MLIRContext &context);
void attachNormSteps(mlir::MLIRContext &context);
void attachProductSteps(mlir::MLIRContext &context);
void attachScalarSteps(mlir::MLIRContext &context);
void attachUpdateSteps(mlir::MLIRContext &context);

/// A model for `Op` out of a function `LogicalResult emit(Op, StepEmitter &)`.
template <typename Op, mlir::LogicalResult (*emit)(Op, StepEmitter &)>
struct StepsModel : model::PlanSteps::ExternalModel<StepsModel<Op, emit>, Op> {
  mlir::LogicalResult emitSteps(mlir::Operation *op, StepEmitter &out) const { return emit(llvm::cast<Op>(op), out); }
};

template <typename Op, mlir::LogicalResult (*emit)(Op, StepEmitter &)> void attachSteps(mlir::MLIRContext &context) {
  Op::template attachInterface<StepsModel<Op, emit>>(context);
}

/// A model for `Op` out of a function `void request(Op, PlaceRequests &)`.
template <typename Op, void (*request)(Op, PlaceRequests &)>
struct PlacementModel : model::Placement::ExternalModel<PlacementModel<Op, request>, Op> {
  void requestPlaces(mlir::Operation *op, PlaceRequests &requests) const { request(llvm::cast<Op>(op), requests); }
};

template <typename Op, void (*request)(Op, PlaceRequests &)> void attachPlacement(mlir::MLIRContext &context) {
  Op::template attachInterface<PlacementModel<Op, request>>(context);
}

using InPlacePairs = llvm::SmallVectorImpl<std::pair<int64_t, int64_t>>;

/// A model for `Op` out of a function `void find(Op, InPlacePairs &)`.
template <typename Op, void (*find)(Op, InPlacePairs &)>
struct InPlaceModel : model::InPlace::ExternalModel<InPlaceModel<Op, find>, Op> {
  void getInPlacePairs(mlir::Operation *op, InPlacePairs &pairs) const { find(llvm::cast<Op>(op), pairs); }
};

template <typename Op, void (*find)(Op, InPlacePairs &)> void attachInPlace(mlir::MLIRContext &context) {
  Op::template attachInterface<InPlaceModel<Op, find>>(context);
}

/// The answer of an Accumulating operation: its sum grows where it started.
template <typename Op> void sumInPlace(Op op, InPlacePairs &pairs) {
  if (model::Accumulating sum = op; sum.getStart())
    pairs.push_back({sum.getAccumulateMutable()[0].getOperandNumber(), sum.getSumNumber()});
}

/// A whole bucket as rows of so many elements.
PlaceUse inRows(PlaceUse bucket, int64_t length = bucketRow);

/// The squares that a norm wants of a gradient that leaves for the host, in front of that.
void emitLeavingSquares(model::TransferOp leaving, StepEmitter &out);

/// The constant table i32[tiles] that tiled attention reads its tile bases from, and its version.
constexpr llvm::StringLiteral tileBases = "attention.tile_bases";

} // namespace ft
