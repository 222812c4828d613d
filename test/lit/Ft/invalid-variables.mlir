// RUN: ft-opt %s --split-input-file --verify-diagnostics

// expected-error @+1 {{(C1) type must be a ranked tensor of static, non-zero shape}}
ft.variable input @a : tensor<?xi32> {io = "TOKENS"}

// -----

// expected-error @+1 {{(C2) `of` must name a parameter for the roles gradient, exp_avg, exp_avg_sq, exp_avg_scales, exp_avg_sq_scales, remainder and working_copy, and only there}}
ft.variable gradient @a : tensor<8xf32> {key = "a"}

// -----

// expected-error @+1 {{(C2) `of` must name a parameter}}
ft.variable frozen @a : tensor<8xf32> {key = "a", of = @b}

// -----

// expected-error @+1 {{(C2) `of` must name a trainable or adapter variable; @b is none}}
ft.variable gradient @a : tensor<8xf32> {key = "a", of = @b}

// -----

ft.variable frozen @b : tensor<8xf32> {key = "b"}
// expected-error @+1 {{(C2) `of` must name a trainable or adapter variable; @b is none}}
ft.variable working_copy @a : tensor<8xbf16> {of = @b}

// -----

// expected-error @+1 {{(C3) `key` must be given for parameters, gradients, moments, their scales and remainders that are no bucket, and only there}}
ft.variable frozen @a : tensor<8xf32>

// -----

// expected-error @+1 {{(C3) `key` must be given}}
ft.variable input @a : tensor<8xi32> {io = "TOKENS", key = "a"}

// -----

// expected-error @+1 {{(C4) init.kind must be one of zeros, ones, normal, uniform, rope_cos, rope_sin, random_keys, numbers}}
ft.variable frozen @a : tensor<8xf32> {key = "a", init = {kind = "twos"}}

// -----

// expected-error @+1 {{(C4) init.scale must be given with normal and uniform, and only there}}
ft.variable frozen @a : tensor<8xf32> {key = "a", init = {kind = "normal"}}

// -----

// expected-error @+1 {{(C4) init.frequencies must be given with rope_cos and rope_sin, one for each column, and only there}}
ft.variable constant_table @a : tensor<8x2xf32> {init = {kind = "rope_cos"}}

// -----

// expected-error @+1 {{(C4) init.frequencies must be given with rope_cos and rope_sin, one for each column, and only there}}
ft.variable constant_table @a : tensor<8x2xf32> {init = {kind = "rope_cos", frequencies = array<f64: 1.0>}}

// -----

// expected-error @+1 {{(C4) init.names must name each of the 2 keys}}
ft.variable random_keys @a : tensor<2xi64> {init = {kind = "random_keys", names = ["x"]}}

// -----

// expected-error @+1 {{(C7) #ft.padding<dim = 1, used = 2, block = 4> does not fit 'tensor<8x6xf32>'}}
ft.variable frozen @a : tensor<8x6xf32> {key = "a", padding = #ft.padding<dim = 1, used = 2, block = 4>}

// -----

// expected-error @+1 {{(C7) #ft.padding<dim = 0, used = 4, block = 4> does not fit}}
ft.variable frozen @a : tensor<8x6xf32> {key = "a", padding = #ft.padding<dim = 0, used = 4, block = 4>}

// -----

// expected-error @+1 {{(C5) `io` must be given for the roles input and output, and only there}}
ft.variable input @a : tensor<8xi32>

// -----

// expected-error @+1 {{(C5) `io` is "LOSS", which is no kind of plan.proto's BatchInput}}
ft.variable input @a : tensor<8xi32> {io = "LOSS"}

// -----

// expected-error @+1 {{(C5) `io` is "TOKENS", which is no kind of plan.proto's Output}}
ft.variable output @a : tensor<8xi32> {io = "TOKENS"}

// -----

// expected-error @+1 {{(C6) gradient_type belongs to the roles trainable and adapter}}
ft.variable frozen @a : tensor<8xf32> {key = "a", gradient_type = f32}

// -----

// expected-error @+1 {{(C6) gradient_type must be f64, f32 or bf16}}
ft.variable trainable @a : tensor<8xf32> {key = "a", gradient_type = i32}

// -----

func.func @f() {
  // expected-error @+1 {{(C1) no ft.variable named @a}}
  %a = ft.read @a : tensor<8xf32>
  return
}

// -----

ft.variable frozen @a : tensor<8x4xf32> {key = "a"}
func.func @f() {
  // expected-error @+1 {{(C2) reads 'tensor<9x4xf32>'; the variable is 'tensor<8x4xf32>': must be that type or fewer of its leading rows}}
  %a = ft.read @a : tensor<9x4xf32>
  return
}

// -----

ft.variable frozen @a : tensor<8x4xf32> {key = "a"}
func.func @f() {
  // expected-error @+1 {{(C2) reads 'tensor<8x3xf32>'}}
  %a = ft.read @a : tensor<8x3xf32>
  return
}

// -----

ft.variable trainable @a : tensor<8xf32> {key = "a"}
func.func @f(%x: tensor<4xf32>) {
  // expected-error @+1 {{(C2) writes 'tensor<4xf32>'; must be 'tensor<8xf32>'}}
  ft.write @a, %x : tensor<4xf32>
  return
}

// -----

ft.variable frozen @a : tensor<8xf32> {key = "a"}
func.func @f(%x: tensor<8xf32>) {
  // expected-error @+1 {{(C3) writes a variable of role frozen}}
  ft.write @a, %x : tensor<8xf32>
  return
}

// -----

// expected-error @+1 {{(C10) quantization belongs to the role frozen and rank 2; it is adapter of rank 2}}
ft.variable adapter @a : tensor<8x64xf32> {key = "a", quantization = #ft.nf4<double_quant = false>}

// -----

// expected-error @+1 {{(C10) quantization belongs to the role frozen and rank 2; it is frozen of rank 1}}
ft.variable frozen @a : tensor<64xf32> {key = "a", quantization = #ft.nf4<double_quant = true>}

// -----

// expected-error @+1 {{(C11) host belongs to buckets of trained parameters, their gradients, moments, scales and remainders, and to row numbers; it is trainable and no bucket}}
ft.variable trainable @w : tensor<8xf32> {host, init = {kind = "ones"}, key = "w"}

// -----

// expected-error @+1 {{(C11) host belongs to buckets of trained parameters, their gradients, moments, scales and remainders, and to row numbers; it is frozen}}
ft.variable frozen @b : tensor<8xf32> {bucket, host}
