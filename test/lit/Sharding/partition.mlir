// RUN: ft-opt %s --split-input-file --dist-partition | FileCheck %s

dist.mesh @mesh axes ["dp"] sizes [2]
// A split variable keeps how it is split, and its global type.
// CHECK: ft.variable trainable @w : tensor<4x8xf32> {dist.global = tensor<8x8xf32>, dist.sharding = #dist.sharding<@mesh, {{\[\[}}"dp"], []]>, key = "w"}
ft.variable trainable @w : tensor<8x8xf32> {key = "w", dist.sharding = #dist.sharding<@mesh, [["dp"], []]>}
// CHECK: ft.variable gradient @w.gradient : tensor<8x8xf32> {dist.sharding = #dist.sharding<@mesh, {{\[\[}}], []], partial sum ["dp"]>, key
ft.variable gradient @w.gradient : tensor<8x8xf32> {key = "w", of = @w, dist.sharding = #dist.sharding<@mesh, [[], []], partial sum ["dp"]>}
// CHECK: ft.variable frozen @v : tensor<8x8xf32> {key = "v"}
ft.variable frozen @v : tensor<8x8xf32> {key = "v", dist.sharding = #dist.sharding<@mesh, [[], []]>}
// CHECK-LABEL: func.func @boxing
func.func @boxing() {
  // CHECK: %[[W:.*]] = ft.read @w : tensor<4x8xf32>
  %w = ft.read @w {dist.sharding = [#dist.sharding<@mesh, [["dp"], []]>]} : tensor<8x8xf32>
  // CHECK: %[[G:.*]] = ft.read @w.gradient : tensor<8x8xf32>
  %g = ft.read @w.gradient {dist.sharding = [#dist.sharding<@mesh, [[], []], partial sum ["dp"]>]} : tensor<8x8xf32>
  // CHECK: %[[V:.*]] = ft.read @v : tensor<8x8xf32>
  %v = ft.read @v {dist.sharding = [#dist.sharding<@mesh, [[], []]>]} : tensor<8x8xf32>
  // CHECK: %[[P0:.*]] = dist.start_all_gather %[[W]] dim 0 over ["dp"] on @mesh : (tensor<4x8xf32>) -> !dist.pending<tensor<8x8xf32>>
  // CHECK: dist.done %[[P0]] : (!dist.pending<tensor<8x8xf32>>) -> tensor<8x8xf32>
  %gathered = dist.reshard %w <@mesh, [["dp"], []]> to <@mesh, [[], []]> : tensor<8x8xf32>
  // CHECK: %[[P1:.*]] = dist.start_reduce_scatter sum %[[G]] dim 1 over ["dp"] on @mesh : (tensor<8x8xf32>) -> !dist.pending<tensor<8x4xf32>>
  // CHECK: dist.done %[[P1]] : (!dist.pending<tensor<8x4xf32>>) -> tensor<8x4xf32>
  %scattered = dist.reshard %g <@mesh, [[], []], partial sum ["dp"]> to <@mesh, [[], ["dp"]]> : tensor<8x8xf32>
  // CHECK: %[[P2:.*]] = dist.start_all_reduce sum %[[G]] over ["dp"] on @mesh : (tensor<8x8xf32>) -> !dist.pending<tensor<8x8xf32>>
  // CHECK: dist.done %[[P2]] : (!dist.pending<tensor<8x8xf32>>) -> tensor<8x8xf32>
  %reduced = dist.reshard %g <@mesh, [[], []], partial sum ["dp"]> to <@mesh, [[], []]> : tensor<8x8xf32>
  // CHECK: %[[PART:.*]] = dist.slice %[[V]] dim 1 over ["dp"] on @mesh : (tensor<8x8xf32>) -> tensor<8x4xf32>
  %part = dist.reshard %v <@mesh, [[], []]> to <@mesh, [[], ["dp"]]> : tensor<8x8xf32>
  // CHECK: ft.cast %[[PART]] : tensor<8x4xf32> to tensor<8x4xbf16>
  %cast = ft.cast %part {dist.sharding = [#dist.sharding<@mesh, [[], ["dp"]]>]} : tensor<8x8xf32> to tensor<8x8xbf16>
  return
}
