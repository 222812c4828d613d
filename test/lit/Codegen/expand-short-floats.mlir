// RUN: ft-opt %s --kernel-expand-short-floats --split-input-file --verify-diagnostics | FileCheck %s
// RUN: ft-opt %s --kernel-expand-short-floats=native --split-input-file --verify-diagnostics | FileCheck %s --check-prefix=NATIVE

// CHECK-LABEL: func.func @round_trip(
// CHECK-SAME: %[[X:[a-z0-9_]+]]: memref<16xi16>, %[[Y:[a-z0-9_]+]]: memref<16xi16>)
func.func @round_trip(%x: memref<16xbf16>, %y: memref<16xbf16>) {
  %c0 = arith.constant 0 : index
  // CHECK: %[[V:[a-z0-9_]+]] = vector.load %[[X]]{{.*}} : memref<16xi16>, vector<16xi16>
  %v = vector.load %x[%c0] : memref<16xbf16>, vector<16xbf16>
  // CHECK: arith.extui %[[V]] : vector<16xi16> to vector<16xi32>
  // CHECK: arith.shli
  // CHECK: %[[F:[a-z0-9_]+]] = arith.bitcast %{{.*}} : vector<16xi32> to vector<16xf32>
  %f = arith.extf %v : vector<16xbf16> to vector<16xf32>
  // Two at a time in their word.
  // NATIVE: %[[W:[a-z0-9_]+]] = vector.bitcast %{{.*}} : vector<16xi16> to vector<8xi32>
  // NATIVE: %[[LOW:[a-z0-9_]+]] = arith.shli %[[W]], %{{.*}} : vector<8xi32>
  // NATIVE: %[[HIGH:[a-z0-9_]+]] = arith.andi %[[W]], %{{.*}} : vector<8xi32>
  // NATIVE: vector.shuffle %[[LOW]], %[[HIGH]] [0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15]
  // CHECK: arith.cmpf uno, %[[F]], %[[F]]
  // CHECK: %[[B:[a-z0-9_]+]] = arith.trunci %{{.*}} : vector<16xi32> to vector<16xi16>
  // CHECK: vector.store %[[B]], %[[Y]]
  // NATIVE: %[[T:[a-z0-9_]+]] = arith.truncf %{{.*}} : vector<16xf32> to vector<16xbf16>
  // NATIVE: %[[B:[a-z0-9_]+]] = arith.bitcast %[[T]] : vector<16xbf16> to vector<16xi16>
  // NATIVE: vector.store %[[B]]
  %b = arith.truncf %f : vector<16xf32> to vector<16xbf16>
  vector.store %b, %y[%c0] : memref<16xbf16>, vector<16xbf16>
  return
}

// The processor converts, and what computes does not see from what.
// CHECK-LABEL: func.func @round_trip_of_f16(
// CHECK-SAME: %[[X:[a-z0-9_]+]]: memref<16xi16>, %[[Y:[a-z0-9_]+]]: memref<16xi16>)
// NATIVE-LABEL: func.func @round_trip_of_f16(
func.func @round_trip_of_f16(%x: memref<16xf16>, %y: memref<16xf16>) {
  %c0 = arith.constant 0 : index
  // CHECK: %[[V:[a-z0-9_]+]] = vector.load %[[X]]{{.*}} : memref<16xi16>, vector<16xi16>
  %v = vector.load %x[%c0] : memref<16xf16>, vector<16xf16>
  // CHECK: %[[H:[a-z0-9_]+]] = arith.bitcast %[[V]] : vector<16xi16> to vector<16xf16>
  // CHECK: %[[E:[a-z0-9_]+]] = arith.extf %[[H]] : vector<16xf16> to vector<16xf32>
  // CHECK: %[[F:[a-z0-9_]+]] = llvm.call_intrinsic "llvm.arithmetic.fence"(%[[E]]) : (vector<16xf32>) -> vector<16xf32>
  // NATIVE: %[[F:[a-z0-9_]+]] = arith.extf
  %f = arith.extf %v : vector<16xf16> to vector<16xf32>
  // CHECK: %[[M:[a-z0-9_]+]] = arith.maxnumf %[[F]], %[[F]]
  // NATIVE: %[[M:[a-z0-9_]+]] = arith.maxnumf %[[F]], %[[F]]
  %m = arith.maxnumf %f, %f : vector<16xf32>
  // CHECK: %[[L:[a-z0-9_]+]] = llvm.call_intrinsic "llvm.arithmetic.fence"(%[[M]])
  // CHECK: %[[T:[a-z0-9_]+]] = arith.truncf %[[L]] : vector<16xf32> to vector<16xf16>
  // CHECK: %[[B:[a-z0-9_]+]] = arith.bitcast %[[T]] : vector<16xf16> to vector<16xi16>
  // CHECK: vector.store %[[B]], %[[Y]]
  // NATIVE: %[[T:[a-z0-9_]+]] = arith.truncf %[[M]]
  // NATIVE: arith.bitcast %[[T]] : vector<16xf16> to vector<16xi16>
  %b = arith.truncf %m : vector<16xf32> to vector<16xf16>
  vector.store %b, %y[%c0] : memref<16xf16>, vector<16xf16>
  return
}

