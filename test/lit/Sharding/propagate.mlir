// RUN: ft-opt %s --split-input-file --dist-propagate | FileCheck %s

// A weight's gradient sums over tokens: split tokens make it partial, and it stays so until its variable is whole.
dist.mesh @mesh axes ["dp"] sizes [2]
ft.variable input @labels : tensor<16x8xf32> {io = "LABELS", dist.sharding = #dist.sharding<@mesh, [["dp"], []]>}
ft.variable gradient @w.gradient : tensor<8x8xf32> {key = "w", of = @w, dist.sharding = #dist.sharding<@mesh, [[], []]>}
ft.variable trainable @w : tensor<8x8xf32> {key = "w", dist.sharding = #dist.sharding<@mesh, [[], []]>}
// CHECK-LABEL: func.func @partial
func.func @partial() {
  // CHECK: %[[X:.*]] = ft.read @labels {dist.sharding = [#dist.sharding<@mesh, {{\[\[}}"dp"], []]>]}
  %x = ft.read @labels : tensor<16x8xf32>
  %w = ft.read @w : tensor<8x8xf32>
  // CHECK: %[[Y:.*]] = ft.linear %[[X]], {{.*}}dist.sharding = [#dist.sharding<@mesh, {{\[\[}}"dp"], []]>]
  %y = ft.linear %x, [%w] : (tensor<16x8xf32>, tensor<8x8xf32>) -> tensor<16x8xf32>
  // CHECK: %[[DW:.*]] = ft.linear_bwd_weight %[[Y]], %[[X]] {dist.sharding = [#dist.sharding<@mesh, {{\[\[}}], []], partial sum ["dp"]>]}
  %dw = ft.linear_bwd_weight %y, %x : (tensor<16x8xf32>, tensor<16x8xf32>) -> tensor<8x8xf32>
  %dv = ft.linear_bwd_weight %x, %y : (tensor<16x8xf32>, tensor<16x8xf32>) -> tensor<8x8xf32>
  // The sum of two partial values is partial.
  // CHECK: %[[SUM:.*]] = ft.add %[[DW]], {{.*}} {dist.sharding = [#dist.sharding<@mesh, {{\[\[}}], []], partial sum ["dp"]>]}
  %sum = ft.add %dw, %dv : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  // CHECK: %[[WHOLE:.*]] = dist.reshard %[[SUM]] <@mesh, {{\[\[}}], []], partial sum ["dp"]> to <@mesh, {{\[\[}}], []]>
  // CHECK: ft.write @w.gradient, %[[WHOLE]]
  ft.write @w.gradient, %sum : tensor<8x8xf32>
  return
}

// -----

// A product is not a sum: its partial operand is reduced first, once for all users.
dist.mesh @mesh axes ["dp"] sizes [2]
ft.variable input @labels : tensor<16x8xf32> {io = "LABELS", dist.sharding = #dist.sharding<@mesh, [["dp"], []]>}
ft.variable output @loss : tensor<8x8xbf16> {io = "LOSS", dist.sharding = #dist.sharding<@mesh, [[], []]>}
// CHECK-LABEL: func.func @reduced_once
func.func @reduced_once() {
  %x = ft.read @labels : tensor<16x8xf32>
  // CHECK: %[[DW:.*]] = ft.linear_bwd_weight
  // CHECK-NEXT: %[[WHOLE:.*]] = dist.reshard %[[DW]]
  // CHECK-NOT: dist.reshard
  // CHECK: ft.swiglu %[[WHOLE]], %[[WHOLE]]
  %dw = ft.linear_bwd_weight %x, %x : (tensor<16x8xf32>, tensor<16x8xf32>) -> tensor<8x8xf32>
  %y = ft.swiglu %dw, %dw : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  %z = ft.cast %y : tensor<8x8xf32> to tensor<8x8xbf16>
  ft.write @loss, %z : tensor<8x8xbf16>
  return
}

// -----

// A partial gradient cannot be added to a split sum inside its product: the addition goes behind the reduction; of a
// chain of gradients of one weight behind the last.
dist.mesh @mesh axes ["dp"] sizes [2]
ft.variable input @labels : tensor<16x8xf32> {io = "LABELS", dist.sharding = #dist.sharding<@mesh, [["dp"], []]>}
ft.variable trainable @w : tensor<8x8xf32> {key = "w", dist.sharding = #dist.sharding<@mesh, [["dp"], []]>}
ft.variable gradient @w.gradient : tensor<8x8xf32> {key = "w", of = @w, dist.sharding = #dist.sharding<@mesh, [["dp"], []]>}
// CHECK-LABEL: func.func @split_off
func.func @split_off() {
  // CHECK: %[[BEFORE:.*]] = ft.read @w.gradient
  // CHECK: %[[FIRST:.*]] = ft.linear_bwd_weight %{{[^a]*}} {dist
  // CHECK: %[[SECOND:.*]] = ft.linear_bwd_weight {{.*}} accumulate %[[FIRST]]
  // CHECK: %[[PART:.*]] = dist.reshard %[[SECOND]] <@mesh, {{\[\[}}], []], partial sum ["dp"]> to <@mesh, {{\[\[}}"dp"], []]>
  // CHECK: %[[SUM:.*]] = ft.add %[[BEFORE]], %[[PART]] {dist.sharding = [#dist.sharding<@mesh, {{\[\[}}"dp"], []]>]}
  // CHECK: ft.write @w.gradient, %[[SUM]]
  %before = ft.read @w.gradient : tensor<8x8xf32>
  %x = ft.read @labels : tensor<16x8xf32>
  %first = ft.linear_bwd_weight %x, %x accumulate %before : (tensor<16x8xf32>, tensor<16x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  %second = ft.linear_bwd_weight %x, %x accumulate %first : (tensor<16x8xf32>, tensor<16x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  ft.write @w.gradient, %second : tensor<8x8xf32>
  return
}

// -----

// A norm over parts is the norm of the parts' norms; what all ranks hold is cut into parts, or it would count twice.
dist.mesh @mesh axes ["dp"] sizes [2]
ft.variable trainable @w : tensor<8x8xf32> {key = "w", dist.sharding = #dist.sharding<@mesh, [["dp"], []]>}
ft.variable gradient @a : tensor<8x8xf32> {key = "w", of = @w, dist.sharding = #dist.sharding<@mesh, [["dp"], []]>}
ft.variable gradient @b : tensor<4xf32> {key = "w", of = @w, dist.sharding = #dist.sharding<@mesh, [[]]>}
ft.variable output @grad_norm : tensor<1xf64> {io = "GRAD_NORM", dist.sharding = #dist.sharding<@mesh, [[]]>}
// CHECK-LABEL: func.func @norm
func.func @norm() {
  %a = ft.read @a : tensor<8x8xf32>
  %b = ft.read @b : tensor<4xf32>
  // CHECK: %[[PART:.*]] = dist.reshard %{{.*}} <@mesh, {{\[\[}}]]> to <@mesh, {{\[\[}}"dp"]]> : tensor<4xf32>
  // CHECK: ft.grad_norm %{{.*}}, %[[PART]] {dist.sharding = [#dist.sharding<@mesh, {{\[\[}}]], partial norm2 ["dp"]>]}
  %norm = ft.grad_norm %a, %b : (tensor<8x8xf32>, tensor<4xf32>) -> tensor<1xf64>
  ft.write @grad_norm, %norm : tensor<1xf64>
  return
}

// -----

// A constraint becomes a reshard that its users share.
dist.mesh @mesh axes ["dp"] sizes [2]
ft.variable input @labels : tensor<16x8xf32> {io = "LABELS", dist.sharding = #dist.sharding<@mesh, [["dp"], []]>}
ft.variable output @loss : tensor<16x8xf32> {io = "LOSS", dist.sharding = #dist.sharding<@mesh, [["dp"], []]>}
ft.variable frozen @w : tensor<8x8xf32> {key = "w", dist.sharding = #dist.sharding<@mesh, [["dp"], []]>}
// CHECK-LABEL: func.func @gathered_once
func.func @gathered_once() {
  %x = ft.read @labels : tensor<16x8xf32>
  %w = ft.read @w : tensor<8x8xf32>
  %whole = dist.constraint %w <@mesh, [[], []]> : tensor<8x8xf32>
  // CHECK: %[[FIRST:.*]] = dist.reshard %{{.*}} <@mesh, {{\[\[}}"dp"], []]> to <@mesh, {{\[\[}}], []]>
  // CHECK-NEXT: %[[Y:.*]] = ft.linear %{{.*}}, [%[[FIRST]]]
  // CHECK-NEXT: ft.linear_bwd_input[%[[Y]]], [%[[FIRST]]]
  %y = ft.linear %x, [%whole] : (tensor<16x8xf32>, tensor<8x8xf32>) -> tensor<16x8xf32>
  %dx = ft.linear_bwd_input [%y], [%whole] : (tensor<16x8xf32>, tensor<8x8xf32>) -> tensor<16x8xf32>
  ft.write @loss, %dx : tensor<16x8xf32>
  return
}
