#include "runtime/Device/Cuda/GpuTest/AttentionReference.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <thread>

namespace ft::rt {

namespace {

double dot(const float *a, const float *b, uint64_t count) {
  double sum = 0;
  for (uint64_t i = 0; i < count; ++i)
    sum += double(a[i]) * b[i];
  return sum;
}

/// One key head of one document: its query heads write rows of their own, dK and dV are summed over them.
void solveHead(const AttentionProblem &p, const Document &document, uint64_t kvHead, AttentionSolution &s) {
  const uint64_t group = p.heads / p.kvHeads, width = p.headDim;
  auto row = [&](uint64_t token, uint64_t head, uint64_t heads) {
    return ((document.start + token) * heads + head) * width;
  };
  std::vector<double> weight(document.length), slope(document.length);
  for (uint64_t head = kvHead * group; head < (kvHead + 1) * group; ++head)
    for (uint64_t i = 0; i < document.length; ++i) {
      const uint64_t at = row(i, head, p.heads);
      double largest = -std::numeric_limits<double>::infinity(), sum = 0, centre = 0;
      for (uint64_t j = 0; j <= i; ++j) {
        const uint64_t key = row(j, kvHead, p.kvHeads);
        weight[j] = p.scale * dot(&p.q[at], &p.k[key], width);
        slope[j] = dot(&p.dO[at], &p.v[key], width);
        largest = std::max(largest, weight[j]);
      }
      for (uint64_t j = 0; j <= i; ++j)
        sum += weight[j] = std::exp(weight[j] - largest);
      s.lse[(document.start + i) * p.heads + head] = largest + std::log(sum);
      for (uint64_t j = 0; j <= i; ++j)
        centre += (weight[j] /= sum) * slope[j];
      for (uint64_t j = 0; j <= i; ++j) {
        const uint64_t key = row(j, kvHead, p.kvHeads);
        const double dS = weight[j] * (slope[j] - centre) * p.scale;
        for (uint64_t e = 0; e < width; ++e) {
          s.o[at + e] += weight[j] * p.v[key + e];
          s.dQ[at + e] += dS * p.k[key + e];
          s.dK[key + e] += dS * p.q[at + e];
          s.dV[key + e] += weight[j] * p.dO[at + e];
        }
      }
    }
}

} // namespace

AttentionSolution solveAttention(const AttentionProblem &p) {
  AttentionSolution s;
  s.o.resize(p.tokens * p.heads * p.headDim);
  s.dQ.resize(s.o.size());
  s.lse.resize(p.tokens * p.heads);
  s.dK.resize(p.tokens * p.kvHeads * p.headDim);
  s.dV.resize(s.dK.size());
  std::atomic<uint64_t> next{0};
  const uint64_t count = p.documents.size() * p.kvHeads;
  auto work = [&] {
    for (uint64_t i = next++; i < count; i = next++)
      solveHead(p, p.documents[i / p.kvHeads], i % p.kvHeads, s);
  };
  std::vector<std::thread> threads;
  for (unsigned i = 1; i < std::max(1u, std::thread::hardware_concurrency()); ++i)
    threads.emplace_back(work);
  work();
  for (std::thread &thread : threads)
    thread.join();
  return s;
}

} // namespace ft::rt
