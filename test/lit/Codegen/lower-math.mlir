// RUN: ft-opt %s --kernel-lower-math --split-input-file --verify-diagnostics | FileCheck %s --check-prefixes=CHECK,CPU
// RUN: ft-opt %s --kernel-lower-math=target=gpu --split-input-file --verify-diagnostics | FileCheck %s --check-prefixes=CHECK,GPU

// CHECK-LABEL: func.func @exp(
// CHECK-SAME: %[[X:[a-z0-9_]+]]: vector<16xf32>)
func.func @exp(%x: vector<16xf32>) -> vector<16xf32> {
  // CHECK-NOT: math.exp
  // CPU: arith.select
  // GPU: arith.minimumf
  // GPU: arith.maximumf
  // CHECK: math.fma
  // CHECK: arith.shli
  %y = math.exp %x : vector<16xf32>
  return %y : vector<16xf32>
}

// A row less its maximum: one scale is the same for all.
// CHECK-LABEL: func.func @softmax(
func.func @softmax(%x: vector<16xf32>) -> vector<16xf32> {
  // CHECK-COUNT-1: arith.shli
  // CHECK-NOT: arith.shli
  // CHECK-NOT: arith.shrsi
  %y = math.exp %x {kernel.non_positive} : vector<16xf32>
  return %y : vector<16xf32>
}

// The exponential is scaled as it is added to one, and a vector asks once whether its reciprocals are normal numbers.
// CHECK-LABEL: func.func @sigmoid(
func.func @sigmoid(%x: vector<4xf32>) -> vector<4xf32> {
  %one = arith.constant dense<1.0> : vector<4xf32>
  // CHECK-COUNT-1: arith.shli
  // CHECK-NOT: arith.shli
  // CHECK-NOT: arith.addf
  // CPU: arith.divf
  // GPU-COUNT-3: arith.maxnumf
  // GPU: scf.if
  // GPU-COUNT-4: nvvm.rcp.approx.ftz.f
  // GPU: } else {
  // GPU: arith.divf
  // CHECK-NOT: math.exp
  %negated = arith.negf %x : vector<4xf32>
  %e = math.exp %negated : vector<4xf32>
  %sum = arith.addf %one, %e : vector<4xf32>
  %y = arith.divf %one, %sum : vector<4xf32>
  return %y : vector<4xf32>
}

// A vector asks once whether its quotients are ordinary: by their divisors, their size and what is divided.
// CHECK-LABEL: func.func @quotient(
func.func @quotient(%x: vector<2xf32>, %y: vector<2xf32>) -> vector<2xf32> {
  // CPU: %[[Q:.*]] = arith.divf
  // CPU: return %[[Q]]
  // GPU-COUNT-2: nvvm.rcp.approx.ftz.f
  // GPU-COUNT-6: math.fma
  // GPU: arith.cmpi ult
  // GPU: arith.cmpi uge
  // GPU: scf.if
  // GPU-NOT: arith.divf
  // GPU: } else {
  // GPU: arith.divf
  %q = arith.divf %x, %y : vector<2xf32>
  return %q : vector<2xf32>
}

// One reciprocal for all lanes, and a root cannot be too small.
// CHECK-LABEL: func.func @root_by_scalar(
func.func @root_by_scalar(%x: vector<2xf32>, %c: f32) -> vector<2xf32> {
  // GPU-COUNT-2: llvm.call_intrinsic "llvm.nvvm.rsqrt.approx.ftz.f"
  // GPU: scf.if
  // GPU: } else {
  // GPU: math.sqrt
  // GPU-COUNT-1: nvvm.rcp.approx.ftz.f
  // GPU-NOT: nvvm.rcp.approx.ftz.f
  // GPU-NOT: arith.cmpi uge
  // GPU: } else {
  // GPU: arith.divf
  %root = math.sqrt %x : vector<2xf32>
  %divisor = vector.broadcast %c : f32 to vector<2xf32>
  %q = arith.divf %root, %divisor : vector<2xf32>
  return %q : vector<2xf32>
}

// CHECK-LABEL: func.func @log(
func.func @log(%x: f64) -> f64 {
  // CHECK-NOT: math.log
  // CHECK: arith.divf
  %y = math.log %x : f64
  return %y : f64
}

// Both operations round as IEEE says; no approximation.
// CHECK-LABEL: func.func @rsqrt(
// CHECK-SAME: %[[X:[a-z0-9_]+]]: f32)
func.func @rsqrt(%x: f32) -> f32 {
  // CHECK: %[[ONE:[a-z0-9_]+]] = arith.constant 1.000000e+00 : f32
  // CHECK: %[[S:[a-z0-9_]+]] = math.sqrt %[[X]] : f32
  // CHECK: %[[R:[a-z0-9_]+]] = arith.divf %[[ONE]], %[[S]] : f32
  // CHECK: return %[[R]]
  %y = math.rsqrt %x : f32
  return %y : f32
}

// CHECK-LABEL: func.func @philox(
func.func @philox(%c: vector<4xi32>, %k: i32) -> vector<4xi32> {
  // CHECK-COUNT-20: arith.mului_extended
  // CHECK-NOT: kernel.philox
  %w:4 = kernel.philox counter(%c, %c, %c, %c) key(%k, %k) : vector<4xi32>
  return %w#3 : vector<4xi32>
}

// CHECK-LABEL: func.func @kept(
func.func @kept(%x: f32) -> f32 {
  // CHECK: math.sqrt
  // CHECK: math.fma
  // CHECK: math.roundeven
  %a = math.sqrt %x : f32
  %b = math.fma %a, %x, %x : f32
  %c = math.roundeven %b : f32
  return %c : f32
}

// -----

func.func @tanh(%x: f32) -> f32 {
  // expected-error @below {{has no expansion; kernels take math.absf, absi, ceil, copysign, exp, floor, fma, log, roundeven, rsqrt, sqrt and trunc}}
  %y = math.tanh %x : f32
  return %y : f32
}

// -----

func.func @narrow(%x: vector<16xbf16>) -> vector<16xbf16> {
  // expected-error @below {{computes in 'bf16'; extend to f32 first}}
  %y = math.exp %x : vector<16xbf16>
  return %y : vector<16xbf16>
}
