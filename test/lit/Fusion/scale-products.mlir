// RUN: ft-opt %s --ft-scale-products | FileCheck %s
// RUN: ft-opt %s --ft-scale-products=resident | FileCheck %s --check-prefix=KEPT

// Forward: x becomes codes with a scale for each token, and one product takes both weights; the adapter stays beside it.
// Backward: the weights' scales are folded into the gradients, and the product reads the same codes transposed. A weight
// of 24 columns stays, and so does a product with another factor than one.

// CHECK: ft.variable constant_table @fp8.ones : tensor<32xf32> {init = {kind = "ones"}}

// CHECK-LABEL: func.func @evaluate
// CHECK-DAG: %[[C:.*]], %[[S:.*]] = ft.quantize_rows[%{{.*}}] fold[] : (tensor<8x32xbf16>) -> (tensor<8x32xf8E4M3FN>, tensor<8xf32>)
// CHECK-DAG: %[[Q:.*]] = ft.read @q
// CHECK-DAG: %[[CQ:.*]], %[[SQ:.*]] = ft.stored %[[Q]]
// CHECK-DAG: %[[K:.*]] = ft.read @k
// CHECK-DAG: %[[CK:.*]], %[[SK:.*]] = ft.stored %[[K]]
// CHECK: ft.scaled_linear %[[C]], %[[S]], [%[[CQ]], %[[CK]]], [%[[SQ]], %[[SK]]] low_rank[%{{.*}}] [%{{.*}}] {low_rank_of = array<i64: 0>}
// CHECK: ft.linear %{{.*}}, [%{{.*}}] : (tensor<8x24xbf16>, tensor<32x24xbf16>)
// CHECK: ft.linear %{{.*}}, [%{{.*}}] {alpha = 2.0{{.*}}} : (tensor<8x32xbf16>, tensor<16x32xbf16>)

// CHECK-LABEL: func.func @accumulate_first
// CHECK-DAG: %[[Q:.*]] = ft.read @q
// CHECK-DAG: %[[CQ:.*]], %[[SQ:.*]] = ft.stored %[[Q]] {ft.backward}
// CHECK-DAG: %[[K:.*]] = ft.read @k
// CHECK-DAG: %[[CK:.*]], %[[SK:.*]] = ft.stored %[[K]] {ft.backward}
// CHECK-DAG: %[[D:.*]]:2, %[[T:.*]] = ft.quantize_rows[%{{.*}}, %{{.*}}] fold[%[[SQ]], %[[SK]]] {ft.backward}
// CHECK: %[[W:.*]] = ft.transpose %[[CQ]], %[[CK]] {ft.backward} : (tensor<64x32xf8E4M3FN>, tensor<16x32xf8E4M3FN>) -> tensor<32x80xf8E4M3FN>
// CHECK: %[[ONES:.*]] = ft.read @fp8.ones : tensor<32xf32>
// CHECK: ft.scaled_linear_bwd_input[%[[D]]#0, %[[D]]#1], %[[T]], %[[W]], %[[ONES]] low_rank[%{{.*}}] [%{{.*}}]
// CHECK-NOT: ft.linear_bwd_input

// KEPT: ft.variable working_copy @"q.transposed+k" : tensor<32x80xf8E4M3FN> {of = @q}
// KEPT-LABEL: func.func @accumulate_first
// KEPT-NOT: ft.transpose
// KEPT: %[[W:.*]] = ft.read @"q.transposed+k"
// KEPT: ft.scaled_linear_bwd_input{{.*}}, %[[W]], %{{.*}} low_rank
// KEPT-LABEL: func.func @initialize
// KEPT: %[[T:.*]] = ft.transpose
// KEPT: ft.write @"q.transposed+k", %[[T]]

ft.variable frozen @q : tensor<64x32xbf16> {key = "q", quantization = #ft.fp8}
ft.variable frozen @k : tensor<16x32xbf16> {key = "k", quantization = #ft.fp8}
ft.variable frozen @odd : tensor<32x24xbf16> {key = "odd", quantization = #ft.fp8}
ft.variable adapter @q.A : tensor<4x32xbf16> {key = "q.A"}
ft.variable adapter @q.B : tensor<64x4xbf16> {key = "q.B"}
ft.variable frozen @x : tensor<8x32xbf16> {key = "x"}
ft.variable frozen @h : tensor<8x24xbf16> {key = "h"}
ft.variable frozen @dq : tensor<8x64xbf16> {key = "dq"}
ft.variable frozen @dk : tensor<8x16xbf16> {key = "dk"}
ft.variable frozen @ds : tensor<8x4xbf16> {key = "ds"}
ft.variable output @z : tensor<8x32xbf16> {io = "LOGITS"}
ft.variable output @y : tensor<8x64xbf16> {io = "LOGITS"}

func.func @evaluate() {
  %x = ft.read @x : tensor<8x32xbf16>
  %h = ft.read @h : tensor<8x24xbf16>
  %q = ft.read @q : tensor<64x32xbf16>
  %k = ft.read @k : tensor<16x32xbf16>
  %odd = ft.read @odd : tensor<32x24xbf16>
  %A = ft.read @q.A : tensor<4x32xbf16>
  %B = ft.read @q.B : tensor<64x4xbf16>
  %s = ft.linear %x, [%A] : (tensor<8x32xbf16>, tensor<4x32xbf16>) -> tensor<8x4xbf16>
  %y:2 = ft.linear %x, [%q, %k] low_rank [%s] [%B] {low_rank_of = array<i64: 0>} : (tensor<8x32xbf16>, tensor<64x32xbf16>, tensor<16x32xbf16>, tensor<8x4xbf16>, tensor<64x4xbf16>) -> (tensor<8x64xbf16>, tensor<8x16xbf16>)
  %z = ft.linear %h, [%odd] : (tensor<8x24xbf16>, tensor<32x24xbf16>) -> tensor<8x32xbf16>
  %twice = ft.linear %z, [%k] {alpha = 2.0 : f64} : (tensor<8x32xbf16>, tensor<16x32xbf16>) -> tensor<8x16xbf16>
  ft.write @y, %y#0 : tensor<8x64xbf16>
  return
}

func.func @accumulate_first() {
  %q = ft.read @q : tensor<64x32xbf16>
  %k = ft.read @k : tensor<16x32xbf16>
  %A = ft.read @q.A : tensor<4x32xbf16>
  %dq = ft.read @dq : tensor<8x64xbf16>
  %dk = ft.read @dk : tensor<8x16xbf16>
  %ds = ft.read @ds : tensor<8x4xbf16>
  %dx = ft.linear_bwd_input [%dq, %dk, %ds], [%q, %k, %A] {ft.backward} : (tensor<8x64xbf16>, tensor<8x16xbf16>, tensor<8x4xbf16>, tensor<64x32xbf16>, tensor<16x32xbf16>, tensor<4x32xbf16>) -> tensor<8x32xbf16>
  ft.write @z, %dx : tensor<8x32xbf16>
  return
}
