// RUN: ft-opt %s --split-input-file --ft-check-training-module --verify-diagnostics

ft.variable output @loss : tensor<1xf64> {io = "LOSS"}
func.func @accumulate_first() {
  %l = ft.read @loss : tensor<1xf64>
  ft.write @loss, %l : tensor<1xf64>
  // expected-error @+1 {{reads @loss after this segment wrote it}}
  %again = ft.read @loss : tensor<1xf64>
  return
}

// -----

ft.variable output @loss : tensor<1xf64> {io = "LOSS"}
func.func @accumulate_first() {
  %l = ft.read @loss : tensor<1xf64>
  ft.write @loss, %l : tensor<1xf64>
  // expected-error @+1 {{writes @loss a second time in this segment}}
  ft.write @loss, %l : tensor<1xf64>
  return
}

// -----

// expected-error @+1 {{is trained, but has no gradient or no update}}
ft.variable trainable @w : tensor<8xf32> {key = "w"}
func.func @accumulate_first() {
  %w = ft.read @w : tensor<8xf32>
  return
}

// -----

// expected-error @+1 {{is used by no segment}}
ft.variable frozen @w : tensor<8xf32> {key = "w"}

// -----

ft.variable input @x : tensor<6xi32> {io = "LABELS"}
ft.variable input @scalars : tensor<8xf64> {io = "SCALARS"}
ft.variable frozen @w : tensor<12x8xf32> {key = "w"}
ft.variable frozen @h : tensor<6x8xf32> {key = "h"}
func.func @accumulate_first() {
  %w = ft.read @w : tensor<12x8xf32>
  %h = ft.read @h : tensor<6x8xf32>
  %x = ft.read @x : tensor<6xi32>
  %s = ft.read @scalars : tensor<8xf64>
  // expected-error @+1 {{is left in a segment that differentiation should have changed}}
  %l = ft.head_loss %h, %w, %x, %s : (tensor<6x8xf32>, tensor<12x8xf32>, tensor<6xi32>, tensor<8xf64>) -> tensor<1xf64>
  return
}
