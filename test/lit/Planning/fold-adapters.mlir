// RUN: ft-opt %s --split-input-file --ft-lay-out=fold-adapters --plan-bufferize=fold-adapters | FileCheck %s

// Two layers with adapters of rank 4 on q and v. Each layer is a matrix of 36 rows of 24 columns,
//
//   q  B_q  0
//   k   0   0
//   v   0  B_v
//   A_q 0   0
//   A_v 0   0
//
// in 3584 bytes (3456, at the alignment of arenas), both in one buffer. The copies at one place of the two are one
// launch; the linear is one GEMM over [x | s], its derivative one over [dq | dk | dv | ds].

// CHECK-DAG: plan.buffer @[[P:bucket0.parameter]] in @weights weight {{[0-9]+}} {initial_version = [[PV:.*]] : i64}
// CHECK-DAG: plan.buffer @[[W:.*]] in @weights weight 7168 {initial_version = [[WV:.*]] : i64}
// CHECK-DAG: plan.tensor "a.q" f32 in @[[W]] {offset = 0 : i64, {{.*}} strides = array<i64: 24, 1>}
// CHECK-DAG: plan.tensor "a.k" f32 in @[[W]] {offset = 1536 : i64,
// CHECK-DAG: plan.tensor "a.v" f32 in @[[W]] {offset = 1920 : i64,
// CHECK-DAG: plan.tensor "b.q" f32 in @[[W]] {offset = 3584 : i64,
// CHECK-DAG: plan.tensor "b.v" f32 in @[[W]] {offset = 5504 : i64,
// CHECK-DAG: plan.tensor "a.q.A" f32 in @[[P]] {offset = 0 : i64,

// CHECK: plan.segment @initialize
// CHECK-NEXT: plan.launch {{.*}} @copy items 8
// CHECK-SAME: buffer = @[[P]], offset = 0, rows = 4, rowBytes = 64, pitch = 64, batch = 2, batchPitch = 1024, read = [[PV]]>
// CHECK-SAME: buffer = @[[W]], offset = 2688, rows = 4, rowBytes = 64, pitch = 96, batch = 2, batchPitch = 3584, write = [[WV]]>
// CHECK-NEXT: plan.launch {{.*}} @copy_1 items 32
// CHECK-SAME: buffer = @[[P]], offset = 512, rows = 16, rowBytes = 16, pitch = 16, batch = 2, batchPitch = 1024, read = [[PV]]>
// CHECK-SAME: buffer = @[[W]], offset = 64, rows = 16, rowBytes = 16, pitch = 96, batch = 2, batchPitch = 3584, write = [[WV]]>
// CHECK-NEXT: plan.launch {{.*}} @copy items 8
// CHECK-SAME: buffer = @[[W]], offset = 3072, rows = 4, rowBytes = 64, pitch = 96, batch = 2
// CHECK-NEXT: plan.launch {{.*}} @copy_2 items 16
// CHECK-SAME: buffer = @[[W]], offset = 2000, rows = 8, rowBytes = 16, pitch = 96, batch = 2
// CHECK-NEXT: }

// CHECK: plan.segment @evaluate
// CHECK-NEXT: plan.gemm
// CHECK-SAME: buffer = @[[X:[^,]*]], offset = 0, rows = 8, rowBytes = 64, pitch = 96, write = [[XV:[0-9]+]]
// CHECK-NEXT: plan.gemm {{.*}} m 8 n 8 k 16
// CHECK-SAME: buffer = @[[W]], offset = 2688, rows = 8, rowBytes = 64, pitch = 96
// CHECK-SAME: buffer = @[[S:[^,]*]], offset = 0, rows = 8, rowBytes = 32, pitch = 32, write = [[SV:[0-9]+]]
// CHECK-NEXT: plan.launch "{{.*}}border" @copy
// CHECK-SAME: buffer = @[[S]], offset = 0, rows = 8, rowBytes = 32, pitch = 32, read = [[SV]]
// CHECK-SAME: buffer = @[[X]], offset = 64, rows = 8, rowBytes = 32, pitch = 96, write = [[XV]]
// CHECK-NEXT: plan.gemm "{{.*}}folded" {{.*}} m 8 n 28 k 24
// CHECK-SAME: buffer = @[[X]], offset = 0, rows = 8, rowBytes = 96, pitch = 96, read = [[XV]]
// CHECK-SAME: buffer = @[[W]], offset = 0, rows = 28, rowBytes = 96, pitch = 96, read = [[WV]]
// CHECK-SAME: trans_b

