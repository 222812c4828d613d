// RUN: ft-opt %s --split-input-file --ftc-check-model --verify-diagnostics

ft.variable frozen @w : tensor<8xf32> {key = "w", init = {kind = "ones"}}
ft.variable output @loss : tensor<1xf64> {io = "LOSS"}
func.func @evaluate() {
  %l = ft.read @loss : tensor<1xf64>
  ft.write @loss, %l : tensor<1xf64>
  return
}

// -----

// expected-error @+1 {{'dist.mesh' op is left in the module behind Model}}
dist.mesh @mesh axes ["dp"] sizes [1]

// -----

// expected-error @+1 {{has no init behind Model; nothing would fill it where no file does}}
ft.variable frozen @w : tensor<8xf32> {key = "w"}

// -----

// expected-error @+1 {{@forward is left behind Model; it is no segment of a plan}}
func.func @forward() {
  return
}

// -----

ft.variable output @logits : tensor<4x8xf32> {io = "LOGITS"}
func.func @evaluate() {
  %x = ft.read @logits : tensor<4x8xf32>
  // expected-error @+1 {{'arith.addf' op is left in a segment behind Model}}
  %y = arith.addf %x, %x : tensor<4x8xf32>
  ft.write @logits, %y : tensor<4x8xf32>
  return
}
