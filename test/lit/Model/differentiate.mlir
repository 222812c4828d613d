// RUN: ft-opt %s --split-input-file --ft-differentiate --ft-recompute | FileCheck %s

// Full training: a norm's output is made again for dW, a tied table's two gradients are one sum.

// CHECK: ft.variable gradient @table.weight.gradient : tensor<12x8xf32> {key = "table.weight", of = @table.weight}
// CHECK-LABEL: func.func @accumulate_first()
// CHECK: %[[TABLE:.+]] = ft.read @table.weight
// CHECK: %[[X:.+]] = ft.embedding
// CHECK: %[[Y:.+]], %[[RSTD:.+]] = ft.rms_norm %[[X]], %[[SCALE:.+]] {
// CHECK: ft.linear %[[Y]], [%[[UP:.+]]] :
// CHECK-NOT: ft.head_loss %
// CHECK: %[[LOSS:.+]], %[[DX:.+]], %[[DTABLE:.+]] = ft.head_loss_grad %{{.+}}, %[[TABLE]]
// CHECK: ft.write @loss, %[[LOSS]]
// CHECK: %[[AGAIN:.+]] = ft.rms_norm_apply %[[X]], %[[RSTD]], %[[SCALE]]
// CHECK: %[[DUP:.+]] = ft.linear_bwd_weight %[[DX]], %[[AGAIN]]
// CHECK: ft.write @up.weight.gradient, %[[DUP]]
// CHECK: %[[DY:.+]] = ft.linear_bwd_input[%[[DX]]], [%[[UP]]]
// CHECK: %[[DSCALE:.+]] = ft.rms_norm_weight_grad %[[DY]], %[[X]], %[[RSTD]]
// CHECK: ft.write @norm.weight.gradient, %[[DSCALE]]
// CHECK: %[[DNORM:.+]] = ft.rms_norm_bwd %[[DY]], %[[X]], %[[SCALE]], %[[RSTD]]
// CHECK: %[[SUM:.+]] = ft.add %[[DX]], %[[DNORM]]
// CHECK: %[[BOTH:.+]] = ft.embedding_grad %[[SUM]], %{{.+}}, %{{.+}}, %{{.+}} accumulate %[[DTABLE]]
// CHECK: ft.write @table.weight.gradient, %[[BOTH]]

ft.variable input @tokens : tensor<6xi32> {io = "TOKENS"}
ft.variable input @labels : tensor<6xi32> {io = "LABELS"}
ft.variable input @scalars : tensor<8xf64> {io = "SCALARS"}
ft.variable input @sorted_positions : tensor<6xi32> {io = "SORTED_POSITIONS"}
ft.variable input @segment_starts : tensor<7xi32> {io = "SEGMENT_STARTS"}
ft.variable input @segment_ids : tensor<6xi32> {io = "SEGMENT_IDS"}
ft.variable output @loss : tensor<1xf64> {io = "LOSS"}
ft.variable trainable @table.weight : tensor<12x8xf32> {key = "table.weight"}
ft.variable trainable @norm.weight : tensor<8xf32> {key = "norm.weight"}
ft.variable trainable @up.weight : tensor<8x8xf32> {key = "up.weight"}
func.func @forward() {
  %table = ft.read @table.weight : tensor<12x8xf32>
  %ids = ft.read @tokens : tensor<6xi32>
  %x = ft.embedding %table, %ids : (tensor<12x8xf32>, tensor<6xi32>) -> tensor<6x8xf32>
  %scale = ft.read @norm.weight : tensor<8xf32>
  %y, %rstd = ft.rms_norm %x, %scale {eps = 1.0e-5 : f64} : (tensor<6x8xf32>, tensor<8xf32>) -> (tensor<6x8xf32>, tensor<6xf32>)
  %up = ft.read @up.weight : tensor<8x8xf32>
  %z = ft.linear %y, [%up] : (tensor<6x8xf32>, tensor<8x8xf32>) -> tensor<6x8xf32>
  %sum = ft.add %x, %z : (tensor<6x8xf32>, tensor<6x8xf32>) -> tensor<6x8xf32>
  %labels = ft.read @labels : tensor<6xi32>
  %scalars = ft.read @scalars : tensor<8xf64>
  %loss = ft.head_loss %sum, %table, %labels, %scalars : (tensor<6x8xf32>, tensor<12x8xf32>, tensor<6xi32>, tensor<8xf64>) -> tensor<1xf64>
  ft.write @loss, %loss : tensor<1xf64>
  return
}

