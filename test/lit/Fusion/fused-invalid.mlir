// RUN: ft-opt %s --kernel-build-rows --split-input-file --verify-diagnostics

func.func @twice(%x: tensor<8x64xf32>) {
  // expected-error@+1 {{(C1) operand 1 is given twice}}
  %z = kernel.fused "add" (%x, %x) : (tensor<8x64xf32>, tensor<8x64xf32>) -> tensor<8x64xf32> {
  ^bb0(%a: tensor<8x64xf32>, %b: tensor<8x64xf32>):
    %s = ft.add %a, %b : (tensor<8x64xf32>, tensor<8x64xf32>) -> tensor<8x64xf32>
    kernel.yield %s : tensor<8x64xf32>
  }
  return
}

// -----

func.func @operand_type(%x: tensor<8x64xf32>) {
  // expected-error@+1 {{(C1) operand 0 is 'tensor<8x64xf32>', the body's argument 'tensor<8x64xbf16>'}}
  %z = kernel.fused "add" (%x) : (tensor<8x64xf32>) -> tensor<8x64xbf16> {
  ^bb0(%a: tensor<8x64xbf16>):
    %s = ft.add %a, %a : (tensor<8x64xbf16>, tensor<8x64xbf16>) -> tensor<8x64xbf16>
    kernel.yield %s : tensor<8x64xbf16>
  }
  return
}

// -----

func.func @passes_through(%x: tensor<8x64xf32>) {
  // expected-error@+1 {{(C2) result 0 is an argument of the body}}
  %z = kernel.fused "nothing" (%x) : (tensor<8x64xf32>) -> tensor<8x64xf32> {
  ^bb0(%a: tensor<8x64xf32>):
    kernel.yield %a : tensor<8x64xf32>
  }
  return
}

// -----

func.func @result_type(%x: tensor<8x64xf32>) {
  // expected-error@+1 {{(C2) yields}}
  %z = kernel.fused "add" (%x) : (tensor<8x64xf32>) -> tensor<8x64xbf16> {
  ^bb0(%a: tensor<8x64xf32>):
    %s = ft.add %a, %a : (tensor<8x64xf32>, tensor<8x64xf32>) -> tensor<8x64xf32>
    kernel.yield %s : tensor<8x64xf32>
  }
  return
}

// -----

func.func @partials(%x: tensor<8x64xf32>, %r: tensor<8xf32>) {
  // expected-error@+1 {{(C1) the result has 9 rows; must be in [1, 8]}}
  %p = kernel.column_partials %x, %x, %r : (tensor<8x64xf32>, tensor<8x64xf32>, tensor<8xf32>) -> tensor<9x64xf32>
  return
}

// -----

func.func @runs(%x: tensor<8x64xf32>, %r: tensor<8xf32>) {
  // expected-error@+1 {{(C1) needs b of a's shape and one scale for each run of a row}}
  %p = kernel.column_partials %x, %x, %r : (tensor<8x64xf32>, tensor<8x64xf32>, tensor<8xf32>) -> tensor<9x16xf32>
  return
}

// -----

func.func @columns(%x: tensor<8x64xf32>) {
  // expected-error@+1 {{(C1) needs a of shape [T, D] and a result [P, G] with G a divisor of D}}
  %p = kernel.column_partials %x : (tensor<8x64xf32>) -> tensor<4x48xf32>
  return
}

// -----

func.func @column_sum(%x: tensor<8x64xf32>, %r: tensor<8xf32>) {
  // expected-error@+1 {{(C1) needs partials [P, D], a result [D]}}
  %p = kernel.column_sum %x accumulate %r : (tensor<8x64xf32>, tensor<8xf32>) -> tensor<64xf32>
  return
}

// -----

func.func @not_row_wise(%x: tensor<8x64xf32>, %w: tensor<64x64xf32>) {
  %z = kernel.fused "linear" (%x, %w) : (tensor<8x64xf32>, tensor<64x64xf32>) -> tensor<8x64xf32> {
  ^bb0(%a: tensor<8x64xf32>, %b: tensor<64x64xf32>):
    // expected-error@+1 {{is not row-wise and cannot be part of kernel.fused}}
    %s = ft.linear %a, [%b] : (tensor<8x64xf32>, tensor<64x64xf32>) -> tensor<8x64xf32>
    kernel.yield %s : tensor<8x64xf32>
  }
  return
}

// -----

func.func @two_spaces(%x: tensor<8x64xf32>, %y: tensor<4x64xf32>) {
  %z:2 = kernel.fused "add_add" (%x, %y) : (tensor<8x64xf32>, tensor<4x64xf32>) -> (tensor<8x64xf32>, tensor<4x64xf32>) {
  ^bb0(%a: tensor<8x64xf32>, %b: tensor<4x64xf32>):
    %s = ft.add %a, %a : (tensor<8x64xf32>, tensor<8x64xf32>) -> tensor<8x64xf32>
    // expected-error@+1 {{has 4 items, the kernel's first operation 8; operations of one kernel share one row space}}
    %t = ft.add %b, %b : (tensor<4x64xf32>, tensor<4x64xf32>) -> tensor<4x64xf32>
    kernel.yield %s, %t : tensor<8x64xf32>, tensor<4x64xf32>
  }
  return
}
