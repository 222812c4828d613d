// RUN: ft-opt %s --dist-overlap | FileCheck %s --check-prefixes=CHECK,FREE
// RUN: ft-opt %s --dist-overlap="in-flight=1" | FileCheck %s --check-prefixes=CHECK,ONE
// RUN: not ft-opt %s --dist-overlap="in-flight=-1" 2>&1 | FileCheck %s --check-prefix=NEGATIVE

// NEGATIVE: in-flight is -1; must be at least 0 (0: no limit)

dist.mesh @mesh axes ["dp"] sizes [2]
ft.variable input @x : tensor<16x8xf32> {io = "LABELS"}
ft.variable frozen @w0 : tensor<4x8xf32> {key = "w0"}
ft.variable frozen @w1 : tensor<4x8xf32> {key = "w1"}
ft.variable trainable @w2 : tensor<4x8xf32> {key = "w2"}
ft.variable gradient @a : tensor<8x8xf32> {key = "w", of = @w2}
ft.variable gradient @b : tensor<8x8xf32> {key = "w", of = @w2}
ft.variable output @norm : tensor<1xf64> {io = "GRAD_NORM"}

// Without a limit all gathers start first; with a limit of one, each starts when the user of the one before begins.
// CHECK-LABEL: func.func @gathers
// FREE: %[[P0:.*]] = dist.start_all_gather
// FREE: %[[P1:.*]] = dist.start_all_gather
// FREE: dist.done %[[P0]]
// FREE-NEXT: ft.linear
// FREE-NEXT: dist.done %[[P1]]
// FREE-NEXT: ft.linear
// ONE: %[[P0:.*]] = dist.start_all_gather
// ONE: dist.done %[[P0]]
// The read of the second weight comes along.
// ONE-NEXT: %[[W1:.*]] = ft.read @w1
// ONE-NEXT: %[[P1:.*]] = dist.start_all_gather %[[W1]]
// ONE-NEXT: ft.linear
// ONE-NEXT: dist.done %[[P1]]
// ONE-NEXT: ft.linear
func.func @gathers() {
  %x = ft.read @x : tensor<16x8xf32>
  %w0 = ft.read @w0 : tensor<4x8xf32>
  %p0 = dist.start_all_gather %w0 dim 0 over ["dp"] on @mesh : (tensor<4x8xf32>) -> !dist.pending<tensor<8x8xf32>>
  %d0 = dist.done %p0 : (!dist.pending<tensor<8x8xf32>>) -> tensor<8x8xf32>
  %y = ft.linear %x, [%d0] : (tensor<16x8xf32>, tensor<8x8xf32>) -> tensor<16x8xf32>
  %w1 = ft.read @w1 : tensor<4x8xf32>
  %p1 = dist.start_all_gather %w1 dim 0 over ["dp"] on @mesh : (tensor<4x8xf32>) -> !dist.pending<tensor<8x8xf32>>
  %d1 = dist.done %p1 : (!dist.pending<tensor<8x8xf32>>) -> tensor<8x8xf32>
  %z = ft.linear %y, [%d1] : (tensor<16x8xf32>, tensor<8x8xf32>) -> tensor<16x8xf32>
  return
}

// A gradient's wait, with its write, goes to the end of the segment; with a limit before the next reduction.
// CHECK-LABEL: func.func @reductions
// CHECK: %[[A:.*]] = ft.linear_bwd_weight
// CHECK-NEXT: %[[PA:.*]] = dist.start_all_reduce sum %[[A]]
// FREE: %[[B:.*]] = ft.linear_bwd_weight
// FREE-NEXT: %[[PB:.*]] = dist.start_all_reduce sum %[[B]]
// FREE-NEXT: %[[DA:.*]] = dist.done %[[PA]]
// FREE-NEXT: ft.write @a, %[[DA]]
// FREE-NEXT: %[[DB:.*]] = dist.done %[[PB]]
// FREE-NEXT: ft.write @b, %[[DB]]
// ONE-NEXT: %[[B:.*]] = ft.linear_bwd_weight
// ONE-NEXT: %[[DA:.*]] = dist.done %[[PA]]
// ONE-NEXT: ft.write @a, %[[DA]]
// ONE-NEXT: dist.start_all_reduce sum %[[B]]
func.func @reductions() {
  %x = ft.read @x : tensor<16x8xf32>
  %a = ft.linear_bwd_weight %x, %x : (tensor<16x8xf32>, tensor<16x8xf32>) -> tensor<8x8xf32>
  %pa = dist.start_all_reduce sum %a over ["dp"] on @mesh : (tensor<8x8xf32>) -> !dist.pending<tensor<8x8xf32>>
  %da = dist.done %pa : (!dist.pending<tensor<8x8xf32>>) -> tensor<8x8xf32>
  ft.write @a, %da : tensor<8x8xf32>
  %b = ft.linear_bwd_weight %x, %x {alpha = 2.0} : (tensor<16x8xf32>, tensor<16x8xf32>) -> tensor<8x8xf32>
  %pb = dist.start_all_reduce sum %b over ["dp"] on @mesh : (tensor<8x8xf32>) -> !dist.pending<tensor<8x8xf32>>
  %db = dist.done %pb : (!dist.pending<tensor<8x8xf32>>) -> tensor<8x8xf32>
  ft.write @b, %db : tensor<8x8xf32>
  return
}

// Where computation waits for it, the wait goes right before its first user.
// CHECK-LABEL: func.func @waited_for
// CHECK: dist.start_all_reduce
// CHECK: ft.linear
// CHECK-NEXT: dist.done
// CHECK-NEXT: ft.grad_norm
func.func @waited_for() {
  %x = ft.read @x : tensor<16x8xf32>
  %a = ft.read @a : tensor<8x8xf32>
  %p = dist.start_all_reduce sum %a over ["dp"] on @mesh : (tensor<8x8xf32>) -> !dist.pending<tensor<8x8xf32>>
  %d = dist.done %p : (!dist.pending<tensor<8x8xf32>>) -> tensor<8x8xf32>
  %y = ft.linear %x, [%a] : (tensor<16x8xf32>, tensor<8x8xf32>) -> tensor<16x8xf32>
  %norm = ft.grad_norm %d : (tensor<8x8xf32>) -> tensor<1xf64>
  ft.write @norm, %norm : tensor<1xf64>
  return
}