// -----

// A frozen base: nothing below the first adapter gets a gradient, no frozen weight does, and dx of an adapted linear
// is one sum of products. The product of a swiglu is made beside its derivative, before what reads it.

// CHECK-NOT: @down.weight.gradient
// CHECK-LABEL: func.func @accumulate_first()
// CHECK: %[[X:.+]] = ft.embedding
// CHECK: %[[US:.+]] = ft.linear %[[X]], [%{{.+}}] {alpha = 2.000000e+00 : f64
// CHECK: %[[U:.+]] = ft.linear %[[X]], [%{{.+}}] low_rank[%[[US]]] [%[[UB:.+]]] {
// CHECK: %[[P:.+]] = ft.swiglu %[[U]], %[[U]]
// CHECK: %[[S:.+]] = ft.linear %[[P]], [%[[A:.+]]] {alpha = 2.000000e+00 : f64
// CHECK: ft.linear %[[P]], [%[[DOWN:.+]]] low_rank[%[[S]]] [%[[B:.+]]] {
// CHECK: %{{.+}}, %[[DZ:.+]] = ft.head_loss_grad
// CHECK: %[[DS:.+]] = ft.linear_bwd_input[%[[DZ]]], [%[[B]]] {alpha = 2.000000e+00 : f64
// CHECK: ft.linear_bwd_weight %[[DZ]], %[[S]]
// CHECK: %[[DP:.+]] = ft.linear_bwd_input[%[[DZ]], %[[DS]]], [%[[DOWN]], %[[A]]]
// CHECK: %[[DG:.+]], %[[DU:.+]] = ft.swiglu_bwd %[[DP]], %[[U]], %[[U]]
// CHECK: %[[AGAIN:.+]] = ft.swiglu %[[U]], %[[U]]
// CHECK: ft.linear_bwd_weight %[[DS]], %[[AGAIN]]
// CHECK: %[[DBOTH:.+]] = ft.add %[[DG]], %[[DU]]
// CHECK: %[[UDS:.+]] = ft.linear_bwd_input[%[[DBOTH]]], [%[[UB]]] {alpha = 2.000000e+00 : f64
// CHECK: ft.linear_bwd_weight %[[DBOTH]], %[[US]]
// CHECK: ft.linear_bwd_weight %[[UDS]], %[[X]]
// CHECK-NOT: ft.linear_bwd
// CHECK-NOT: ft.embedding_grad

