// What library attention reads it takes at one pitch, and gradients of documents in one buffer, also where q's weights are
// in another bucket than k's and v's, and so another product: moments of q's 72 × 72 weights are in codes, those of 24 × 72
// are too few for that.
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-blocks rows=2" --ftc-to-plan="precision=BF16_TRUE moments=INT8 library-attention" | FileCheck %s
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-blocks rows=2" --ftc-to-plan="precision=BF16_TRUE moments=INT8 ragged-attention" | FileCheck %s --check-prefix=RAGGED
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-blocks rows=2" --ftc-to-plan="precision=BF16_TRUE ragged-attention" | FileCheck %s --check-prefix=ONE

module {}

// CHECK-LABEL: plan.segment @accumulate_first
// CHECK: plan.gemm "layers.1.self_attn.qkv_proj" {{.*}} m 16 n 72 k 72
// CHECK: plan.gemm "layers.1.self_attn.qkv_proj" {{.*}} m 16 n 48 k 72
// k and v lie in rows as long as q's.
// CHECK: plan.attention "layers.1.self_attn.attention.backward" bf16 q <buffer = @[[Q:[^,]*]], offset = 0, rows = 16, rowBytes = 144, pitch = 144, {{[^>]*}}> k <buffer = @[[KV:[^,]*]], offset = 0, rows = 16, rowBytes = 48, pitch = 144, {{[^>]*}}> v <buffer = @[[KV]], offset = 48, rows = 16, rowBytes = 48, pitch = 144,
// CHECK-SAME: d_q <{{[^>]*}}, pitch = 144, {{[^>]*}}> d_k <{{[^>]*}}, pitch = 144, {{[^>]*}}> d_v <{{[^>]*}}, pitch = 144,

// RAGGED-LABEL: plan.segment @accumulate_first
// RAGGED: plan.attention "layers.1.self_attn.attention.backward" bf16 q <buffer = @[[Q:[^,]*]], offset = 0, rows = 16, rowBytes = 144, pitch = 240, {{[^>]*}}> k <buffer = @[[KV:[^,]*]], offset = 0, rows = 16, rowBytes = 48, pitch = 240, {{[^>]*}}> v <buffer = @[[KV]], offset = 48, rows = 16, rowBytes = 48, pitch = 240,
// RAGGED-SAME: d_q <buffer = @[[D:[^,]*]], offset = 0, rows = 16, rowBytes = 144, pitch = 240, {{[^>]*}}> d_k <buffer = @[[D]], offset = 144, rows = 16, rowBytes = 48, pitch = 240, {{[^>]*}}> d_v <buffer = @[[D]], offset = 192, rows = 16, rowBytes = 48, pitch = 240,
// Products read them where they lie.
// RAGGED: plan.gemm "layers.1.self_attn.qkv_proj.backward" {{.*}} m 16 n 72 k 72 a <buffer = @[[D]], offset = 0, rows = 16, rowBytes = 144, pitch = 240,
// RAGGED: plan.gemm "layers.1.self_attn.qkv_proj.backward" {{.*}} m 16 n 72 k 24 a <buffer = @[[D]], offset = 144, rows = 16, rowBytes = 48, pitch = 240,

// Where one product writes q, k and v, they lie as close as they can, and one reads their gradients.
// ONE: plan.gemm "layers.1.self_attn.qkv_proj" {{.*}} m 16 n 120 k 72
// ONE: plan.attention "layers.1.self_attn.attention.backward" bf16 q <buffer = @[[Q:[^,]*]], offset = 0, rows = 16, rowBytes = 144, pitch = 240, {{[^>]*}}> k <buffer = @[[Q]], offset = 144, rows = 16, rowBytes = 48, pitch = 240, {{[^>]*}}> v <buffer = @[[Q]], offset = 192, rows = 16, rowBytes = 48, pitch = 240,
// ONE: plan.gemm "layers.1.self_attn.qkv_proj.backward" {{.*}} m 16 n 72 k 120 a {{.*}} offset = 0, rows = 16, rowBytes = 240, pitch = 240,
