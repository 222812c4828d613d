// One kernel for equal requests, and another as soon as one thing differs that a builder could bake into its code.
#include "compiler/Planning/KernelPool.h"

#include "compiler/Fusion/Programs/Programs.h"
#include "compiler/Fusion/Rows/Rows.h"

#include "mlir/IR/Builders.h"

#include <gtest/gtest.h>

using namespace mlir;
using namespace ft;

namespace {

class KernelPoolTest : public testing::Test {
protected:
  KernelPoolTest() {
    DialectRegistry registry;
    registerRowModels(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
    module = ModuleOp::create(UnknownLoc::get(&context));
    pool = std::make_unique<KernelPool>(*module);
  }

  std::string nameOf(const RowProgram &program) { return kernel::FuncOp(program.func).getSymName().str(); }

  int64_t kernels() {
    auto all = module->getOps<kernel::FuncOp>();
    return std::distance(all.begin(), all.end());
  }

  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  std::unique_ptr<KernelPool> pool;
};

struct Copy {
  MatrixLayout from, to;
  MatrixBatch batch;
};

TEST_F(KernelPoolTest, AnyArgumentThatDiffersGetsAnotherKernel) {
  Type f32 = Float32Type::get(&context), bf16 = BFloat16Type::get(&context);
  const Copy first{{f32, 16, 64, 64}, {bf16, 16, 64, 80}, {2, 1024, 2048}};
  auto request = [&](const Copy &c) { return nameOf(pool->get("copy", buildCopy, c.from, c.to, c.batch)); };
  EXPECT_EQ(request(first), "copy");
  int64_t count = 1;
  for (auto change :
       {+[](Copy &c) { c.from.type = c.to.type; }, +[](Copy &c) { c.to.type = c.from.type; },
        +[](Copy &c) { c.from.rows = c.to.rows = 8; }, +[](Copy &c) { c.from.columns = c.to.columns = 32; },
        +[](Copy &c) { c.from.pitch = 72; }, +[](Copy &c) { c.to.pitch = 64; }, +[](Copy &c) { c.batch.count = 3; },
        +[](Copy &c) { c.batch.sourcePitch = 4096; }, +[](Copy &c) { c.batch.targetPitch = 4096; }}) {
    Copy other = first;
    change(other);
    const std::string name = request(other);
    EXPECT_EQ(name, "copy_" + std::to_string(count));
    EXPECT_EQ(kernels(), ++count);
    EXPECT_EQ(request(Copy(other)), name);
    EXPECT_EQ(kernels(), count);
  }
  EXPECT_EQ(request(first), "copy");
}

TEST_F(KernelPoolTest, PlainArgumentsCountAsWell) {
  Type f32 = Float32Type::get(&context);
  const MatrixLayout gradient{f32, 16, 64, 64}, table{f32, 32, 64, 64};
  auto request = [&](int64_t segments, bool accumulate) {
    return nameOf(pool->get("embedding_grad", buildEmbeddingGrad, gradient, table, segments, accumulate));
  };
  EXPECT_EQ(request(12, true), "embedding_grad");
  EXPECT_EQ(request(13, true), "embedding_grad_1");
  EXPECT_EQ(request(12, false), "embedding_grad_2");
  EXPECT_EQ(request(12, true), "embedding_grad");
}

TEST_F(KernelPoolTest, BuildersDoNotShareKeys) {
  Type f32 = Float32Type::get(&context);
  BucketLayout bucket;
  bucket.rows = 4;
  bucket.param = bucket.grad = f32;
  auto sgd = [&](double decay) { return nameOf(pool->get("update", buildSgd, bucket, SgdOptions{0, decay, 1})); };
  auto squares = [&](int64_t items) {
    return nameOf(pool->get("update", buildSumOfSquares, f32, bucket.rows, bucketRow, items));
  };
  EXPECT_EQ(sgd(0.1), "update");
  EXPECT_EQ(squares(1024), "update_1");
  EXPECT_EQ(sgd(0.2), "update_2");
  EXPECT_EQ(squares(1024), "update_1");
  EXPECT_EQ(sgd(0.1), "update");
}

} // namespace