ft.variable input @tokens : tensor<6xi32> {io = "TOKENS"}
ft.variable input @labels : tensor<6xi32> {io = "LABELS"}
ft.variable input @scalars : tensor<8xf64> {io = "SCALARS"}
ft.variable output @loss : tensor<1xf64> {io = "LOSS"}
ft.variable frozen @table.weight : tensor<12x8xf32> {key = "table.weight"}
ft.variable frozen @up.weight : tensor<8x8xf32> {key = "up.weight"}
ft.variable frozen @down.weight : tensor<8x8xf32> {key = "down.weight"}
ft.variable adapter @up.a : tensor<2x8xf32> {key = "up.a"}
ft.variable adapter @up.b : tensor<8x2xf32> {key = "up.b"}
ft.variable adapter @down.a : tensor<2x8xf32> {key = "down.a"}
ft.variable adapter @down.b : tensor<8x2xf32> {key = "down.b"}
func.func @forward() {
  %table = ft.read @table.weight : tensor<12x8xf32>
  %ids = ft.read @tokens : tensor<6xi32>
  %x = ft.embedding %table, %ids : (tensor<12x8xf32>, tensor<6xi32>) -> tensor<6x8xf32>
  %up = ft.read @up.weight : tensor<8x8xf32>
  %ua = ft.read @up.a : tensor<2x8xf32>
  %ub = ft.read @up.b : tensor<8x2xf32>
  %us = ft.linear %x, [%ua] {alpha = 2.0 : f64} : (tensor<6x8xf32>, tensor<2x8xf32>) -> tensor<6x2xf32>
  %u = ft.linear %x, [%up] low_rank [%us] [%ub] {low_rank_of = array<i64: 0>} : (tensor<6x8xf32>, tensor<8x8xf32>, tensor<6x2xf32>, tensor<8x2xf32>) -> tensor<6x8xf32>
  %p = ft.swiglu %u, %u : (tensor<6x8xf32>, tensor<6x8xf32>) -> tensor<6x8xf32>
  %down = ft.read @down.weight : tensor<8x8xf32>
  %a = ft.read @down.a : tensor<2x8xf32>
  %b = ft.read @down.b : tensor<8x2xf32>
  %s = ft.linear %p, [%a] {alpha = 2.0 : f64} : (tensor<6x8xf32>, tensor<2x8xf32>) -> tensor<6x2xf32>
  %z = ft.linear %p, [%down] low_rank [%s] [%b] {low_rank_of = array<i64: 0>} : (tensor<6x8xf32>, tensor<8x8xf32>, tensor<6x2xf32>, tensor<8x2xf32>) -> tensor<6x8xf32>
  %labels = ft.read @labels : tensor<6xi32>
  %scalars = ft.read @scalars : tensor<8xf64>
  %loss = ft.head_loss %z, %table, %labels, %scalars : (tensor<6x8xf32>, tensor<12x8xf32>, tensor<6xi32>, tensor<8xf64>) -> tensor<1xf64>
  ft.write @loss, %loss : tensor<1xf64>
  return
}

// -----

// With dropout the adapter reads another tensor: its dx is a product of its own, masked and added. In bf16 a cotangent
// of an f32 sum is cast where a bf16 value needs it, and an f32 gradient comes from bf16 operands.

// CHECK-LABEL: func.func @accumulate_first()
// CHECK: %[[Y:.+]], %[[RSTD:.+]] = ft.rms_norm %[[X:.+]], %[[SCALE:.+]] {
// CHECK: %[[MASKED:.+]] = ft.dropout %[[Y]], %[[KEY:.+]], %[[SCALARS:.+]] {{.*}}p = 2.500000e-01 : f64
// CHECK: %{{.+}}, %[[DN:.+]] = ft.head_loss_grad
// CHECK: %[[DSUM:.+]] = ft.rms_norm_bwd %[[DN]]{{.*}} -> tensor<6x8xf32>
// CHECK: %[[DZ:.+]] = ft.cast %[[DSUM]]{{.*}} : tensor<6x8xf32> to tensor<6x8xbf16>
// CHECK: %[[DS:.+]] = ft.linear_bwd_input[%[[DZ]]], [%{{.+}}] {alpha = 2.000000e+00 : f64
// CHECK: %[[AGAIN:.+]] = ft.rms_norm_apply %[[X]], %[[RSTD]], %[[SCALE]]
// CHECK: %[[MASKED2:.+]] = ft.dropout %[[AGAIN]], %[[KEY]], %[[SCALARS]] {{.*}}p = 2.500000e-01 : f64
// CHECK: ft.linear_bwd_weight %[[DS]], %[[MASKED2]]{{.*}} : (tensor<6x2xbf16>, tensor<6x8xbf16>) -> tensor<2x8xf32>
// CHECK: %[[DMASKED:.+]] = ft.linear_bwd_input[%[[DS]]], [%{{.+}}]
// CHECK: %[[DY:.+]] = ft.linear_bwd_input[%[[DZ]]], [%{{.+}}]
// CHECK: %[[UNMASKED:.+]] = ft.dropout %[[DMASKED]], %[[KEY]], %[[SCALARS]] {{.*}}p = 2.500000e-01 : f64
// CHECK: %[[DBOTH:.+]] = ft.add %[[DY]], %[[UNMASKED]]
// CHECK: ft.rms_norm_weight_grad %[[DBOTH]], %[[X]], %[[RSTD]]

