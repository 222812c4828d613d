// Passes of compiler/Fusion.
#ifndef FUSION_PASSES_TD
#define FUSION_PASSES_TD

include "mlir/Pass/PassBase.td"

def FusePass : Pass<"kernel-fuse", "::mlir::func::FuncOp"> {
  let summary = "Group row-wise ft operations into kernel.fused";
  let dependentDialects = ["::ft::kernel::KernelDialect"];
  let options = [
    Option<"partials", "partials", "int64_t", "64", "rows of partial sums of a column reduction: its parallelism">,
  ];
}

def ScaleProductsPass : Pass<"ft-scale-products", "::mlir::ModuleOp"> {
  let summary = "Have products of weights in FP8 multiply codes";
  let description = [{
    Linears whose weights are all in FP8, and their derivatives with respect to the input, become products of codes, where
    rows and columns are whole vectors. Others stay, and Planning makes numbers of their weights.
  }];
  let dependentDialects = ["::ft::model::FtDialect"];
  let options = [
    Option<"resident", "resident", "bool", "false", "keep transposed codes in memory of their own">,
  ];
}

def BuildRowsPass : Pass<"kernel-build-rows", "::mlir::ModuleOp"> {
  let summary = "Append the row program of every kernel.fused, for looking at";
  let description = [{
    Planning builds row programs itself, when it knows pitches and in-place pairs. This pass takes a fixed number of
    elements between rows and, on request, the first choice of in-place pairs.
  }];
  let options = [
    Option<"padding", "padding", "int64_t", "0", "elements behind each row">,
    Option<"inPlace", "in-place", "bool", "false", "results take the memory of the first operand that allows it">,
  ];
}

#endif // FUSION_PASSES_TD
