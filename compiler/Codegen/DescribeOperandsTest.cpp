#include "compiler/Codegen/KernelHarness.h"

namespace ft {
namespace {

/// Row ids[i] of a table becomes row i; starts bound a loop over places, whose elements choose rows of y again.
const char *gather = R"(
kernel.func @gather(%ids: memref<8xi32>, %table: memref<100x$Nxf32>, %starts: memref<9xi32>, %places: memref<20xi32>,
                    %y: memref<30x$Nxf32, strided<[$P, 1]>>, %flag: memref<1xi32>) attributes {items = 8 : i64} item %i {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %id = memref.load %ids[%i] : memref<8xi32>
  %zero = arith.constant 0 : i32
  %known = arith.cmpi sge, %id, %zero : i32
  %safe = arith.select %known, %id, %zero : i32
  %row = arith.index_cast %safe : i32 to index
  %x = vector.load %table[%row, %c0] : memref<100x$Nxf32>, vector<$Nxf32>
  %next = arith.addi %i, %c1 : index
  %b = memref.load %starts[%i] : memref<9xi32>
  %e = memref.load %starts[%next] : memref<9xi32>
  %begin = arith.index_cast %b : i32 to index
  %end = arith.index_cast %e : i32 to index
  scf.for %k = %begin to %end step %c1 {
    %p = memref.load %places[%k] : memref<20xi32>
    %place = arith.index_cast %p : i32 to index
    vector.store %x, %y[%place, %c0] : memref<30x$Nxf32, strided<[$P, 1]>>, vector<$Nxf32>
  }
  %f = memref.load %flag[%c0] : memref<1xi32>
  %good = arith.cmpi eq, %f, %zero : i32
  scf.if %good {
    memref.store %id, %flag[%c0] : memref<1xi32>
  }
  kernel.return
})";

CompiledKernel describe(const CodegenTarget &target, int64_t length, int64_t pitch) {
  return compileText(instantiate(gather, length, pitch), target).kernels.at(0);
}

TEST(DescribeOperands, SpansWritesAndIndices) {
  const CompiledKernel kernel = describe({CodegenTarget::Driver::Cpu, {"x86-64-v3"}}, 64, 68);
  EXPECT_EQ(kernel.items, 8u);
  ASSERT_EQ(kernel.operands.size(), 6u);
  const uint64_t bytes[] = {8 * 4, 100 * 64 * 4, 9 * 4, 20 * 4, (29 * 68 + 64) * 4, 4};
  const uint64_t limits[] = {100, 0, 21, 30, 0, 0};
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(kernel.operands[i].bytes, bytes[i]) << i;
    EXPECT_EQ(kernel.operands[i].indexLimit, limits[i]) << i;
    EXPECT_EQ(kernel.operands[i].written, i >= 4) << i;
    EXPECT_EQ(kernel.operands[i].alignment, 4u) << i;
  }
}

TEST(DescribeOperands, AlignmentIsWhatAThreadMovesAtOnce) {
  const CodegenTarget gpu{CodegenTarget::Driver::Cuda, {"sm_80"}};
  const CompiledKernel wide = describe(gpu, 64, 68), pairs = describe(gpu, 64, 66), odd = describe(gpu, 63, 63);
  const uint32_t alignments[] = {4, 16, 4, 4, 16, 4};
  for (int i = 0; i < 6; ++i)
    EXPECT_EQ(wide.operands[i].alignment, alignments[i]) << i;
  EXPECT_EQ(pairs.operands[1].alignment, 8u);
  EXPECT_EQ(odd.operands[1].alignment, 4u);
}

} // namespace
} // namespace ft
