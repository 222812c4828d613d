// RUN: ft-opt %s | ft-opt | FileCheck %s
// RUN: ft-opt %s --mlir-print-op-generic | ft-opt | FileCheck %s

// CHECK: plan.arena device @activations {size = 65536 : i64, transient}
plan.arena device @activations {size = 65536 : i64, transient}
// CHECK: plan.buffer @qkv in @activations activation 49152 {offset = 0 : i64}
plan.buffer @qkv in @activations activation 49152 {offset = 0 : i64}
plan.buffer @o in @activations activation 8192 {offset = 49152 : i64}
plan.buffer @lse in @activations activation 512 {offset = 57344 : i64}
plan.buffer @documents in @activations activation 64 {offset = 57856 : i64}
plan.buffer @scratch in @activations workspace 256 {offset = 58112 : i64}

// CHECK-LABEL: plan.segment @evaluate
plan.segment @evaluate {
  // CHECK: plan.attention "layers.0" bf16
  // CHECK-SAME: <buffer = @qkv, offset = 128, rows = 64, rowBytes = 64, pitch = 768, read = 3>
  plan.attention "layers.0" bf16
    q <buffer = @qkv, offset = 0, rows = 64, rowBytes = 128, pitch = 768, read = 3>
    k <buffer = @qkv, offset = 128, rows = 64, rowBytes = 64, pitch = 768, read = 3>
    v <buffer = @qkv, offset = 192, rows = 64, rowBytes = 64, pitch = 768, read = 3>
    o <buffer = @o, offset = 0, rows = 64, rowBytes = 128, pitch = 128, write = 4>
    lse <buffer = @lse, offset = 0, rows = 64, rowBytes = 8, pitch = 8, write = 5>
    {batch = 1 : i64, sequence_len = 64 : i64, heads = 2 : i64, kv_heads = 1 : i64, head_dim = 32 : i64, scale = 0.125 : f64,
     max_documents = 1 : i64, max_document_len = 64 : i64, qkv_pitch = 384 : i64, o_pitch = 64 : i64, d_qkv_pitch = 0 : i64}
  // Every role that an attention may have.
  // CHECK: plan.attention "layers.0.backward" bf16
  // CHECK-SAME: d_o <buffer = @o,
  // CHECK-SAME: d_q <buffer = @qkv, offset = 256,
  // CHECK-SAME: document_offsets <buffer = @documents,
  // CHECK-SAME: document_lens <buffer = @documents, offset = 32
  // CHECK-SAME: workspace <buffer = @scratch,
  // CHECK-SAME: backward
  plan.attention "layers.0.backward" bf16
    q <buffer = @qkv, offset = 0, rows = 64, rowBytes = 128, pitch = 768, read = 3>
    k <buffer = @qkv, offset = 128, rows = 64, rowBytes = 64, pitch = 768, read = 3>
    v <buffer = @qkv, offset = 192, rows = 64, rowBytes = 64, pitch = 768, read = 3>
    o <buffer = @o, offset = 0, rows = 64, rowBytes = 128, pitch = 128, read = 4>
    lse <buffer = @lse, offset = 0, rows = 64, rowBytes = 8, pitch = 8, read = 5>
    d_o <buffer = @o, offset = 0, rows = 64, rowBytes = 128, pitch = 128, read = 4>
    d_q <buffer = @qkv, offset = 256, rows = 64, rowBytes = 128, pitch = 768, write = 6>
    d_k <buffer = @qkv, offset = 384, rows = 64, rowBytes = 64, pitch = 768, write = 6>
    d_v <buffer = @qkv, offset = 448, rows = 64, rowBytes = 64, pitch = 768, write = 6>
    document_offsets <buffer = @documents, offset = 0, rows = 1, rowBytes = 8, pitch = 8, read = 7>
    document_lens <buffer = @documents, offset = 32, rows = 1, rowBytes = 4, pitch = 4, read = 7>
    workspace <buffer = @scratch, offset = 0, rows = 1, rowBytes = 256, pitch = 256, write = 8>
    {backward, ragged, batch = 1 : i64, sequence_len = 64 : i64, heads = 2 : i64, kv_heads = 1 : i64, head_dim = 32 : i64, scale = 0.125 : f64,
     max_documents = 1 : i64, max_document_len = 64 : i64, qkv_pitch = 384 : i64, o_pitch = 64 : i64, d_qkv_pitch = 384 : i64}
}
