// RUN: ft-opt %s --split-input-file --verify-diagnostics

func.func @invalid(%a: tensor<1xf64>, %b: tensor<2xf64>) {
  // expected-error @+1 {{(C1) scalar has shape [2]; must be [1]}}
  %s = ft.add_scalar %a, %b : (tensor<1xf64>, tensor<2xf64>) -> tensor<1xf64>
  return
}

// -----

func.func @invalid(%v: tensor<2xf64>, %st: tensor<4xi32>, %s: tensor<8xf64>) {
  // expected-error @+1 {{(C1) value has shape [2]; must be [1]}}
  %r = ft.check_finite %v, %st, %s {cause = 1 : i32} : (tensor<2xf64>, tensor<4xi32>, tensor<8xf64>) -> tensor<4xi32>
  return
}

// -----

func.func @invalid(%v: tensor<1xf64>, %st: tensor<3xi32>, %s: tensor<8xf64>) {
  // expected-error @+1 {{(C2) status has shape [3]; must be [4]}}
  %r = ft.check_finite %v, %st, %s {cause = 1 : i32} : (tensor<1xf64>, tensor<3xi32>, tensor<8xf64>) -> tensor<4xi32>
  return
}

// -----

func.func @invalid(%v: tensor<1xf64>, %st: tensor<4xi32>, %s: tensor<8xf64>) {
  // expected-error @+1 {{(C3) cause is 3; must be in [1, 3)}}
  %r = ft.check_finite %v, %st, %s {cause = 3 : i32} : (tensor<1xf64>, tensor<4xi32>, tensor<8xf64>) -> tensor<4xi32>
  return
}

// -----

func.func @invalid() {
  // expected-error @+1 {{(C1) has no gradient; must have at least one}}
  %n = ft.grad_norm : () -> tensor<1xf64>
  return
}

// -----

func.func @invalid(%a: tensor<8xf32>) {
  // expected-error @+1 {{(C2) norm has shape [2]; must be [1]}}
  %n = ft.grad_norm %a : (tensor<8xf32>) -> tensor<2xf64>
  return
}

// -----

func.func @invalid(%param: tensor<8xf32>, %grad: tensor<7xf32>, %m0: tensor<8xf32>, %v0: tensor<8xf32>, %norm: tensor<1xf64>, %status: tensor<4xi32>, %scalars: tensor<8xf64>) {
  // expected-error @+1 {{(C1) grad has shape [7]; must be [8]}}
  %p, %m, %v = ft.adamw %param, %grad, %m0, %v0, %norm, %status, %scalars {beta1 = 0.9 : f64, beta2 = 0.999 : f64, epsilon = 1.0e-8 : f64, weight_decay = 0.0 : f64, max_norm = 1.0 : f64} : (tensor<8xf32>, tensor<7xf32>, tensor<8xf32>, tensor<8xf32>, tensor<1xf64>, tensor<4xi32>, tensor<8xf64>) -> (tensor<8xf32>, tensor<8xf32>, tensor<8xf32>)
  return
}

// -----

func.func @invalid(%param: tensor<8xf32>, %grad: tensor<8xf32>, %m0: tensor<8xf32>, %v0: tensor<8xf32>, %norm: tensor<1xf64>, %status: tensor<4xi32>, %scalars: tensor<8xf64>) {
  // expected-error @+1 {{(C1) new_param has type 'tensor<8xbf16>'; must be 'tensor<8xf32>'}}
  %p, %m, %v = ft.adamw %param, %grad, %m0, %v0, %norm, %status, %scalars {beta1 = 0.9 : f64, beta2 = 0.999 : f64, epsilon = 1.0e-8 : f64, weight_decay = 0.0 : f64, max_norm = 1.0 : f64} : (tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<1xf64>, tensor<4xi32>, tensor<8xf64>) -> (tensor<8xbf16>, tensor<8xf32>, tensor<8xf32>)
  return
}

// -----

