// RUN: ft-opt %s --split-input-file --verify-diagnostics

func.func @invalid(%x: tensor<16x8xf32>, %w: tensor<12x8xf32>) {
  // expected-error @+1 {{(C1) number of results is 2; must be 1}}
  %y:2 = ft.linear %x, [%w] : (tensor<16x8xf32>, tensor<12x8xf32>) -> (tensor<16x12xf32>, tensor<16x12xf32>)
  return
}

// -----

func.func @invalid(%x: tensor<16x8xf32>, %w: tensor<12x7xf32>) {
  // expected-error @+1 {{(C2) columns of a weight is 7; must be 8}}
  %y = ft.linear %x, [%w] : (tensor<16x8xf32>, tensor<12x7xf32>) -> tensor<16x12xf32>
  return
}

// -----

func.func @invalid(%x: tensor<16x8xf32>, %w: tensor<12x8xbf16>) {
  // expected-error @+1 {{(C2) weight has elements of type 'bf16'; must be 'f32'}}
  %y = ft.linear %x, [%w] : (tensor<16x8xf32>, tensor<12x8xbf16>) -> tensor<16x12xf32>
  return
}

// -----

func.func @invalid(%x: tensor<16x8xf32>, %w: tensor<12x8xf32>) {
  // expected-error @+1 {{(C3) result has shape [16, 8]; must be [16, 12]}}
  %y = ft.linear %x, [%w] : (tensor<16x8xf32>, tensor<12x8xf32>) -> tensor<16x8xf32>
  return
}

// -----

func.func @invalid(%x: tensor<16x8xf32>, %w: tensor<12x8xf32>, %s: tensor<16x3xf32>, %b: tensor<12x3xf32>) {
  // expected-error @+1 {{(C4) length of low_rank_of is 2; must be 1}}
  %y = ft.linear %x, [%w] low_rank [%s] [%b] {low_rank_of = array<i64: 0, 0>} : (tensor<16x8xf32>, tensor<12x8xf32>, tensor<16x3xf32>, tensor<12x3xf32>) -> tensor<16x12xf32>
  return
}

// -----

func.func @invalid(%x: tensor<16x8xf32>, %w: tensor<12x8xf32>, %s: tensor<16x3xf32>, %b: tensor<12x3xf32>) {
  // expected-error @+1 {{(C4) low_rank_of names weight 1; must be in [0, 1)}}
  %y = ft.linear %x, [%w] low_rank [%s] [%b] {low_rank_of = array<i64: 1>} : (tensor<16x8xf32>, tensor<12x8xf32>, tensor<16x3xf32>, tensor<12x3xf32>) -> tensor<16x12xf32>
  return
}

// -----

func.func @invalid(%x: tensor<16x8xf32>, %w: tensor<12x8xf32>, %s: tensor<16x3xf32>, %b: tensor<12x4xf32>) {
  // expected-error @+1 {{(C5) low-rank weight has shape [12, 4]; must be [12, 3]}}
  %y = ft.linear %x, [%w] low_rank [%s] [%b] {low_rank_of = array<i64: 0>} : (tensor<16x8xf32>, tensor<12x8xf32>, tensor<16x3xf32>, tensor<12x4xf32>) -> tensor<16x12xf32>
  return
}

// -----

func.func @invalid(%x: tensor<16x8xf32>, %w: tensor<12x8xf32>, %s: tensor<15x3xf32>, %b: tensor<12x3xf32>) {
  // expected-error @+1 {{(C5) rows of a low-rank input is 15; must be 16}}
  %y = ft.linear %x, [%w] low_rank [%s] [%b] {low_rank_of = array<i64: 0>} : (tensor<16x8xf32>, tensor<12x8xf32>, tensor<15x3xf32>, tensor<12x3xf32>) -> tensor<16x12xf32>
  return
}

// -----

func.func @invalid(%x: tensor<16x8xf32>, %w: tensor<12x8xf32>, %s: tensor<16x3xbf16>, %b: tensor<12x3xf32>) {
  // expected-error @+1 {{(C5) low-rank input has elements of type 'bf16'; must be 'f32'}}
  %y = ft.linear %x, [%w] low_rank [%s] [%b] {low_rank_of = array<i64: 0>} : (tensor<16x8xf32>, tensor<12x8xf32>, tensor<16x3xbf16>, tensor<12x3xf32>) -> tensor<16x12xf32>
  return
}

