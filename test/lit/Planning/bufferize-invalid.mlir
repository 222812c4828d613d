// RUN: ft-opt %s --split-input-file --verify-diagnostics --plan-bufferize

// expected-error @+1 {{has 2 ranks; Planning writes plans of one rank}}
dist.mesh @mesh axes ["dp"] sizes [2]

// -----

dist.mesh @mesh axes ["dp"] sizes [2]
ft.variable output @loss : tensor<1xf64> {io = "LOSS"}
func.func @evaluate() {
  %x = ft.read @loss : tensor<1xf64>
  // expected-error @+1 {{'dist.start_all_reduce' op has no lowering to steps: the mesh has 2 ranks, and Planning writes plans of one rank}}
  %p = dist.start_all_reduce sum %x over ["dp"] on @mesh : (tensor<1xf64>) -> !dist.pending<tensor<1xf64>>
  %y = dist.done %p : (!dist.pending<tensor<1xf64>>) -> tensor<1xf64>
  ft.write @loss, %y : tensor<1xf64>
  return
}

// -----

ft.variable frozen @x : tensor<8x32xf32> {key = "x"}
func.func @evaluate() {
  %x = ft.read @x : tensor<8x32xf32>
  // expected-error @+1 {{has no lowering to steps}}
  %y = ft.add %x, %x : (tensor<8x32xf32>, tensor<8x32xf32>) -> tensor<8x32xf32>
  return
}
