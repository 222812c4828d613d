// RUN: ft-opt %s --ft-lay-out=fold-adapters --plan-bufferize=fold-adapters | FileCheck %s
// RUN: ft-opt %s --ft-lay-out --plan-bufferize | FileCheck %s --check-prefix=APART

// Two weights in NF4 that one linear reads, an adapter of rank 4 on the first. Before the product their numbers are made
// in a matrix of 80 rows of 68 columns, in f32,
//
//   q  B
//   k  0
//
// and before its derivative in one of 84 rows of 64 columns, with A below. Blocks cross the rows of o: its numbers are
// dense on the way.

// CHECK-DAG: plan.buffer @q in @weights weight 3156 {initial_version = [[QV:.*]] : i64}
// CHECK-DAG: plan.buffer @k in @weights weight 576 {initial_version = [[KV:.*]] : i64}
// CHECK-DAG: plan.tensor "q" i4 in @q {offset = 0 : i64, quantization = {double_quant = true}, role = "frozen", shape = array<i64: 64, 64>, sizes = array<i64: 4096>, strides = array<i64: 1>}
// CHECK-DAG: plan.tensor "k" i4 in @k {{.*}}quantization = {double_quant = false}
// CHECK-DAG: plan.buffer @[[M:evaluate.*dequantize]] in @activations activation 21760

// CHECK: plan.segment @evaluate
// CHECK: plan.launch {{.*}} items 64 [
// CHECK-SAME: buffer = @q, offset = 0, rows = 64, rowBytes = 32, pitch = 32, read = [[QV]]>
// CHECK-SAME: buffer = @q, offset = 2048, rows = 1, rowBytes = 64,
// CHECK-SAME: buffer = @q, offset = 2112, rows = 1, rowBytes = 4,
// CHECK-SAME: buffer = @q, offset = 2128, rows = 1, rowBytes = 1024,
// CHECK-SAME: buffer = @q, offset = 3152, rows = 1, rowBytes = 4,
// CHECK-SAME: buffer = @[[M]], offset = 0, rows = 64, rowBytes = 256, pitch = 272, write = [[V:[0-9]+]]>
// CHECK-NEXT: plan.launch {{.*}} items 16 [
// CHECK-SAME: buffer = @k, offset = 512, rows = 1, rowBytes = 64, pitch = 64, read = [[KV]]>
// CHECK-SAME: buffer = @[[M]], offset = 17408, rows = 16, rowBytes = 256, pitch = 272, write = [[V]]>
// CHECK-NEXT: plan.memset {{.*}}buffer = @[[M]], offset = 256, rows = 80, rowBytes = 16, pitch = 272, write = [[V]]>
// CHECK-NEXT: plan.launch {{.*}} @copy items 64
// CHECK-SAME: buffer = @[[M]], offset = 256, rows = 64, rowBytes = 16, pitch = 272, write = [[V]]>
// CHECK-NEXT: plan.launch "linear.border" @copy_1
// CHECK-NEXT: plan.gemm "linear.folded" {{.*}} m 8 n 80 k 68
// CHECK-SAME: buffer = @[[M]], offset = 0, rows = 80, rowBytes = 272, pitch = 272, read = [[V]]>
// CHECK-NEXT: plan.launch {{.*}} items 40 [
// CHECK-SAME: rows = 1, rowBytes = 10240, pitch = 10240, write
// CHECK-NEXT: plan.launch "dequantize.spread"
// CHECK-NEXT: plan.gemm "linear" {{.*}} m 8 n 64 k 40

// CHECK: plan.buffer @[[N:accumulate_first.*dequantize]] in @activations activation 21504
// CHECK: plan.segment @accumulate_first
// CHECK: buffer = @[[N]], offset = 16384, rows = 16, rowBytes = 256, pitch = 256, write = [[NV:[0-9]+]]>
// CHECK-NEXT: plan.launch {{.*}} @copy{{.*}} items 4
// CHECK-SAME: buffer = @[[N]], offset = 20480, rows = 4, rowBytes = 256, pitch = 256, write = [[NV]]>
// CHECK-NEXT: plan.gemm {{.*}} m 8 n 64 k 84
// CHECK-SAME: buffer = @[[N]], offset = 0, rows = 84, rowBytes = 256, pitch = 256, read = [[NV]]>