// -----

func.func @invalid(%x: tensor<16x8xf32>) {
  // expected-error @+1 {{(C1) has no weight; must have at least one}}
  "ft.linear"(%x) {low_rank_of = array<i64>, operandSegmentSizes = array<i32: 1, 0, 0, 0>} : (tensor<16x8xf32>) -> ()
  return
}

// -----

func.func @invalid(%x: tensor<16x8xf32>, %w: tensor<12x8xf32>, %s: tensor<16x3xf32>, %b: tensor<12x3xf32>) {
  // expected-error @+1 {{(C4) number of low-rank weights is 2; must be 1}}
  %y = ft.linear %x, [%w] low_rank [%s] [%b, %b] {low_rank_of = array<i64: 0>} : (tensor<16x8xf32>, tensor<12x8xf32>, tensor<16x3xf32>, tensor<12x3xf32>, tensor<12x3xf32>) -> tensor<16x12xf32>
  return
}

// -----

func.func @invalid(%x: tensor<16x8xf32>, %w: tensor<12x8xf32>, %s: tensor<16x3xf32>, %b: tensor<12x3xbf16>) {
  // expected-error @+1 {{(C5) low-rank weight has elements of type 'bf16'; must be 'f32'}}
  %y = ft.linear %x, [%w] low_rank [%s] [%b] {low_rank_of = array<i64: 0>} : (tensor<16x8xf32>, tensor<12x8xf32>, tensor<16x3xf32>, tensor<12x3xbf16>) -> tensor<16x12xf32>
  return
}

// -----

func.func @invalid() {
  // expected-error @+1 {{(C1) has no gradient; must have at least one}}
  %dx = ft.linear_bwd_input [], [] : () -> tensor<16x8xf32>
  return
}

// -----

func.func @invalid(%d: tensor<16x12xf32>, %w: tensor<12x8xf32>, %e: tensor<16x4xbf16>, %v: tensor<4x8xbf16>) {
  // expected-error @+1 {{(C4) gradient has elements of type 'bf16'; must be 'f32'}}
  %dx = ft.linear_bwd_input [%d, %e], [%w, %v] : (tensor<16x12xf32>, tensor<16x4xbf16>, tensor<12x8xf32>, tensor<4x8xbf16>) -> tensor<16x8xf32>
  return
}

// -----

func.func @invalid(%d: tensor<16x12xbf16>, %x: tensor<16x8xf32>) {
  // expected-error @+1 {{(C1) gradient has elements of type 'bf16'; must be 'f32'}}
  %dw = ft.linear_bwd_weight %d, %x : (tensor<16x12xbf16>, tensor<16x8xf32>) -> tensor<12x8xf32>
  return
}

// -----

func.func @invalid(%d: tensor<16x11xf32>, %w: tensor<12x8xf32>) {
  // expected-error @+1 {{(C2) gradient has shape [16, 11]; must be [16, 12]}}
  %dx = ft.linear_bwd_input [%d], [%w] : (tensor<16x11xf32>, tensor<12x8xf32>) -> tensor<16x8xf32>
  return
}

// -----

func.func @invalid(%d: tensor<16x12xf32>, %w: tensor<12x7xf32>) {
  // expected-error @+1 {{(C3) columns of a weight is 7; must be 8}}
  %dx = ft.linear_bwd_input [%d], [%w] : (tensor<16x12xf32>, tensor<12x7xf32>) -> tensor<16x8xf32>
  return
}

// -----

func.func @invalid(%d: tensor<16x12xf32>, %w: tensor<12x8xbf16>) {
  // expected-error @+1 {{(C4) weight has elements of type 'bf16'; must be 'f32'}}
  %dx = ft.linear_bwd_input [%d], [%w] : (tensor<16x12xf32>, tensor<12x8xbf16>) -> tensor<16x8xf32>
  return
}

// -----

func.func @invalid(%d: tensor<15x12xf32>, %x: tensor<16x8xf32>) {
  // expected-error @+1 {{(C1) rows of the gradient is 15; must be 16}}
  %dw = ft.linear_bwd_weight %d, %x : (tensor<15x12xf32>, tensor<16x8xf32>) -> tensor<12x8xf32>
  return
}

// -----

