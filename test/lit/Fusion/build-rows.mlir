// RUN: ft-opt %s --kernel-build-rows=padding=8 --split-input-file | FileCheck %s --check-prefixes=CHECK,APART
// RUN: ft-opt %s --kernel-build-rows="padding=8 in-place" --split-input-file | FileCheck %s --check-prefixes=CHECK,SHARED

// Stores come last, so that the sum may overwrite one of its terms.
// APART: kernel.func @add_rms_norm.0(%[[A:.*]]: memref<32x100xf32, strided<[108, 1]>>, %[[B:.*]]: memref<32x100xf32, strided<[108, 1]>>, %[[W:.*]]: memref<100xf32>, %[[S:.*]]: memref<32x100xf32, strided<[108, 1]>>, %[[Y:.*]]: memref<32x100xbf16, strided<[108, 1]>>, %[[R:.*]]: memref<32xf32>) attributes {items = 32 : i64} item %[[I:.*]] {
// SHARED: kernel.func @add_rms_norm.0(%[[A:.*]]: memref<32x100xf32, strided<[108, 1]>>, %[[B:.*]]: memref<32x100xf32, strided<[108, 1]>>, %[[W:.*]]: memref<100xf32>, %[[Y:.*]]: memref<32x100xbf16, strided<[108, 1]>>, %[[R:.*]]: memref<32xf32>) attributes {items = 32 : i64} item %[[I:.*]] {
// CHECK: %[[SUM:.*]] = arith.addf %{{.*}}, %{{.*}} : vector<100xf32>
// CHECK: %[[SQUARES:.*]] = arith.mulf %[[SUM]], %[[SUM]]
// CHECK: vector.reduction <add>, %[[SQUARES]] : vector<100xf32> into f32
// CHECK: math.sqrt
// CHECK-NOT: vector.load {{.*}}%[[A]]
// APART: vector.store %[[SUM]], %[[S]][%[[I]], %{{.*}}]
// SHARED: vector.store %[[SUM]], %[[A]][%[[I]], %{{.*}}]
// CHECK-DAG: vector.store %{{.*}}, %[[Y]][%[[I]], %{{.*}}] : {{.*}} vector<100xbf16>
// CHECK-DAG: memref.store %{{.*}}, %[[R]][%[[I]]]
// CHECK: kernel.return
func.func @norm(%x: tensor<32x100xf32>, %o: tensor<32x100xf32>, %w: tensor<100xf32>) -> (tensor<32x100xf32>, tensor<32x100xbf16>, tensor<32xf32>) {
  %h, %y, %rstd = kernel.fused "add_rms_norm" (%x, %o, %w)
      : (tensor<32x100xf32>, tensor<32x100xf32>, tensor<100xf32>) -> (tensor<32x100xf32>, tensor<32x100xbf16>, tensor<32xf32>) {
  ^bb0(%a: tensor<32x100xf32>, %b: tensor<32x100xf32>, %c: tensor<100xf32>):
    %s = ft.add %a, %b : (tensor<32x100xf32>, tensor<32x100xf32>) -> tensor<32x100xf32>
    %n, %r = ft.rms_norm %s, %c {eps = 1.0e-5} : (tensor<32x100xf32>, tensor<100xf32>) -> (tensor<32x100xbf16>, tensor<32xf32>)
    kernel.yield %s, %n, %r : tensor<32x100xf32>, tensor<32x100xbf16>, tensor<32xf32>
  }
  return %h, %y, %rstd : tensor<32x100xf32>, tensor<32x100xbf16>, tensor<32xf32>
}

// -----