func.func @invalid(%param: tensor<8xf32>, %grad: tensor<8xf32>, %m0: tensor<8xf32>, %v0: tensor<8xf32>, %norm: tensor<2xf64>, %status: tensor<4xi32>, %scalars: tensor<8xf64>) {
  // expected-error @+1 {{(C2) norm has shape [2]; must be [1]}}
  %p, %m, %v = ft.adamw %param, %grad, %m0, %v0, %norm, %status, %scalars {beta1 = 0.9 : f64, beta2 = 0.999 : f64, epsilon = 1.0e-8 : f64, weight_decay = 0.0 : f64, max_norm = 1.0 : f64} : (tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<2xf64>, tensor<4xi32>, tensor<8xf64>) -> (tensor<8xf32>, tensor<8xf32>, tensor<8xf32>)
  return
}

// -----

func.func @invalid(%param: tensor<8xf32>, %grad: tensor<8xf32>, %m0: tensor<8xf32>, %v0: tensor<8xf32>, %norm: tensor<1xf64>, %status: tensor<3xi32>, %scalars: tensor<8xf64>) {
  // expected-error @+1 {{(C2) status has shape [3]; must be [4]}}
  %p, %m, %v = ft.adamw %param, %grad, %m0, %v0, %norm, %status, %scalars {beta1 = 0.9 : f64, beta2 = 0.999 : f64, epsilon = 1.0e-8 : f64, weight_decay = 0.0 : f64, max_norm = 1.0 : f64} : (tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<1xf64>, tensor<3xi32>, tensor<8xf64>) -> (tensor<8xf32>, tensor<8xf32>, tensor<8xf32>)
  return
}

// -----

func.func @invalid(%param: tensor<8xf32>, %grad: tensor<8xf32>, %m0: tensor<8xf32>, %v0: tensor<8xf32>, %norm: tensor<1xf64>, %status: tensor<4xi32>, %scalars: tensor<8xf64>) {
  // expected-error @+1 {{(C3) weight_decay is -1; must be at least 0}}
  %p, %m, %v = ft.adamw %param, %grad, %m0, %v0, %norm, %status, %scalars {beta1 = 0.9 : f64, beta2 = 0.999 : f64, epsilon = 1.0e-8 : f64, weight_decay = -1.0 : f64, max_norm = 1.0 : f64} : (tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<1xf64>, tensor<4xi32>, tensor<8xf64>) -> (tensor<8xf32>, tensor<8xf32>, tensor<8xf32>)
  return
}

// -----

func.func @invalid(%param: tensor<8xf32>, %grad: tensor<8xf32>, %m0: tensor<7xf32>, %v0: tensor<8xf32>, %norm: tensor<1xf64>, %status: tensor<4xi32>, %scalars: tensor<8xf64>) {
  // expected-error @+1 {{(C4) exp_avg has shape [7]; must be [8]}}
  %p, %m, %v = ft.adamw %param, %grad, %m0, %v0, %norm, %status, %scalars {beta1 = 0.9 : f64, beta2 = 0.999 : f64, epsilon = 1.0e-8 : f64, weight_decay = 0.0 : f64, max_norm = 1.0 : f64} : (tensor<8xf32>, tensor<8xf32>, tensor<7xf32>, tensor<8xf32>, tensor<1xf64>, tensor<4xi32>, tensor<8xf64>) -> (tensor<8xf32>, tensor<8xf32>, tensor<8xf32>)
  return
}

// -----

func.func @invalid(%param: tensor<8xf32>, %grad: tensor<8xf32>, %m0: tensor<8xf32>, %v0: tensor<8xbf16>, %norm: tensor<1xf64>, %status: tensor<4xi32>, %scalars: tensor<8xf64>) {
  // expected-error @+1 {{(C4) exp_avg_sq has type 'tensor<8xbf16>'; must be 'tensor<8xf32>'}}
  %p, %m, %v = ft.adamw %param, %grad, %m0, %v0, %norm, %status, %scalars {beta1 = 0.9 : f64, beta2 = 0.999 : f64, epsilon = 1.0e-8 : f64, weight_decay = 0.0 : f64, max_norm = 1.0 : f64} : (tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xbf16>, tensor<1xf64>, tensor<4xi32>, tensor<8xf64>) -> (tensor<8xf32>, tensor<8xf32>, tensor<8xf32>)
  return
}

// -----

