// What is not differentiated: nothing below the lowest adapter, no frozen weight anywhere, and above the highest adapter
// nothing but the way back through a block.
// RUN: ft-opt %s --ft-differentiate | FileCheck %s
// RUN: ft-opt %s --ft-differentiate | FileCheck %s --check-prefix=FROZEN

// FROZEN-NOT: @{{.*}}layer{{.*}}.gradient
// FROZEN: ft.variable gradient @a.gradient
// FROZEN-NOT: @{{.*}}layer{{.*}}.gradient

// CHECK-LABEL: func.func @accumulate_first()
// CHECK: %[[X0:.+]] = ft.embedding
// CHECK: %[[X1:.+]] = ft.linear %[[X0]], [%[[W0:.+]]] :
// CHECK: %[[S:.+]] = ft.linear %[[X1]], [%[[A:.+]]] :
// CHECK: %[[X2:.+]] = ft.linear %[[X1]], [%[[W1:.+]]] low_rank
// CHECK: %[[X3:.+]] = ft.linear %[[X2]], [%[[W2:.+]]] :
// CHECK: %{{.+}}, %[[DX3:.+]] = ft.head_loss_grad

// Layer 2, above the only adapter: dX and no weight's gradient.
// CHECK-NEXT: ft.write @loss
// CHECK-NEXT: %[[DX2:.+]] = ft.linear_bwd_input[%[[DX3]]], [%[[W2]]]

// Layer 1: the adapter's own two gradients, and no dX, which nobody below needs.
// CHECK-NEXT: %[[DS:.+]] = ft.linear_bwd_input[%[[DX2]]], [%{{.+}}]
// CHECK-NEXT: ft.linear_bwd_weight %[[DX2]], %[[S]]
// CHECK-NEXT: ft.write @b.gradient
// CHECK-NEXT: ft.linear_bwd_weight %[[DS]], %[[X1]]
// CHECK-NEXT: ft.write @a.gradient

// Layer 0 and the embedding, below it: nothing.
// CHECK-NEXT: return

ft.variable input @tokens : tensor<6xi32> {io = "TOKENS"}
ft.variable input @labels : tensor<6xi32> {io = "LABELS"}
ft.variable input @scalars : tensor<8xf64> {io = "SCALARS"}
ft.variable output @loss : tensor<1xf64> {io = "LOSS"}
ft.variable frozen @table.weight : tensor<12x8xf32> {key = "table.weight"}
ft.variable frozen @layer0.weight : tensor<8x8xf32> {key = "layer0.weight"}
ft.variable frozen @layer1.weight : tensor<8x8xf32> {key = "layer1.weight"}
ft.variable frozen @layer2.weight : tensor<8x8xf32> {key = "layer2.weight"}
ft.variable adapter @a : tensor<2x8xf32> {key = "a"}
ft.variable adapter @b : tensor<8x2xf32> {key = "b"}
func.func @forward() {
  %table = ft.read @table.weight : tensor<12x8xf32>
  %ids = ft.read @tokens : tensor<6xi32>
  %w0 = ft.read @layer0.weight : tensor<8x8xf32>
  %w1 = ft.read @layer1.weight : tensor<8x8xf32>
  %w2 = ft.read @layer2.weight : tensor<8x8xf32>
  %a = ft.read @a : tensor<2x8xf32>
  %b = ft.read @b : tensor<8x2xf32>
  %labels = ft.read @labels : tensor<6xi32>
  %scalars = ft.read @scalars : tensor<8xf64>
  %x0 = ft.embedding %table, %ids : (tensor<12x8xf32>, tensor<6xi32>) -> tensor<6x8xf32>
  %x1 = ft.linear %x0, [%w0] : (tensor<6x8xf32>, tensor<8x8xf32>) -> tensor<6x8xf32>
  %s = ft.linear %x1, [%a] : (tensor<6x8xf32>, tensor<2x8xf32>) -> tensor<6x2xf32>
  %x2 = ft.linear %x1, [%w1] low_rank [%s] [%b] {low_rank_of = array<i64: 0>} : (tensor<6x8xf32>, tensor<8x8xf32>, tensor<6x2xf32>, tensor<8x2xf32>) -> tensor<6x8xf32>
  %x3 = ft.linear %x2, [%w2] : (tensor<6x8xf32>, tensor<8x8xf32>) -> tensor<6x8xf32>
  %loss = ft.head_loss %x3, %table, %labels, %scalars : (tensor<6x8xf32>, tensor<12x8xf32>, tensor<6xi32>, tensor<8xf64>) -> tensor<1xf64>
  ft.write @loss, %loss : tensor<1xf64>
  return
}
