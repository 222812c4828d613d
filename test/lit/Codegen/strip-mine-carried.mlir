// RUN: ft-opt %s --kernel-strip-mine | FileCheck %s

// Exponentials that two walks need are computed once and carried, the tail's tile as a whole one.
// CHECK-LABEL: func.func @softmax(
// CHECK-SAME: %[[X:[a-z0-9_]+]]: memref<4x40xf32>
kernel.func @softmax(%x: memref<4x40xf32>, %y: memref<4x40xf32>) item %i {
  // CHECK: %[[ROW:[a-z0-9_]+]] = memref.alloca() {alignment = 64 : i64} : memref<48xf32>
  // CHECK: scf.for
  %c0 = arith.constant 0 : index
  %row = vector.load %x[%i, %c0] : memref<4x40xf32>, vector<40xf32>
  // CHECK: scf.for %[[J:[a-z0-9_]+]] =
  // CHECK: %[[E:[a-z0-9_]+]] = math.exp
  // CHECK: vector.store %[[E]], %[[ROW]][%[[J]]] : memref<48xf32>, vector<16xf32>
  // CHECK: vector.maskedload %[[X]]
  // CHECK: %[[TAIL:[a-z0-9_]+]] = math.exp
  // CHECK: vector.store %[[TAIL]], %[[ROW]]
  // CHECK-NOT: math.exp
  %e = math.exp %row : vector<40xf32>
  %s = vector.reduction <add>, %e : vector<40xf32> into f32
  %ss = vector.broadcast %s : f32 to vector<40xf32>
  // CHECK: scf.for %[[K:[a-z0-9_]+]] =
  // CHECK: %[[AGAIN:[a-z0-9_]+]] = vector.load %[[ROW]][%[[K]]] : memref<48xf32>, vector<16xf32>
  // CHECK: arith.divf %[[AGAIN]]
  // CHECK: vector.load %[[ROW]]
  // CHECK-NOT: math.exp
  %p = arith.divf %e, %ss : vector<40xf32>
  // CHECK: return
  vector.store %p, %y[%i, %c0] : memref<4x40xf32>, vector<40xf32>
  kernel.return
}

// A row of more than 256 KiB is computed again.
// CHECK-LABEL: func.func @long_softmax(
kernel.func @long_softmax(%x: memref<2x65552xf32>, %y: memref<2x65552xf32>) item %i {
  // CHECK-NOT: memref.alloca
  // CHECK: math.exp
  // CHECK: math.exp
  %c0 = arith.constant 0 : index
  %row = vector.load %x[%i, %c0] : memref<2x65552xf32>, vector<65552xf32>
  %e = math.exp %row : vector<65552xf32>
  %s = vector.reduction <add>, %e : vector<65552xf32> into f32
  %ss = vector.broadcast %s : f32 to vector<65552xf32>
  %p = arith.divf %e, %ss : vector<65552xf32>
  // CHECK: return
  vector.store %p, %y[%i, %c0] : memref<2x65552xf32>, vector<65552xf32>
  kernel.return
}

// What one side of a condition carried is not there behind it.
// CHECK-LABEL: func.func @carried_in_a_condition(
kernel.func @carried_in_a_condition(%x: memref<4x32xf32>, %if: memref<4xi32>, %y: memref<4x32xf32>, %s: memref<4xf32>)
    item %i {
  // CHECK: memref.alloca
  %c0 = arith.constant 0 : index
  %row = vector.load %x[%i, %c0] : memref<4x32xf32>, vector<32xf32>
  %e = math.exp %row : vector<32xf32>
  %flag = memref.load %if[%i] : memref<4xi32>
  %zero = arith.constant 0 : i32
  %wanted = arith.cmpi ne, %flag, %zero : i32
  // CHECK: scf.if
  // CHECK: math.exp
  scf.if %wanted {
    %sum = vector.reduction <add>, %e : vector<32xf32> into f32
    memref.store %sum, %s[%i] : memref<4xf32>
  }
  // CHECK: math.exp
  // CHECK: return
  vector.store %e, %y[%i, %c0] : memref<4x32xf32>, vector<32xf32>
  kernel.return
}