// APART: plan.segment @evaluate
// APART: plan.gemm "linear" {{.*}} m 8 n 80 k 64
// APART-NEXT: plan.gemm "linear.low_rank"
// APART: plan.segment @accumulate_first
// APART: plan.gemm "linear_bwd_input" {{.*}} m 8 n 64 k 80
// APART-NEXT: plan.gemm "linear_bwd_input" {{.*}} m 8 n 64 k 4

ft.variable frozen @q : tensor<64x64xf32> {key = "q", quantization = #ft.nf4<double_quant = true>}
ft.variable frozen @k : tensor<16x64xf32> {key = "k", quantization = #ft.nf4<double_quant = false>}
ft.variable frozen @o : tensor<64x40xf32> {key = "o", quantization = #ft.nf4<double_quant = false>}
ft.variable adapter @q.A : tensor<4x64xf32> {key = "q.A"}
ft.variable adapter @q.B : tensor<64x4xf32> {key = "q.B"}
ft.variable frozen @u : tensor<64x64xf32> {key = "u"}
ft.variable frozen @t : tensor<8x64xf32> {key = "t"}
ft.variable frozen @h : tensor<8x40xf32> {key = "h"}
ft.variable output @y : tensor<8x64xf32> {io = "LOGITS"}

func.func @evaluate() {
  %t = ft.read @t : tensor<8x64xf32>
  %u = ft.read @u : tensor<64x64xf32>
  %h = ft.read @h : tensor<8x40xf32>
  %q = ft.read @q : tensor<64x64xf32>
  %k = ft.read @k : tensor<16x64xf32>
  %o = ft.read @o : tensor<64x40xf32>
  %A = ft.read @q.A : tensor<4x64xf32>
  %B = ft.read @q.B : tensor<64x4xf32>
  %x = ft.linear %t, [%u] : (tensor<8x64xf32>, tensor<64x64xf32>) -> tensor<8x64xf32>
  %s = ft.linear %x, [%A] : (tensor<8x64xf32>, tensor<4x64xf32>) -> tensor<8x4xf32>
  %y:2 = ft.linear %x, [%q, %k] low_rank [%s] [%B] {low_rank_of = array<i64: 0>} : (tensor<8x64xf32>, tensor<64x64xf32>, tensor<16x64xf32>, tensor<8x4xf32>, tensor<64x4xf32>) -> (tensor<8x64xf32>, tensor<8x16xf32>)
  %z = ft.linear %h, [%o] : (tensor<8x40xf32>, tensor<64x40xf32>) -> tensor<8x64xf32>
  %w = ft.linear %y#0, [%u] : (tensor<8x64xf32>, tensor<64x64xf32>) -> tensor<8x64xf32>
  ft.write @y, %w : tensor<8x64xf32>
  return
}

func.func @accumulate_first() {
  %t = ft.read @t : tensor<8x64xf32>
  %u = ft.read @u : tensor<64x64xf32>
  %q = ft.read @q : tensor<64x64xf32>
  %k = ft.read @k : tensor<16x64xf32>
  %A = ft.read @q.A : tensor<4x64xf32>
  %B = ft.read @q.B : tensor<64x4xf32>
  %dq = ft.linear %t, [%u] : (tensor<8x64xf32>, tensor<64x64xf32>) -> tensor<8x64xf32>
  %dk = ft.linear %t, [%k] : (tensor<8x64xf32>, tensor<16x64xf32>) -> tensor<8x16xf32>
  %ds = ft.linear_bwd_input [%dq], [%B] : (tensor<8x64xf32>, tensor<64x4xf32>) -> tensor<8x4xf32>
  %dx = ft.linear_bwd_input [%dq, %dk, %ds], [%q, %k, %A] : (tensor<8x64xf32>, tensor<8x16xf32>, tensor<8x4xf32>, tensor<64x64xf32>, tensor<16x64xf32>, tensor<4x64xf32>) -> tensor<8x64xf32>
  return
}