// A value inside a kernel is rounded as it would be in memory.
// CHECK: kernel.func @add_add.0
// CHECK: %[[SUM:.*]] = arith.addf
// CHECK: %[[ROUNDED:.*]] = arith.truncf %[[SUM]] : vector<64xf32> to vector<64xbf16>
// CHECK: %[[AGAIN:.*]] = arith.extf %[[ROUNDED]]
// CHECK: arith.addf %[[AGAIN]]
func.func @rounding(%x: tensor<8x64xbf16>, %y: tensor<8x64xbf16>) -> tensor<8x64xbf16> {
  %z = kernel.fused "add_add" (%x, %y) : (tensor<8x64xbf16>, tensor<8x64xbf16>) -> tensor<8x64xbf16> {
  ^bb0(%a: tensor<8x64xbf16>, %b: tensor<8x64xbf16>):
    %s = ft.add %a, %b : (tensor<8x64xbf16>, tensor<8x64xbf16>) -> tensor<8x64xbf16>
    %t = ft.add %s, %a : (tensor<8x64xbf16>, tensor<8x64xbf16>) -> tensor<8x64xbf16>
    kernel.yield %t : tensor<8x64xbf16>
  }
  return %z : tensor<8x64xbf16>
}

// -----

// An item of a rope is a head of k with its heads of q: 8 tokens × 2. All rows are read before the first is written.
// CHECK: kernel.func @rope.0
// CHECK-SAME: items = 16
// CHECK-COUNT-8: vector.load
// CHECK-NOT: vector.load
// CHECK-COUNT-6: vector.store
// CHECK: kernel.return
func.func @rope(%q: tensor<8x64xf32>, %k: tensor<8x32xf32>, %p: tensor<8xi32>, %cos: tensor<8x8xf32>, %sin: tensor<8x8xf32>) -> (tensor<8x64xf32>, tensor<8x32xf32>) {
  %qo, %ko = kernel.fused "rope" (%q, %k, %p, %cos, %sin) : (tensor<8x64xf32>, tensor<8x32xf32>, tensor<8xi32>, tensor<8x8xf32>, tensor<8x8xf32>) -> (tensor<8x64xf32>, tensor<8x32xf32>) {
  ^bb0(%a: tensor<8x64xf32>, %b: tensor<8x32xf32>, %c: tensor<8xi32>, %d: tensor<8x8xf32>, %e: tensor<8x8xf32>):
    %r, %s = ft.rope %a, %b, %c, %d, %e {head_dim = 16} : (tensor<8x64xf32>, tensor<8x32xf32>, tensor<8xi32>, tensor<8x8xf32>, tensor<8x8xf32>) -> (tensor<8x64xf32>, tensor<8x32xf32>)
    kernel.yield %r, %s : tensor<8x64xf32>, tensor<8x32xf32>
  }
  return %qo, %ko : tensor<8x64xf32>, tensor<8x32xf32>
}

// -----

// Partial sums: item p of 4 loops over rows p, p + 4, … and keeps its sums in a row.
// CHECK: kernel.func @column_partials.0
// CHECK-SAME: items = 4
// CHECK: scf.for %[[ROW:.*]] = %{{.*}} to %{{.*}} step %{{.*}} iter_args(%{{.*}} = %{{.*}}) -> (vector<64xf32>)
// CHECK: vector.load %{{.*}}[%[[ROW]], %{{.*}}]
// CHECK: scf.yield
// CHECK: vector.store
func.func @partials(%x: tensor<10x64xbf16>, %y: tensor<10x64xf32>, %r: tensor<10xf32>) -> tensor<4x64xf32> {
  %z = kernel.fused "column_partials" (%x, %y, %r) : (tensor<10x64xbf16>, tensor<10x64xf32>, tensor<10xf32>) -> tensor<4x64xf32> {
  ^bb0(%a: tensor<10x64xbf16>, %b: tensor<10x64xf32>, %c: tensor<10xf32>):
    %p = kernel.column_partials %a, %b, %c : (tensor<10x64xbf16>, tensor<10x64xf32>, tensor<10xf32>) -> tensor<4x64xf32>
    kernel.yield %p : tensor<4x64xf32>
  }
  return %z : tensor<4x64xf32>
}