// CHECK-LABEL: func.func @scalars(
func.func @scalars(%x: memref<4xbf16>, %c: i1) -> f64 {
  %c0 = arith.constant 0 : index
  // CHECK: arith.constant 16256 : i16
  %one = arith.constant 1.0 : bf16
  // CHECK: memref.load {{.*}} : memref<4xi16>
  %v = memref.load %x[%c0] : memref<4xbf16>
  // CHECK: arith.select {{.*}} : i16
  %s = arith.select %c, %v, %one : bf16
  // CHECK: arith.extf {{.*}} : f32 to f64
  %f = arith.extf %s : bf16 to f64
  return %f : f64
}

// CHECK-LABEL: func.func @scalars_of_f16(
func.func @scalars_of_f16(%x: memref<4xf16>, %c: i1) -> f64 {
  %c0 = arith.constant 0 : index
  // CHECK: arith.constant 15360 : i16
  %one = arith.constant 1.0 : f16
  // CHECK: memref.load {{.*}} : memref<4xi16>
  %v = memref.load %x[%c0] : memref<4xf16>
  // CHECK: arith.select {{.*}} : i16
  %s = arith.select %c, %v, %one : f16
  // CHECK: arith.extf {{.*}} : f16 to f32
  // CHECK: arith.extf {{.*}} : f32 to f64
  %f = arith.extf %s : f16 to f64
  // CHECK: memref.store {{.*}} : memref<4xi16>
  memref.store %s, %x[%c0] : memref<4xf16>
  return %f : f64
}

// -----

func.func @twice(%x: f64) -> i16 {
  // expected-error @below {{rounds to 'bf16' from 'f64'; round to f32 first, explicitly}}
  %b = arith.truncf %x : f64 to bf16
  %i = arith.bitcast %b : bf16 to i16
  return %i : i16
}

// -----

func.func @twice_to_f16(%x: f64) -> i16 {
  // expected-error @below {{rounds to 'f16' from 'f64'; round to f32 first, explicitly}}
  %b = arith.truncf %x : f64 to f16
  %i = arith.bitcast %b : f16 to i16
  return %i : i16
}

// -----

func.func @computes(%x: vector<16xbf16>) -> f32 {
  // expected-error @below {{computes in 'bf16'; extend to f32 first}}
  %y = arith.addf %x, %x : vector<16xbf16>
  %z = arith.constant 0.0 : f32
  return %z : f32
}

// -----

func.func @maximum(%x: vector<16xf16>) -> f32 {
  // expected-error @below {{computes in 'f16'; extend to f32 first}}
  %y = vector.reduction <maxnumf>, %x : vector<16xf16> into f16
  %z = arith.constant 0.0 : f32
  return %z : f32
}

// -----

func.func @compares(%x: bf16) -> i1 {
  // expected-error @below {{computes in 'bf16'; extend to f32 first}}
  %y = arith.cmpf olt, %x, %x : bf16
  return %y : i1
}

// -----

func.func @counts(%x: f16) -> i32 {
  // expected-error @below {{computes in 'f16'; extend to f32 first}}
  %y = arith.fptosi %x : f16 to i32
  return %y : i32
}
