// RUN: ft-opt %s --kernel-strip-mine=target=gpu | FileCheck %s

// A row of 96 f32 takes a warp, four rows a block; 24 vectors of four, so some lanes have none.
// CHECK-LABEL: func.func @norm(
// CHECK-SAME: %[[X:[a-z0-9_]+]]: memref<8x96xf32> {llvm.noalias, llvm.readonly}
// CHECK-SAME: %[[ITEMS:[a-z0-9_]+]]: i64) attributes {kernel.launch = {alignments = array<i64: 16, 16, 1>, items_per_block = 4 : i64, min_blocks = 6 : i64, threads = 128 : i64}}
kernel.func @norm(%x: memref<8x96xf32>, %y: memref<8x96xf32>, %r: memref<8xf32>) item %i {
  %c0 = arith.constant 0 : index
  // CHECK: nvvm.read.ptx.sreg.tid.x
  // CHECK: nvvm.read.ptx.sreg.ctaid.x
  // CHECK: %[[EXISTS:[a-z0-9_]+]] = arith.cmpi slt, %{{.*}}, %[[ITEMS]] : i64
  // CHECK: scf.if %[[EXISTS]]
  // CHECK: %[[ACTIVE:[a-z0-9_]+]] = arith.cmpi ult
  // CHECK: arith.select %[[ACTIVE]]
  // CHECK: vector.load %[[X]][{{.*}}] {alignment = 16 : i64} : memref<8x96xf32>, vector<4xf32>
  %row = vector.load %x[%i, %c0] : memref<8x96xf32>, vector<96xf32>
  // CHECK-COUNT-5: nvvm.shfl.sync bfly
  // CHECK-NOT: nvvm.barrier0
  %s = vector.reduction <add>, %row : vector<96xf32> into f32
  %ss = vector.broadcast %s : f32 to vector<96xf32>
  %out = arith.mulf %row, %ss : vector<96xf32>
  // The row is still in registers.
  // CHECK-NOT: vector.load
  // CHECK: scf.if %[[ACTIVE2:[a-z0-9_]+]] {
  // CHECK: vector.store %{{.*}} {alignment = 16 : i64}
  vector.store %out, %y[%i, %c0] : memref<8x96xf32>, vector<96xf32>
  // CHECK: arith.cmpi eq
  // CHECK: scf.if
  // CHECK: memref.store
  memref.store %s, %r[%i] : memref<8xf32>
  kernel.return
}

// A long row takes a block and is read once per phase; warps meet in shared memory.
// CHECK: llvm.mlir.global internal @long.shared0() {addr_space = 3 : i32, alignment = 16 : i64} : !llvm.array<8 x f32>
// CHECK-LABEL: func.func @long(
// CHECK-SAME: memref<8x32000xbf16> {llvm.noalias, llvm.readonly}
// CHECK-SAME: kernel.launch = {alignments = array<i64: 16, 1>, items_per_block = 1 : i64, min_blocks = 3 : i64, threads = 256 : i64}
kernel.func @long(%x: memref<8x32000xbf16>, %r: memref<8xf32>) item %i {
  %c0 = arith.constant 0 : index
  // CHECK: scf.for
  // CHECK: vector.load {{.*}} {alignment = 16 : i64} : memref<8x32000xbf16>, vector<8xbf16>
  %b = vector.load %x[%i, %c0] : memref<8x32000xbf16>, vector<32000xbf16>
  %row = arith.extf %b : vector<32000xbf16> to vector<32000xf32>
  // CHECK-COUNT-5: nvvm.shfl.sync bfly
  // CHECK: llvm.store
  // CHECK: nvvm.barrier0
  // CHECK: llvm.load
  // CHECK-COUNT-5: nvvm.shfl.sync bfly
  %s = vector.reduction <maximumf>, %row : vector<32000xf32> into f32
  memref.store %s, %r[%i] : memref<8xf32>
  kernel.return
}

// Fifty elements at a pitch of 51 allow no vectors.
// CHECK-LABEL: func.func @odd(
// CHECK-SAME: alignments = array<i64: 4>
kernel.func @odd(%x: memref<8x50xf32, strided<[51, 1]>>) item %i {
  %c0 = arith.constant 0 : index
  // CHECK: vector.load {{.*}} {alignment = 4 : i64} : memref<8x50xf32, strided<[51, 1]>>, vector<1xf32>
  %row = vector.load %x[%i, %c0] : memref<8x50xf32, strided<[51, 1]>>, vector<50xf32>
  %out = arith.addf %row, %row : vector<50xf32>
  vector.store %out, %x[%i, %c0] : memref<8x50xf32, strided<[51, 1]>>, vector<50xf32>
  kernel.return
}

// Rows of 64 bf16 are eight vectors: eight lanes each, sixteen rows a block. Shuffles stay among the lanes of a row.
// CHECK-LABEL: func.func @short(
// CHECK-SAME: items_per_block = 16 : i64, min_blocks = 6 : i64, threads = 128 : i64
kernel.func @short(%x: memref<8x64xbf16>, %r: memref<8xf32>) item %i {
  %c0 = arith.constant 0 : index
  // CHECK: %[[MEMBERS:[a-z0-9_]+]] = arith.shli
  // CHECK-NOT: arith.cmpi ult
  %b = vector.load %x[%i, %c0] : memref<8x64xbf16>, vector<64xbf16>
  %row = arith.extf %b : vector<64xbf16> to vector<64xf32>
  // CHECK-COUNT-3: nvvm.shfl.sync bfly %[[MEMBERS]]
  // CHECK-NOT: nvvm.shfl.sync
  %s = vector.reduction <add>, %row : vector<64xf32> into f32
  // CHECK: memref.store
  memref.store %s, %r[%i] : memref<8xf32>
  kernel.return
}
