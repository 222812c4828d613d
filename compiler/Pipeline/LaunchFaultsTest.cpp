// A real plan whose launches or batch are changed, with all tables that only agree with each other changed along: what
// kernels say of themselves must give it away, or they would touch memory outside their operands.
#include "compiler/Pipeline/Pipeline.h"

#include "runtime/Plan/CheckPlan.h"

#include <gtest/gtest.h>

#include <functional>

using namespace ft;

namespace {

class LaunchFaults : public testing::Test {
protected:
  void SetUp() override {
    CompileRequest request;
    request.recipePath = "recipes/tiny_llama_cpu.textproto";
    request.recipesFolder = "recipes";
    request.overrides = {"micro_batch_size=2", "gradient_accumulation_steps=1"};
    auto inputs = loadInputs(request);
    ASSERT_TRUE(inputs.ok()) << inputs.status().message();
    auto compiled = planFrom(*inputs, choose(*inputs));
    ASSERT_TRUE(compiled.ok()) << compiled.status().message();
    compilation = std::move(*compiled);
    const rt::Status code = generateCode(compilation, "");
    ASSERT_TRUE(code.ok()) << code.message();
    const rt::Status status = check([](plan::Plan &) {});
    ASSERT_TRUE(status.ok()) << status.message();
  }

  rt::Status check(const std::function<void(plan::Plan &)> &change) const {
    plan::Plan plan = compilation.plan;
    change(plan);
    std::vector<rt::Section> sections{{rt::SectionKind::Plan, {}}};
    for (size_t i = 0; i < compilation.sections.bytes.size(); ++i)
      sections.push_back({compilation.sections.kinds[i], std::as_bytes(std::span(compilation.sections.bytes[i]))});
    return rt::checkPlan(plan, sections);
  }
  void expectRefused(const std::string &part, const std::function<void(plan::Plan &)> &change) const {
    const rt::Status status = check(change);
    EXPECT_NE(status.message().find(part), std::string::npos) << "wanted: " << part << "\n   got: " << status.message();
  }

  Compilation compilation;
};

TEST_F(LaunchFaults, EveryLaunchIsHeldToItsKernel) {
  int launches = 0;
  for (int s = 0; s < compilation.plan.segments_size(); ++s)
    for (int i = 0; i < compilation.plan.segments(s).steps_size(); ++i) {
      if (!compilation.plan.segments(s).steps(i).has_launch())
        continue;
      auto launch = [&](plan::Plan &plan) { return plan.mutable_segments(s)->mutable_steps(i)->mutable_launch(); };
      expectRefused("items is 1073741824; kernel", [&](plan::Plan &p) { launch(p)->set_items(1 << 30); });
      expectRefused(" takes ", [&](plan::Plan &p) { launch(p)->mutable_operands()->RemoveLast(); });
      expectRefused("the kernel is made for", [&](plan::Plan &p) {
        plan::Operand &last = *launch(p)->mutable_operands(launch(p)->operands_size() - 1);
        last.set_rows(1), last.set_batch(0), last.set_row_bytes(2);
      });
      ++launches;
    }
  EXPECT_GT(launches, 20);
}

TEST_F(LaunchFaults, TheBatchIsTheOneThatKernelsAreMadeFor) {
  const uint64_t rows = compilation.plan.batch().micro_batch_size(), length = compilation.plan.batch().sequence_len();
  // The inputs have as many bytes in each of these.
  for (auto [r, l] : {std::pair(length, rows), {uint64_t(1), rows * length}, {rows * length, uint64_t(1)}})
    expectRefused("holds POSITIONS, which the host keeps below " + std::to_string(l), [&](plan::Plan &p) {
      p.mutable_batch()->set_micro_batch_size(r), p.mutable_batch()->set_sequence_len(l);
      p.mutable_batch()->set_max_document_len(l), p.mutable_batch()->set_max_documents_per_row(1);
    });
  expectRefused("holds TOKENS, which the host keeps below 16777216", [&](plan::Plan &p) {
    p.mutable_batch()->set_vocab_size(1 << 24);
    for (plan::ModelFact &fact : *p.mutable_facts())
      if (fact.config_key() == "vocab_size")
        fact.set_integer(1 << 24);
  });
}

} // namespace
