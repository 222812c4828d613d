// RUN: ft-opt %s --split-input-file --verify-diagnostics

// expected-error @below {{(C2) alignment 48 is not a power of two}}
plan.arena device @a {alignment = 48 : i64}

// -----

// expected-error @below {{(C1) names no arena: @missing}}
plan.buffer @b in @missing weight 64

// -----

plan.arena device @a {size = 256 : i64}
// expected-error @below {{(C3) ends at 320, behind its arena of 256 bytes}}
plan.buffer @b in @a weight 64 {offset = 256 : i64}

// -----

plan.arena device @a
plan.buffer @b in @a weight 64
// expected-error @below {{(C2) ends at byte 68 of a buffer of 64}}
plan.tensor "w" f32 in @b {offset = 4 : i64, role = "frozen", shape = array<i64: 16>, sizes = array<i64: 16>, strides = array<i64: 1>}

// -----

plan.arena device @a
plan.buffer @b in @a weight 64
// expected-error @below {{(C1) sizes, strides and shape do not fit each other}}
plan.tensor "w" f32 in @b {offset = 0 : i64, role = "frozen", shape = array<i64: 16>, sizes = array<i64: 4, 4>, strides = array<i64: 1>}

// -----

// expected-error @below {{(C1) 'forward' is not a segment's name}}
plan.segment @forward {
}

// -----

plan.arena device @a
plan.buffer @b in @a activation 64
plan.segment @update {
  // expected-error @below {{(C3) operand of @b neither reads nor writes a version}}
  plan.memset "x" 0 <buffer = @b, offset = 0, rows = 1, rowBytes = 64, pitch = 64>
}

// -----

plan.arena device @a
plan.buffer @b in @a activation 64
plan.segment @update {
  // expected-error @below {{(C2) operand of @b has rows of 32 bytes at pitch 16}}
  plan.memset "x" 0 <buffer = @b, offset = 0, rows = 2, rowBytes = 32, pitch = 16, write = 1>
}

// -----

plan.arena device @a
plan.buffer @b in @a activation 64
plan.segment @update {
  // expected-error @below {{(C1) reads its operand}}
  plan.memset "x" 0 <buffer = @b, offset = 0, rows = 1, rowBytes = 64, pitch = 64, read = 1, write = 2>
}

// -----

plan.arena device @a
plan.buffer @b in @a activation 192
plan.segment @update {
  // expected-error @below {{(C2) operand b is not 4 rows of 4 elements at leading dimension 4}}
  plan.gemm "x" f32, f32, f32 accumulate f32 m 4 n 4 k 4
    a <buffer = @b, offset = 0, rows = 4, rowBytes = 16, pitch = 16, read = 1>
    b <buffer = @b, offset = 64, rows = 2, rowBytes = 16, pitch = 16, read = 1>
    d <buffer = @b, offset = 128, rows = 4, rowBytes = 16, pitch = 16, write = 2>
    {lda = 4 : i64, ldb = 4 : i64, ldd = 4 : i64}
}

// -----

plan.arena device @a
plan.buffer @b in @a activation 192
plan.segment @update {
  // expected-error @below {{(C1) beta 1}}
  plan.gemm "x" f32, f32, f32 accumulate f32 m 4 n 4 k 4
    a <buffer = @b, offset = 0, rows = 4, rowBytes = 16, pitch = 16, read = 1>
    b <buffer = @b, offset = 64, rows = 4, rowBytes = 16, pitch = 16, read = 1>
    d <buffer = @b, offset = 128, rows = 4, rowBytes = 16, pitch = 16, write = 2>
    {lda = 4 : i64, ldb = 4 : i64, ldd = 4 : i64, beta = 1.0 : f64}
}

// -----

plan.arena device @a
plan.buffer @b in @a activation 192
plan.segment @update {
  // expected-error @below {{(C1) source and destination do not fit each other}}
  plan.copy "x" <buffer = @b, offset = 0, rows = 4, rowBytes = 16, pitch = 16, read = 1>
              to <buffer = @b, offset = 64, rows = 2, rowBytes = 16, pitch = 16, write = 2>
}

// -----

