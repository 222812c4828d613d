#ifndef FT_MODEL_PASSES_TD
#define FT_MODEL_PASSES_TD

include "mlir/Pass/PassBase.td"

def InsertAdapters : Pass<"ft-insert-adapters", "::mlir::ModuleOp"> {
  let summary = "Freeze the model and give its linears low-rank adapters";
  let options = [
    Option<"rank", "r", "int64_t", "8", "rank">,
    Option<"alpha", "alpha", "double", "8", "lora_alpha">,
    Option<"dropout", "dropout", "double", "0", "in [0, 1)">,
    ListOption<"targets", "targets", "std::string", "last parts of module names, or all-linear">,
  ];
}

def QuantizeBase : Pass<"ft-quantize-base", "::mlir::ModuleOp"> {
  let summary = "Store the frozen weights of linears in few bits";
  let options = [
    Option<"doubleQuant", "double-quant", "bool", "false", "quantise scales as well">,
    ListOption<"leftOut", "left-out", "std::string", "modules that stay as they are">,
    Option<"fp8", "fp8", "bool", "false", "in FP8, else in NF4">,
  ];
}

def ApplyPrecision : Pass<"ft-apply-precision", "::mlir::ModuleOp"> {
  let summary = "Give variables and values the element types of a precision mode";
  let options = [
    Option<"mode", "mode", "std::string", "\"FP32_TRUE\"", "FP64_TRUE, FP32_TRUE, BF16_TRUE, BF16_MIXED or FP16_MIXED">,
    Option<"accumulates", "accumulates", "bool", "false", "more than one micro-batch a step">,
    Option<"copyAdapters", "copy-adapters", "bool", "false", "working copies of adapters even where types agree">,
  ];
}

def SelectTargets : Pass<"ft-select-targets", "::mlir::ModuleOp"> {
  let summary = "Add @forward_targets and @evaluate_targets, for micro-batches of few targets";
  let options = [
    Option<"training", "training", "int64_t", "0", "targets of a micro-batch at most; 0: no such function">,
    Option<"evaluation", "evaluation", "int64_t", "0", "the same of evaluation">,
  ];
}

def Differentiate : Pass<"ft-differentiate", "::mlir::ModuleOp"> {
  let summary = "Turn @forward into @accumulate_first, which writes every gradient";
}

class RecomputeOption<string name, string description>
    : Option<name, name, "Recompute", "Recompute::Rows", description, [{llvm::cl::values(
        clEnumValN(Recompute::Nothing, "nothing", ""), clEnumValN(Recompute::Rows, "rows", ""),
        clEnumValN(Recompute::Products, "products", ""), clEnumValN(Recompute::Blocks, "blocks", ""))}]>;

class ParkOption<string name, string description>
    : Option<name, name, "Park", "Park::Nothing", description, [{llvm::cl::values(
        clEnumValN(Park::Nothing, "nothing", ""), clEnumValN(Park::Inputs, "inputs", ""),
        clEnumValN(Park::Stream, "stream", ""))}]>;

def RecomputeAgain : Pass<"ft-recompute", "::mlir::ModuleOp"> {
  let summary = "Have backward make values again, or fetch them from the host, rather than keep them";
  let options = [
    RecomputeOption<"rest", "what is made again">,
    RecomputeOption<"early", "the same, in the first layers">,
    Option<"earlyLayers", "early-layers", "int64_t", "0", "how many these are">,
    ParkOption<"park", "what the host holds">,
  ];
}

def Accumulate : Pass<"ft-accumulate", "::mlir::ModuleOp"> {
  let summary = "Check each micro-batch's loss, and add @accumulate_next";
  let options = [Option<"steps", "steps", "int64_t", "1", "micro-batches per step">];
}

def AddOptimizer : Pass<"ft-add-optimizer", "::mlir::ModuleOp"> {
  let summary = "Add @update and @initialize";
  let dependentDialects = ["::mlir::func::FuncDialect"];
  let options = [
    Option<"kind", "kind", "std::string", "\"ADAMW\"", "ADAMW, SGD or LION">,
    Option<"beta1", "beta1", "double", "0.9", "AdamW's and Lion's">,
    Option<"beta2", "beta2", "double", "0.999", "AdamW's and Lion's">,
    Option<"epsilon", "epsilon", "double", "1e-8", "AdamW's">,
    Option<"weightDecay", "weight-decay", "double", "0", "on tensors of rank 2 and more">,
    Option<"momentum", "momentum", "double", "0", "SGD's">,
    Option<"bf16State", "bf16-state", "bool", "false", "moments of full weights in bf16">,
    Option<"int8State", "int8-state", "bool", "false", "moments of all but small tensors in codes of 8 bits">,
    Option<"splitMasters", "split-masters", "bool", "false", "masters of full weights as bf16 and remainder">,
    Option<"decayNorms", "decay-norms", "bool", "false", "decay tensors of rank 1 as well">,
    Option<"maxGradNorm", "max-grad-norm", "double", "1", "0: no clipping">,
  ];
}

def RemoveUnused : Pass<"ft-remove-unused", "::mlir::ModuleOp"> {
  let summary = "Erase dead ops and variables that nothing uses";
}

def CheckTrainingModule : Pass<"ft-check-training-module", "::mlir::ModuleOp"> {
  let summary = "The phase check after compiler/Model";
}

#endif // FT_MODEL_PASSES_TD