func.func @invalid(%d: tensor<16x12xf32>, %x: tensor<16x8xf32>) {
  // expected-error @+1 {{(C2) dw has shape [8, 12]; must be [12, 8]}}
  %dw = ft.linear_bwd_weight %d, %x : (tensor<16x12xf32>, tensor<16x8xf32>) -> tensor<8x12xf32>
  return
}

// -----

func.func @invalid(%d: tensor<16x12xbf16>, %x: tensor<16x8xbf16>, %a: tensor<12x8xbf16>) {
  // expected-error @+1 {{(C3) accumulate has type 'tensor<12x8xbf16>'; must be 'tensor<12x8xf32>'}}
  %dw = ft.linear_bwd_weight %d, %x accumulate %a : (tensor<16x12xbf16>, tensor<16x8xbf16>, tensor<12x8xbf16>) -> tensor<12x8xf32>
  return
}

// -----

func.func @invalid(%q: tensor<16x8xf32>, %k: tensor<16x4xf32>, %v: tensor<16x4xf32>, %start: tensor<16xi32>, %offsets: tensor<5xi32>, %lens: tensor<4xi32>) {
  // expected-error @+1 {{(C1) heads is 2 and kv_heads 3; heads must be a positive multiple of kv_heads}}
  %o, %lse = ft.attention %q, %k, %v, %start, %offsets, %lens {heads = 2 : i64, kv_heads = 3 : i64, head_dim = 4 : i64, sequence_len = 8 : i64, scale = 0.5 : f64} : (tensor<16x8xf32>, tensor<16x4xf32>, tensor<16x4xf32>, tensor<16xi32>, tensor<5xi32>, tensor<4xi32>) -> (tensor<16x8xf32>, tensor<16x2xf32>)
  return
}

// -----

func.func @invalid(%q: tensor<16x8xf32>, %k: tensor<16x4xf32>, %v: tensor<16x4xf32>, %start: tensor<16xi32>, %offsets: tensor<5xi32>, %lens: tensor<4xi32>) {
  // expected-error @+1 {{(C2) sequence_len is 5; must divide the 16 tokens}}
  %o, %lse = ft.attention %q, %k, %v, %start, %offsets, %lens {heads = 2 : i64, kv_heads = 1 : i64, head_dim = 4 : i64, sequence_len = 5 : i64, scale = 0.5 : f64} : (tensor<16x8xf32>, tensor<16x4xf32>, tensor<16x4xf32>, tensor<16xi32>, tensor<5xi32>, tensor<4xi32>) -> (tensor<16x8xf32>, tensor<16x2xf32>)
  return
}

// -----

func.func @invalid(%q: tensor<16x8xf32>, %k: tensor<16x8xf32>, %v: tensor<16x8xf32>, %start: tensor<16xi32>, %offsets: tensor<5xi32>, %lens: tensor<4xi32>) {
  // expected-error @+1 {{(C3) k has shape [16, 8]; must be [16, 4]}}
  %o, %lse = ft.attention %q, %k, %v, %start, %offsets, %lens {heads = 2 : i64, kv_heads = 1 : i64, head_dim = 4 : i64, sequence_len = 8 : i64, scale = 0.5 : f64} : (tensor<16x8xf32>, tensor<16x8xf32>, tensor<16x8xf32>, tensor<16xi32>, tensor<5xi32>, tensor<4xi32>) -> (tensor<16x8xf32>, tensor<16x2xf32>)
  return
}

// -----

func.func @invalid(%q: tensor<16x8xf32>, %k: tensor<16x4xf32>, %v: tensor<16x4xbf16>, %start: tensor<16xi32>, %offsets: tensor<5xi32>, %lens: tensor<4xi32>) {
  // expected-error @+1 {{(C3) v has type 'tensor<16x4xbf16>'; must be 'tensor<16x4xf32>'}}
  %o, %lse = ft.attention %q, %k, %v, %start, %offsets, %lens {heads = 2 : i64, kv_heads = 1 : i64, head_dim = 4 : i64, sequence_len = 8 : i64, scale = 0.5 : f64} : (tensor<16x8xf32>, tensor<16x4xf32>, tensor<16x4xbf16>, tensor<16xi32>, tensor<5xi32>, tensor<4xi32>) -> (tensor<16x8xf32>, tensor<16x2xf32>)
  return
}

// -----

