// RUN: ft-opt %s --split-input-file --verify-diagnostics

func.func @invalid(%t: tensor<32x8xf32>, %ids: tensor<16xi32>) {
  // expected-error @+1 {{(C1) result has shape [16, 4]; must be [16, 8]}}
  %x = ft.embedding %t, %ids : (tensor<32x8xf32>, tensor<16xi32>) -> tensor<16x4xf32>
  return
}

// -----

func.func @invalid(%g: tensor<16x8xf32>, %p: tensor<15xi32>, %s: tensor<13xi32>, %i: tensor<12xi32>) {
  // expected-error @+1 {{(C1) length of positions is 15; must be 16}}
  %w = ft.embedding_grad %g, %p, %s, %i : (tensor<16x8xf32>, tensor<15xi32>, tensor<13xi32>, tensor<12xi32>) -> tensor<32x8xf32>
  return
}

// -----

func.func @invalid(%g: tensor<16x8xf32>, %p: tensor<16xi32>, %s: tensor<12xi32>, %i: tensor<12xi32>) {
  // expected-error @+1 {{(C2) length of starts is 12; must be 13}}
  %w = ft.embedding_grad %g, %p, %s, %i : (tensor<16x8xf32>, tensor<16xi32>, tensor<12xi32>, tensor<12xi32>) -> tensor<32x8xf32>
  return
}

// -----

func.func @invalid(%g: tensor<16x8xf32>, %p: tensor<16xi32>, %s: tensor<13xi32>, %i: tensor<12xi32>) {
  // expected-error @+1 {{(C3) columns of the result is 4; must be 8}}
  %w = ft.embedding_grad %g, %p, %s, %i : (tensor<16x8xf32>, tensor<16xi32>, tensor<13xi32>, tensor<12xi32>) -> tensor<32x4xf32>
  return
}

// -----

func.func @invalid(%g: tensor<16x8xf32>, %p: tensor<16xi32>, %s: tensor<13xi32>, %i: tensor<12xi32>, %a: tensor<32x8xbf16>) {
  // expected-error @+1 {{(C4) accumulate has type 'tensor<32x8xbf16>'; must be 'tensor<32x8xf32>'}}
  %w = ft.embedding_grad %g, %p, %s, %i accumulate %a : (tensor<16x8xf32>, tensor<16xi32>, tensor<13xi32>, tensor<12xi32>, tensor<32x8xbf16>) -> tensor<32x8xf32>
  return
}

// -----

func.func @invalid(%x: tensor<16x8xf32>, %w: tensor<8xf32>) {
  // expected-error @+1 {{(C1) y has shape [16, 4]; must be [16, 8]}}
  %y, %r = ft.rms_norm %x, %w {eps = 0.1 : f64} : (tensor<16x8xf32>, tensor<8xf32>) -> (tensor<16x4xf32>, tensor<16xf32>)
  return
}

// -----

func.func @invalid(%x: tensor<16x8xf32>, %w: tensor<16xf32>) {
  // expected-error @+1 {{(C2) weight has 16 elements; must be a divisor of the 8 columns of x}}
  %y, %r = ft.rms_norm %x, %w {eps = 0.1 : f64} : (tensor<16x8xf32>, tensor<16xf32>) -> (tensor<16x8xf32>, tensor<16xf32>)
  return
}

// -----

func.func @invalid(%x: tensor<16x8xf32>, %w: tensor<8xf32>) {
  // expected-error @+1 {{(C3) rstd has shape [8]; must be [16]}}
  %y, %r = ft.rms_norm %x, %w {eps = 0.1 : f64} : (tensor<16x8xf32>, tensor<8xf32>) -> (tensor<16x8xf32>, tensor<8xf32>)
  return
}

// -----

func.func @invalid(%x: tensor<16x8xf32>, %w: tensor<8xf32>) {
  // expected-error @+1 {{(C4) eps is -0.1; must be at least 0}}
  %y, %r = ft.rms_norm %x, %w {eps = -0.1 : f64} : (tensor<16x8xf32>, tensor<8xf32>) -> (tensor<16x8xf32>, tensor<16xf32>)
  return
}

// -----

