// Every operation of the ft dialect has a sharding rule that fits it. The instances come from whole training modules.
#include "compiler/Import/BuildModel.h"
#include "compiler/Import/ModelConfig.h"
#include "compiler/Layout/Layout.h"
#include "compiler/Model/TrainingModule.h"
#include "compiler/Sharding/Boxing.h"
#include "compiler/Sharding/FactorRule.h"
#include "compiler/Sharding/Partition.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"

#include "llvm/ADT/StringSet.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>

using namespace mlir;
using namespace ft;

namespace {

class Sharding : public testing::Test {
protected:
  Sharding() {
    DialectRegistry registry;
    registerModel(registry);
    registerSharding(registry);
    context.disableMultithreading();
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
  }

  OwningOpRef<ModuleOp> train(StringRef model, const ModelOptions &options, int64_t rows = 4, int64_t layers = 0) {
    llvm::Expected<ModelConfig> config = readModelConfig(("recipes/models/" + model).str());
    EXPECT_TRUE(bool(config)) << llvm::toString(config.takeError());
    if (layers) {
      config->layers = layers;
      config->perLayer.resize(layers, config->perLayer.front());
    }
    BatchShape shape{rows, 8, rows, /*generate=*/true};
    shape.targetRows = std::max(options.targetBounds.training, options.targetBounds.evaluation);
    OwningOpRef<ModuleOp> module = buildModel(&context, *config, shape);
    EXPECT_TRUE(module && succeeded(buildTrainingModule(*module, options)));
    return module;
  }

  static std::string text(ModuleOp module) {
    std::string printed;
    llvm::raw_string_ostream stream(printed);
    module.print(stream, OpPrintingFlags().assumeVerified());
    return printed;
  }