func.func @invalid(%q: tensor<16x8xf32>, %k: tensor<16x4xf32>, %v: tensor<16x4xf32>, %start: tensor<16xi32>, %offsets: tensor<5xi32>, %lens: tensor<4xi32>) {
  // expected-error @+1 {{(C4) lse has shape [16, 1]; must be [16, 2]}}
  %o, %lse = ft.attention %q, %k, %v, %start, %offsets, %lens {heads = 2 : i64, kv_heads = 1 : i64, head_dim = 4 : i64, sequence_len = 8 : i64, scale = 0.5 : f64} : (tensor<16x8xf32>, tensor<16x4xf32>, tensor<16x4xf32>, tensor<16xi32>, tensor<5xi32>, tensor<4xi32>) -> (tensor<16x8xf32>, tensor<16x1xf32>)
  return
}

// -----

func.func @invalid(%q: tensor<16x8xf32>, %k: tensor<16x4xf32>, %v: tensor<16x4xf32>, %start: tensor<8xi32>, %offsets: tensor<5xi32>, %lens: tensor<4xi32>) {
  // expected-error @+1 {{(C5) length of document_start is 8; must be 16}}
  %o, %lse = ft.attention %q, %k, %v, %start, %offsets, %lens {heads = 2 : i64, kv_heads = 1 : i64, head_dim = 4 : i64, sequence_len = 8 : i64, scale = 0.5 : f64} : (tensor<16x8xf32>, tensor<16x4xf32>, tensor<16x4xf32>, tensor<8xi32>, tensor<5xi32>, tensor<4xi32>) -> (tensor<16x8xf32>, tensor<16x2xf32>)
  return
}

// -----

func.func @invalid(%q: tensor<16x8xf32>, %k: tensor<16x4xf32>, %v: tensor<16x4xf32>, %start: tensor<16xi32>, %offsets: tensor<5xi32>, %lens: tensor<5xi32>) {
  // expected-error @+1 {{(C5) length of document_offsets is 5; must be 6}}
  %o, %lse = ft.attention %q, %k, %v, %start, %offsets, %lens {heads = 2 : i64, kv_heads = 1 : i64, head_dim = 4 : i64, sequence_len = 8 : i64, scale = 0.5 : f64} : (tensor<16x8xf32>, tensor<16x4xf32>, tensor<16x4xf32>, tensor<16xi32>, tensor<5xi32>, tensor<5xi32>) -> (tensor<16x8xf32>, tensor<16x2xf32>)
  return
}

// -----

func.func @invalid(%q: tensor<16x8xf32>, %k: tensor<16x4xf32>, %v: tensor<16x4xf32>, %start: tensor<16xi32>, %offsets: tensor<5xi32>, %lens: tensor<4xi32>) {
  // expected-error @+1 {{(C6) scale is 0; must be at least}}
  %o, %lse = ft.attention %q, %k, %v, %start, %offsets, %lens {heads = 2 : i64, kv_heads = 1 : i64, head_dim = 4 : i64, sequence_len = 8 : i64, scale = 0.0 : f64} : (tensor<16x8xf32>, tensor<16x4xf32>, tensor<16x4xf32>, tensor<16xi32>, tensor<5xi32>, tensor<4xi32>) -> (tensor<16x8xf32>, tensor<16x2xf32>)
  return
}

// -----

func.func @invalid(%q: tensor<16x8xf32>, %k: tensor<16x4xf32>, %v: tensor<16x4xf32>, %start: tensor<16xi32>, %offsets: tensor<5xi32>, %lens: tensor<4xi32>) {
  // expected-error @+1 {{(C7) window is 0; must be at least 1}}
  %o, %lse = ft.attention %q, %k, %v, %start, %offsets, %lens {heads = 2 : i64, kv_heads = 1 : i64, head_dim = 4 : i64, sequence_len = 8 : i64, scale = 0.5 : f64, window = 0 : i64} : (tensor<16x8xf32>, tensor<16x4xf32>, tensor<16x4xf32>, tensor<16xi32>, tensor<5xi32>, tensor<4xi32>) -> (tensor<16x8xf32>, tensor<16x2xf32>)
  return
}

// -----