plan.arena device @a
plan.buffer @b in @a input 64
plan.segment @evaluate {
  // expected-error @below {{(C1) reads an operand}}
  plan.receive "batch" [#plan.operand<buffer = @b, offset = 0, rows = 1, rowBytes = 64, pitch = 64, read = 2>]
}

// -----

plan.arena device @a
plan.buffer @b in @a output 64
plan.segment @evaluate {
  // expected-error @below {{(C1) writes an operand}}
  plan.emit "metrics" [#plan.operand<buffer = @b, offset = 0, rows = 1, rowBytes = 64, pitch = 64, write = 2>]
}

// -----

plan.arena device @a
plan.buffer @b in @a activation 192
plan.segment @evaluate {
  // expected-error @below {{(C1) operand d_o is missing; direction and form need it}}
  plan.attention "x" bf16
    q <buffer = @b, offset = 0, rows = 4, rowBytes = 16, pitch = 16, read = 1>
    k <buffer = @b, offset = 0, rows = 4, rowBytes = 16, pitch = 16, read = 1>
    v <buffer = @b, offset = 0, rows = 4, rowBytes = 16, pitch = 16, read = 1>
    o <buffer = @b, offset = 64, rows = 4, rowBytes = 16, pitch = 16, write = 2>
    lse <buffer = @b, offset = 128, rows = 4, rowBytes = 4, pitch = 4, write = 3>
    {backward, batch = 1 : i64, sequence_len = 4 : i64, heads = 1 : i64, kv_heads = 1 : i64, head_dim = 8 : i64, scale = 1.0 : f64,
     max_documents = 1 : i64, max_document_len = 4 : i64, qkv_pitch = 8 : i64, o_pitch = 8 : i64, d_qkv_pitch = 0 : i64}
}

// -----

plan.arena device @a
plan.buffer @b in @a activation 192
plan.segment @evaluate {
  // expected-error @below {{(C1) operand document_lens is given; direction and form have none}}
  plan.attention "x" bf16
    q <buffer = @b, offset = 0, rows = 4, rowBytes = 16, pitch = 16, read = 1>
    k <buffer = @b, offset = 0, rows = 4, rowBytes = 16, pitch = 16, read = 1>
    v <buffer = @b, offset = 0, rows = 4, rowBytes = 16, pitch = 16, read = 1>
    o <buffer = @b, offset = 64, rows = 4, rowBytes = 16, pitch = 16, write = 2>
    lse <buffer = @b, offset = 128, rows = 4, rowBytes = 4, pitch = 4, write = 3>
    document_lens <buffer = @b, offset = 160, rows = 1, rowBytes = 4, pitch = 4, read = 4>
    {batch = 1 : i64, sequence_len = 4 : i64, heads = 1 : i64, kv_heads = 1 : i64, head_dim = 8 : i64, scale = 1.0 : f64,
     max_documents = 1 : i64, max_document_len = 4 : i64, qkv_pitch = 8 : i64, o_pitch = 8 : i64, d_qkv_pitch = 0 : i64}
}

// -----

plan.arena pinned @host_masters {size = 256 : i64}
plan.buffer @x in @host_masters weight 64
plan.segment @update {
  // expected-error @+1 {{(C1) items 0 must be positive}}
  plan.host_launch "scale" @scale items 0 [#plan.operand<buffer = @x, offset = 0, rows = 4, rowBytes = 16, pitch = 16, write = 1>]
}

// -----

plan.arena device @a {size = 4096 : i64}
plan.buffer @x in @a activation 1024
plan.segment @update {
  // expected-error @+1 {{(C3) scale_a must be a run of 4 f32 for f8E4M3FN, and absent elsewhere}}
  plan.gemm "x" f8E4M3FN, f8E4M3FN, f32 accumulate f32 m 4 n 16 k 16
    a <buffer = @x, offset = 0, rows = 4, rowBytes = 16, pitch = 16, read = 1>
    b <buffer = @x, offset = 0, rows = 16, rowBytes = 16, pitch = 16, read = 1>
    d <buffer = @x, offset = 512, rows = 4, rowBytes = 64, pitch = 64, write = 2>
    {lda = 16 : i64, ldb = 16 : i64, ldd = 16 : i64, trans_b}
}

// -----

plan.arena device @a {size = 4096 : i64}
plan.buffer @x in @a activation 1024
plan.segment @update {
  // expected-error @+1 {{(C1) source and destination do not fit each other}}
  plan.transpose "x" <buffer = @x, offset = 0, rows = 4, rowBytes = 16, pitch = 16, read = 1>
                  to <buffer = @x, offset = 512, rows = 16, rowBytes = 8, pitch = 8, write = 2>
}
