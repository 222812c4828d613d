// RUN: ft-opt %s --ft-scale-products --kernel-fuse --plan-bufferize | FileCheck %s
// RUN: ft-opt %s --ft-scale-products=resident --kernel-fuse --plan-bufferize | FileCheck %s --check-prefix=KEPT
// RUN: ft-opt %s --ft-lay-out=fold-adapters --kernel-fuse --plan-bufferize=fold-adapters | FileCheck %s --check-prefix=WIDE

// q and k, 64 and 16 rows of 32 codes, lie as one matrix of 2560 bytes with 80 scales behind; so they are one product,
// forward and, transposed into 32 rows of 80, backward. Without products of codes numbers are made of them, with the
// adapter folded in.

// CHECK-DAG: plan.buffer @q in @weights weight 2880 {initial_version = [[QV:.*]] : i64}
// CHECK-DAG: plan.tensor "q" f8E4M3FN in @q {offset = 0 : i64, quantization = {row_pitch = 32 : i64, scales_offset = 2560 : i64}, role = "frozen", shape = array<i64: 64, 32>, sizes = array<i64: 64, 32>, strides = array<i64: 32, 1>}
// CHECK-DAG: plan.tensor "k" f8E4M3FN in @q {offset = 2048 : i64, quantization = {row_pitch = 32 : i64, scales_offset = 2816 : i64}
// CHECK-DAG: plan.buffer @fp8.ones in @weights constant 128

// CHECK: plan.segment @evaluate
// CHECK: plan.launch {{.*}} @quantize_rows items 8
// CHECK-SAME: rows = 8, rowBytes = 32, pitch = 32, write = [[C:[0-9]+]]>
// CHECK-SAME: rows = 1, rowBytes = 32, pitch = 32, write = [[S:[0-9]+]]>
// CHECK: plan.gemm {{.*}} f8E4M3FN, f8E4M3FN, bf16 accumulate f32 m 8 n 80 k 32
// CHECK-SAME: rows = 8, rowBytes = 32, pitch = 32, read = [[C]]>
// CHECK-SAME: buffer = @q, offset = 0, rows = 80, rowBytes = 32, pitch = 32, read = [[QV]]>
// CHECK-SAME: scale_a <{{.*}}rows = 1, rowBytes = 32, pitch = 32, read = [[S]]>
// CHECK-SAME: scale_b <buffer = @q, offset = 2560, rows = 1, rowBytes = 320, pitch = {{[0-9]+}}, read = [[QV]]>
// CHECK-SAME: fast_accumulation
// CHECK: plan.gemm {{.*}}low_rank" {{.*}} m 8 n 64 k 4 {{.*}}beta = 1.0

// CHECK: plan.segment @accumulate_first
// CHECK: plan.launch {{.*}} @quantize_rows_1 items 8
// CHECK: plan.transpose {{.*}} <buffer = @q, offset = 0, rows = 80, rowBytes = 32, pitch = 32, read = [[QV]]> to <buffer = @[[T:.*]], offset = 0, rows = 32, rowBytes = 80, pitch = 80, write = [[TV:[0-9]+]]>
// CHECK: plan.gemm {{.*}} f8E4M3FN, f8E4M3FN, bf16 accumulate f32 m 8 n 32 k 80
// CHECK-SAME: b <buffer = @[[T]], offset = 0, rows = 32, rowBytes = 80, pitch = 80, read = [[TV]]>
// CHECK-SAME: scale_b <buffer = @fp8.ones
// CHECK-NOT: fast_accumulation
// CHECK: plan.gemm {{.*}}low_rank" {{.*}} m 8 n 32 k 4

// KEPT: plan.buffer @"q.transposed+k" in @weights weight 2560
// KEPT: plan.segment @accumulate_first
// KEPT-NOT: plan.transpose
// KEPT: b <buffer = @"q.transposed+k", offset = 0, rows = 32, rowBytes = 80, pitch = 80, read = [[TV:[0-9]+]]>
// KEPT: plan.segment @initialize
// KEPT: plan.transpose {{.*}} to <buffer = @"q.transposed+k", offset = 0, rows = 32, rowBytes = 80, pitch = 80, write = [[TV]]>

// WIDE: plan.segment @evaluate
// WIDE: plan.launch {{.*}} @dequantize items 64 [
// WIDE-SAME: buffer = @q, offset = 0, rows = 64, rowBytes = 32,
// WIDE-SAME: buffer = @q, offset = 2560, rows = 1, rowBytes = 256,
// WIDE: plan.gemm {{.*}} bf16, bf16, bf16

ft.variable frozen @q : tensor<64x32xbf16> {key = "q", quantization = #ft.fp8}
ft.variable frozen @k : tensor<16x32xbf16> {key = "k", quantization = #ft.fp8}
ft.variable frozen @a : tensor<4x32xbf16> {key = "a"}
ft.variable frozen @b : tensor<64x4xbf16> {key = "b"}
ft.variable frozen @x : tensor<8x32xbf16> {key = "x"}
ft.variable frozen @s : tensor<8x4xbf16> {key = "s"}
ft.variable frozen @dq : tensor<8x64xbf16> {key = "dq"}
ft.variable frozen @dk : tensor<8x16xbf16> {key = "dk"}
ft.variable frozen @o : tensor<4x64xbf16> {key = "o"}
ft.variable output @y : tensor<8x4xbf16> {io = "LOGITS"}

func.func @evaluate() {
  %x = ft.read @x : tensor<8x32xbf16>
  %s = ft.read @s : tensor<8x4xbf16>
  %q = ft.read @q : tensor<64x32xbf16>
  %k = ft.read @k : tensor<16x32xbf16>
  %b = ft.read @b : tensor<64x4xbf16>
  %y:2 = ft.linear %x, [%q, %k] low_rank [%s] [%b] {low_rank_of = array<i64: 0>} : (tensor<8x32xbf16>, tensor<64x32xbf16>, tensor<16x32xbf16>, tensor<8x4xbf16>, tensor<64x4xbf16>) -> (tensor<8x64xbf16>, tensor<8x16xbf16>)
  %o = ft.read @o : tensor<4x64xbf16>
  %w = ft.linear %y#0, [%o] : (tensor<8x64xbf16>, tensor<4x64xbf16>) -> tensor<8x4xbf16>
  ft.write @y, %w : tensor<8x4xbf16>
  return
}

func.func @accumulate_first() {
  %q = ft.read @q : tensor<64x32xbf16>
  %k = ft.read @k : tensor<16x32xbf16>
  %half = ft.read @a : tensor<4x32xbf16>
  %a = ft.add %half, %half : (tensor<4x32xbf16>, tensor<4x32xbf16>) -> tensor<4x32xbf16>
  %dq = ft.read @dq : tensor<8x64xbf16>
  %dk = ft.read @dk : tensor<8x16xbf16>
  %ds = ft.read @s : tensor<8x4xbf16>
  %dx = ft.linear_bwd_input [%dq, %dk, %ds], [%q, %k, %a] : (tensor<8x64xbf16>, tensor<8x16xbf16>, tensor<8x4xbf16>, tensor<64x32xbf16>, tensor<16x32xbf16>, tensor<4x32xbf16>) -> tensor<8x32xbf16>
  return
}
