// The training step that compiler/Model builds, interpreted in double precision on the runtime's own weights, batches
// and dropout keys, against gradients of an independent implementation: Import, InsertAdapters, Differentiate and
// Accumulate without any kernel; logits of the families of models as well.
//
// Tolerance: both sides round in double, sums of some hundred terms in different orders: 1e-10 norm-wise per tensor.
#include "compiler/Import/BuildModel.h"
#include "compiler/Model/Interpreter/Interpreter.h"
#include "compiler/Model/TrainingModule.h"
#include "runtime/Support/Philox.h"
#include "runtime/Text/BatchSource.h"
#include "runtime/Text/SyntheticData.h"
#include "runtime/Weights/Seeded.h"
#include "test/goldens/gradients/Golden.h"

#include "mlir/IR/MLIRContext.h"

#include <gtest/gtest.h>

#include <cmath>

using namespace mlir;
using namespace ft;
using namespace ft::model;

namespace {

constexpr double tolerance = 1e-10;

class GoldenRun {
public:
  explicit GoldenRun(const Golden &golden) : golden(golden) {}

  void build() {
    DialectRegistry registry;
    registerModel(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
    auto parsed = readModelConfig("recipes/models/" + golden.model);
    ASSERT_TRUE(bool(parsed)) << llvm::toString(parsed.takeError());
    config = *parsed;
    module = buildModel(&context, config, {golden.rows, golden.sequenceLen, golden.documents(), true});
    ASSERT_TRUE(module);
    ModelOptions options;
    options.precision = Precision::Fp64True;
    options.accumulationSteps = golden.accumulation;
    if (golden.lora)
      options.lora = LoraOptions{golden.lora->r, golden.lora->alpha, golden.lora->dropout, golden.lora->targets};
    ASSERT_TRUE(succeeded(buildTrainingModule(*module, options)));
  }

  void run() {
    interpreter.emplace(*module);
    for (auto variable : module->getOps<VariableOp>())
      fill(variable);
    runStep();
  }

  void compare() {
    EXPECT_NEAR((*interpreter)["loss"].numbers[0], golden.loss, 1e-12);
    size_t compared = 0;
    for (auto variable : module->getOps<VariableOp>())
      if (variable.getRole() == Role::Gradient) {
        const std::string key = variable.getKey()->str();
        ASSERT_TRUE(golden.gradients.count(key)) << key;
        EXPECT_LT(relativeError((*interpreter)[variable.getSymName()].numbers, golden.gradients.at(key)), tolerance)
            << key;
        ++compared;
      }
    EXPECT_EQ(compared, golden.gradients.size());
    compareLogits();
  }

private:
  /// Of the first row, which @generate reads of the batch that is there.
  void compareLogits() {
    if (golden.logits.empty())
      return;
    (*interpreter)["row_index"].integers[0] = golden.sequenceLen - 1;
    ASSERT_TRUE(succeeded(interpreter->run("generate")));
    EXPECT_LT(relativeError((*interpreter)["logits"].numbers, golden.logits), tolerance);
  }

  void fill(VariableOp variable) {
    auto init = variable.getInitAttr();
    if (!init || variable.getRole() == Role::Output || variable.getRole() == Role::ExpAvg ||
        variable.getRole() == Role::ExpAvgSq)
      return;
    ReferenceTensor &tensor = (*interpreter)[variable.getSymName()];
    const StringRef kind = init.getAs<StringAttr>("kind").getValue();
    if (kind == "random_keys") {
      for (auto [site, name] : llvm::enumerate(init.getAs<ArrayAttr>("names")))
        tensor.integers[site] =
            int64_t(rt::philoxKey64(golden.runSeed, "dropout", cast<StringAttr>(name).getValue().str()));
      return;
    }
    if (kind.starts_with("rope_"))
      return fillRope(init, tensor);
    double scale = 0.02; // --init-adapters normal: what starts as zeros is drawn from N(0, 0.02²)
    if (auto given = init.getAs<FloatAttr>("scale"))
      scale = given.getValueAsDouble();
    const auto draw = kind == "ones" ? plan::Init::ONES : kind == "uniform" ? plan::Init::UNIFORM : plan::Init::NORMAL;
    rt::seededElements(draw, scale, variable.getRole() == Role::Adapter ? golden.runSeed : golden.modelSeed,
                       variable.getKey()->str(), 0, tensor.numbers.size(), plan::F64,
                       reinterpret_cast<std::byte *>(tensor.numbers.data()));
  }

  void runStep() {
    plan::Batch batch;
    batch.set_micro_batch_size(golden.rows);
    batch.set_sequence_len(golden.sequenceLen);
    batch.set_vocab_size(config.vocabSize);
    batch.set_gradient_accumulation_steps(golden.accumulation);
    batch.set_max_document_len(golden.maxDocumentLen);
    batch.set_max_documents_per_row(golden.maxDocumentsPerRow);
    batch.set_max_documents(golden.documents());
    batch.set_max_segments(std::min<uint64_t>(golden.rows * golden.sequenceLen, config.vocabSize));
    batch.set_packing(true);
    auto shape = rt::BatchShape::from(batch);
    ASSERT_TRUE(shape.ok()) << shape.status().message();
    rt::TokenFileIdentity identity;
    identity.shape = shape->row;
    identity.vocabSize = uint32_t(config.vocabSize);
    identity.split = rt::Split::Train;
    auto file = rt::syntheticData(identity, {.seed = golden.dataSeed});
    ASSERT_TRUE(file.ok()) << file.status().message();
    std::map<std::string, std::vector<int32_t>> arrays;
    rt::BatchRecord record;
    for (int kind = plan::BatchInput::TOKENS; kind <= plan::BatchInput::SEGMENT_IDS; ++kind) {
      const auto which = plan::BatchInput::Kind(kind);
      auto &array = arrays[plan::BatchInput::Kind_Name(which)];
      array.resize(shape->elements(which));
      *record.of(which) = array.data();
    }
    auto source =
        rt::BatchSource::training(std::make_shared<const rt::TokenFile>(*file), *shape, {record}, golden.runSeed);
    ASSERT_TRUE(source.ok()) << source.status().message();
    for (uint32_t micro = 0; micro < golden.accumulation; ++micro) {
      const rt::Batch *next = (*source)->take();
      ASSERT_NE(next, nullptr);
      for (auto variable : module->getOps<VariableOp>())
        if (variable.getRole() == Role::Input && arrays.count(variable.getIo()->str())) {
          const auto &array = arrays[variable.getIo()->str()];
          ReferenceTensor &tensor = (*interpreter)[variable.getSymName()];
          ASSERT_EQ(array.size(), tensor.integers.size()) << variable.getIo()->str();
          tensor.integers.assign(array.begin(), array.end());
        }
      (*interpreter)["scalars"].numbers = {1.0 / double(next->info.stepTargets),
                                           0,
                                           0,
                                           0,
                                           1,
                                           double(micro),
                                           double(next->info.firstRow * golden.sequenceLen),
                                           0};
      (*source)->release();
      ASSERT_TRUE(succeeded(interpreter->run(micro ? "accumulate_next" : "accumulate_first")));
    }
  }

  const Golden &golden;
  MLIRContext context;
  ModelConfig config;
  OwningOpRef<ModuleOp> module;
  std::optional<Interpreter> interpreter;
};

TEST(InterpretedGradients, EqualTheGoldens) {
  const std::vector<Golden> goldens = readGoldens();
  ASSERT_GE(goldens.size(), 10u);
  for (const Golden &golden : goldens) {
    SCOPED_TRACE(golden.name);
    GoldenRun run(golden);
    run.build();
    if (!HasFatalFailure())
      run.run();
    if (!HasFatalFailure())
      run.compare();
  }
}

} // namespace