// CHECK: plan.segment @accumulate_first
// CHECK: plan.gemm {{.*}} m 8 n 16 k 36
// CHECK-SAME: rows = 8, rowBytes = 144, pitch = 144
// CHECK-SAME: buffer = @[[W]], offset = 0, rows = 36, rowBytes = 64, pitch = 96, read = [[WV]]
// CHECK-NOT: plan.gemm

ft.variable frozen @a.q : tensor<16x16xf32> {key = "a.q"}
ft.variable frozen @a.k : tensor<4x16xf32> {key = "a.k"}
ft.variable frozen @a.v : tensor<8x16xf32> {key = "a.v"}
ft.variable adapter @a.q.A : tensor<4x16xf32> {key = "a.q.A"}
ft.variable adapter @a.q.B : tensor<16x4xf32> {key = "a.q.B"}
ft.variable adapter @a.v.A : tensor<4x16xf32> {key = "a.v.A"}
ft.variable adapter @a.v.B : tensor<8x4xf32> {key = "a.v.B"}
ft.variable frozen @b.q : tensor<16x16xf32> {key = "b.q"}
ft.variable frozen @b.k : tensor<4x16xf32> {key = "b.k"}
ft.variable frozen @b.v : tensor<8x16xf32> {key = "b.v"}
ft.variable adapter @b.q.A : tensor<4x16xf32> {key = "b.q.A"}
ft.variable adapter @b.q.B : tensor<16x4xf32> {key = "b.q.B"}
ft.variable adapter @b.v.A : tensor<4x16xf32> {key = "b.v.A"}
ft.variable adapter @b.v.B : tensor<8x4xf32> {key = "b.v.B"}
ft.variable working_copy @a.q.A.copy : tensor<4x16xf32> {of = @a.q.A}
ft.variable working_copy @a.q.B.copy : tensor<16x4xf32> {of = @a.q.B}
ft.variable working_copy @a.v.A.copy : tensor<4x16xf32> {of = @a.v.A}
ft.variable working_copy @a.v.B.copy : tensor<8x4xf32> {of = @a.v.B}
ft.variable working_copy @b.q.A.copy : tensor<4x16xf32> {of = @b.q.A}
ft.variable working_copy @b.q.B.copy : tensor<16x4xf32> {of = @b.q.B}
ft.variable working_copy @b.v.A.copy : tensor<4x16xf32> {of = @b.v.A}
ft.variable working_copy @b.v.B.copy : tensor<8x4xf32> {of = @b.v.B}
ft.variable frozen @u : tensor<16x16xf32> {key = "u"}
ft.variable frozen @t : tensor<8x16xf32> {key = "t"}
ft.variable frozen @g : tensor<4x16xf32> {key = "g"}
ft.variable output @y : tensor<8x16xf32> {io = "LOGITS"}

func.func @initialize() {
  %a_q_A = ft.read @a.q.A : tensor<4x16xf32>
  ft.write @a.q.A.copy, %a_q_A : tensor<4x16xf32>
  %a_q_B = ft.read @a.q.B : tensor<16x4xf32>
  ft.write @a.q.B.copy, %a_q_B : tensor<16x4xf32>
  %a_v_A = ft.read @a.v.A : tensor<4x16xf32>
  ft.write @a.v.A.copy, %a_v_A : tensor<4x16xf32>
  %a_v_B = ft.read @a.v.B : tensor<8x4xf32>
  ft.write @a.v.B.copy, %a_v_B : tensor<8x4xf32>
  %b_q_A = ft.read @b.q.A : tensor<4x16xf32>
  ft.write @b.q.A.copy, %b_q_A : tensor<4x16xf32>
  %b_q_B = ft.read @b.q.B : tensor<16x4xf32>
  ft.write @b.q.B.copy, %b_q_B : tensor<16x4xf32>
  %b_v_A = ft.read @b.v.A : tensor<4x16xf32>
  ft.write @b.v.A.copy, %b_v_A : tensor<4x16xf32>
  %b_v_B = ft.read @b.v.B : tensor<8x4xf32>
  ft.write @b.v.B.copy, %b_v_B : tensor<8x4xf32>
  return
}