func.func @invalid(%d_o: tensor<16x8xf32>, %q: tensor<16x8xf32>, %k: tensor<16x4xf32>, %v: tensor<16x4xf32>, %o: tensor<16x8xf32>, %lse: tensor<16x2xf32>, %start: tensor<16xi32>, %offsets: tensor<5xi32>, %lens: tensor<4xi32>) {
  // expected-error @+1 {{(C3) q has shape [16, 8]; must be [16, 12]}}
  %d_q, %d_k, %d_v = ft.attention_bwd %d_o, %q, %k, %v, %o, %lse, %start, %offsets, %lens {heads = 3 : i64, kv_heads = 1 : i64, head_dim = 4 : i64, sequence_len = 8 : i64, scale = 0.5 : f64} : (tensor<16x8xf32>, tensor<16x8xf32>, tensor<16x4xf32>, tensor<16x4xf32>, tensor<16x8xf32>, tensor<16x2xf32>, tensor<16xi32>, tensor<5xi32>, tensor<4xi32>) -> (tensor<16x8xf32>, tensor<16x4xf32>, tensor<16x4xf32>)
  return
}

// -----

func.func @invalid(%d_o: tensor<16x8xbf16>, %q: tensor<16x8xf32>, %k: tensor<16x4xf32>, %v: tensor<16x4xf32>, %o: tensor<16x8xf32>, %lse: tensor<16x2xf32>, %start: tensor<16xi32>, %offsets: tensor<5xi32>, %lens: tensor<4xi32>) {
  // expected-error @+1 {{(C8) d_o has type 'tensor<16x8xbf16>'; must be 'tensor<16x8xf32>'}}
  %d_q, %d_k, %d_v = ft.attention_bwd %d_o, %q, %k, %v, %o, %lse, %start, %offsets, %lens {heads = 2 : i64, kv_heads = 1 : i64, head_dim = 4 : i64, sequence_len = 8 : i64, scale = 0.5 : f64} : (tensor<16x8xbf16>, tensor<16x8xf32>, tensor<16x4xf32>, tensor<16x4xf32>, tensor<16x8xf32>, tensor<16x2xf32>, tensor<16xi32>, tensor<5xi32>, tensor<4xi32>) -> (tensor<16x8xf32>, tensor<16x4xf32>, tensor<16x4xf32>)
  return
}

// -----

func.func @invalid(%d_o: tensor<16x8xf32>, %q: tensor<16x8xf32>, %k: tensor<16x4xf32>, %v: tensor<16x4xf32>, %o: tensor<16x8xf32>, %lse: tensor<16x2xf32>, %start: tensor<16xi32>, %offsets: tensor<5xi32>, %lens: tensor<4xi32>) {
  // expected-error @+1 {{(C8) d_k has type 'tensor<16x8xf32>'; must be 'tensor<16x4xf32>'}}
  %d_q, %d_k, %d_v = ft.attention_bwd %d_o, %q, %k, %v, %o, %lse, %start, %offsets, %lens {heads = 2 : i64, kv_heads = 1 : i64, head_dim = 4 : i64, sequence_len = 8 : i64, scale = 0.5 : f64} : (tensor<16x8xf32>, tensor<16x8xf32>, tensor<16x4xf32>, tensor<16x4xf32>, tensor<16x8xf32>, tensor<16x2xf32>, tensor<16xi32>, tensor<5xi32>, tensor<4xi32>) -> (tensor<16x8xf32>, tensor<16x8xf32>, tensor<16x4xf32>)
  return
}

// -----

func.func @invalid(%x: tensor<16x8xf32>, %w: tensor<32x7xf32>, %t: tensor<16xi32>, %s: tensor<8xf64>) {
  // expected-error @+1 {{(C1) columns of weight is 7; must be 8}}
  %l = ft.head_loss %x, %w, %t, %s : (tensor<16x8xf32>, tensor<32x7xf32>, tensor<16xi32>, tensor<8xf64>) -> tensor<1xf64>
  return
}

// -----

func.func @invalid(%x: tensor<16x8xf32>, %w: tensor<32x8xf32>, %t: tensor<15xi32>, %s: tensor<8xf64>) {
  // expected-error @+1 {{(C2) length of labels is 15; must be 16}}
  %l = ft.head_loss %x, %w, %t, %s : (tensor<16x8xf32>, tensor<32x8xf32>, tensor<15xi32>, tensor<8xf64>) -> tensor<1xf64>
  return
}

// -----

