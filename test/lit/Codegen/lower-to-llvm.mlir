// RUN: ft-opt %s --split-input-file --kernel-strip-mine --kernel-lower-math --kernel-lower-to-llvm | FileCheck %s
// RUN: ft-opt %s --split-input-file --kernel-strip-mine=target=gpu --kernel-lower-math --kernel-lower-to-llvm=target=gpu | FileCheck %s --check-prefix=GPU

// CHECK: llvm.func internal @copy.items(%{{.*}}: !llvm.ptr {llvm.noalias, llvm.readonly}, %{{.*}}: !llvm.ptr {llvm.noalias}, %{{.*}}: i64, %{{.*}}: i64)
// CHECK-SAME: passthrough = ["noinline"]
// CHECK: llvm.func @copy(%[[ARGS:[a-z0-9_]+]]: !llvm.ptr, %[[BEGIN:[a-z0-9_]+]]: i64, %[[END:[a-z0-9_]+]]: i64)
// CHECK: %[[A0:[a-z0-9_]+]] = llvm.getelementptr %[[ARGS]][0]
// CHECK: %[[X:[a-z0-9_]+]] = llvm.load %[[A0]]
// CHECK: %[[A1:[a-z0-9_]+]] = llvm.getelementptr %[[ARGS]][1]
// CHECK: %[[Y:[a-z0-9_]+]] = llvm.load %[[A1]]
// CHECK: llvm.call @copy.items(%[[X]], %[[Y]], %[[BEGIN]], %[[END]])

// GPU: llvm.func @copy(%{{.*}}: !llvm.ptr {llvm.noalias, llvm.readonly}, %{{.*}}: !llvm.ptr {llvm.noalias}, %{{.*}}: i64)
// GPU-SAME: nvvm.kernel
// GPU-SAME: nvvm.reqntid = array<i32: 128, 1, 1>
kernel.func @copy(%x: memref<4x64xf32>, %y: memref<4x64xf32>) item %i {
  %c0 = arith.constant 0 : index
  %v = vector.load %x[%i, %c0] : memref<4x64xf32>, vector<64xf32>
  vector.store %v, %y[%i, %c0] : memref<4x64xf32>, vector<64xf32>
  kernel.return
}
