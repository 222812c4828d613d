// RUN: ft-opt %s | ft-opt | FileCheck %s
// RUN: ft-opt %s --mlir-print-op-generic | ft-opt | FileCheck %s

// CHECK-LABEL: kernel.func @scale(
// CHECK-SAME: %[[X:.*]]: memref<1024x576xf32, strided<[624, 1]>>, %[[S:.*]]: memref<1024xf32>,
// CHECK-SAME: %[[Y:.*]]: memref<1024x576xf32, strided<[624, 1]>>) attributes {inplace = {{\[\[}}0, 2]]} item %[[I:.*]] {
kernel.func @scale(%x: memref<1024x576xf32, strided<[624, 1]>>, %s: memref<1024xf32>,
                   %y: memref<1024x576xf32, strided<[624, 1]>>) attributes {inplace = [[0, 2]]} item %i {
  %c0 = arith.constant 0 : index
  // CHECK: %[[ROW:.*]] = vector.load %[[X]][%[[I]], %{{.*}}]
  %row = vector.load %x[%i, %c0] : memref<1024x576xf32, strided<[624, 1]>>, vector<576xf32>
  %k = memref.load %s[%i] : memref<1024xf32>
  %ks = vector.broadcast %k : f32 to vector<576xf32>
  %out = arith.mulf %row, %ks : vector<576xf32>
  vector.store %out, %y[%i, %c0] : memref<1024x576xf32, strided<[624, 1]>>, vector<576xf32>
  // CHECK: kernel.return
  kernel.return
}

// CHECK-LABEL: kernel.func @words(
// CHECK-SAME: %[[OUT:.*]]: memref<8x144xi32>) item %[[I:.*]] {
kernel.func @words(%out: memref<8x144xi32>) item %i {
  %c0 = arith.constant 0 : index
  // CHECK: %[[C:.*]] = arith.constant dense<7> : vector<144xi32>
  %c = arith.constant dense<7> : vector<144xi32>
  // CHECK: %[[K:.*]] = arith.constant 3 : i32
  %k = arith.constant 3 : i32
  // CHECK: %{{.*}}, %{{.*}}, %[[W2:.*]], %{{.*}} = kernel.philox counter(%[[C]], %[[C]], %[[C]], %[[C]]) key(%[[K]], %[[K]]) : vector<144xi32>
  %w:4 = kernel.philox counter(%c, %c, %c, %c) key(%k, %k) : vector<144xi32>
  // CHECK: vector.store %[[W2]], %[[OUT]][%[[I]], %{{.*}}]
  vector.store %w#2, %out[%i, %c0] : memref<8x144xi32>, vector<144xi32>
  // CHECK: kernel.philox counter({{.*}}) key({{.*}}) : i32
  %s:4 = kernel.philox counter(%k, %k, %k, %k) key(%k, %k) : i32
  kernel.return
}

// CHECK-LABEL: kernel.func @codes(
kernel.func @codes(%bytes: memref<9x32xi8>, %out: memref<9x64xi32>) item %i {
  %c0 = arith.constant 0 : index
  // CHECK: kernel.load_codes %{{.*}}[%{{.*}}, %{{.*}}] : memref<9x32xi8>, vector<64xi32>
  %codes = kernel.load_codes %bytes[%i, %c0] : memref<9x32xi8>, vector<64xi32>
  vector.store %codes, %out[%i, %c0] : memref<9x64xi32>, vector<64xi32>
  kernel.return
}