func.func @invalid(%x: tensor<16x8xf32>, %w: tensor<32x8xf32>, %t: tensor<16xi32>, %s: tensor<8xf64>) {
  // expected-error @+1 {{(C3) dx has type 'tensor<16x4xf32>'; must be 'tensor<16x8xf32>'}}
  %l, %dx = ft.head_loss_grad %x, %w, %t, %s : (tensor<16x8xf32>, tensor<32x8xf32>, tensor<16xi32>, tensor<8xf64>) -> (tensor<1xf64>, tensor<16x4xf32>)
  return
}

// -----

func.func @invalid(%x: tensor<16x8xf32>, %w: tensor<32x8xf32>, %t: tensor<16xi32>, %s: tensor<8xf64>) {
  // expected-error @+1 {{(C4) dw has shape [31, 8]; must be [32, 8]}}
  %l, %dx, %dw = ft.head_loss_grad %x, %w, %t, %s : (tensor<16x8xf32>, tensor<32x8xf32>, tensor<16xi32>, tensor<8xf64>) -> (tensor<1xf64>, tensor<16x8xf32>, tensor<31x8xf32>)
  return
}

// -----

func.func @invalid(%x: tensor<16x8xf32>, %w: tensor<32x8xf32>, %t: tensor<16xi32>, %s: tensor<8xf64>, %a: tensor<32x8xf32>) {
  // expected-error @+1 {{(C5) accumulates a weight gradient that it does not return}}
  %l, %dx = ft.head_loss_grad %x, %w, %t, %s accumulate %a : (tensor<16x8xf32>, tensor<32x8xf32>, tensor<16xi32>, tensor<8xf64>, tensor<32x8xf32>) -> (tensor<1xf64>, tensor<16x8xf32>)
  return
}

// -----

func.func @invalid(%w: tensor<12x8xf32>, %b: tensor<12x3xf32>) {
  // expected-error @+1 {{(C1) number of results is 1; must be 2}}
  %m = ft.dequantize [%w] below [] beside [%b] {beside_of = array<i64: 0>} : (tensor<12x8xf32>, tensor<12x3xf32>) -> tensor<12x8xf32>
  return
}

// -----

func.func @invalid(%w: tensor<12x8xf32>, %b: tensor<12x3xbf16>) {
  // expected-error @+1 {{(C1) operand has elements of type 'bf16'; must be 'f32'}}
  %m:2 = ft.dequantize [%w] below [] beside [%b] {beside_of = array<i64: 0>} : (tensor<12x8xf32>, tensor<12x3xbf16>) -> (tensor<12x8xf32>, tensor<12x3xbf16>)
  return
}

// -----

func.func @invalid(%w: tensor<12x8xf32>, %a: tensor<3x9xf32>) {
  // expected-error @+1 {{(C2) columns is 9; must be 8}}
  %m:2 = ft.dequantize [%w] below [%a] beside [] : (tensor<12x8xf32>, tensor<3x9xf32>) -> (tensor<12x8xf32>, tensor<3x9xf32>)
  return
}

// -----

func.func @invalid(%w: tensor<12x8xf32>, %b: tensor<12x3xf32>) {
  // expected-error @+1 {{(C3) length of beside_of is 0; must be 1}}
  %m:2 = ft.dequantize [%w] below [] beside [%b] : (tensor<12x8xf32>, tensor<12x3xf32>) -> (tensor<12x8xf32>, tensor<12x3xf32>)
  return
}

// -----

func.func @invalid(%w: tensor<12x8xf32>, %b: tensor<12x3xf32>) {
  // expected-error @+1 {{(C3) beside_of names weight 1; must be in [0, 1)}}
  %m:2 = ft.dequantize [%w] below [] beside [%b] {beside_of = array<i64: 1>} : (tensor<12x8xf32>, tensor<12x3xf32>) -> (tensor<12x8xf32>, tensor<12x3xf32>)
  return
}

// -----

func.func @invalid(%w: tensor<12x8xf32>, %b: tensor<11x3xf32>) {
  // expected-error @+1 {{(C3) rows beside a weight is 11; must be 12}}
  %m:2 = ft.dequantize [%w] below [] beside [%b] {beside_of = array<i64: 0>} : (tensor<12x8xf32>, tensor<11x3xf32>) -> (tensor<12x8xf32>, tensor<11x3xf32>)
  return
}
