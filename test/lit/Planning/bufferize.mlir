// RUN: ft-opt %s --split-input-file --plan-bufferize=workspace=4096 | FileCheck %s

// A grouped linear is one GEMM: its weights lie below each other, its results side by side. A value that a segment
// writes is computed in the variable itself.

ft.variable frozen @q : tensor<64x32xf32> {key = "q"}
ft.variable frozen @k : tensor<32x64xf32> {key = "k"}
ft.variable frozen @v : tensor<64x32xf32> {key = "v"}
ft.variable frozen @x : tensor<8x32xf32> {key = "x"}
ft.variable output @y : tensor<8x64xf32> {io = "LOGITS"}

// CHECK-DAG: plan.buffer @[[W:.*]] in @weights weight 16384 {initial_version = [[WV:.*]] : i64}
// CHECK-DAG: plan.tensor "q" f32 in @[[W]] {{.*}}offset = 0 : i64
// CHECK-DAG: plan.tensor "v" f32 in @[[W]] {{.*}}offset = 8192 : i64
// CHECK: plan.segment @generate
// CHECK-NEXT: plan.gemm {{.*}} m 8 n 128 k 32
// CHECK-SAME: buffer = @[[W]], offset = 0, rows = 128, rowBytes = 128, pitch = 128, read = [[WV]]
// CHECK-SAME: buffer = @[[B:[^,]*]], offset = 0, rows = 8, rowBytes = 512, pitch = 512, write = [[V:[0-9]+]]
// CHECK-SAME: buffer = @gemm.workspace
// CHECK-SAME: trans_b
// CHECK-NEXT: plan.gemm {{.*}} m 8 n 32 k 64
// CHECK-SAME: buffer = @[[B]], offset = 256, rows = 8, rowBytes = 256, pitch = 512, read = [[V]]
// CHECK-NEXT: plan.gemm {{.*}} m 8 n 64 k 32
// CHECK-SAME: buffer = @io.logits, offset = 0, rows = 8, rowBytes = 256, pitch = 256, write =
// CHECK-NEXT: plan.emit "metrics"
func.func @generate() {
  %x = ft.read @x : tensor<8x32xf32>
  %q = ft.read @q : tensor<64x32xf32>
  %v = ft.read @v : tensor<64x32xf32>
  %k = ft.read @k : tensor<32x64xf32>
  %y:2 = ft.linear %x, [%q, %v] : (tensor<8x32xf32>, tensor<64x32xf32>, tensor<64x32xf32>) -> (tensor<8x64xf32>, tensor<8x64xf32>)
  %z = ft.linear %y#1, [%k] : (tensor<8x64xf32>, tensor<32x64xf32>) -> tensor<8x32xf32>
  %u = ft.linear %z, [%v] : (tensor<8x32xf32>, tensor<64x32xf32>) -> tensor<8x64xf32>
  ft.write @y, %u : tensor<8x64xf32>
  return
}
