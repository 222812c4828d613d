// RUN: ft-opt %s --ft-remove-unused | FileCheck %s

// CHECK-NOT: @labels
// CHECK: ft.variable frozen @w
// CHECK-LABEL: func.func @segment
// CHECK-NEXT: %[[L:.+]] = ft.read @loss
// CHECK-NEXT: ft.write @loss, %[[L]]
// CHECK-NEXT: return
ft.variable input @labels : tensor<8xi32> {io = "LABELS"}
ft.variable output @loss : tensor<1xf64> {io = "LOSS"}
ft.variable frozen @w : tensor<8xf32> {key = "w"}
func.func @segment() {
  %w = ft.read @w : tensor<8xf32>
  %labels = ft.read @labels : tensor<8xi32>
  %sum = ft.add %w, %w : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xf32>
  %l = ft.read @loss : tensor<1xf64>
  ft.write @loss, %l : tensor<1xf64>
  return
}
