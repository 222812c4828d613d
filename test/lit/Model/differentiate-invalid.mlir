// RUN: ft-opt %s --split-input-file --ft-differentiate --verify-diagnostics

// expected-error @+1 {{differentiation needs a function @forward}}
module {}

// -----

module {
  ft.variable output @loss : tensor<1xf64> {io = "LOSS"}
  // expected-error @+1 {{differentiation needs a write of the output of kind LOSS}}
  func.func @forward() {
    return
  }
}

// -----

module {
  ft.variable output @loss : tensor<1xf64> {io = "LOSS"}
  // expected-error @+1 {{the loss depends on no trained parameter}}
  func.func @forward() {
    %l = ft.read @loss : tensor<1xf64>
    ft.write @loss, %l : tensor<1xf64>
    return
  }
}

// -----

module {
  ft.variable input @labels : tensor<6xi32> {io = "LABELS"}
  ft.variable input @scalars : tensor<8xf64> {io = "SCALARS"}
  ft.variable input @index : tensor<1xi32> {io = "ROW_INDEX"}
  ft.variable output @loss : tensor<1xf64> {io = "LOSS"}
  ft.variable trainable @w : tensor<12x8xf32> {key = "w"}
  func.func @forward() {
    %w = ft.read @w : tensor<12x8xf32>
    %index = ft.read @index : tensor<1xi32>
    // expected-error @+1 {{has no derivative, but a trained parameter's way to the loss leads through it}}
    %row = ft.gather_row %w, %index : (tensor<12x8xf32>, tensor<1xi32>) -> tensor<1x8xf32>
    %labels = ft.read @labels : tensor<1xi32>
    %scalars = ft.read @scalars : tensor<8xf64>
    %loss = ft.head_loss %row, %w, %labels, %scalars : (tensor<1x8xf32>, tensor<12x8xf32>, tensor<1xi32>, tensor<8xf64>) -> tensor<1xf64>
    ft.write @loss, %loss : tensor<1xf64>
    return
  }
}

// -----

module {
  ft.variable input @tokens : tensor<6xi32> {io = "TOKENS"}
  ft.variable input @labels : tensor<6xi32> {io = "LABELS"}
  ft.variable input @scalars : tensor<8xf64> {io = "SCALARS"}
  ft.variable output @loss : tensor<1xf64> {io = "LOSS"}
  ft.variable trainable @w : tensor<12x8xf32> {key = "w"}
  func.func @forward() {
    %w = ft.read @w : tensor<12x8xf32>
    %ids = ft.read @tokens : tensor<6xi32>
    // expected-error @+1 {{cannot be differentiated: the module declares no input of kind SORTED_POSITIONS}}
    %x = ft.embedding %w, %ids : (tensor<12x8xf32>, tensor<6xi32>) -> tensor<6x8xf32>
    %labels = ft.read @labels : tensor<6xi32>
    %scalars = ft.read @scalars : tensor<8xf64>
    %loss = ft.head_loss %x, %w, %labels, %scalars : (tensor<6x8xf32>, tensor<12x8xf32>, tensor<6xi32>, tensor<8xf64>) -> tensor<1xf64>
    ft.write @loss, %loss : tensor<1xf64>
    return
  }
}

// -----

module {
  ft.variable input @labels : tensor<6xi32> {io = "LABELS"}
  ft.variable input @scalars : tensor<8xf64> {io = "SCALARS"}
  ft.variable output @loss : tensor<1xf64> {io = "LOSS"}
  ft.variable frozen @x : tensor<6x8xf32> {key = "x"}
  ft.variable trainable @w : tensor<12x8xf32> {key = "w"}
  // expected-error @+1 {{is trained, but the loss does not depend on it}}
  ft.variable trainable @unused : tensor<8xf32> {key = "unused"}
  func.func @forward() {
    %w = ft.read @w : tensor<12x8xf32>
    %x = ft.read @x : tensor<6x8xf32>
    %labels = ft.read @labels : tensor<6xi32>
    %scalars = ft.read @scalars : tensor<8xf64>
    %loss = ft.head_loss %x, %w, %labels, %scalars : (tensor<6x8xf32>, tensor<12x8xf32>, tensor<6xi32>, tensor<8xf64>) -> tensor<1xf64>
    ft.write @loss, %loss : tensor<1xf64>
    return
  }
}
