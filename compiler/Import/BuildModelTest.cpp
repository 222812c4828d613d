#include "compiler/Import/BuildModel.h"

#include "dialects/Ft/Ft.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/MLIRContext.h"

#include "llvm/ADT/SetVector.h"

#include <gtest/gtest.h>

using namespace mlir;
using namespace ft;

namespace {

ModelConfig tiny() {
  auto config = readModelConfig("recipes/models/tiny-gqa");
  EXPECT_TRUE(bool(config));
  return *config;
}

TEST(BuildModel, TheLinearsOfALayerAreThoseThatAreNamed) {
  MLIRContext context;
  const ModelConfig config = tiny();
  OwningOpRef<ModuleOp> module = buildModel(&context, config, {1, 8, 1});
  ASSERT_TRUE(module);
  llvm::SetVector<StringRef> names;
  for (auto linear : module->lookupSymbol<func::FuncOp>("forward").getOps<model::LinearOp>())
    for (Value weight : linear.getWeights()) {
      StringRef key = weight.getDefiningOp<model::ReadOp>().getVariable();
      ASSERT_TRUE(key.consume_back(".weight"));
      names.insert(key.rsplit('.').second);
    }
  EXPECT_EQ(std::vector<std::string>(names.begin(), names.end()), linearNames(config));
  for (const std::string &name : defaultAdapterTargets(config))
    EXPECT_TRUE(names.contains(name)) << name;
}

TEST(BuildModel, WhatItRefusesNamesTheFieldOfTheRecipe) {
  const ModelConfig config = tiny(); // 128 positions, heads of 16
  auto fieldOf = [&](const BatchShape &shape) {
    const std::optional<FieldError> error = checkShape(config, shape);
    return error ? error->field : "accepted";
  };
  EXPECT_EQ(fieldOf({2, 8, 2}), "accepted");
  EXPECT_EQ(fieldOf({2, 129, 2}), "sequence_len");
  EXPECT_EQ(fieldOf({int64_t(1) << 30, 8, 1}), "micro_batch_size");
  EXPECT_EQ(fieldOf({4, 8, 3}), "max_documents_per_row");
  EXPECT_EQ(fieldOf({1, 8, 1, false, 12}), ""); // lanes of a head are no field
  EXPECT_EQ(checkShape(config, {2, 129, 2})->message,
            "sequence_len is 129; must be at most 128, the model's max_position_embeddings");
}

} // namespace
