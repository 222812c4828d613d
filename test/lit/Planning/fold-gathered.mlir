// Adapters of a base that two ranks hold in shares: launches put them into what was gathered, equal neighbours at once,
// in front of the product that reads [W | B].
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa rows=4" --ftc-to-plan="targets=all-linear strategy=FSDP split-frozen fold-adapters dp=2" | FileCheck %s

module {}

// CHECK-DAG: plan.buffer @bucket1.parameter in @weights weight 40960 {{.*}}shares
// CHECK-DAG: plan.tensor "model.layers.0.self_attn.q_proj.weight" f32 in @bucket1.parameter {{.*}}strides = array<i64: 56, 1>

// CHECK-LABEL: plan.segment @accumulate_first
// CHECK: plan.collective "bucket1.parameter.all_gather" {{.*}}[#plan.operand<buffer = @[[W:[^,]*]], offset = 0, rows = 1, rowBytes = 81920
// CHECK-NEXT: plan.launch "{{.*}}adapters" @copies {{.*}}buffer = @[[W]], offset = 28928, rows = 8, rowBytes = 128, pitch = 224, batch = 3, batchPitch = 1792
// CHECK-SAME: buffer = @[[W]], offset = 384, rows = 64, rowBytes = 32, pitch = 224
// CHECK-SAME: buffer = @[[W]], offset = 14752, rows = 32, rowBytes = 32, pitch = 224, batch = 2, batchPitch = 7200
// CHECK: plan.gemm "{{.*}}folded" {{.*}}m 16 n 128 k 56 {{.*}}buffer = @[[W]], offset = 256, rows = 128, rowBytes = 224, pitch = 224
// CHECK-NOT: low_rank
// CHECK: plan.segment @evaluate
