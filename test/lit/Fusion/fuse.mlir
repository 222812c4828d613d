// RUN: ft-opt %s --kernel-fuse=partials=16 --split-input-file | FileCheck %s

ft.variable frozen @w : tensor<64x64xf32> {key = "w"}
ft.variable frozen @norm : tensor<64xf32> {key = "norm"}
ft.variable output @out : tensor<32x64xf32> {io = "LOGITS"}

// A residual sum and the norm that reads it; both results are kept. Not across the product between two layers.
// CHECK-LABEL: func.func @evaluate
// CHECK: %[[O:.*]] = ft.linear
// CHECK: %[[S:.*]]:2 = kernel.fused "add_rms_norm"(%{{.*}}, %[[O]], %{{.*}})
// CHECK-NEXT: ^bb0(%[[A:.*]]: tensor<32x64xf32>, %[[B:.*]]: tensor<32x64xf32>, %[[N:.*]]: tensor<64xf32>):
// CHECK-NEXT: %[[SUM:.*]] = ft.add %[[A]], %[[B]]
// CHECK-NEXT: %[[Y:.*]], %{{.*}} = ft.rms_norm %[[SUM]], %[[N]]
// CHECK-NEXT: kernel.yield %[[SUM]], %[[Y]] :
// CHECK: ft.linear %[[S]]#1
// CHECK: kernel.fused "add"(%[[S]]#0
func.func @evaluate() {
  %w = ft.read @w : tensor<64x64xf32>
  %n = ft.read @norm : tensor<64xf32>
  %x = ft.read @out : tensor<32x64xf32>
  %o = ft.linear %x, [%w] : (tensor<32x64xf32>, tensor<64x64xf32>) -> tensor<32x64xf32>
  %s = ft.add %x, %o : (tensor<32x64xf32>, tensor<32x64xf32>) -> tensor<32x64xf32>
  %y, %r = ft.rms_norm %s, %n {eps = 1.0e-5} : (tensor<32x64xf32>, tensor<64xf32>) -> (tensor<32x64xf32>, tensor<32xf32>)
  %p = ft.linear %y, [%w] : (tensor<32x64xf32>, tensor<64x64xf32>) -> tensor<32x64xf32>
  %t = ft.add %s, %p : (tensor<32x64xf32>, tensor<32x64xf32>) -> tensor<32x64xf32>
  ft.write @out, %t : tensor<32x64xf32>
  return
}

// -----

ft.variable trainable @w : tensor<64x64xf32> {key = "w"}
ft.variable gradient @dw : tensor<64x64xf32> {key = "w", of = @w}
ft.variable input @in : tensor<32x64xf32> {io = "TOKENS"}
ft.variable output @out : tensor<32x64xf32> {io = "LOGITS"}

