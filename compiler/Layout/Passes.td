// Passes of compiler/Layout.
#ifndef FT_LAYOUT_PASSES_TD
#define FT_LAYOUT_PASSES_TD

include "mlir/Pass/PassBase.td"

def LayOutPass : Pass<"ft-lay-out", "::mlir::ModuleOp"> {
  let summary = "Put trained parameters into buckets";
  let options = [Option<"fold", "fold-adapters", "bool", "false", "adapters' working copies lie in borders">,
                 Option<"host", "host", "double", "0.0", "share of trained parameters with states on the host">,
                 Option<"leave", "gradients-leave", "bool", "false", "their gradients lie there, of one micro-batch">,
                 Option<"ranks", "ranks", "int64_t", "1", "ranks that may share a bucket">,
                 Option<"split", "split-parameters", "bool", "false", "trained parameters are gathered where they are used">];
}

#endif // FT_LAYOUT_PASSES_TD
