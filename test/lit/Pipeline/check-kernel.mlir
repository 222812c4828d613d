// RUN: ft-opt %s --split-input-file --ftc-check-kernel --verify-diagnostics

// The update's operations work on buckets and are in no group; a cast need not be.
ft.variable output @logits : tensor<4x8xf32> {io = "LOGITS"}
func.func @evaluate() {
  %x = ft.read @logits : tensor<4x8xf32>
  %y = kernel.fused "add"(%x) : (tensor<4x8xf32>) -> tensor<4x8xf32> {
  ^bb0(%a: tensor<4x8xf32>):
    %b = ft.add %a, %a : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
    kernel.yield %b : tensor<4x8xf32>
  }
  ft.write @logits, %y : tensor<4x8xf32>
  return
}
func.func @update() {
  %x = ft.read @logits : tensor<4x8xf32>
  %y = ft.add %x, %x : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  ft.write @logits, %y : tensor<4x8xf32>
  return
}

// -----

ft.variable output @logits : tensor<4x8xf32> {io = "LOGITS"}
func.func @evaluate() {
  %x = ft.read @logits : tensor<4x8xf32>
  // expected-error @+1 {{'ft.add' op is row-wise, and in no kernel.fused behind Fusion}}
  %y = ft.add %x, %x : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  ft.write @logits, %y : tensor<4x8xf32>
  return
}

// -----

dist.mesh @mesh axes ["dp"] sizes [2]
ft.variable output @logits : tensor<4x8xf32> {io = "LOGITS"}
func.func @evaluate() {
  %x = ft.read @logits : tensor<4x8xf32>
  %y = kernel.fused "slice"(%x) : (tensor<4x8xf32>) -> tensor<2x8xf32> {
  ^bb0(%a: tensor<4x8xf32>):
    // expected-error @+1 {{'dist.slice' op is in a kernel.fused behind Fusion, and not row-wise}}
    %b = dist.slice %a dim 0 over ["dp"] on @mesh : (tensor<4x8xf32>) -> tensor<2x8xf32>
    kernel.yield %b : tensor<2x8xf32>
  }
  return
}

// -----

ft.variable output @logits : tensor<4x8xf32> {io = "LOGITS"}
func.func @evaluate() {
  %x = ft.read @logits : tensor<4x8xf32>
  // expected-error @+1 {{'arith.addf' op is left in a segment behind Fusion}}
  %y = arith.addf %x, %x : tensor<4x8xf32>
  return
}
