// RUN: ft-opt %s --split-input-file --ft-select-targets="training=3" --verify-diagnostics
// RUN: not ft-opt %s --split-input-file --ft-select-targets="training=6" 2>&1 | FileCheck %s

// CHECK: the bound on targets is 6; must be below the 6 tokens of the micro-batch

ft.variable input @labels : tensor<6xi32> {io = "LABELS"}
ft.variable input @scalars : tensor<8xf64> {io = "SCALARS"}
ft.variable input @rows : tensor<2xi32> {io = "TARGET_ROWS"} // expected-error {{'ft.variable' op has 2 elements; must have at least 3, the bound on targets}}
ft.variable output @loss : tensor<1xf64> {io = "LOSS"}
ft.variable trainable @x : tensor<6x8xf32> {key = "x"}
ft.variable trainable @table.weight : tensor<12x8xf32> {key = "table.weight"}
func.func @forward() {
  %x = ft.read @x : tensor<6x8xf32>
  %table = ft.read @table.weight : tensor<12x8xf32>
  %labels = ft.read @labels : tensor<6xi32>
  %scalars = ft.read @scalars : tensor<8xf64>
  %loss = ft.head_loss %x, %table, %labels, %scalars : (tensor<6x8xf32>, tensor<12x8xf32>, tensor<6xi32>, tensor<8xf64>) -> tensor<1xf64>
  ft.write @loss, %loss : tensor<1xf64>
  return
}

// -----

ft.variable input @labels : tensor<6xi32> {io = "LABELS"}
ft.variable input @scalars : tensor<8xf64> {io = "SCALARS"}
ft.variable output @loss : tensor<1xf64> {io = "LOSS"}
ft.variable trainable @x : tensor<6x8xf32> {key = "x"}
ft.variable trainable @table.weight : tensor<12x8xf32> {key = "table.weight"}
// expected-error @+1 {{@forward_targets: rows of targets alone need the input TARGET_ROWS}}
func.func @forward() {
  %x = ft.read @x : tensor<6x8xf32>
  %table = ft.read @table.weight : tensor<12x8xf32>
  %labels = ft.read @labels : tensor<6xi32>
  %scalars = ft.read @scalars : tensor<8xf64>
  %loss = ft.head_loss %x, %table, %labels, %scalars : (tensor<6x8xf32>, tensor<12x8xf32>, tensor<6xi32>, tensor<8xf64>) -> tensor<1xf64>
  ft.write @loss, %loss : tensor<1xf64>
  return
}

// -----

// expected-error @+1 {{@forward_targets: rows of targets alone need exactly one ft.head_loss that reads them}}
func.func @forward() {
  return
}
