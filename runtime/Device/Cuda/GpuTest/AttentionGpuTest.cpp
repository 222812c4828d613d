// cuDNN's attention against double precision: dense rows and packed documents, direct and from captured graphs.
#include "runtime/Device/Cuda/AttentionPlans.h"
#include "runtime/Device/Cuda/GpuTest/AttentionCase.h"

#include <algorithm>
#include <cmath>

namespace ft::rt {
namespace {

// b, s, heads, kv heads, width, documents, longest, deterministic, padding of qkv, o, gradient.
const AttentionShape dense[] = {
    {2, 256, 4, 2, 64},
    {2, 200, 9, 3, 64},
    {2, 512, 32, 4, 64},
    {1, 384, 8, 8, 128},
    {2, 256, 4, 2, 64, 0, 0, true},
    {2, 200, 9, 3, 64, 0, 0, true},
    {1, 384, 8, 8, 128, 0, 0, true},
    {2, 256, 9, 3, 64, 0, 0, false, 64, 8, 128},
};
const AttentionShape ragged[] = {
    {2, 256, 4, 2, 64, 8, 256},         {2, 256, 9, 3, 64, 64, 128},
    {4, 512, 32, 4, 64, 64, 512},       {2, 512, 8, 8, 128, 64, 512},
    {2, 256, 9, 3, 64, 64, 128, true},  {4, 512, 32, 4, 64, 64, 512, true},
    {2, 512, 8, 8, 128, 64, 512, true}, {2, 256, 8, 8, 64, 16, 256, false, 64, 8, 64},
};
// cuDNN 9.19 gives wrong gradients at a pitch of their own; dense rows at one are right.
const AttentionShape ownGradientPitch{2, 256, 8, 8, 64, 16, 256, false, 0, 0, 128};

std::string errorText(const AttentionErrors &errors) {
  std::string text;
  for (const auto &[name, error] : errors.relative)
    text += fmt::format("{} {:.4f} ", name, error);
  return text + fmt::format("lse {:.1e}{}", errors.lse, errors.stray ? " STRAY" : "");
}

class AttentionTest : public AttentionGpuTest {
protected:
  void SetUp() override {
    AttentionGpuTest::SetUp();
    static bool started = false;
    if (IsSkipped() || started)
      return;
    // All plans at once, on several threads, as a plan's loading does it.
    started = true;
    plan::Plan plan;
    plan::Segment *segment = plan.add_segments();
    for (std::span<const AttentionShape> shapes : {std::span<const AttentionShape>(dense), {ragged}})
      for (const AttentionShape &each : shapes)
        for (auto direction : {plan::Attention::FORWARD, plan::Attention::BACKWARD})
          *segment->add_steps()->mutable_attention() = makeAttention(each, direction);
    require(device().loadKernels(plan, {}));
  }

  void expectGood(const AttentionErrors &errors, const std::string &where) {
    EXPECT_LE(errors.worst(), Tolerance) << shape.name() << " " << where << ": " << errorText(errors);
    EXPECT_LE(errors.lse, LseTolerance) << shape.name() << " " << where;
    EXPECT_FALSE(errors.stray) << shape.name() << " " << where << ": wrote outside its operands";
    EXPECT_TRUE(guardsHold()) << shape.name() << " " << where << ": wrote behind its workspace";
  }

  /// Runs the backward again and again on the same values; the number of runs whose gradients differ from the first's.
  int differingRuns(int runs) {
    const std::vector<uint16_t> first = gradients();
    int differing = 0;
    for (int run = 0; run < runs; ++run) {
      poison(workspace, reserves[1]);
      enqueue(plan::Attention::BACKWARD);
      differing += gradients() != first;
    }
    return differing;
  }

  void checkRepeatability(std::string &row) {
    constexpr int Runs = 20;
    const int differing = differingRuns(Runs);
    if (shape.deterministic) {
      EXPECT_EQ(differing, 0) << shape.name();
    }
    row += fmt::format(" repeat {}/{}", Runs - differing, Runs);
  }

  void checkDense(const AttentionShape &each) {
    reuseScratch();
    if (!open(each, 11)) {
      ADD_FAILURE() << each.name() << " was refused";
      return;
    }
    clear();
    enqueue();
    AttentionErrors errors = compare();
    expectGood(errors, "direct");
    const uint32_t graph = capture();
    clear();
    require(device().launchGraph(graph));
    expectGood(compare(), "replayed");
    std::string row = errorText(errors);
    checkRepeatability(row);
    addRow(fmt::format("{} [{:.2f} MB]", each.name(), reserves[1] / 1e6), row);
  }

  void checkRagged(const AttentionShape &each) {
    reuseScratch();
    if (!open(each, 21)) {
      ADD_FAILURE() << each.name() << " was refused";
      return;
    }
    clear();
    enqueue();
    AttentionErrors worst = compare();
    expectGood(worst, "direct");
    const uint32_t graph = capture();
    // The boundaries are device data alone: the same graph runs them all.
    for (int set = 0; set < 4; ++set) {
      setDocuments(makeDocuments(each, 100 + set, set == 2, set == 3));
      clear();
      require(device().launchGraph(graph));
      const AttentionErrors errors = compare();
      expectGood(errors, fmt::format("documents {}", set));
      if (errors.worst() > worst.worst())
        worst = errors;
    }
    std::string row = errorText(worst);
    checkRepeatability(row);
    checkWarmUp(graph);
    addRow(fmt::format("{} [{:.2f} MB]", each.name(), reserves[1] / 1e6), row);
  }