func.func @invalid(%param: tensor<8xf32>, %grad: tensor<8xf32>, %m0: tensor<8xf32>, %v0: tensor<8xf32>, %norm: tensor<1xf64>, %status: tensor<4xi32>, %scalars: tensor<8xf64>) {
  // expected-error @+1 {{(C5) beta1 is 1; must be in [0, 1)}}
  %p, %m, %v = ft.adamw %param, %grad, %m0, %v0, %norm, %status, %scalars {beta1 = 1.0 : f64, beta2 = 0.999 : f64, epsilon = 1.0e-8 : f64, weight_decay = 0.0 : f64, max_norm = 1.0 : f64} : (tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<1xf64>, tensor<4xi32>, tensor<8xf64>) -> (tensor<8xf32>, tensor<8xf32>, tensor<8xf32>)
  return
}

// -----

func.func @invalid(%param: tensor<8xf32>, %grad: tensor<8xf32>, %m0: tensor<8xf32>, %v0: tensor<8xf32>, %norm: tensor<1xf64>, %status: tensor<4xi32>, %scalars: tensor<8xf64>) {
  // expected-error @+1 {{(C5) epsilon is -1; must be at least 0}}
  %p, %m, %v = ft.adamw %param, %grad, %m0, %v0, %norm, %status, %scalars {beta1 = 0.9 : f64, beta2 = 0.999 : f64, epsilon = -1.0 : f64, weight_decay = 0.0 : f64, max_norm = 1.0 : f64} : (tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<1xf64>, tensor<4xi32>, tensor<8xf64>) -> (tensor<8xf32>, tensor<8xf32>, tensor<8xf32>)
  return
}

// -----

func.func @invalid(%w: tensor<8xf32>, %g: tensor<7xf32>, %n: tensor<1xf64>, %st: tensor<4xi32>, %s: tensor<8xf64>) {
  // expected-error @+1 {{(C1) grad has shape [7]; must be [8]}}
  %p = ft.sgd %w, %g, %n, %st, %s {momentum = 0.0 : f64, weight_decay = 0.0 : f64, max_norm = 0.0 : f64} : (tensor<8xf32>, tensor<7xf32>, tensor<1xf64>, tensor<4xi32>, tensor<8xf64>) -> tensor<8xf32>
  return
}

// -----

func.func @invalid(%w: tensor<8xf32>, %g: tensor<8xf32>, %n: tensor<1xf64>, %st: tensor<4xi32>, %s: tensor<8xf64>) {
  // expected-error @+1 {{(C3) max_norm is -1; must be at least 0}}
  %p = ft.sgd %w, %g, %n, %st, %s {momentum = 0.0 : f64, weight_decay = 0.0 : f64, max_norm = -1.0 : f64} : (tensor<8xf32>, tensor<8xf32>, tensor<1xf64>, tensor<4xi32>, tensor<8xf64>) -> tensor<8xf32>
  return
}

// -----

func.func @invalid(%w: tensor<8xf32>, %g: tensor<8xf32>, %n: tensor<1xf64>, %st: tensor<4xi32>, %s: tensor<8xf64>) {
  // expected-error @+1 {{(C4) a momentum buffer must come and go exactly where momentum is above 0}}
  %p = ft.sgd %w, %g, %n, %st, %s {momentum = 0.9 : f64, weight_decay = 0.0 : f64, max_norm = 0.0 : f64} : (tensor<8xf32>, tensor<8xf32>, tensor<1xf64>, tensor<4xi32>, tensor<8xf64>) -> tensor<8xf32>
  return
}

// -----

func.func @invalid(%param: tensor<512xf32>, %grad: tensor<512xf32>, %m0: tensor<512xi8>, %v0: tensor<512xi8>, %a: tensor<2xf32>, %norm: tensor<1xf64>, %status: tensor<4xi32>, %scalars: tensor<8xf64>) {
  // expected-error @+1 {{(C9) the number of scales is 1; must be 2}}
  %p, %m, %v, %a1 = ft.adamw %param, %grad, %m0, %v0 scales (%a), %norm, %status, %scalars {beta1 = 0.9 : f64, beta2 = 0.999 : f64, epsilon = 1.0e-8 : f64, weight_decay = 0.0 : f64, max_norm = 1.0 : f64} : (tensor<512xf32>, tensor<512xf32>, tensor<512xi8>, tensor<512xi8>, tensor<2xf32>, tensor<1xf64>, tensor<4xi32>, tensor<8xf64>) -> (tensor<512xf32>, tensor<512xi8>, tensor<512xi8>, tensor<2xf32>)
  return
}

