// RUN: ft-opt %s --kernel-strip-mine | FileCheck %s

// Two phases: the sum of squares walks the row once; the second walk recomputes the slice. The store of the sum in place
// waits for the second walk, since the row is read again there. Fifty elements are three tiles of 16 and two lanes.
// CHECK-LABEL: func.func @add_norm(
// CHECK-SAME: %[[A:[a-z0-9_]+]]: memref<4x50xf32> {llvm.noalias}, %[[B:[a-z0-9_]+]]: memref<4x50xf32> {llvm.noalias, llvm.readonly},
// CHECK-SAME: %{{.*}}: memref<4x50xf32> {llvm.noalias, llvm.readonly}, %[[Y:[a-z0-9_]+]]: memref<4x50xf32> {llvm.noalias},
// CHECK-SAME: %[[BEGIN:[a-z0-9_]+]]: index, %[[END:[a-z0-9_]+]]: index)
kernel.func @add_norm(%a: memref<4x50xf32>, %b: memref<4x50xf32>, %x: memref<4x50xf32>, %y: memref<4x50xf32>)
    attributes {inplace = [[0, 2]]} item %i {
  // CHECK: scf.for %[[I:[a-z0-9_]+]] = %[[BEGIN]] to %[[END]]
  %c0 = arith.constant 0 : index
  %ra = vector.load %a[%i, %c0] : memref<4x50xf32>, vector<50xf32>
  %rb = vector.load %b[%i, %c0] : memref<4x50xf32>, vector<50xf32>
  %sum = arith.addf %ra, %rb : vector<50xf32>
  vector.store %sum, %x[%i, %c0] : memref<4x50xf32>, vector<50xf32>
  %square = arith.mulf %sum, %sum : vector<50xf32>
  // CHECK: %[[PARTIAL:[a-z0-9_]+]] = scf.for %[[J:[a-z0-9_]+]] = %{{.*}} to %{{.*}} step %{{.*}} iter_args(%[[ACC:[a-z0-9_]+]] = %{{.*}}) -> (vector<16xf32>) {
  // CHECK: %[[RA:[a-z0-9_]+]] = vector.load %[[A]][%[[I]], %{{.*}}]
  // CHECK: %[[RB:[a-z0-9_]+]] = vector.load %[[B]][%[[I]], %{{.*}}]
  // CHECK: %[[SUM:[a-z0-9_]+]] = arith.addf %[[RA]], %[[RB]] : vector<16xf32>
  // CHECK-NOT: vector.store
  // CHECK: %[[SQUARE:[a-z0-9_]+]] = arith.mulf %[[SUM]], %[[SUM]] : vector<16xf32>
  // CHECK: arith.addf %[[ACC]], %[[SQUARE]]
  // CHECK: vector.maskedload %[[A]]
  // CHECK: arith.select %{{.*}}, %{{.*}}, %{{.*}} : vector<16xi1>, vector<16xf32>
  // CHECK: vector.shuffle
  // CHECK: %[[S:[a-z0-9_]+]] = vector.extract
  %s = vector.reduction <add>, %square : vector<50xf32> into f32
  // CHECK: %[[R:[a-z0-9_]+]] = math.rsqrt %[[S]]
  %r = math.rsqrt %s : f32
  %rr = vector.broadcast %r : f32 to vector<50xf32>
  %out = arith.mulf %sum, %rr : vector<50xf32>
  // CHECK: scf.for
  // CHECK: %[[SUM2:[a-z0-9_]+]] = arith.addf
  // CHECK: vector.store %[[SUM2]], %[[A]]
  // CHECK: vector.broadcast %[[R]] : f32 to vector<16xf32>
  // CHECK: vector.store %{{.*}}, %[[Y]]
  // CHECK: vector.maskedstore %[[A]]
  // CHECK: vector.maskedstore %[[Y]]
  vector.store %out, %y[%i, %c0] : memref<4x50xf32>, vector<50xf32>
  kernel.return
}