  /// Segments are warmed up on zeroed arenas: every document empty at token 0. Nothing may be written.
  void checkWarmUp(uint32_t graph) {
    require(device().fill(0, {offsets, 1, (shape.documents + 1) * 4}, 0));
    require(device().fill(0, {lens, 1, shape.documents * 4}, 0));
    problem.documents.clear();
    clear();
    require(device().launchGraph(graph));
    const AttentionErrors errors = compare();
    EXPECT_FALSE(errors.stray) << shape.name() << " without documents: wrote outside its operands";
    EXPECT_TRUE(guardsHold()) << shape.name() << " without documents: wrote behind its workspace";
  }
};

TEST_F(AttentionTest, DenseRows) {
  for (const AttentionShape &each : dense)
    checkDense(each);
}

TEST_F(AttentionTest, PackedDocuments) {
  for (const AttentionShape &each : ragged)
    checkRagged(each);
}

TEST_F(AttentionTest, RefusesPackedGradientsAtAPitchOfTheirOwn) {
  EXPECT_TRUE(device().prepareAttention(makeAttention(ownGradientPitch, plan::Attention::FORWARD)).ok());
  auto handle = device().prepareAttention(makeAttention(ownGradientPitch, plan::Attention::BACKWARD));
  ASSERT_FALSE(handle.ok());
  EXPECT_NE(handle.status().message().find("ragged gradients must have the pitch of their operands"), std::string::npos)
      << handle.status().message();
}

TEST_F(AttentionTest, ToleranceSeesAOnePercentFault) {
  ASSERT_TRUE(open(dense[0], 31));
  clear();
  enqueue();
  for (float &value : problem.v)
    value *= 1.01f; // the reference's o, dQ and dK are 1 % larger
  EXPECT_GT(compare().worst(), Tolerance);
}

// dK and dV of every query head lie in pieces of the workspace that a formula sizes (docs/rationale/
// attention-workspace.md): 16-bit elements up to the last token, and a tile of rows that no version needs so far.
TEST_F(AttentionTest, ExtentOfFullHeads) {
  const AttentionShape each{4, 512, 32, 4, 64, 64, 512};
  ASSERT_TRUE(open(each, 41));
  const uint64_t group = each.heads / each.kvHeads, row = each.heads * each.headDim;
  const uint64_t needed = 2 * ((each.tokens() - 1) * each.gradientPitch() * group + row);
  const uint64_t reserved = needed + 2 * 128 * each.gradientPitch() * group;
  const uint64_t library = (448 * each.documents + 1152 + 255) / 256 * 256;
  const uint64_t begin = library + (4 * each.tokens() * each.heads + 255) / 256 * 256;
  for (bool full : {true, false}) { // documents of whole tiles, and such that end anywhere
    setDocuments(makeDocuments(each, 100, false, full));
    clear();
    enqueue();
    const std::vector<uint8_t> bytes = download(reinterpret_cast<uint8_t *>(workspace + begin), reserved);
    const auto last = std::find_if(bytes.rbegin(), bytes.rend(), [](uint8_t byte) { return byte != Poison; });
    const uint64_t written = static_cast<uint64_t>(bytes.rend() - last);
    addRow(fmt::format("{}: dV of full heads, {} bytes reserved", each.name(), reserved),
           fmt::format("{} bytes up to the last written ({:.3f} of what the elements take)", written,
                       double(written) / double(needed)));
    EXPECT_LE(written, needed);
    EXPECT_GT(written, needed / 2) << "this is not where dV lies";
  }
}

TEST_F(AttentionTest, Speed) {
  struct Timed {
    AttentionShape shape;
    bool full;
  };
  const Timed cases[] = {{{8, 2048, 32, 4, 64}, true},
                         {{8, 2048, 32, 4, 64, 0, 0, true}, true},
                         {{8, 2048, 32, 4, 64, 64, 2048}, true},
                         {{8, 2048, 32, 4, 64, 64, 2048}, false},
                         {{8, 2048, 32, 4, 64, 128, 512, true}, false},
                         {{8, 2048, 32, 32, 128}, true},
                         {{8, 2048, 32, 32, 128, 128, 512, true}, false}};
  for (const Timed &each : cases) {
    reuseScratch();
    if (!open(each.shape, 51))
      continue;
    setDocuments(makeDocuments(each.shape, 7, false, each.full));
    double milliseconds[2];
    for (int i = 0; i < 2; ++i) {
      const auto direction = i ? plan::Attention::BACKWARD : plan::Attention::FORWARD;
      enqueue(direction);
      require(device().synchronize());
      require(device().beginCapture());
      enqueue(direction);
      auto graph = device().endCapture();
      ASSERT_TRUE(graph.ok()) << graph.status().message();
      milliseconds[i] = timeGraph(*graph);
    }
    addRow(fmt::format("{} ({} documents) [{:.0f} MB]", each.shape.name(), problem.documents.size(), reserves[1] / 1e6),
           fmt::format("forward {:.3f} ms, backward {:.3f} ms", milliseconds[0], milliseconds[1]));
  }
}

} // namespace
} // namespace ft::rt
