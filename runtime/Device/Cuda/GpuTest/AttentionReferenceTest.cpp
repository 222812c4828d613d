// The reference of the GPU tests against finite differences and against itself on documents alone.
#include "runtime/Device/Cuda/GpuTest/AttentionReference.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

using namespace ft::rt;

namespace {

AttentionProblem makeProblem() {
  AttentionProblem p{14, 4, 2, 8, 0.6, {{1, 5}, {6, 1}, {7, 6}}, {}, {}, {}, {}}; // tokens 0 and 13 are in none
  std::mt19937 random(5);
  std::uniform_real_distribution<float> uniform(-1, 1);
  auto fill = [&](std::vector<float> &values, size_t count) {
    values.resize(count);
    for (float &value : values)
      value = uniform(random);
  };
  fill(p.q, 14 * 32), fill(p.k, 14 * 16), fill(p.v, 14 * 16), fill(p.dO, 14 * 32);
  return p;
}

/// The scalar whose gradients are dQ, dK, dV.
double loss(const AttentionProblem &p) {
  const AttentionSolution s = solveAttention(p);
  double sum = 0;
  for (size_t i = 0; i < s.o.size(); ++i)
    sum += s.o[i] * p.dO[i];
  return sum;
}

void checkGradient(std::vector<float> AttentionProblem::*input, const std::vector<double> &gradient) {
  AttentionProblem p = makeProblem();
  for (size_t i = 0; i < (p.*input).size(); i += 7) {
    float &value = (p.*input)[i];
    const float before = value;
    value = before + 0x1p-8f;
    const double above = loss(p), high = value;
    value = before - 0x1p-8f;
    const double below = loss(p), low = value;
    value = before;
    // The third derivative's term: h²/6, times the scores' own scale.
    EXPECT_NEAR((above - below) / (high - low), gradient[i], 2e-4) << "element " << i;
  }
}

} // namespace

TEST(AttentionReferenceTest, GradientsMatchFiniteDifferences) {
  const AttentionSolution s = solveAttention(makeProblem());
  checkGradient(&AttentionProblem::q, s.dQ);
  checkGradient(&AttentionProblem::k, s.dK);
  checkGradient(&AttentionProblem::v, s.dV);
}

TEST(AttentionReferenceTest, ADocumentIsWhatItIsAlone) {
  const AttentionProblem all = makeProblem();
  const AttentionSolution together = solveAttention(all);
  AttentionProblem one = all;
  one.documents = {all.documents[2]};
  const AttentionSolution alone = solveAttention(one);
  for (size_t i = 7 * 32; i < 13 * 32; ++i) {
    EXPECT_EQ(together.o[i], alone.o[i]);
    EXPECT_EQ(together.dQ[i], alone.dQ[i]);
  }
  for (size_t i = 0; i < 32; ++i)
    EXPECT_EQ(together.o[i], 0.0) << "a token outside the documents";
  // A document of one token attends to itself: its output is v, its lse its own score.
  for (size_t e = 0; e < 8; ++e)
    EXPECT_DOUBLE_EQ(together.o[6 * 32 + e], all.v[6 * 16 + e]);
  double score = 0;
  for (size_t e = 0; e < 8; ++e)
    score += double(all.q[6 * 32 + e]) * all.k[6 * 16 + e];
  EXPECT_NEAR(together.lse[6 * 4], 0.6 * score, 1e-12);
}