func.func @evaluate() {
  %u = ft.read @u : tensor<16x16xf32>
  %t = ft.read @t : tensor<8x16xf32>
  %a_q = ft.read @a.q : tensor<16x16xf32>
  %a_k = ft.read @a.k : tensor<4x16xf32>
  %a_v = ft.read @a.v : tensor<8x16xf32>
  %a_q_A = ft.read @a.q.A.copy : tensor<4x16xf32>
  %a_q_B = ft.read @a.q.B.copy : tensor<16x4xf32>
  %a_v_A = ft.read @a.v.A.copy : tensor<4x16xf32>
  %a_v_B = ft.read @a.v.B.copy : tensor<8x4xf32>
  %b_q = ft.read @b.q : tensor<16x16xf32>
  %b_k = ft.read @b.k : tensor<4x16xf32>
  %b_v = ft.read @b.v : tensor<8x16xf32>
  %b_q_A = ft.read @b.q.A.copy : tensor<4x16xf32>
  %b_q_B = ft.read @b.q.B.copy : tensor<16x4xf32>
  %b_v_A = ft.read @b.v.A.copy : tensor<4x16xf32>
  %b_v_B = ft.read @b.v.B.copy : tensor<8x4xf32>
  %a_x = ft.linear %t, [%u] : (tensor<8x16xf32>, tensor<16x16xf32>) -> tensor<8x16xf32>
  %a_s:2 = ft.linear %a_x, [%a_q_A, %a_v_A] : (tensor<8x16xf32>, tensor<4x16xf32>, tensor<4x16xf32>) -> (tensor<8x4xf32>, tensor<8x4xf32>)
  %a_y:3 = ft.linear %a_x, [%a_q, %a_k, %a_v] low_rank [%a_s#0, %a_s#1] [%a_q_B, %a_v_B] {low_rank_of = array<i64: 0, 2>} : (tensor<8x16xf32>, tensor<16x16xf32>, tensor<4x16xf32>, tensor<8x16xf32>, tensor<8x4xf32>, tensor<8x4xf32>, tensor<16x4xf32>, tensor<8x4xf32>) -> (tensor<8x16xf32>, tensor<8x4xf32>, tensor<8x8xf32>)
  %b_x = ft.linear %a_y#0, [%u] : (tensor<8x16xf32>, tensor<16x16xf32>) -> tensor<8x16xf32>
  %b_s:2 = ft.linear %b_x, [%b_q_A, %b_v_A] : (tensor<8x16xf32>, tensor<4x16xf32>, tensor<4x16xf32>) -> (tensor<8x4xf32>, tensor<8x4xf32>)
  %b_y:3 = ft.linear %b_x, [%b_q, %b_k, %b_v] low_rank [%b_s#0, %b_s#1] [%b_q_B, %b_v_B] {low_rank_of = array<i64: 0, 2>} : (tensor<8x16xf32>, tensor<16x16xf32>, tensor<4x16xf32>, tensor<8x16xf32>, tensor<8x4xf32>, tensor<8x4xf32>, tensor<16x4xf32>, tensor<8x4xf32>) -> (tensor<8x16xf32>, tensor<8x4xf32>, tensor<8x8xf32>)
  %z = ft.linear %b_y#0, [%u] : (tensor<8x16xf32>, tensor<16x16xf32>) -> tensor<8x16xf32>
  ft.write @y, %z : tensor<8x16xf32>
  return
}

func.func @accumulate_first() {
  %u = ft.read @u : tensor<16x16xf32>
  %t = ft.read @t : tensor<8x16xf32>
  %g = ft.read @g : tensor<4x16xf32>
  %a_q = ft.read @a.q : tensor<16x16xf32>
  %a_k = ft.read @a.k : tensor<4x16xf32>
  %a_v = ft.read @a.v : tensor<8x16xf32>
  %a_q_A = ft.read @a.q.A.copy : tensor<4x16xf32>
  %a_q_B = ft.read @a.q.B.copy : tensor<16x4xf32>
  %a_v_A = ft.read @a.v.A.copy : tensor<4x16xf32>
  %a_v_B = ft.read @a.v.B.copy : tensor<8x4xf32>
  %dq = ft.linear %t, [%u] : (tensor<8x16xf32>, tensor<16x16xf32>) -> tensor<8x16xf32>
  %dk = ft.linear %t, [%g] : (tensor<8x16xf32>, tensor<4x16xf32>) -> tensor<8x4xf32>
  %dv = ft.linear %t, [%t] : (tensor<8x16xf32>, tensor<8x16xf32>) -> tensor<8x8xf32>
  %dsq = ft.linear_bwd_input [%dq], [%a_q_B] : (tensor<8x16xf32>, tensor<16x4xf32>) -> tensor<8x4xf32>
  %dsv = ft.linear_bwd_input [%dv], [%a_v_B] : (tensor<8x8xf32>, tensor<8x4xf32>) -> tensor<8x4xf32>
  %dx = ft.linear_bwd_input [%dq, %dk, %dv, %dsq, %dsv], [%a_q, %a_k, %a_v, %a_q_A, %a_v_A] : (tensor<8x16xf32>, tensor<8x4xf32>, tensor<8x8xf32>, tensor<8x4xf32>, tensor<8x4xf32>, tensor<16x16xf32>, tensor<4x16xf32>, tensor<8x16xf32>, tensor<4x16xf32>, tensor<4x16xf32>) -> tensor<8x16xf32>
  return
}
// -----

// A rank of 4 bytes fills no vector: a copy of its parameter's type is the parameter, which no step refreshes.

// CHECK: plan.buffer @bucket0.parameter in @weights weight
// CHECK-NOT: plan.buffer {{.*}}copy
// CHECK: plan.segment @initialize {
// CHECK-NEXT: }
// CHECK: plan.segment @evaluate
// CHECK-NEXT: plan.gemm
// CHECK-NEXT: plan.gemm {{.*}} m 8 n 1 k 16
// CHECK-SAME: buffer = @bucket0.parameter, offset = 0, rows = 1, rowBytes = 64
// CHECK-NEXT: plan.gemm {{.*}} m 8 n 16 k 16
// CHECK-NEXT: plan.gemm "{{.*}}low_rank" {{.*}} m 8 n 16 k 1
// CHECK-SAME: buffer = @bucket0.parameter, offset = 256, rows = 16, rowBytes = 4

ft.variable frozen @w : tensor<16x16xf32> {key = "w"}
ft.variable adapter @A : tensor<1x16xf32> {key = "A"}
ft.variable adapter @B : tensor<16x1xf32> {key = "B"}
ft.variable working_copy @A.copy : tensor<1x16xf32> {of = @A}
ft.variable working_copy @B.copy : tensor<16x1xf32> {of = @B}
ft.variable frozen @t : tensor<8x16xf32> {key = "t"}
ft.variable output @y : tensor<8x16xf32> {io = "LOGITS"}

func.func @initialize() {
  %A = ft.read @A : tensor<1x16xf32>
  ft.write @A.copy, %A : tensor<1x16xf32>
  %B = ft.read @B : tensor<16x1xf32>
  ft.write @B.copy, %B : tensor<16x1xf32>
  return
}

func.func @evaluate() {
  %t = ft.read @t : tensor<8x16xf32>
  %w = ft.read @w : tensor<16x16xf32>
  %A = ft.read @A.copy : tensor<1x16xf32>
  %B = ft.read @B.copy : tensor<16x1xf32>
  %x = ft.linear %t, [%w] : (tensor<8x16xf32>, tensor<16x16xf32>) -> tensor<8x16xf32>
  %s = ft.linear %x, [%A] : (tensor<8x16xf32>, tensor<1x16xf32>) -> tensor<8x1xf32>
  %y = ft.linear %x, [%w] low_rank [%s] [%B] {low_rank_of = array<i64: 0>} : (tensor<8x16xf32>, tensor<16x16xf32>, tensor<8x1xf32>, tensor<16x1xf32>) -> tensor<8x16xf32>
  ft.write @y, %y : tensor<8x16xf32>
  return
}