// A loop that carries a row stands inside the loop over tiles.
// CHECK-LABEL: func.func @sum_rows(
kernel.func @sum_rows(%x: memref<8x32xf64>, %y: memref<1x32xf64>) item %i {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c8 = arith.constant 8 : index
  %zero = arith.constant dense<0.0> : vector<32xf64>
  // CHECK: scf.for
  // CHECK: scf.for
  // CHECK: %[[SUM:[a-z0-9_]+]] = scf.for {{.*}} -> (vector<16xf64>) {
  // CHECK: vector.load %{{.*}} : memref<8x32xf64>, vector<16xf64>
  // CHECK: scf.yield
  // CHECK: }
  // CHECK: vector.store %[[SUM]]
  %sum = scf.for %k = %c0 to %c8 step %c1 iter_args(%acc = %zero) -> (vector<32xf64>) {
    %row = vector.load %x[%k, %c0] : memref<8x32xf64>, vector<32xf64>
    %next = arith.addf %acc, %row : vector<32xf64>
    scf.yield %next : vector<32xf64>
  }
  vector.store %sum, %y[%i, %c0] : memref<1x32xf64>, vector<32xf64>
  kernel.return
}

// Independent reductions share a walk.
// CHECK-LABEL: func.func @min_max(
kernel.func @min_max(%x: memref<8x64xf32>, %low: memref<8xf32>, %high: memref<8xf32>) item %i {
  %c0 = arith.constant 0 : index
  %row = vector.load %x[%i, %c0] : memref<8x64xf32>, vector<64xf32>
  // CHECK: scf.for
  // CHECK: scf.for {{.*}} -> (vector<16xf32>, vector<16xf32>)
  // CHECK-NOT: scf.for
  %a = vector.reduction <minnumf>, %row : vector<64xf32> into f32
  memref.store %a, %low[%i] : memref<8xf32>
  %b = vector.reduction <maxnumf>, %row : vector<64xf32> into f32
  memref.store %b, %high[%i] : memref<8xf32>
  // CHECK: return
  kernel.return
}

// A store follows what it needs: the second row is read when the first is written, since they are disjoint.
// CHECK-LABEL: func.func @disjoint(
kernel.func @disjoint(%x: memref<8x32xf32>) item %i {
  %c0 = arith.constant 0 : index
  %c16 = arith.constant 16 : index
  // CHECK: vector.load
  // CHECK: vector.store
  // CHECK: vector.load
  // CHECK: vector.store
  %a = vector.load %x[%i, %c0] : memref<8x32xf32>, vector<16xf32>
  %b = vector.load %x[%i, %c16] : memref<8x32xf32>, vector<16xf32>
  %a2 = arith.addf %a, %a : vector<16xf32>
  %b2 = arith.addf %b, %b : vector<16xf32>
  vector.store %a2, %x[%i, %c0] : memref<8x32xf32>, vector<16xf32>
  vector.store %b2, %x[%i, %c16] : memref<8x32xf32>, vector<16xf32>
  kernel.return
}

// Rows that are exchanged in place are both read before either is written.
// CHECK-LABEL: func.func @exchange(
kernel.func @exchange(%x: memref<8x32xf32>) item %i {
  %c0 = arith.constant 0 : index
  %c16 = arith.constant 16 : index
  // CHECK: %[[A:[a-z0-9_]+]] = vector.load
  // CHECK: %[[B:[a-z0-9_]+]] = vector.load
  // CHECK: vector.store %[[B]]
  // CHECK: vector.store %[[A]]
  %a = vector.load %x[%i, %c0] : memref<8x32xf32>, vector<16xf32>
  %b = vector.load %x[%i, %c16] : memref<8x32xf32>, vector<16xf32>
  vector.store %b, %x[%i, %c0] : memref<8x32xf32>, vector<16xf32>
  vector.store %a, %x[%i, %c16] : memref<8x32xf32>, vector<16xf32>
  kernel.return
}
