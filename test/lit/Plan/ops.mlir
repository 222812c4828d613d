// RUN: ft-opt %s | ft-opt | FileCheck %s
// RUN: ft-opt %s --mlir-print-op-generic | ft-opt | FileCheck %s

// CHECK: plan.arena device @activations {size = 65536 : i64, transient}
plan.arena device @activations {size = 65536 : i64, transient}
// CHECK: plan.buffer @qkv in @activations activation 49152 {offset = 0 : i64}
plan.buffer @qkv in @activations activation 49152 {offset = 0 : i64}
plan.buffer @o in @activations activation 8192 {offset = 49152 : i64}
plan.buffer @lse in @activations activation 512 {offset = 57344 : i64}

// CHECK-LABEL: plan.segment @evaluate
plan.segment @evaluate {
  // CHECK: plan.attention "layers.0" bf16
  // CHECK-SAME: <buffer = @qkv, offset = 128, rows = 64, rowBytes = 64, pitch = 768, read = 3>
  plan.attention "layers.0" bf16
    [#plan.operand<buffer = @qkv, offset = 0, rows = 64, rowBytes = 128, pitch = 768, read = 3>,
     #plan.operand<buffer = @qkv, offset = 128, rows = 64, rowBytes = 64, pitch = 768, read = 3>,
     #plan.operand<buffer = @qkv, offset = 192, rows = 64, rowBytes = 64, pitch = 768, read = 3>,
     #plan.operand<buffer = @o, offset = 0, rows = 64, rowBytes = 128, pitch = 128, write = 4>,
     #plan.operand<buffer = @lse, offset = 0, rows = 64, rowBytes = 8, pitch = 8, write = 5>]
    {batch = 1 : i64, sequence_len = 64 : i64, heads = 2 : i64, kv_heads = 1 : i64, head_dim = 32 : i64, scale = 0.125 : f64,
     max_documents = 1 : i64, max_document_len = 64 : i64, qkv_pitch = 384 : i64, o_pitch = 64 : i64, d_qkv_pitch = 0 : i64}
}