// The product that backward computes again waits for the gradients of gate and up, and the weight gradient that reads
// it waits with it.
// CHECK-LABEL: func.func @swiglu
// CHECK: %[[G:.*]] = ft.linear_bwd_input
// CHECK: %[[F:.*]]:3 = kernel.fused "swiglu_swiglu_bwd"(%[[GATE:.*]], %[[UP:.*]], %[[G]])
// CHECK: ft.linear_bwd_weight %{{.*}}, %[[F]]#0
func.func @swiglu() {
  %w = ft.read @w : tensor<64x64xf32>
  %dy = ft.read @in : tensor<32x64xf32>
  %gate = ft.linear %dy, [%w] : (tensor<32x64xf32>, tensor<64x64xf32>) -> tensor<32x64xf32>
  %up = ft.linear %gate, [%w] : (tensor<32x64xf32>, tensor<64x64xf32>) -> tensor<32x64xf32>
  %h = ft.swiglu %gate, %up : (tensor<32x64xf32>, tensor<32x64xf32>) -> tensor<32x64xf32>
  %dw = ft.linear_bwd_weight %dy, %h : (tensor<32x64xf32>, tensor<32x64xf32>) -> tensor<64x64xf32>
  ft.write @dw, %dw : tensor<64x64xf32>
  %dh = ft.linear_bwd_input [%dy], [%w] : (tensor<32x64xf32>, tensor<64x64xf32>) -> tensor<32x64xf32>
  %dg, %du = ft.swiglu_bwd %dh, %gate, %up : (tensor<32x64xf32>, tensor<32x64xf32>, tensor<32x64xf32>) -> (tensor<32x64xf32>, tensor<32x64xf32>)
  %dx = ft.linear_bwd_input [%dg, %du], [%w, %w] : (tensor<32x64xf32>, tensor<32x64xf32>, tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<32x64xf32>
  ft.write @out, %dx : tensor<32x64xf32>
  return
}

// -----

ft.variable frozen @w : tensor<64x64xf32> {key = "w"}
ft.variable input @in : tensor<32x64xf32> {io = "TOKENS"}
ft.variable output @out : tensor<32x64xf32> {io = "LOGITS"}

// The same without a way to wait: swiglu feeds what its gradient needs.
// CHECK-LABEL: func.func @cycle
// CHECK: kernel.fused "swiglu"(
// CHECK: ft.linear
// CHECK: kernel.fused "swiglu_bwd"(
func.func @cycle() {
  %w = ft.read @w : tensor<64x64xf32>
  %gate = ft.read @in : tensor<32x64xf32>
  %up = ft.linear %gate, [%w] : (tensor<32x64xf32>, tensor<64x64xf32>) -> tensor<32x64xf32>
  %h = ft.swiglu %gate, %up : (tensor<32x64xf32>, tensor<32x64xf32>) -> tensor<32x64xf32>
  %dh = ft.linear %h, [%w] : (tensor<32x64xf32>, tensor<64x64xf32>) -> tensor<32x64xf32>
  %dg, %du = ft.swiglu_bwd %dh, %gate, %up : (tensor<32x64xf32>, tensor<32x64xf32>, tensor<32x64xf32>) -> (tensor<32x64xf32>, tensor<32x64xf32>)
  %dx = ft.linear_bwd_input [%dg, %du], [%w, %w] : (tensor<32x64xf32>, tensor<32x64xf32>, tensor<64x64xf32>, tensor<64x64xf32>) -> tensor<32x64xf32>
  ft.write @out, %dx : tensor<32x64xf32>
  return
}

// -----

ft.variable trainable @norm : tensor<64xf32> {key = "norm"}
ft.variable gradient @dnorm : tensor<64xf32> {key = "norm", of = @norm}
ft.variable input @in : tensor<32x64xf32> {io = "TOKENS"}
ft.variable input @rstd : tensor<32xf32> {io = "TOKENS"}
ft.variable output @out : tensor<32x64xf32> {io = "LOGITS"}

// A norm's backward takes the sum with the residual's gradient; the weight gradient becomes partials and their sum.
// CHECK-LABEL: func.func @norm_backward
// CHECK: %[[P:.*]] = kernel.fused "column_partials"({{.*}}) : {{.*}} -> tensor<16x64xf32>
// CHECK: kernel.fused "column_sum"(%[[P]], %{{.*}}) : (tensor<16x64xf32>, tensor<64xf32>) -> tensor<64xf32>
// CHECK: kernel.fused "rms_norm_bwd_add"(
// CHECK-NOT: ft.rms_norm_weight_grad
func.func @norm_backward() {
  %n = ft.read @norm : tensor<64xf32>
  %before = ft.read @dnorm : tensor<64xf32>
  %x = ft.read @in : tensor<32x64xf32>
  %r = ft.read @rstd : tensor<32xf32>
  %dy = ft.read @out : tensor<32x64xf32>
  %dx = ft.rms_norm_bwd %dy, %x, %n, %r : (tensor<32x64xf32>, tensor<32x64xf32>, tensor<64xf32>, tensor<32xf32>) -> tensor<32x64xf32>
  %dw = ft.rms_norm_weight_grad %dy, %x, %r accumulate %before : (tensor<32x64xf32>, tensor<32x64xf32>, tensor<32xf32>, tensor<64xf32>) -> tensor<64xf32>
  %s = ft.add %dx, %dy : (tensor<32x64xf32>, tensor<32x64xf32>) -> tensor<32x64xf32>
  ft.write @dnorm, %dw : tensor<64xf32>
  ft.write @out, %s : tensor<32x64xf32>
  return
}

// -----

ft.variable trainable @w : tensor<64x64xf32> {key = "w"}
ft.variable working_copy @c : tensor<64x64xbf16> {of = @w}
ft.variable input @in : tensor<32x64xf32> {io = "TOKENS"}
ft.variable output @out : tensor<32x64xbf16> {io = "LOGITS"}

// The cast of a parameter stays for its bucket; that of an activation is fused.
// CHECK-LABEL: func.func @casts
// CHECK: ft.cast %{{.*}} : tensor<64x64xf32> to tensor<64x64xbf16>
// CHECK: kernel.fused "cast"({{.*}}) : (tensor<32x64xf32>) -> tensor<32x64xbf16>
func.func @casts() {
  %w = ft.read @w : tensor<64x64xf32>
  %c = ft.cast %w : tensor<64x64xf32> to tensor<64x64xbf16>
  ft.write @c, %c : tensor<64x64xbf16>
  %x = ft.read @in : tensor<32x64xf32>
  %y = ft.cast %x : tensor<32x64xf32> to tensor<32x64xbf16>
  ft.write @out, %y : tensor<32x64xbf16>
  return
}

// -----

ft.variable trainable @w : tensor<64x64xf32> {key = "w"}
ft.variable trainable @norm : tensor<64xf32> {key = "norm"}
ft.variable gradient @dw : tensor<64x64xf32> {key = "w", of = @w}
ft.variable input @in : tensor<32x64xf32> {io = "TOKENS"}
ft.variable output @out : tensor<32x64xf32> {io = "LOGITS"}

// A norm that backward computes again stays where it is, though it depends on the forward's kernel alone: the whole
// forward would have to wait.
// CHECK-LABEL: func.func @recomputed
// CHECK: kernel.fused "rms_norm"(
// CHECK-COUNT-13: ft.linear
// CHECK: kernel.fused "rms_norm_apply"(
func.func @recomputed() {
  %w = ft.read @w : tensor<64x64xf32>
  %n = ft.read @norm : tensor<64xf32>
  %x = ft.read @in : tensor<32x64xf32>
  %y, %r = ft.rms_norm %x, %n {eps = 1.0e-5} : (tensor<32x64xf32>, tensor<64xf32>) -> (tensor<32x64xf32>, tensor<32xf32>)
  %y0 = ft.linear %y, [%w] : (tensor<32x64xf32>, tensor<64x64xf32>) -> tensor<32x64xf32>
  %y1 = ft.linear %y0, [%w] : (tensor<32x64xf32>, tensor<64x64xf32>) -> tensor<32x64xf32>
  %y2 = ft.linear %y1, [%w] : (tensor<32x64xf32>, tensor<64x64xf32>) -> tensor<32x64xf32>
  %y3 = ft.linear %y2, [%w] : (tensor<32x64xf32>, tensor<64x64xf32>) -> tensor<32x64xf32>
  %y4 = ft.linear %y3, [%w] : (tensor<32x64xf32>, tensor<64x64xf32>) -> tensor<32x64xf32>
  %y5 = ft.linear %y4, [%w] : (tensor<32x64xf32>, tensor<64x64xf32>) -> tensor<32x64xf32>
  %y6 = ft.linear %y5, [%w] : (tensor<32x64xf32>, tensor<64x64xf32>) -> tensor<32x64xf32>
  %y7 = ft.linear %y6, [%w] : (tensor<32x64xf32>, tensor<64x64xf32>) -> tensor<32x64xf32>
  %y8 = ft.linear %y7, [%w] : (tensor<32x64xf32>, tensor<64x64xf32>) -> tensor<32x64xf32>
  %y9 = ft.linear %y8, [%w] : (tensor<32x64xf32>, tensor<64x64xf32>) -> tensor<32x64xf32>
  %y10 = ft.linear %y9, [%w] : (tensor<32x64xf32>, tensor<64x64xf32>) -> tensor<32x64xf32>
  %y11 = ft.linear %y10, [%w] : (tensor<32x64xf32>, tensor<64x64xf32>) -> tensor<32x64xf32>
  %y12 = ft.linear %y11, [%w] : (tensor<32x64xf32>, tensor<64x64xf32>) -> tensor<32x64xf32>
  %again = ft.rms_norm_apply %x, %r, %n : (tensor<32x64xf32>, tensor<32xf32>, tensor<64xf32>) -> tensor<32x64xf32>
  %dw = ft.linear_bwd_weight %y12, %again : (tensor<32x64xf32>, tensor<32x64xf32>) -> tensor<64x64xf32>
  ft.write @dw, %dw : tensor<64x64xf32>
  ft.write @out, %y12 : tensor<32x64xf32>
  return
}

// -----

ft.variable frozen @w : tensor<64x64xf32> {key = "w"}
ft.variable input @rows : tensor<8xi32> {io = "TARGET_ROWS"}
ft.variable input @slots : tensor<32xi32> {io = "TARGET_SLOTS"}
ft.variable input @in : tensor<32x64xf32> {io = "TOKENS"}
ft.variable output @out : tensor<32x64xf32> {io = "LOGITS"}

// Rows that are taken are taken where they are read; where they are put back is a space of its own, since each of its
// rows waits for all that were taken.
// CHECK-LABEL: func.func @targets
// CHECK: kernel.fused "gather_rows"
// CHECK: %[[O:.*]] = ft.linear
// CHECK: %[[S:.*]] = kernel.fused "gather_rows_add"(%{{.*}}, %{{.*}}, %[[O]])
// CHECK: %[[P:.*]] = ft.linear %[[S]]
// CHECK: kernel.fused "scatter_rows_add"(%[[P]], %{{.*}}, %{{.*}})
func.func @targets() {
  %w = ft.read @w : tensor<64x64xf32>
  %rows = ft.read @rows : tensor<8xi32>
  %slots = ft.read @slots : tensor<32xi32>
  %x = ft.read @in : tensor<32x64xf32>
  %few = ft.gather_rows %x, %rows : (tensor<32x64xf32>, tensor<8xi32>) -> tensor<8x64xf32>
  %o = ft.linear %few, [%w] : (tensor<8x64xf32>, tensor<64x64xf32>) -> tensor<8x64xf32>
  %again = ft.gather_rows %x, %rows : (tensor<32x64xf32>, tensor<8xi32>) -> tensor<8x64xf32>
  %s = ft.add %again, %o : (tensor<8x64xf32>, tensor<8x64xf32>) -> tensor<8x64xf32>
  %p = ft.linear %s, [%w] : (tensor<8x64xf32>, tensor<64x64xf32>) -> tensor<8x64xf32>
  %all = ft.scatter_rows %p, %slots : (tensor<8x64xf32>, tensor<32xi32>) -> tensor<32x64xf32>
  %t = ft.add %all, %x : (tensor<32x64xf32>, tensor<32x64xf32>) -> tensor<32x64xf32>
  ft.write @out, %t : tensor<32x64xf32>
  return
}