// -----

func.func @invalid(%param: tensor<513xf32>, %grad: tensor<513xf32>, %m0: tensor<513xi8>, %v0: tensor<513xi8>, %a: tensor<2xf32>, %norm: tensor<1xf64>, %status: tensor<4xi32>, %scalars: tensor<8xf64>) {
  // expected-error @+1 {{(C9) scales has shape [2]; must be [3]}}
  %p, %m, %v, %a1, %b1 = ft.adamw %param, %grad, %m0, %v0 scales (%a, %a), %norm, %status, %scalars {beta1 = 0.9 : f64, beta2 = 0.999 : f64, epsilon = 1.0e-8 : f64, weight_decay = 0.0 : f64, max_norm = 1.0 : f64} : (tensor<513xf32>, tensor<513xf32>, tensor<513xi8>, tensor<513xi8>, tensor<2xf32>, tensor<2xf32>, tensor<1xf64>, tensor<4xi32>, tensor<8xf64>) -> (tensor<513xf32>, tensor<513xi8>, tensor<513xi8>, tensor<2xf32>, tensor<2xf32>)
  return
}

// -----

func.func @invalid(%param: tensor<512xbf16>, %grad: tensor<512xf32>, %m0: tensor<512xi8>, %v0: tensor<512xi8>, %r: tensor<512xi16>, %a: tensor<2xf32>, %norm: tensor<1xf64>, %status: tensor<4xi32>, %scalars: tensor<8xf64>) {
  // expected-error @+1 {{(C10) the number of results in new_rest is 2; must be 3}}
  %p, %m, %v, %a1, %b1 = ft.adamw %param, %grad, %m0, %v0 remainder %r scales (%a, %a), %norm, %status, %scalars {beta1 = 0.9 : f64, beta2 = 0.999 : f64, epsilon = 1.0e-8 : f64, weight_decay = 0.0 : f64, max_norm = 1.0 : f64} : (tensor<512xbf16>, tensor<512xf32>, tensor<512xi8>, tensor<512xi8>, tensor<512xi16>, tensor<2xf32>, tensor<2xf32>, tensor<1xf64>, tensor<4xi32>, tensor<8xf64>) -> (tensor<512xbf16>, tensor<512xi8>, tensor<512xi8>, tensor<2xf32>, tensor<2xf32>)
  return
}

// -----

func.func @invalid(%param: tensor<512xbf16>, %grad: tensor<512xf32>, %m0: tensor<512xi8>, %v0: tensor<512xi8>, %r: tensor<512xi16>, %a: tensor<2xf32>, %norm: tensor<1xf64>, %status: tensor<4xi32>, %scalars: tensor<8xf64>) {
  // expected-error @+1 {{(C10) one of new_rest has type 'tensor<2xf32>'; must be 'tensor<512xi16>'}}
  %p, %m, %v, %a1, %b1, %r1 = ft.adamw %param, %grad, %m0, %v0 remainder %r scales (%a, %a), %norm, %status, %scalars {beta1 = 0.9 : f64, beta2 = 0.999 : f64, epsilon = 1.0e-8 : f64, weight_decay = 0.0 : f64, max_norm = 1.0 : f64} : (tensor<512xbf16>, tensor<512xf32>, tensor<512xi8>, tensor<512xi8>, tensor<512xi16>, tensor<2xf32>, tensor<2xf32>, tensor<1xf64>, tensor<4xi32>, tensor<8xf64>) -> (tensor<512xbf16>, tensor<512xi8>, tensor<512xi8>, tensor<2xf32>, tensor<2xf32>, tensor<512xi16>)
  return
}

// -----

func.func @invalid(%param: tensor<8xf32>, %grad: tensor<8xf32>, %m0: tensor<7xf32>, %norm: tensor<1xf64>, %status: tensor<4xi32>, %scalars: tensor<8xf64>) {
  // expected-error @+1 {{(C4) exp_avg has shape [7]; must be [8]}}
  %p, %m = ft.lion %param, %grad, %m0, %norm, %status, %scalars {beta1 = 0.9 : f64, beta2 = 0.99 : f64, weight_decay = 0.0 : f64, max_norm = 1.0 : f64} : (tensor<8xf32>, tensor<8xf32>, tensor<7xf32>, tensor<1xf64>, tensor<4xi32>, tensor<8xf64>) -> (tensor<8xf32>, tensor<7xf32>)
  return
}

