// The real model against transformers and PEFT in f32 (make_goldens.py): next-token logits, and five LoRA steps through
// ftc and ftrun. Needs SmolLM2-135M-Instruct.Q4_1.gguf, which tools/demo.sh keeps in the cache.
//
// Tolerances: both sides round in f32 and sum in different orders. Logits: |difference| against |logits|, 2-norms,
// through thirty layers; losses and norms of five steps relative.
#include "runtime/Training/Generator.h"
#include "runtime/Weights/Load.h"
#include "test/goldens/gradients/Golden.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>

using namespace ft;
using namespace ft::rt;
namespace fs = std::filesystem;

namespace {

using Numbers = std::vector<double>;

constexpr double logitTolerance = 1e-4, lossTolerance = 1e-5, normTolerance = 1e-4, adapterTolerance = 1e-3;

fs::path modelPath() {
  const char *cache = std::getenv("XDG_CACHE_HOME"), *home = std::getenv("HOME");
  const fs::path folder = cache && *cache ? fs::path(cache) : fs::path(home ? home : "") / ".cache";
  return folder / "ftc" / "SmolLM2-135M-Instruct.Q4_1.gguf";
}

/// A fixture that compiles the recipe beside this file once per test, in a folder of its own.
class SmolLm2 : public testing::Test {
protected:
  void SetUp() override {
    if (!fs::exists(modelPath()))
      GTEST_SKIP() << modelPath().string() << " is not there; tools/demo.sh fetches it";
    golden = readDoubles("test/goldens/smollm2/smollm2.safetensors");
    fs::remove_all(folder);
    fs::create_directories(folder);
    ASSERT_EQ(std::system((FTC_FTC " compile test/goldens/smollm2/steps.textproto -o " + plan + " > " +
                           (folder / "ftc.log").string() + " 2>&1")
                              .c_str()),
              0)
        << "see " << folder / "ftc.log";
  }
  void TearDown() override { fs::remove_all(folder); }

  const Numbers &expected(const std::string &name) { return golden.at(name); }

  const fs::path folder = fs::path(testing::TempDir()) / "ftc-smollm2";
  const std::string plan = (folder / "plan.bin").string();
  std::map<std::string, Numbers> golden;
};

/// A plan with the model's weights, before the first step.
struct Loaded {
  std::unique_ptr<PlanFile> file;
  std::unique_ptr<RankProgram> program;

  Status load(const std::string &path) {
    FT_ASSIGN_OR_RETURN(PlanFile read, readPlanFile(path));
    file = std::make_unique<PlanFile>(std::move(read));
    FT_ASSIGN_OR_RETURN(std::unique_ptr<Device> device, openCpuDevice(0));
    FT_ASSIGN_OR_RETURN(program, RankProgram::load(*file, std::move(device), {}));
    FT_ASSIGN_OR_RETURN(const ModelSource model, ModelSource::open(modelPath().string()));
    LoadOptions options;
    options.seed = file->plan.run().seed();
    options.section = [&](uint32_t index) { return file->section(index); };
    LoadTarget target;
    const Arenas &arenas = program->arenas();
    target.hostBuffer = [&](uint32_t buffer) { return reinterpret_cast<std::byte *>(arenas.bufferAddress(buffer)); };
    target.sink = [&](uint32_t buffer, uint64_t offset, std::span<const std::byte> bytes) {
      return arenas.write(buffer, offset, bytes);
    };
    FT_RETURN_IF_ERROR(loadModel(file->plan, model, options, target));
    if (program->has(plan::Segment::INITIALIZE))
      FT_RETURN_IF_ERROR(program->run(plan::Segment::INITIALIZE));
    return program->device().synchronize();
  }

  /// The logits of the token that follows `ids`.
  Expected<Numbers> logits(const std::vector<uint32_t> &ids) {
    FT_ASSIGN_OR_RETURN(Generator generator, Generator::create(*program));
    FT_ASSIGN_OR_RETURN(const std::span<const float> values, generator.logits(ids));
    return Numbers(values.begin(), values.end());
  }
};

TEST_F(SmolLm2, LogitsOfFixedPrompts) {
  Loaded loaded;
  const Status status = loaded.load(plan);
  ASSERT_TRUE(status.ok()) << status.message();
  for (int n = 0; n < 3; ++n) {
    const std::string at = "prompt." + std::to_string(n) + ".";
    SCOPED_TRACE(at);
    const Numbers &ids = expected(at + "ids");
    auto logits = loaded.logits({ids.begin(), ids.end()});
    ASSERT_TRUE(logits.ok()) << logits.status().message();
    Numbers top, slice;
    for (double id : expected(at + "top_ids"))
      top.push_back((*logits)[size_t(id)]);
    for (size_t id = 0; id < logits->size(); id += 769)
      slice.push_back((*logits)[id]);
    double square = 0;
    for (double value : *logits)
      square += value * value;
    EXPECT_LT(relativeError(top, expected(at + "top")), logitTolerance);
    EXPECT_LT(relativeError(slice, expected(at + "slice")), logitTolerance);
    EXPECT_LT(relativeError({std::sqrt(square)}, expected(at + "norm")), logitTolerance);
    EXPECT_EQ(std::max_element(logits->begin(), logits->end()) - logits->begin(), int64_t(expected(at + "top_ids")[0]));
    // The tolerance finds a fault of 1 %.
    top[0] *= 1.01;
    EXPECT_GT(relativeError(top, expected(at + "top")), logitTolerance);
  }
}

/// Losses and gradient norms of metrics.jsonl, and the evaluations in their order.
struct Metrics {
  Numbers losses, gradNorms, evaluations;

  explicit Metrics(const fs::path &path) {
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
      const auto json = nlohmann::json::parse(line);
      if (json.contains("eval_loss"))
        evaluations.push_back(json["eval_loss"]);
      else
        losses.push_back(json["loss"]), gradNorms.push_back(json["grad_norm"]);
    }
  }
};

TEST_F(SmolLm2, FiveLoraSteps) {
  const fs::path out = folder / "out";
  ASSERT_EQ(std::system((FTC_FTRUN " " + plan + " --model " + modelPath().string() + " --stop-after 5 --out " +
                         out.string() + " > " + (folder / "ftrun.log").string() + " 2>&1")
                            .c_str()),
            0);
  const Metrics metrics(out / "metrics.jsonl");
  EXPECT_LT(relativeError(metrics.losses, expected("steps.loss")), lossTolerance);
  EXPECT_LT(relativeError(metrics.gradNorms, expected("steps.grad_norm")), normTolerance);
  ASSERT_EQ(metrics.evaluations.size(), 2u);
  EXPECT_LT(relativeError({metrics.evaluations[0]}, expected("eval.before")), lossTolerance);
  EXPECT_LT(relativeError({metrics.evaluations[1]}, expected("eval.after")), lossTolerance);

  const auto adapter = readDoubles((out / "adapter_model.safetensors").string());
  Numbers norms, slices;
  for (const auto &[name, values] : adapter) { // sorted by name, as the golden
    double square = 0;
    for (double value : values)
      square += value * value;
    norms.push_back(std::sqrt(square));
    for (size_t n = 0; n < 8; ++n)
      slices.push_back(values[n * (values.size() / 8)]);
  }
  EXPECT_LT(relativeError(norms, expected("adapter.norms")), normTolerance);
  EXPECT_LT(relativeError(slices, expected("adapter.slice")), adapterTolerance);
  for (double &norm : norms)
    norm *= 1.01;
  EXPECT_GT(relativeError(norms, expected("adapter.norms")), normTolerance);
}

} // namespace
