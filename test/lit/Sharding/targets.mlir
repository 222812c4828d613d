// Fewer targets than the inputs name: a rank reads the first ones of its own. What is taken of split tokens is split.
// RUN: ft-opt %s --dist-annotate="dp=2" --dist-propagate --dist-partition | FileCheck %s

ft.variable input @tokens : tensor<16xi32> {io = "TOKENS"}
ft.variable input @target_rows : tensor<6xi32> {io = "TARGET_ROWS"}
ft.variable input @target_labels : tensor<6xi32> {io = "TARGET_LABELS"}
ft.variable input @target_slots : tensor<16xi32> {io = "TARGET_SLOTS"}
ft.variable input @scalars : tensor<8xf64> {io = "SCALARS"}
ft.variable output @loss : tensor<1xf64> {io = "LOSS"}
ft.variable frozen @table : tensor<12x8xf32> {key = "table"}

// CHECK: ft.variable input @target_rows : tensor<3xi32>
// CHECK: ft.variable input @target_labels : tensor<3xi32>
// CHECK: ft.variable input @target_slots : tensor<8xi32>
// CHECK-LABEL: func.func @accumulate_first_targets
// CHECK-DAG: %[[ROWS:.+]] = ft.read @target_rows : tensor<2xi32>
// CHECK-DAG: %[[LABELS:.+]] = ft.read @target_labels : tensor<2xi32>
// CHECK-DAG: %[[SLOTS:.+]] = ft.read @target_slots : tensor<8xi32>
// CHECK: %[[FEW:.+]] = ft.gather_rows %{{.+}}, %[[ROWS]] : (tensor<8x8xf32>, tensor<2xi32>) -> tensor<2x8xf32>
// CHECK: %[[LOSS:.+]], %[[DX:.+]] = ft.head_loss_grad %[[FEW]], %{{.+}}, %[[LABELS]]
// CHECK-DAG: ft.scatter_rows %[[DX]], %[[SLOTS]] : (tensor<2x8xf32>, tensor<8xi32>) -> tensor<8x8xf32>
// CHECK-DAG: dist.start_all_reduce sum %[[LOSS]]
func.func @accumulate_first_targets() {
  %ids = ft.read @tokens : tensor<16xi32>
  %rows = ft.read @target_rows : tensor<4xi32>
  %labels = ft.read @target_labels : tensor<4xi32>
  %slots = ft.read @target_slots : tensor<16xi32>
  %scalars = ft.read @scalars : tensor<8xf64>
  %table = ft.read @table : tensor<12x8xf32>
  %x = ft.embedding %table, %ids : (tensor<12x8xf32>, tensor<16xi32>) -> tensor<16x8xf32>
  %few = ft.gather_rows %x, %rows : (tensor<16x8xf32>, tensor<4xi32>) -> tensor<4x8xf32>
  %loss, %dx = ft.head_loss_grad %few, %table, %labels, %scalars : (tensor<4x8xf32>, tensor<12x8xf32>, tensor<4xi32>, tensor<8xf64>) -> (tensor<1xf64>, tensor<4x8xf32>)
  %all = ft.scatter_rows %dx, %slots : (tensor<4x8xf32>, tensor<16xi32>) -> tensor<16x8xf32>
  ft.write @loss, %loss : tensor<1xf64>
  return
}