// -----

func.func @invalid(%param: tensor<8xf32>, %grad: tensor<8xf32>, %m0: tensor<8xf32>, %norm: tensor<1xf64>, %status: tensor<4xi32>, %scalars: tensor<8xf64>) {
  // expected-error @+1 {{(C4) new_exp_avg has type 'tensor<8xbf16>'; must be 'tensor<8xf32>'}}
  %p, %m = ft.lion %param, %grad, %m0, %norm, %status, %scalars {beta1 = 0.9 : f64, beta2 = 0.99 : f64, weight_decay = 0.0 : f64, max_norm = 1.0 : f64} : (tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<1xf64>, tensor<4xi32>, tensor<8xf64>) -> (tensor<8xf32>, tensor<8xbf16>)
  return
}

// -----

func.func @invalid(%param: tensor<8xf32>, %grad: tensor<8xf32>, %m0: tensor<8xf32>, %norm: tensor<1xf64>, %status: tensor<4xi32>, %scalars: tensor<8xf64>) {
  // expected-error @+1 {{(C5) beta2 is 1; must be in [0, 1)}}
  %p, %m = ft.lion %param, %grad, %m0, %norm, %status, %scalars {beta1 = 0.9 : f64, beta2 = 1.0 : f64, weight_decay = 0.0 : f64, max_norm = 1.0 : f64} : (tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<1xf64>, tensor<4xi32>, tensor<8xf64>) -> (tensor<8xf32>, tensor<8xf32>)
  return
}

// -----

func.func @invalid(%param: tensor<8xf32>, %grad: tensor<8xf32>, %m0: tensor<8xf32>, %r: tensor<8xi16>, %norm: tensor<1xf64>, %status: tensor<4xi32>, %scalars: tensor<8xf64>) {
  // expected-error @+1 {{(C6) param has elements of type 'f32'; must be 'bf16'}}
  %p, %m, %r1 = ft.lion %param, %grad, %m0 remainder %r, %norm, %status, %scalars {beta1 = 0.9 : f64, beta2 = 0.99 : f64, weight_decay = 0.0 : f64, max_norm = 1.0 : f64} : (tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xi16>, tensor<1xf64>, tensor<4xi32>, tensor<8xf64>) -> (tensor<8xf32>, tensor<8xf32>, tensor<8xi16>)
  return
}

// -----

func.func @invalid(%param: tensor<512xf32>, %grad: tensor<512xf32>, %m0: tensor<512xi8>, %a: tensor<2xf32>, %norm: tensor<1xf64>, %status: tensor<4xi32>, %scalars: tensor<8xf64>) {
  // expected-error @+1 {{(C9) the number of scales is 2; must be 1}}
  %p, %m, %a1, %b1 = ft.lion %param, %grad, %m0 scales (%a, %a), %norm, %status, %scalars {beta1 = 0.9 : f64, beta2 = 0.99 : f64, weight_decay = 0.0 : f64, max_norm = 1.0 : f64} : (tensor<512xf32>, tensor<512xf32>, tensor<512xi8>, tensor<2xf32>, tensor<2xf32>, tensor<1xf64>, tensor<4xi32>, tensor<8xf64>) -> (tensor<512xf32>, tensor<512xi8>, tensor<2xf32>, tensor<2xf32>)
  return
}

// -----

func.func @invalid(%param: tensor<512xf32>, %grad: tensor<512xf32>, %m0: tensor<512xi8>, %a: tensor<2xf32>, %norm: tensor<1xf64>, %status: tensor<4xi32>, %scalars: tensor<8xf64>) {
  // expected-error @+1 {{(C10) the number of results in new_rest is 0; must be 1}}
  %p, %m = ft.lion %param, %grad, %m0 scales (%a), %norm, %status, %scalars {beta1 = 0.9 : f64, beta2 = 0.99 : f64, weight_decay = 0.0 : f64, max_norm = 1.0 : f64} : (tensor<512xf32>, tensor<512xf32>, tensor<512xi8>, tensor<2xf32>, tensor<1xf64>, tensor<4xi32>, tensor<8xf64>) -> (tensor<512xf32>, tensor<512xi8>)
  return
}
