// A model's configuration as a module in the ft dialect: behind it nothing knows a family of models.
#pragma once

#include "compiler/Import/ModelConfig.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <optional>

namespace ft {

/// The static shape of a micro-batch, and of a head in memory.
struct BatchShape {
  int64_t microBatchSize = 1; ///< rows
  int64_t sequenceLen = 0;    ///< tokens per row
  int64_t maxDocuments = 0;   ///< per micro-batch, the cap on packed documents
  bool generate = false;      ///< build @generate: one row, the logits of one position
  int64_t headLanes = 0;      ///< elements of a head as stored, a multiple of 4, at least head_dim; 0: head_dim
  int64_t targetRows = 0;     ///< tokens with a target that the inputs name, on all ranks; 0: there are no such inputs

  int64_t tokens() const { return microBatchSize * sequenceLen; }
};

/// What is wrong with a value, and the field of the recipe that it comes from; empty: of none.
struct FieldError {
  std::string field, message;
};

/// What the model cannot take of a shape: the reason for which buildModel would fail.
std::optional<FieldError> checkShape(const ModelConfig &config, const BatchShape &shape);

/// Declares every parameter of the model (role trainable, f32, checkpoint and GGUF keys), the rope tables, the batch
/// inputs and the outputs, and builds, all in f32,
///   @forward   the loss of a micro-batch into LOSS, to be differentiated;
///   @evaluate  the same, to stay as it is;
///   @generate  where asked for: the logits of token ROW_INDEX of one row into LOGITS.
/// Linears that read the same input (q, k, v; gate, up) are one ft.linear. Each op's location is a NameLoc with its
/// place in the model ("layers.3.mlp.gate_up_proj"). With more lanes than head_dim, the rows of q, k and v, the columns
/// of o and the rope tables are padded (#ft.padding): the model's numbers stay the same. Fails with a diagnostic on a
/// shape that the model cannot take.
mlir::OwningOpRef<mlir::ModuleOp> buildModel(mlir::MLIRContext *context, const ModelConfig &config,
                                             const BatchShape &shape);

} // namespace ft
