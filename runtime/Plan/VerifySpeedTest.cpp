// The verifier on a plan of the largest size that is expected: 80 layers, 20,000 steps, regions of 16,384 rows.
#include "runtime/Plan/TestPlan.h"
#include "runtime/Plan/Verify.h"

#include <chrono>
#include <gtest/gtest.h>

using namespace ft;
using namespace ft::rt;
using namespace ft::rt::test;

namespace {

constexpr uint64_t tokens = 16384, layers = 80;
constexpr uint64_t width = 8192 * 2, padded = width + 128; // bytes of a row, and its pitch
constexpr uint64_t saved = tokens * padded;

/// Saved values of each layer, and scratch that buffers of three geometries share; heads as batches; two streams.
class LargePlan : public TestPlan {
public:
  LargePlan() {
    plan.set_event_count(layers * 8);
    for (uint64_t l = 0; l < layers; ++l) {
      const std::string name = "layer" + std::to_string(l);
      weight.push_back(buffer(name + ".w", Weights, 4096 * padded, Buffer::WEIGHT, 1));
      gradient.push_back(buffer(name + ".dw", Gradients, 4096 * width, Buffer::GRADIENT));
      x.push_back(bufferAt(name + ".x", Activations, l * saved, saved, Buffer::ACTIVATION));
    }
    const uint64_t scratch = layers * saved;
    for (uint64_t l = 0; l < layers; ++l) {
      const std::string name = "layer" + std::to_string(l);
      qkv.push_back(
          bufferAt(name + ".qkv", Activations, scratch + 64 * (l % 7), tokens * 3 * width, Buffer::ACTIVATION));
      wide.push_back(
          bufferAt(name + ".wide", Activations, scratch + width * (l % 3), tokens * 4 * padded, Buffer::ACTIVATION));
      flat.push_back(bufferAt(name + ".flat", Activations, scratch + tokens * padded, saved, Buffer::ACTIVATION));
    }
    loss = buffer("loss", Io, 16, Buffer::OUTPUT, 1);
    for (auto kind : {Segment::ACCUMULATE_FIRST, Segment::ACCUMULATE_NEXT, Segment::EVALUATE}) {
      for (uint64_t l = 0; l < layers; ++l)
        forward(kind, l);
      if (kind != Segment::EVALUATE)
        for (uint64_t l = layers; l-- > 0;)
          backward(kind, l, kind == Segment::ACCUMULATE_NEXT);
    }
    for (uint64_t l = 0; l < layers; ++l)
      for (uint64_t slice = 0; slice < 8; ++slice)
        launch(Segment::UPDATE, "adamw",
               {rows(gradient[l], slice * 512 * width, 512, width, width, 1, 0),
                rows(weight[l], slice * 512 * padded, 512, width, padded, 1, 1)});
  }

  void forward(Segment::Kind kind, uint64_t l) {
    const uint32_t before = uint32_t(l == 0 ? loss : x[l - 1]);
    launch(kind, "norm",
           {l == 0 ? whole(loss, 1, 0) : rows(before, 0, tokens, width, padded, 2, 0),
            rows(x[l], 0, tokens, width, padded, 0, 1)});
    for (uint64_t part = 0; part < 3; ++part)
      launch(kind, "qkv",
             {rows(x[l], 0, tokens, width, padded, 1, 0), weights(l, part),
              rows(qkv[l], part * width, tokens, width, 3 * width, 0, 1)});
    launch(kind, "rope", {rows(qkv[l], 0, tokens, 2 * width, 3 * width, 1, 2)});
    tiles(kind, l, "attention");
    launch(kind, "ffn",
           {rows(x[l], 0, tokens, width, padded, 1, 0), weights(l, 0),
            rows(wide[l], 0, tokens, 4 * width, 4 * padded, 0, 1)});
    for (uint64_t chunk = 0; chunk < 16; ++chunk)
      launch(kind, "chunk",
             {rows(wide[l], chunk * 1024 * 4 * padded, 1024, 4 * width, 4 * padded, 1, 0),
              rows(x[l], chunk * 1024 * padded, 1024, width, padded, 1, 2)});
  }

  /// Heads of 256 bytes as batches of tiles of 1024 rows.
  void tiles(Segment::Kind kind, uint64_t l, const char *name) {
    for (uint64_t tile = 0; tile < 16; ++tile) {
      Operand q = rows(qkv[l], tile * 1024 * 3 * width, 1024, 256, 3 * width, 2, 0);
      Operand k = rows(qkv[l], width, tile * 1024 + 1024, 256, 3 * width, 2, 0);
      q.set_batch(width / 256), q.set_batch_pitch(256);
      k.set_batch(width / 512), k.set_batch_pitch(512); // every second head: two levels
      launch(kind, name, {q, k, rows(qkv[l], 2 * width, tokens, width, 3 * width, 1, 0)});
    }
  }

  void backward(Segment::Kind kind, uint64_t l, bool next) {
    memset(kind, "flat", whole(flat[l], 0, 1));
    for (uint64_t chunk = 0; chunk < 16; ++chunk)
      launch(kind, "recompute",
             {rows(x[l], chunk * 1024 * padded, 1024, width, padded, 2, 0),
              rows(flat[l], chunk * 1024 * padded, 1024, width, padded, 1, 2)});
    Step &fork = launch(
        kind, "dx",
        {rows(flat[l], 0, tokens, width, padded, 2, 0), weights(l, 1), rows(x[l], 0, tokens, width, padded, 2, 3)});
    fork.set_record(uint32_t(8 * l + 1));
    Step &dw = launch(kind, "dw", {rows(x[l], 0, tokens, width, padded, 3, 0), whole(gradient[l], next, 1)}, 1);
    dw.add_wait(fork.record()), dw.set_record(uint32_t(8 * l + 2));
    for (int i = 0; i < 30; ++i)
      launch(kind, "more", {rows(flat[l], 0, tokens, width, padded, 2, 0), weights(l, uint64_t(i) % 4)});
    memset(kind, "join", rows(flat[l], 0, 1, 64, 64, 0, 3)).add_wait(dw.record());
  }

  Operand weights(uint64_t l, uint64_t part) const {
    return rows(weight[l], part * 1024 * padded, 1024, width, padded, 1, 0);
  }

  std::vector<uint32_t> weight, gradient, x, qkv, wide, flat;
  uint32_t loss = 0;
};

} // namespace

TEST(VerifySpeed, TwentyThousandSteps) {
  LargePlan large;
  int steps = 0;
  for (const Segment &segment : large.plan.segments())
    steps += segment.steps_size();
  EXPECT_GT(steps, 15000);
  const auto start = std::chrono::steady_clock::now();
  const Status status = verifyPlan(large.plan);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  EXPECT_TRUE(status.ok()) << status.message();
  RecordProperty("steps", steps);
  RecordProperty("milliseconds", int(seconds * 1000));
  std::printf("%d steps in %.3f s\n", steps, seconds);
  // About 0.2 s on an idle core; the bound allows for a loaded or instrumented build and still catches a quadratic.
  EXPECT_LT(seconds, 10);
}