  MLIRContext context;
};

ModelOptions full(Precision precision = Precision::Fp32True, int64_t steps = 2) {
  ModelOptions options;
  options.precision = precision;
  options.accumulationSteps = steps;
  return options;
}

ModelOptions lora() {
  ModelOptions options = full(Precision::Bf16Mixed);
  options.lora = LoraOptions{8, 16, 0.1, {"all-linear"}};
  options.optimizer.kind = OptimizerOptions::Kind::Sgd;
  options.optimizer.momentum = 0.9;
  return options;
}

/// With masters in halves.
ModelOptions lion() {
  ModelOptions options = full(Precision::Bf16Mixed);
  options.optimizer.kind = OptimizerOptions::Kind::Lion;
  options.optimizer.splitMasters = true;
  return options;
}

/// With values on the host between forward and backward.
ModelOptions parked() {
  ModelOptions options = lora();
  options.recompute.park = Park::Stream;
  return options;
}

/// With segments for micro-batches of few targets; those of evaluation read the first of what inputs name.
ModelOptions targets() {
  ModelOptions options = lora();
  options.targetBounds = {16, 8};
  return options;
}

TEST_F(Sharding, EveryOperationHasARuleThatFits) {
  llvm::StringSet<> seen;
  auto check = [&](ModuleOp module) {
    module.walk([&](Operation *op) {
      if (op->getName().getDialectNamespace() != "ft")
        return;
      seen.insert(op->getName().getStringRef());
      EXPECT_TRUE(succeeded(getFactorRule(op))) << op->getName().getStringRef().str();
    });
  };
  for (StringRef model : {"tiny-tied", "tiny-qwen2", "tiny-gemma3"})
    check(*train(model, full(Precision::Bf16Mixed)));
  OwningOpRef<ModuleOp> adapters = train("tiny-gqa", lora());
  check(*adapters);
  ASSERT_TRUE(succeeded(layOut(*adapters, {})));
  check(*adapters);
  check(*train("tiny-gqa", targets()));
  check(*train("tiny-gqa", parked()));
  check(*train("tiny-gqa", lion()));
  check(*train("tiny-tied", full(Precision::Fp16Mixed)));
  OwningOpRef<ModuleOp> bordered = train("tiny-gqa", lora());
  LayoutOptions split;
  split.foldAdapters = split.splitFrozen = true, split.ranks = 2;
  ASSERT_TRUE(succeeded(layOut(*bordered, split)));
  check(*bordered);
  // Made by Sharding itself, by Planning and by Fusion, of one rank's values.
  const llvm::StringSet<> later{"ft.accumulate",
                                "ft.dequantize",
                                "ft.stored",
                                "ft.quantize_rows",
                                "ft.transpose",
                                "ft.scaled_linear",
                                "ft.scaled_linear_bwd_input"};
  for (RegisteredOperationName name : context.getRegisteredOperations())
    if (name.getDialectNamespace() == "ft" && !later.contains(name.getStringRef())) {
      EXPECT_TRUE(name.hasInterface<model::Factors>()) << name.getStringRef().str() << " has no sharding rule";
      EXPECT_TRUE(seen.contains(name.getStringRef()))
          << name.getStringRef().str() << " is in none of the modules above: nothing here tests its rule";
    }
}

/// A rule that is wrong for `op` is refused with a message that contains `expected`.
void expectRefused(Operation *op, const FactorRule &rule, StringRef expected) {
  std::string message;
  ScopedDiagnosticHandler handler(op->getContext(), [&](Diagnostic &diagnostic) { message = diagnostic.str(); });
  EXPECT_TRUE(failed(checkFactorRule(op, rule)));
  EXPECT_NE(message.find(expected.str()), std::string::npos) << message;
}

TEST_F(Sharding, AWrongRuleIsRefused) {
  OwningOpRef<ModuleOp> module = train("tiny-gqa", full());
  model::CastOp cast;
  module = train("tiny-gqa", full(Precision::Bf16Mixed));
  module->walk([&](model::CastOp op) {
    if (op.getType().getShape() == ArrayRef<int64_t>{64, 32})
      cast = op;
  });
  ASSERT_TRUE(cast);
  FactorRule good = *getFactorRule(cast);
  EXPECT_TRUE(succeeded(checkFactorRule(cast, good)));

  FactorRule noOperand;
  noOperand.result({noOperand.letter("a", LetterKind::Free), noOperand.letter("b", LetterKind::Free)});
  expectRefused(cast, noOperand, "has 0 operands; the operation has 1");

  FactorRule oneLetter;
  oneLetter.operand({oneLetter.letter("a", LetterKind::Free)});
  expectRefused(cast, oneLetter, "has 1 letters for operand 0");

  FactorRule transposed;
  const unsigned a = transposed.letter("a", LetterKind::Free), b = transposed.letter("b", LetterKind::Free);
  transposed.operand({a, b});
  transposed.result({b, a});
  expectRefused(cast, transposed, "gives b the sizes 32 and 64");

  FactorRule granule;
  const unsigned c = granule.letter("c", LetterKind::Free, /*granule=*/7), d = granule.letter("d", LetterKind::Free);
  granule.operand({c, d});
  granule.result({c, d});
  expectRefused(cast, granule, "the granule 7, which does not divide 64");

  FactorRule undeclared;
  undeclared.operand({0, 1});
  expectRefused(cast, undeclared, "a letter that it did not declare");

  FactorRule adds;
  const unsigned e = adds.letter("e", LetterKind::Free), f = adds.letter("f", LetterKind::Free);
  adds.added({e, f}, 0);
  adds.result({adds.letter("g", LetterKind::Free), f});
  expectRefused(cast, adds, "adds an operand to a result with other letters");
}

/// Ranks that the module is for.
int64_t worldSize(ModuleOp module) {
  dist::MeshOp mesh = findMesh(module);
  return mesh ? mesh.getRanks() : 1;
}

TEST_F(Sharding, OneRankLeavesTheModuleAsItWas) {
  for (Strategy strategy : {Strategy::Ddp, Strategy::Fsdp}) {
    for (const ModelOptions &options : {full(), full(Precision::Bf16Mixed, 1), lora(), targets()}) {
      OwningOpRef<ModuleOp> module = train("tiny-tied", options);
      const std::string before = text(*module);
      ASSERT_TRUE(succeeded(partition(*module, MeshSpec{1}, strategy, true)));
      EXPECT_TRUE(succeeded(verify(*module)));
      EXPECT_EQ(text(*module), before);
      EXPECT_EQ(worldSize(*module), 1);
    }
  }
}

TEST_F(Sharding, SeveralRanksGiveAModuleThatVerifies) {
  for (Strategy strategy : {Strategy::Ddp, Strategy::Fsdp})
    for (const ModelOptions &options : {full(), full(Precision::Bf16True, 1), lora(), lion(), targets()})
      for (StringRef model : {"tiny-gqa", "tiny-tied", "tiny-head-dim-100"}) {
        OwningOpRef<ModuleOp> module = train(model, options);
        ASSERT_TRUE(succeeded(partition(*module, MeshSpec{2}, strategy, true))) << model.str();
        EXPECT_TRUE(succeeded(verify(*module)));
        EXPECT_TRUE(succeeded(checkTrainingModule(*module)));
        EXPECT_EQ(worldSize(*module), 2);
        module->walk([&](Operation *op) { EXPECT_FALSE((isa<dist::ConstraintOp, dist::ReshardOp>(op))); });
      }
}

// A module of 40 layers goes through in well under a second; the bound leaves room for a busy machine.
TEST_F(Sharding, FortyLayersTakeLittleTime) {
  OwningOpRef<ModuleOp> module = train("tiny-gqa", full(), 4, /*layers=*/40);
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_TRUE(succeeded(partition(*module, MeshSpec{1}, Strategy::Ddp, false)));
  const double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
  RecordProperty("milliseconds", std::to_string(ms));
  std::printf("40 layers on one rank: %.1f ms\n", ms);
  EXPECT_LT(ms, 1000);
}

TEST_F(Sharding, RanksThatDoNotDivideAreRefusedByName) {
  OwningOpRef<ModuleOp> module = train("tiny-gqa", full(), /*rows=*/3);
  std::string message;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) { message = diagnostic.str(); });
  EXPECT_TRUE(failed(partition(*module, MeshSpec{16}, Strategy::Ddp, false)));
  EXPECT_NE(message.find("@tokens: dimension 0 has 24 elements; must be a multiple of 16"), std::string::npos)
      << message;
}

} // namespace