func.func @invalid(%x: tensor<16x8xf32>, %r: tensor<16xf32>, %w: tensor<8xf32>) {
  // expected-error @+1 {{(C1) y has shape [8, 16]; must be [16, 8]}}
  %y = ft.rms_norm_apply %x, %r, %w : (tensor<16x8xf32>, tensor<16xf32>, tensor<8xf32>) -> tensor<8x16xf32>
  return
}

// -----

func.func @invalid(%x: tensor<16x8xf32>, %r: tensor<16xf32>, %w: tensor<16xf32>) {
  // expected-error @+1 {{(C2) weight has 16 elements; must be a divisor of the 8 columns of x}}
  %y = ft.rms_norm_apply %x, %r, %w : (tensor<16x8xf32>, tensor<16xf32>, tensor<16xf32>) -> tensor<16x8xf32>
  return
}

// -----

func.func @invalid(%x: tensor<16x8xf32>, %r: tensor<8xf32>, %w: tensor<8xf32>) {
  // expected-error @+1 {{(C3) rstd has shape [8]; must be [16]}}
  %y = ft.rms_norm_apply %x, %r, %w : (tensor<16x8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<16x8xf32>
  return
}

// -----

func.func @invalid(%dy: tensor<16x8xf32>, %x: tensor<16x8xf32>, %w: tensor<8xf32>, %r: tensor<16xf32>) {
  // expected-error @+1 {{(C1) dx has type 'tensor<16x8xbf16>'; must be 'tensor<16x8xf32>'}}
  %dx = ft.rms_norm_bwd %dy, %x, %w, %r : (tensor<16x8xf32>, tensor<16x8xf32>, tensor<8xf32>, tensor<16xf32>) -> tensor<16x8xbf16>
  return
}

// -----

func.func @invalid(%dy: tensor<16x8xf32>, %x: tensor<16x8xf32>, %w: tensor<7xf32>, %r: tensor<16xf32>) {
  // expected-error @+1 {{(C2) weight has 7 elements; must be a divisor of the 8 columns of x}}
  %dx = ft.rms_norm_bwd %dy, %x, %w, %r : (tensor<16x8xf32>, tensor<16x8xf32>, tensor<7xf32>, tensor<16xf32>) -> tensor<16x8xf32>
  return
}

// -----

func.func @invalid(%dy: tensor<16x8xf32>, %x: tensor<16x8xf32>, %w: tensor<8xf32>, %r: tensor<15xf32>) {
  // expected-error @+1 {{(C3) rstd has shape [15]; must be [16]}}
  %dx = ft.rms_norm_bwd %dy, %x, %w, %r : (tensor<16x8xf32>, tensor<16x8xf32>, tensor<8xf32>, tensor<15xf32>) -> tensor<16x8xf32>
  return
}

// -----

func.func @invalid(%dy: tensor<8x16xf32>, %x: tensor<16x8xf32>, %r: tensor<16xf32>) {
  // expected-error @+1 {{(C1) dy has shape [8, 16]; must be [16, 8]}}
  %dw = ft.rms_norm_weight_grad %dy, %x, %r : (tensor<8x16xf32>, tensor<16x8xf32>, tensor<16xf32>) -> tensor<8xf32>
  return
}

// -----

func.func @invalid(%dy: tensor<16x8xf32>, %x: tensor<16x8xf32>, %r: tensor<16xf32>) {
  // expected-error @+1 {{(C2) dw has 16 elements; must be a divisor of the 8 columns of x}}
  %dw = ft.rms_norm_weight_grad %dy, %x, %r : (tensor<16x8xf32>, tensor<16x8xf32>, tensor<16xf32>) -> tensor<16xf32>
  return
}

// -----

func.func @invalid(%dy: tensor<16x8xf32>, %x: tensor<16x8xf32>, %r: tensor<8xf32>) {
  // expected-error @+1 {{(C3) rstd has shape [8]; must be [16]}}
  %dw = ft.rms_norm_weight_grad %dy, %x, %r : (tensor<16x8xf32>, tensor<16x8xf32>, tensor<8xf32>) -> tensor<8xf32>
  return
}

// -----

func.func @invalid(%dy: tensor<16x8xf32>, %x: tensor<16x8xf32>, %r: tensor<16xf32>, %a: tensor<7xf32>) {
  // expected-error @+1 {{(C4) accumulate has type 'tensor<7xf32>'; must be 'tensor<8xf32>'}}
  %dw = ft.rms_norm_weight_grad %dy, %x, %r accumulate %a : (tensor<16x8xf32>, tensor<16x8xf32>, tensor<16xf32>, tensor<7xf32>) -> tensor<8xf32>
  return
}

// -----

func.func @invalid(%q: tensor<16x8xf32>, %k: tensor<16x4xf32>, %p: tensor<16xi32>, %c: tensor<8x2xf32>, %s: tensor<8x2xf32>) {
  // expected-error @+1 {{(C1) head_dim is 3; must be positive and even}}
  %a, %b = ft.rope %q, %k, %p, %c, %s {head_dim = 3 : i64} : (tensor<16x8xf32>, tensor<16x4xf32>, tensor<16xi32>, tensor<8x2xf32>, tensor<8x2xf32>) -> (tensor<16x8xf32>, tensor<16x4xf32>)
  return
}

// -----

func.func @invalid(%q: tensor<16x8xf32>, %k: tensor<16x4xf32>, %p: tensor<16xi32>, %c: tensor<8x2xf32>, %s: tensor<8x2xf32>) {
  // expected-error @+1 {{(C2) q_out has type 'tensor<16x4xf32>'; must be 'tensor<16x8xf32>'}}
  %a, %b = ft.rope %q, %k, %p, %c, %s {head_dim = 4 : i64} : (tensor<16x8xf32>, tensor<16x4xf32>, tensor<16xi32>, tensor<8x2xf32>, tensor<8x2xf32>) -> (tensor<16x4xf32>, tensor<16x4xf32>)
  return
}

// -----

func.func @invalid(%q: tensor<16x8xf32>, %k: tensor<16x6xf32>, %p: tensor<16xi32>, %c: tensor<8x2xf32>, %s: tensor<8x2xf32>) {
  // expected-error @+1 {{(C3) columns modulo head_dim is 2; must be 0}}
  %a, %b = ft.rope %q, %k, %p, %c, %s {head_dim = 4 : i64} : (tensor<16x8xf32>, tensor<16x6xf32>, tensor<16xi32>, tensor<8x2xf32>, tensor<8x2xf32>) -> (tensor<16x8xf32>, tensor<16x6xf32>)
  return
}

// -----

func.func @invalid(%q: tensor<16x8xf32>, %k: tensor<16x4xf32>, %p: tensor<15xi32>, %c: tensor<8x2xf32>, %s: tensor<8x2xf32>) {
  // expected-error @+1 {{(C4) tokens is 16; must be 15}}
  %a, %b = ft.rope %q, %k, %p, %c, %s {head_dim = 4 : i64} : (tensor<16x8xf32>, tensor<16x4xf32>, tensor<15xi32>, tensor<8x2xf32>, tensor<8x2xf32>) -> (tensor<16x8xf32>, tensor<16x4xf32>)
  return
}

// -----

func.func @invalid(%q: tensor<16x8xf32>, %k: tensor<16x4xf32>, %p: tensor<16xi32>, %c: tensor<8x4xf32>, %s: tensor<8x2xf32>) {
  // expected-error @+1 {{(C5) columns of cos is 4; must be 2}}
  %a, %b = ft.rope %q, %k, %p, %c, %s {head_dim = 4 : i64} : (tensor<16x8xf32>, tensor<16x4xf32>, tensor<16xi32>, tensor<8x4xf32>, tensor<8x2xf32>) -> (tensor<16x8xf32>, tensor<16x4xf32>)
  return
}

// -----

func.func @invalid(%q: tensor<16x8xf32>, %k: tensor<16x4xf32>, %p: tensor<16xi32>, %c: tensor<8x2xf32>, %s: tensor<7x2xf32>) {
  // expected-error @+1 {{(C5) sin has type 'tensor<7x2xf32>'; must be 'tensor<8x2xf32>'}}
  %a, %b = ft.rope %q, %k, %p, %c, %s {head_dim = 4 : i64} : (tensor<16x8xf32>, tensor<16x4xf32>, tensor<16xi32>, tensor<8x2xf32>, tensor<7x2xf32>) -> (tensor<16x8xf32>, tensor<16x4xf32>)
  return
}

// -----

func.func @invalid(%g: tensor<16x8xf32>, %u: tensor<16x8xbf16>) {
  // expected-error @+1 {{(C1) up has type 'tensor<16x8xbf16>'; must be 'tensor<16x8xf32>'}}
  %y = ft.swiglu %g, %u : (tensor<16x8xf32>, tensor<16x8xbf16>) -> tensor<16x8xf32>
  return
}

// -----

func.func @invalid(%d: tensor<16x8xf32>, %g: tensor<16x8xf32>, %u: tensor<16x8xf32>) {
  // expected-error @+1 {{(C1) d_up has type 'tensor<8x8xf32>'; must be 'tensor<16x8xf32>'}}
  %a, %b = ft.swiglu_bwd %d, %g, %u : (tensor<16x8xf32>, tensor<16x8xf32>, tensor<16x8xf32>) -> (tensor<16x8xf32>, tensor<8x8xf32>)
  return
}

// -----

func.func @invalid(%a: tensor<16x8xf32>, %b: tensor<8x16xf32>) {
  // expected-error @+1 {{(C1) rhs has shape [8, 16]; must be [16, 8]}}
  %y = ft.add %a, %b : (tensor<16x8xf32>, tensor<8x16xf32>) -> tensor<16x8xf32>
  return
}

// -----

func.func @invalid(%a: tensor<16x8xf32>) {
  // expected-error @+1 {{(C1) result has shape [8, 16]; must be [16, 8]}}
  %y = ft.cast %a : tensor<16x8xf32> to tensor<8x16xbf16>
  return
}

// -----

func.func @invalid(%a: tensor<16x8xf32>) {
  // expected-error @+1 {{(C2) casts 'f32' to itself}}
  %y = ft.cast %a : tensor<16x8xf32> to tensor<16x8xf32>
  return
}

// -----

func.func @invalid(%x: tensor<16x8xf32>, %k: tensor<1xi64>, %s: tensor<8xf64>) {
  // expected-error @+1 {{(C1) result has type 'tensor<16x8xbf16>'; must be 'tensor<16x8xf32>'}}
  %y = ft.dropout %x, %k, %s {p = 0.1 : f64} : (tensor<16x8xf32>, tensor<1xi64>, tensor<8xf64>) -> tensor<16x8xbf16>
  return
}

// -----

func.func @invalid(%x: tensor<16x8xf32>, %k: tensor<1xi64>, %s: tensor<8xf64>) {
  // expected-error @+1 {{(C2) p is 1; must be in [0, 1)}}
  %y = ft.dropout %x, %k, %s {p = 1.0 : f64} : (tensor<16x8xf32>, tensor<1xi64>, tensor<8xf64>) -> tensor<16x8xf32>
  return
}

// -----

func.func @invalid(%x: tensor<16x8xf32>, %k: tensor<4xi64>, %s: tensor<8xf64>) {
  // expected-error @+1 {{(C3) length of key is 4; must be 1}}
  %y = ft.dropout %x, %k, %s {p = 0.1 : f64} : (tensor<16x8xf32>, tensor<4xi64>, tensor<8xf64>) -> tensor<16x8xf32>
  return
}

// -----

func.func @invalid(%x: tensor<16x8xf32>, %k: tensor<1xi64>, %s: tensor<8xf64>) {
  // expected-error @+1 {{(C4) #ft.padding<dim = 1, used = 3, block = 4> does not fit 'tensor<16x8xf32>': must be of dimension 1, with multiples of 4}}
  %y = ft.dropout %x, %k, %s {p = 0.1 : f64, padding = #ft.padding<dim = 1, used = 3, block = 4>} : (tensor<16x8xf32>, tensor<1xi64>, tensor<8xf64>) -> tensor<16x8xf32>
  return
}

// -----

func.func @invalid(%x: tensor<16x8xf32>, %i: tensor<2xi32>) {
  // expected-error @+1 {{(C1) length of index is 2; must be 1}}
  %y = ft.gather_row %x, %i : (tensor<16x8xf32>, tensor<2xi32>) -> tensor<1x8xf32>
  return
}

// -----

func.func @invalid(%x: tensor<16x8xf32>, %i: tensor<1xi32>) {
  // expected-error @+1 {{(C2) result has shape [2, 8]; must be [1, 8]}}
  %y = ft.gather_row %x, %i : (tensor<16x8xf32>, tensor<1xi32>) -> tensor<2x8xf32>
  return
}

// -----

func.func @invalid(%x: tensor<16x8xf32>, %w: tensor<4xf32>) {
  // expected-error @+1 {{(C3) rstd has shape [16]; must be [16, 2]}}
  %y, %r = ft.rms_norm %x, %w {eps = 0.1 : f64} : (tensor<16x8xf32>, tensor<4xf32>) -> (tensor<16x8xf32>, tensor<16xf32>)
  return
}

// -----

func.func @invalid(%x: tensor<16x8xf32>, %w: tensor<4xf32>) {
  // expected-error @+1 {{(C5) features is 5; must be in [1, 5)}}
  %y, %r = ft.rms_norm %x, %w {eps = 0.1 : f64, features = 5 : i64} : (tensor<16x8xf32>, tensor<4xf32>) -> (tensor<16x8xf32>, tensor<16x2xf32>)
  return
}

// -----

func.func @invalid(%x: tensor<16x8xf32>, %b: tensor<4xf32>) {
  // expected-error @+1 {{(C2) bias has shape [4]; must be [8]}}
  %y = ft.add_bias %x, %b : (tensor<16x8xf32>, tensor<4xf32>) -> tensor<16x8xf32>
  return
}

// -----

func.func @invalid(%x: tensor<16x8xf32>, %b: tensor<8xf32>) {
  // expected-error @+1 {{(C1) result has type 'tensor<16x8xbf16>'; must be 'tensor<16x8xf32>'}}
  %y = ft.add_bias %x, %b : (tensor<16x8xf32>, tensor<8xf32>) -> tensor<16x8xbf16>
  return
}

// -----

func.func @invalid(%g: tensor<16x8xf32>) {
  // expected-error @+1 {{(C1) result has shape [16]; must be [8]}}
  %b = ft.bias_grad %g : (tensor<16x8xf32>) -> tensor<16xf32>
  return
}

// -----

func.func @invalid(%g: tensor<16x8xf32>, %a: tensor<8xbf16>) {
  // expected-error @+1 {{(C2) accumulate has type 'tensor<8xbf16>'; must be 'tensor<8xf32>'}}
  %b = ft.bias_grad %g accumulate %a : (tensor<16x8xf32>, tensor<8xbf16>) -> tensor<8xf32>
  return
}

// -----

func.func @invalid(%x: tensor<16x8xf32>) {
  // expected-error @+1 {{(C1) result has shape [8, 16]; must be [16, 8]}}
  %y = ft.scale %x {factor = 2.0 : f64} : (tensor<16x8xf32>) -> tensor<8x16xf32>
  return
}

// -----

func.func @invalid(%x: tensor<16x8xf32>) {
  // expected-error @+1 {{(C2) factor must be finite}}
  %y = ft.scale %x {factor = 0x7FF0000000000000 : f64} : (tensor<16x8xf32>) -> tensor<16x8xf32>
  return
}

// -----

func.func @invalid(%x: tensor<16x8xf32>, %key: tensor<1xi64>, %scalars: tensor<8xf64>, %rows: tensor<15xi32>) {
  // expected-error @+1 {{(C5) length of rows is 15; must be 16}}
  %y = ft.dropout %x, %key, %scalars rows %rows {p = 0.1 : f64} : (tensor<16x8xf32>, tensor<1xi64>, tensor<8xf64>, tensor<15xi32>) -> tensor<16x8xf32>
  return
}

// -----

func.func @invalid(%x: tensor<16x8xf32>, %rows: tensor<4xi32>) {
  // expected-error @+1 {{(C1) result has shape [5, 8]; must be [4, 8]}}
  %y = ft.gather_rows %x, %rows : (tensor<16x8xf32>, tensor<4xi32>) -> tensor<5x8xf32>
  return
}

// -----

func.func @invalid(%x: tensor<4x8xf32>, %slots: tensor<16xi32>) {
  // expected-error @+1 {{(C1) result has shape [16, 4]; must be [16, 8]}}
  %y = ft.scatter_rows %x, %slots : (tensor<4x8xf32>, tensor<16xi32>) -> tensor<16x4xf32>
  return
}
