// RUN: ft-opt %s --dist-form-buckets="bytes=128" | FileCheck %s
// RUN: ft-opt %s --dist-form-buckets="bytes=1" | FileCheck %s --check-prefix=SMALL
// RUN: not ft-opt %s --dist-form-buckets="bytes=0" 2>&1 | FileCheck %s --check-prefix=ZERO

// ZERO: bytes is 0; must be at least 1

// Members in the order in which the segment makes them; a bucket is closed before it would pass 128 bytes; another
// element type is another bucket. What is no gradient is in none.
// CHECK: dist.mesh
// CHECK-NEXT: dist.bucket @gradients.0 [@c, @b] elements [16, 16] of f32 over ["dp"] on @mesh
// CHECK-NEXT: dist.bucket @gradients.1 [@h] elements [16] of bf16 over ["dp"] on @mesh
// CHECK-NEXT: dist.bucket @gradients.2 [@a] elements [16] of f32 over ["dp"] on @mesh
// SMALL: dist.bucket @gradients.0 [@c] elements [16] of f32
// SMALL-NEXT: dist.bucket @gradients.1 [@b]
dist.mesh @mesh axes ["dp"] sizes [2]
ft.variable trainable @w : tensor<16xf32> {key = "w"}
ft.variable gradient @a : tensor<16xf32> {key = "w", of = @w}
ft.variable gradient @b : tensor<16xf32> {key = "w", of = @w}
ft.variable gradient @c : tensor<16xf32> {key = "w", of = @w}
ft.variable gradient @h : tensor<16xbf16> {key = "w", of = @w}
ft.variable output @loss : tensor<1xf64> {io = "LOSS"}
ft.variable input @x : tensor<16xf32> {io = "LABELS"}
ft.variable input @y : tensor<16xbf16> {io = "LABELS"}

// CHECK-LABEL: func.func @accumulate_first
func.func @accumulate_first() {
  // CHECK: %[[LOSS:.*]] = ft.read @loss
  // CHECK: dist.start_all_reduce sum %[[LOSS]] over ["dp"] on @mesh : (tensor<1xf64>)
  %loss = ft.read @loss : tensor<1xf64>
  %pl = dist.start_all_reduce sum %loss over ["dp"] on @mesh : (tensor<1xf64>) -> !dist.pending<tensor<1xf64>>
  %l = dist.done %pl : (!dist.pending<tensor<1xf64>>) -> tensor<1xf64>
  // CHECK: %[[C:.*]] = ft.read @x
  // CHECK: %[[H:.*]] = ft.read @y
  // CHECK: %[[B:.*]] = ft.add %[[C]], %[[C]]
  // CHECK-NEXT: %[[P:.*]] = dist.start_all_reduce sum %[[C]], %[[B]] over ["dp"] on @mesh bucket @gradients.0
  // CHECK-NEXT: %[[D:.*]]:2 = dist.done %[[P]]
  // The write of an earlier member waits for the bucket.
  // CHECK: ft.write @c, %[[D]]#0
  %c = ft.read @x : tensor<16xf32>
  %pc = dist.start_all_reduce sum %c over ["dp"] on @mesh : (tensor<16xf32>) -> !dist.pending<tensor<16xf32>>
  %dc = dist.done %pc : (!dist.pending<tensor<16xf32>>) -> tensor<16xf32>
  ft.write @c, %dc : tensor<16xf32>
  %h = ft.read @y : tensor<16xbf16>
  %ph = dist.start_all_reduce sum %h over ["dp"] on @mesh : (tensor<16xbf16>) -> !dist.pending<tensor<16xbf16>>
  %dh = dist.done %ph : (!dist.pending<tensor<16xbf16>>) -> tensor<16xbf16>
  ft.write @h, %dh : tensor<16xbf16>
  %b = ft.add %c, %c : (tensor<16xf32>, tensor<16xf32>) -> tensor<16xf32>
  %pb = dist.start_all_reduce sum %b over ["dp"] on @mesh : (tensor<16xf32>) -> !dist.pending<tensor<16xf32>>
  %db = dist.done %pb : (!dist.pending<tensor<16xf32>>) -> tensor<16xf32>
  // A gradient that is added to an earlier sum is its variable's all the same.
  // CHECK: %[[SUM:.*]] = ft.add %[[C]], %[[D]]#1
  // CHECK: ft.write @b, %[[SUM]]
  %sum = ft.add %c, %db : (tensor<16xf32>, tensor<16xf32>) -> tensor<16xf32>
  ft.write @b, %sum : tensor<16xf32>
  // CHECK: dist.start_all_reduce sum %{{.*}} over ["dp"] on @mesh bucket @gradients.2
  %a = ft.add %b, %b : (tensor<16xf32>, tensor<16xf32>) -> tensor<16xf32>
  %pa = dist.start_all_reduce sum %a over ["dp"] on @mesh : (tensor<16xf32>) -> !dist.pending<tensor<16xf32>>
  %da = dist.done %pa : (!dist.pending<tensor<16xf32>>) -> tensor<16xf32>
  ft.write @a, %da : tensor<16xf32>
  return
}

// The same members in another segment are the same bucket; one that would mix members of two stays alone.
// CHECK-LABEL: func.func @accumulate_next
func.func @accumulate_next() {
  // CHECK: bucket @gradients.0
  // CHECK-NOT: bucket
  %c = ft.read @x : tensor<16xf32>
  %pc = dist.start_all_reduce sum %c over ["dp"] on @mesh : (tensor<16xf32>) -> !dist.pending<tensor<16xf32>>
  %dc = dist.done %pc : (!dist.pending<tensor<16xf32>>) -> tensor<16xf32>
  ft.write @c, %dc : tensor<16xf32>
  %pb = dist.start_all_reduce sum %c over ["dp"] on @mesh : (tensor<16xf32>) -> !dist.pending<tensor<16xf32>>
  %db = dist.done %pb : (!dist.pending<tensor<16xf32>>) -> tensor<16xf32>
  ft.write @b, %db : tensor<16xf32>
  return
}

// CHECK-LABEL: func.func @mixed
// CHECK-NOT: bucket
func.func @mixed() {
  %c = ft.read @x : tensor<16xf32>
  %pa = dist.start_all_reduce sum %c over ["dp"] on @mesh : (tensor<16xf32>) -> !dist.pending<tensor<16xf32>>
  %da = dist.done %pa : (!dist.pending<tensor<16xf32>>) -> tensor<16xf32>
  ft.write @a, %da : tensor<16xf32>
  %pb = dist.start_all_reduce sum %c over ["dp"] on @mesh : (tensor<16xf32>) -> !dist.pending<tensor<16xf32>>
  %db = dist.done %pb : (!dist.pending<tensor<16xf32>>) -> tensor<16xf32>
  ft.write @b, %db : tensor<16xf32>
  return
}
