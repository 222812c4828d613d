// RUN: ft-opt %s --split-input-file --verify-diagnostics --plan-bufferize

ft.variable frozen @x : tensor<8x32xf32> {key = "x"}
func.func @evaluate() {
  %x = ft.read @x : tensor<8x32xf32>
  // expected-error @+1 {{has no lowering to steps}}
  %y = ft.add %x, %x : (tensor<8x32xf32>, tensor<8x32xf32>) -> tensor<8x32xf32>
  return
}
