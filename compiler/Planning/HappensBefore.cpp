#include "compiler/Planning/HappensBefore.h"

#include "llvm/ADT/STLExtras.h"

#include <algorithm>

using namespace llvm;
using namespace ft;

void HappensBefore::append(unsigned stream, ArrayRef<int64_t> after) {
  Step step{stream, static_cast<int64_t>(streams[stream].size()), {}};
  step.finished.assign(streams.size(), 0);
  auto follow = [&](int64_t earlier) {
    const Step &before = steps[earlier];
    for (auto [mine, its] : zip_equal(step.finished, before.finished))
      mine = std::max(mine, its);
    step.finished[before.stream] = std::max(step.finished[before.stream], before.position + 1);
  };
  if (!streams[stream].empty())
    follow(streams[stream].back());
  for (int64_t earlier : after)
    follow(earlier);
  streams[stream].push_back(steps.size());
  steps.push_back(std::move(step));
}

SmallVector<int64_t, 2> HappensBefore::waitsFor(unsigned stream, ArrayRef<int64_t> after) const {
  SmallVector<int64_t> latestFirst(after);
  llvm::sort(latestFirst, std::greater<>());
  SmallVector<int64_t, 2> waits;
  auto implied = [&](int64_t step, int64_t by) { return step == by || isBefore(step, by); };
  for (int64_t step : latestFirst) {
    bool known = !streams[stream].empty() && implied(step, streams[stream].back());
    if (!known && none_of(waits, [&](int64_t wait) { return implied(step, wait); }))
      waits.push_back(step);
  }
  return waits;
}

int64_t HappensBefore::lastBeside(int64_t a, function_ref<bool(int64_t)> counts) const {
  int64_t last = a;
  for (auto [stream, its] : enumerate(streams)) {
    if (stream == steps[a].stream)
      continue;
    auto firstBehind = std::partition_point(its.begin(), its.end(), [&](int64_t step) { return !isBefore(a, step); });
    while (firstBehind != its.begin() && counts && !counts(*std::prev(firstBehind)))
      --firstBehind;
    if (firstBehind != its.begin())
      last = std::max(last, *std::prev(firstBehind));
  }
  return last;
}
