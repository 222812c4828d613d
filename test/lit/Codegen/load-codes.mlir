// RUN: ft-opt %s --kernel-strip-mine | FileCheck %s
// RUN: ft-opt %s --kernel-strip-mine=target=gpu | FileCheck %s --check-prefix=GPU

// Sixteen codes a tile out of eight bytes on the CPU, eight out of four aligned bytes on a GPU; high halves first.
// CHECK-LABEL: func.func @codes(
// CHECK: %[[HALF:.+]] = arith.shrui %{{.+}}, %{{.+}} : index
// CHECK: %[[AT:.+]] = arith.addi %{{.+}}, %[[HALF]] overflow<nsw> : index
// CHECK: %[[BYTES:.+]] = vector.load %{{.+}}[%{{.+}}, %[[AT]]] : memref<9x32xi8>, vector<8xi8>
// CHECK: %[[WIDE:.+]] = arith.extui %[[BYTES]] : vector<8xi8> to vector<8xi32>
// CHECK: %[[HIGH:.+]] = arith.shrui %[[WIDE]]
// CHECK: %[[LOW:.+]] = arith.andi %[[WIDE]]
// CHECK: vector.shuffle %[[HIGH]], %[[LOW]] [0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15]
// GPU-LABEL: func.func @codes(
// GPU-SAME: alignments = array<i64: 4, 16>, items_per_block = 16 : i64
// GPU: vector.load {{.*}} {alignment = 4 : i64} : memref<9x32xi8>, vector<4xi8>
// GPU: vector.store {{.*}} {alignment = 16 : i64} {{.*}}vector<8xbf16>
kernel.func @codes(%bytes: memref<9x32xi8>, %y: memref<9x64xbf16, strided<[80, 1]>>) item %i {
  %c0 = arith.constant 0 : index
  %codes = kernel.load_codes %bytes[%i, %c0] : memref<9x32xi8>, vector<64xi32>
  %numbers = arith.sitofp %codes : vector<64xi32> to vector<64xf32>
  %narrow = arith.truncf %numbers : vector<64xf32> to vector<64xbf16>
  vector.store %narrow, %y[%i, %c0] : memref<9x64xbf16, strided<[80, 1]>>, vector<64xbf16>
  kernel.return
}

// Six codes in three bytes: a tile of the CPU loads no byte behind them. A store that is no whole vector takes
// a thread one code, which is one half or the other.
// CHECK-LABEL: func.func @tail(
// CHECK: vector.maskedload {{.*}} vector<8xi1>, vector<8xi8> into vector<8xi8>
// GPU-LABEL: func.func @tail(
// GPU: vector.load {{.*}} : memref<9x3xi8>, vector<1xi8>
// GPU: %[[BIT:.+]] = arith.andi %{{.+}}, %{{.+}} : index
// GPU: %[[SECOND:.+]] = arith.cmpi eq, %[[BIT]]
// GPU: arith.select %[[SECOND]], %{{.+}}, %{{.+}} : vector<1xi32>
kernel.func @tail(%bytes: memref<9x3xi8>, %y: memref<9x6xi32, strided<[7, 1]>>) item %i {
  %c0 = arith.constant 0 : index
  %codes = kernel.load_codes %bytes[%i, %c0] : memref<9x3xi8>, vector<6xi32>
  vector.store %codes, %y[%i, %c0] : memref<9x6xi32, strided<[7, 1]>>, vector<6xi32>
  kernel.return
}