ft.variable input @tokens : tensor<6xi32> {io = "TOKENS"}
ft.variable input @labels : tensor<6xi32> {io = "LABELS"}
ft.variable input @scalars : tensor<8xf64> {io = "SCALARS"}
ft.variable random_keys @key : tensor<1xi64> {init = {kind = "random_keys", names = ["layers.0.input"]}}
ft.variable output @loss : tensor<1xf64> {io = "LOSS"}
ft.variable frozen @table.weight : tensor<12x8xbf16> {key = "table.weight"}
ft.variable trainable @norm.weight : tensor<8xf32> {key = "norm.weight"}
ft.variable frozen @up.weight : tensor<8x8xbf16> {key = "up.weight"}
ft.variable adapter @up.a : tensor<2x8xf32> {key = "up.a", gradient_type = f32}
ft.variable adapter @up.b : tensor<8x2xf32> {key = "up.b", gradient_type = f32}
ft.variable working_copy @up.a.working_copy : tensor<2x8xbf16> {of = @up.a}
ft.variable working_copy @up.b.working_copy : tensor<8x2xbf16> {of = @up.b}
func.func @forward() {
  %table = ft.read @table.weight : tensor<12x8xbf16>
  %ids = ft.read @tokens : tensor<6xi32>
  %x = ft.embedding %table, %ids : (tensor<12x8xbf16>, tensor<6xi32>) -> tensor<6x8xf32>
  %scale = ft.read @norm.weight : tensor<8xf32>
  %y, %rstd = ft.rms_norm %x, %scale {eps = 1.0e-5 : f64} : (tensor<6x8xf32>, tensor<8xf32>) -> (tensor<6x8xbf16>, tensor<6xf32>)
  %key = ft.read @key : tensor<1xi64>
  %scalars = ft.read @scalars : tensor<8xf64>
  %masked = ft.dropout %y, %key, %scalars {p = 0.25 : f64} : (tensor<6x8xbf16>, tensor<1xi64>, tensor<8xf64>) -> tensor<6x8xbf16>
  %up = ft.read @up.weight : tensor<8x8xbf16>
  %a = ft.read @up.a.working_copy : tensor<2x8xbf16>
  %b = ft.read @up.b.working_copy : tensor<8x2xbf16>
  %s = ft.linear %masked, [%a] {alpha = 2.0 : f64} : (tensor<6x8xbf16>, tensor<2x8xbf16>) -> tensor<6x2xbf16>
  %z = ft.linear %y, [%up] low_rank [%s] [%b] {low_rank_of = array<i64: 0>} : (tensor<6x8xbf16>, tensor<8x8xbf16>, tensor<6x2xbf16>, tensor<8x2xbf16>) -> tensor<6x8xbf16>
  %sum = ft.add %x, %z : (tensor<6x8xf32>, tensor<6x8xbf16>) -> tensor<6x8xf32>
  %n, %rstd2 = ft.rms_norm %sum, %scale {eps = 1.0e-5 : f64} : (tensor<6x8xf32>, tensor<8xf32>) -> (tensor<6x8xbf16>, tensor<6xf32>)
  %labels = ft.read @labels : tensor<6xi32>
  %loss = ft.head_loss %n, %table, %labels, %scalars : (tensor<6x8xbf16>, tensor<12x8xbf16>, tensor<6xi32>, tensor<8xf64>) -> tensor<1xf64>
  ft.write @loss, %loss : tensor<1xf64>
  return
}
