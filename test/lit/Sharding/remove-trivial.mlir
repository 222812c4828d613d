// RUN: ft-opt %s --split-input-file --dist-remove-trivial | FileCheck %s

// One rank: nothing of dist is left.
// CHECK-NOT: dist.
dist.mesh @mesh axes ["dp"] sizes [1]
ft.variable trainable @w : tensor<8x8xf32> {key = "w", dist.sharding = #dist.sharding<@mesh, [["dp"], []]>}
ft.variable gradient @w.gradient : tensor<8x8xf32> {key = "w", of = @w, dist.sharding = #dist.sharding<@mesh, [["dp"], []]>}
// CHECK-LABEL: func.func @one_rank
func.func @one_rank() {
  // CHECK-NEXT: %[[W:.*]] = ft.read @w
  // CHECK-NEXT: ft.write @w.gradient, %[[W]]
  %w = ft.read @w : tensor<8x8xf32>
  %p = dist.start_all_gather %w dim 0 over ["dp"] on @mesh : (tensor<8x8xf32>) -> !dist.pending<tensor<8x8xf32>>
  %a = dist.done %p : (!dist.pending<tensor<8x8xf32>>) -> tensor<8x8xf32>
  %q = dist.start_all_reduce sum %a over ["dp"] on @mesh : (tensor<8x8xf32>) -> !dist.pending<tensor<8x8xf32>>
  %b = dist.done %q : (!dist.pending<tensor<8x8xf32>>) -> tensor<8x8xf32>
  %r = dist.start_reduce_scatter sum %b dim 0 over ["dp"] on @mesh : (tensor<8x8xf32>) -> !dist.pending<tensor<8x8xf32>>
  %c = dist.done %r : (!dist.pending<tensor<8x8xf32>>) -> tensor<8x8xf32>
  %d = dist.slice %c dim 0 over ["dp"] on @mesh : (tensor<8x8xf32>) -> tensor<8x8xf32>
  ft.write @w.gradient, %d : tensor<8x8xf32>
  return
}

// -----

// Of several axes only those of one rank go.
// CHECK: dist.mesh @mesh axes ["dp", "tp"] sizes [2, 1]
dist.mesh @mesh axes ["dp", "tp"] sizes [2, 1]
// CHECK-LABEL: func.func @f
func.func @f(%x: tensor<8xf32>) -> tensor<8xf32> {
  // CHECK: dist.start_all_reduce sum %{{.*}} over ["dp"] on @mesh :
  %p = dist.start_all_reduce sum %x over ["dp", "tp"] on @mesh : (tensor<8xf32>) -> !dist.pending<tensor<8xf32>>
  %y = dist.done %p : (!dist.pending<tensor<8xf32>>) -> tensor<8xf32>
  // CHECK-NOT: dist.slice
  %z = dist.slice %y dim 0 over ["tp"] on @mesh : (tensor<8xf32>) -> tensor<8xf32>
  return %z : tensor<8xf32>
}
