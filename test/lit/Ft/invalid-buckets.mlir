// RUN: ft-opt %s --split-input-file --verify-diagnostics

func.func @f(%b: tensor<1024xf32>) {
  // expected-error@+1 {{(C1) result has elements of type 'bf16'; must be 'f32'}}
  %w = ft.view %b at 0 : tensor<1024xf32> -> tensor<8xbf16>
  return
}

// -----

func.func @f(%b: tensor<1024xf32>) {
  // expected-error@+1 {{(C2) offset is 1000 with 32 elements of 1024; must lie in the bucket}}
  %w = ft.view %b at 1000 : tensor<1024xf32> -> tensor<4x8xf32>
  return
}

// -----

func.func @f(%b: tensor<1024xf32>) {
  // expected-error@+1 {{(C2) offset is -1 with 32 elements of 1024; must lie in the bucket}}
  %w = ft.view %b at -1 : tensor<1024xf32> -> tensor<4x8xf32>
  return
}

// -----

func.func @f(%w: tensor<8xf32>) {
  // expected-error@+1 {{(C1) has 1 members and 2 offsets; must have as many of both, at least one}}
  %b = ft.assemble [%w] at [0, 8] : (tensor<8xf32>) -> tensor<1024xf32>
  return
}

// -----

func.func @f(%w: tensor<8xf32>, %v: tensor<8xbf16>) {
  // expected-error@+1 {{(C2) a member has elements of type 'bf16'; must be 'f32'}}
  %b = ft.assemble [%w, %v] at [0, 8] : (tensor<8xf32>, tensor<8xbf16>) -> tensor<1024xf32>
  return
}

// -----

func.func @f(%w: tensor<8xf32>, %v: tensor<8xf32>) {
  // expected-error@+1 {{(C3) member 1 of 8 elements starts at 4; must be behind the member before it, at 8, and end inside the bucket of 1024}}
  %b = ft.assemble [%w, %v] at [0, 4] : (tensor<8xf32>, tensor<8xf32>) -> tensor<1024xf32>
  return
}

// -----

func.func @f(%w: tensor<8xf32>) {
  // expected-error@+1 {{(C3) member 0 of 8 elements starts at 1020; must be behind the member before it, at 0, and end inside the bucket of 1024}}
  %b = ft.assemble [%w] at [1020] : (tensor<8xf32>) -> tensor<1024xf32>
  return
}

// -----

func.func @f(%b: tensor<1024xf32>) {
  // expected-error@+1 {{(C2) offset is 900 with 128 elements of 1024; must lie in the bucket}}
  %w = ft.view %b at 900 {pitch = 40 : i64} : tensor<1024xf32> -> tensor<4x8xf32>
  return
}

// -----

func.func @f(%b: tensor<1024xf32>) {
  // expected-error@+1 {{(C3) pitch is 7; must be 0, or at least the row of a matrix}}
  %w = ft.view %b at 0 {pitch = 7 : i64} : tensor<1024xf32> -> tensor<4x8xf32>
  return
}

// -----

func.func @f(%b: tensor<1024xf32>, %m: tensor<4x8xf32>) {
  // expected-error@+1 {{(C1) has 1 matrices, 1 offsets and 2 pitches; must have as many of each, at least one}}
  %r = ft.insert [%m] into %b at [0] pitches [8, 8] : (tensor<1024xf32>, tensor<4x8xf32>) -> tensor<1024xf32>
  return
}

// -----

func.func @f(%b: tensor<1024xf32>, %m: tensor<4x8xbf16>) {
  // expected-error@+1 {{(C2) a matrix has elements of type 'bf16'; must be 'f32'}}
  %r = ft.insert [%m] into %b at [0] pitches [8] : (tensor<1024xf32>, tensor<4x8xbf16>) -> tensor<1024xf32>
  return
}

// -----

func.func @f(%b: tensor<1024xf32>, %m: tensor<4x8xf32>) {
  // expected-error@+1 {{(C3) a matrix of 4 x 8 lies at 900 with pitch 40; must have room for its rows, and end inside the bucket of 1024}}
  %r = ft.insert [%m] into %b at [900] pitches [40] : (tensor<1024xf32>, tensor<4x8xf32>) -> tensor<1024xf32>
  return
}

// -----

func.func @f(%b: tensor<1024xf32>, %m: tensor<4x8xf32>) {
  // expected-error@+1 {{(C3) a matrix of 4 x 8 lies at 0 with pitch 4; must have room for its rows, and end inside the bucket of 1024}}
  %r = ft.insert [%m] into %b at [0] pitches [4] : (tensor<1024xf32>, tensor<4x8xf32>) -> tensor<1024xf32>
  return
}
