// RUN: ft-opt %s --split-input-file --verify-diagnostics

func.func @invalid(%x: tensor<16x8xf32>, %y: tensor<15x4xf32>) {
  // expected-error @+1 {{(C1) rows of a matrix is 15; must be 16}}
  %c:2, %s = ft.quantize_rows [%x, %y] fold [] : (tensor<16x8xf32>, tensor<15x4xf32>) -> (tensor<16x8xf8E4M3FN>, tensor<15x4xf8E4M3FN>, tensor<16xf32>)
  return
}

// -----

func.func @invalid(%x: tensor<16x8xf32>) {
  // expected-error @+1 {{(C2) scale has shape [8]; must be [16]}}
  %c, %s = ft.quantize_rows [%x] fold [] : (tensor<16x8xf32>) -> (tensor<16x8xf8E4M3FN>, tensor<8xf32>)
  return
}

// -----

func.func @invalid(%x: tensor<16x8xf32>, %f: tensor<16xf32>) {
  // expected-error @+1 {{(C3) fold has shape [16]; must be [8]}}
  %c, %s = ft.quantize_rows [%x] fold [%f] : (tensor<16x8xf32>, tensor<16xf32>) -> (tensor<16x8xf8E4M3FN>, tensor<16xf32>)
  return
}

// -----

func.func @invalid(%x: tensor<16x8xf64>) {
  // expected-error @+1 {{(C4) quantises f64; must be f32 or bf16}}
  %c, %s = ft.quantize_rows [%x] fold [] : (tensor<16x8xf64>) -> (tensor<16x8xf8E4M3FN>, tensor<16xf32>)
  return
}

// -----

func.func @invalid(%w: tensor<12x8xbf16>) {
  // expected-error @+1 {{(C2) scales has shape [8]; must be [12]}}
  %c, %s = ft.stored %w : (tensor<12x8xbf16>) -> (tensor<12x8xf8E4M3FN>, tensor<8xf32>)
  return
}

// -----

func.func @invalid(%q: tensor<12x8xf8E4M3FN>, %k: tensor<4x8xf8E4M3FN>) {
  // expected-error @+1 {{(C2) result has shape [16, 8]; must be [8, 16]}}
  %t = ft.transpose %q, %k : (tensor<12x8xf8E4M3FN>, tensor<4x8xf8E4M3FN>) -> tensor<16x8xf8E4M3FN>
  return
}

// -----

func.func @invalid(%x: tensor<16x8xf8E4M3FN>, %s: tensor<16xf32>, %w: tensor<12x8xf8E4M3FN>, %v: tensor<8xf32>) {
  // expected-error @+1 {{(C2) scales of a weight has shape [8]; must be [12]}}
  %y = ft.scaled_linear %x, %s, [%w], [%v] : (tensor<16x8xf8E4M3FN>, tensor<16xf32>, tensor<12x8xf8E4M3FN>, tensor<8xf32>) -> tensor<16x12xf32>
  return
}

// -----

func.func @invalid(%x: tensor<16x8xf8E4M3FN>, %s: tensor<16xf32>, %w: tensor<12x8xf8E4M3FN>, %v: tensor<12xf32>, %l: tensor<16x3xbf16>, %b: tensor<12x3xbf16>) {
  // expected-error @+1 {{(C5) low-rank input has elements of type 'bf16'; must be 'f32'}}
  %y = ft.scaled_linear %x, %s, [%w], [%v] low_rank [%l] [%b] {low_rank_of = array<i64: 0>} : (tensor<16x8xf8E4M3FN>, tensor<16xf32>, tensor<12x8xf8E4M3FN>, tensor<12xf32>, tensor<16x3xbf16>, tensor<12x3xbf16>) -> tensor<16x12xf32>
  return
}

// -----

func.func @invalid(%d: tensor<16x12xf8E4M3FN>, %s: tensor<16xf32>, %w: tensor<8x16xf8E4M3FN>, %v: tensor<8xf32>) {
  // expected-error @+1 {{(C1) columns of all gradients is 12; must be 16}}
  %x = ft.scaled_linear_bwd_input [%d], %s, %w, %v : (tensor<16x12xf8E4M3FN>, tensor<16xf32>, tensor<8x16xf8E4M3FN>, tensor<8xf32>) -> tensor<16x8xf32>
  return
}

// -----

func.func @invalid(%d: tensor<16x12xf8E4M3FN>, %s: tensor<16xf32>, %w: tensor<8x12xf8E4M3FN>, %v: tensor<8xf32>, %e: tensor<16x3xf32>, %a: tensor<2x8xf32>) {
  // expected-error @+1 {{(C4) low-rank weight has shape [2, 8]; must be [3, 8]}}
  %x = ft.scaled_linear_bwd_input [%d], %s, %w, %v low_rank [%e] [%a] : (tensor<16x12xf8E4M3FN>, tensor<16xf32>, tensor<8x12xf8E4M3FN>, tensor<8xf32>, tensor<16x3xf32>, tensor<2x8xf32>) -> tensor<16x8xf32>
  return
}
