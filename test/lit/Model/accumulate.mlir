// RUN: ft-opt %s --ft-accumulate=steps=4 | FileCheck %s
// RUN: ft-opt %s --ft-accumulate=steps=1 | FileCheck %s --check-prefix=ONE
// RUN: not ft-opt %s --ft-accumulate=steps=0 2>&1 | FileCheck %s --check-prefix=STEPS
// RUN: echo 'module {}' | not ft-opt --ft-accumulate 2>&1 | FileCheck %s --check-prefix=EMPTY

// STEPS: gradient_accumulation_steps is 0; must be at least 1
// EMPTY: accumulation needs @accumulate_first, which writes LOSS, and the input SCALARS
// ONE: ft.check_finite
// ONE-NOT: @accumulate_next

// CHECK: ft.variable output @status : tensor<4xi32> {init = {kind = "zeros"}, io = "STATUS"}
// CHECK-LABEL: func.func @accumulate_first()
// CHECK: %[[LOSS:.+]], %{{.+}}, %[[DW:.+]] = ft.head_loss_grad
// CHECK-NOT: accumulate %
// CHECK: %[[STATUS:.+]] = ft.check_finite %[[LOSS]], %{{.+}}, %{{.+}} {cause = 1 : i32}
// CHECK: ft.write @status, %[[STATUS]]
// CHECK: ft.write @loss, %[[LOSS]]

// CHECK-LABEL: func.func @accumulate_next()
// CHECK-DAG: %[[BEFORE:.+]] = ft.read @loss
// CHECK-DAG: %[[W:.+]] = ft.read @w.gradient
// CHECK-DAG: %[[V:.+]] = ft.read @v.gradient
// CHECK: %[[LOSS:.+]], %{{.+}}, %[[DW:.+]] = ft.head_loss_grad %{{.+}} accumulate %[[W]]
// CHECK: ft.check_finite %[[LOSS]]
// CHECK: %[[SUM:.+]] = ft.add_scalar %[[BEFORE]], %[[LOSS]]
// CHECK: ft.write @loss, %[[SUM]]
// CHECK: %[[BOTH:.+]] = ft.embedding_grad %{{.+}} accumulate %[[DW]]
// CHECK: ft.write @w.gradient, %[[BOTH]]
// CHECK: %[[DV:.+]] = ft.cast
// CHECK: %[[VSUM:.+]] = ft.add %[[V]], %[[DV]]
// CHECK: ft.write @v.gradient, %[[VSUM]]

ft.variable input @labels : tensor<6xi32> {io = "LABELS"}
ft.variable input @scalars : tensor<8xf64> {io = "SCALARS"}
ft.variable input @sorted_positions : tensor<6xi32> {io = "SORTED_POSITIONS"}
ft.variable input @segment_starts : tensor<7xi32> {io = "SEGMENT_STARTS"}
ft.variable input @segment_ids : tensor<6xi32> {io = "SEGMENT_IDS"}
ft.variable output @loss : tensor<1xf64> {io = "LOSS"}
ft.variable trainable @w : tensor<12x8xf32> {key = "w"}
ft.variable trainable @v : tensor<6x8xf32> {key = "v"}
ft.variable gradient @w.gradient : tensor<12x8xf32> {key = "w", of = @w}
ft.variable gradient @v.gradient : tensor<6x8xf64> {key = "v", of = @v}
func.func @accumulate_first() {
  %w = ft.read @w : tensor<12x8xf32>
  %v = ft.read @v : tensor<6x8xf32>
  %labels = ft.read @labels : tensor<6xi32>
  %scalars = ft.read @scalars : tensor<8xf64>
  %positions = ft.read @sorted_positions : tensor<6xi32>
  %starts = ft.read @segment_starts : tensor<7xi32>
  %ids = ft.read @segment_ids : tensor<6xi32>
  %loss, %dx, %dw = ft.head_loss_grad %v, %w, %labels, %scalars : (tensor<6x8xf32>, tensor<12x8xf32>, tensor<6xi32>, tensor<8xf64>) -> (tensor<1xf64>, tensor<6x8xf32>, tensor<12x8xf32>)
  ft.write @loss, %loss : tensor<1xf64>
  %both = ft.embedding_grad %dx, %positions, %starts, %ids accumulate %dw : (tensor<6x8xf32>, tensor<6xi32>, tensor<7xi32>, tensor<6xi32>, tensor<12x8xf32>) -> tensor<12x8xf32>
  ft.write @w.gradient, %both : tensor<12x8xf32>
  %dv = ft.cast %dx : tensor<6x8xf32> to tensor<6x8xf64>
  ft.write @v.gradient, %dv : tensor<6x8xf64>
  return
}
