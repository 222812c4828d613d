#include "runtime/Training/Schedule.h"

#include "runtime/Support/Strings.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

using namespace ft;
using namespace ft::rt;

Expected<Schedule> Schedule::create(const plan::Run &run, uint64_t totalSteps) {
  static constexpr std::array<std::string_view, 3> names = {"constant", "linear", "cosine"};
  const auto found = std::find(names.begin(), names.end(), run.lr_scheduler_type());
  if (found == names.end())
    return badInput(fmt::format("lr_scheduler_type is \"{}\"; must be constant, linear or cosine{}",
                                run.lr_scheduler_type(), suggestion(run.lr_scheduler_type(), names)));
  Schedule schedule;
  schedule.kind = static_cast<Kind>(found - names.begin());
  schedule.peak = run.learning_rate();
  schedule.total = totalSteps;
  schedule.warmup = run.warmup_steps()
                        ? run.warmup_steps()
                        : static_cast<uint64_t>(std::min(std::ceil(run.warmup_ratio() * double(totalSteps)), 0x1p63));
  return schedule;
}

double Schedule::learningRate(uint64_t step) const {
  const double done = static_cast<double>(step - 1), warm = static_cast<double>(warmup);
  if (step - 1 < warmup)
    return peak * (done / std::max(1.0, warm));
  const double length = std::max(1.0, static_cast<double>(total) - warm);
  switch (kind) {
  case Kind::Constant:
    return peak;
  case Kind::Linear:
    return peak * std::max(0.0, (static_cast<double>(total) - done) / length);
  case Kind::Cosine:
    return peak * std::max(0.0, 0.5 * (1.0 + std::cos(std::numbers::pi * (done - warm) / length)));
  }
  return peak;
}
