#include "runtime/Program/Tuner.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <random>

using namespace ft;
using namespace ft::rt;

namespace {
constexpr uint32_t start = 1, end = 2; // events
constexpr uint64_t noiseBytes = 4 << 20;
constexpr double light = 1e-3;     // of the time of all products
constexpr double mayBeBest = 1.06; // of the fastest brief look
constexpr double worthIt = 0.995;  // of the present way's time

/// Numbers in (-2, 2) of either sign, small ones rarer the smaller they are: as much work for the multipliers, and so
/// as much power, as weights and activations are.
template <typename Word> void fillNoise(std::span<std::byte> bytes, int fraction, int bias, int least) {
  std::mt19937_64 random(1);
  const std::span<Word> words(reinterpret_cast<Word *>(bytes.data()), bytes.size() / sizeof(Word));
  for (Word &word : words) {
    const uint64_t bits = random();
    const int exponent = std::max(bias - std::countr_zero(bits | uint64_t(1) << 62), least);
    const uint64_t mantissa = bits >> (64 - fraction), sign = random() & 1;
    word = static_cast<Word>(sign << (sizeof(Word) * 8 - 1) | uint64_t(exponent) << fraction | mantissa);
  }
}

std::vector<std::byte> noiseOf(plan::DType type) {
  std::vector<std::byte> noise(noiseBytes);
  switch (type) {
  case plan::BF16:
    fillNoise<uint16_t>(noise, 7, 127, 100);
    break;
  case plan::F16:
    fillNoise<uint16_t>(noise, 10, 15, 1);
    break;
  case plan::F8E4M3:
    fillNoise<uint8_t>(noise, 3, 7, 0);
    break;
  default:
    fillNoise<uint32_t>(noise, 23, 127, 100);
  }
  return noise;
}

class Tuner {
public:
  Tuner(const plan::Plan &plan, const Arenas &arenas, Device &device, const TuneEffort &effort)
      : plan(plan), arenas(arenas), device(device), effort(effort) {}

  Expected<std::vector<TunedProduct>> run(const std::function<void(double done)> &atWork);

private:
  struct Use {
    const plan::Gemm *gemm;
    TunedProduct found;
    std::vector<double> brief; ///< ms of one, by way
  };
  Status prepare();
  Status fill(const plan::Operand &operand, plan::DType type);
  Status fillOperands(const plan::Gemm &gemm);
  Status enqueue(const Use &use);
  Expected<double> msOf(const Use &use, uint64_t count);
  Expected<double> msWithin(const Use &use, double expected, double least);
  Status lookBriefly(Use &use);
  Status lookLong(Use &use);

  const plan::Plan &plan;
  const Arenas &arenas;
  Device &device;
  const TuneEffort effort;
  std::vector<Use> uses;
  std::map<plan::DType, std::vector<std::byte>> noises;
};

Status Tuner::prepare() {
  std::map<uint32_t, size_t> places;
  for (const plan::Segment &segment : plan.segments())
    for (const plan::Step &step : segment.steps()) {
      if (!step.has_gemm())
        continue;
      FT_ASSIGN_OR_RETURN(const uint32_t handle, device.prepareGemm(step.gemm()));
      const auto [place, isNew] = places.try_emplace(handle, uses.size());
      if (isNew) {
        uses.push_back({&step.gemm(), {}, {}});
        uses.back().found.handle = handle;
      }
      ++uses[place->second].found.uses;
    }
  return {};
}

Status Tuner::fill(const plan::Operand &operand, plan::DType type) {
  std::vector<std::byte> &noise = noises[type];
  if (noise.empty())
    noise = noiseOf(type);
  const Region region = arenas.region(operand);
  const uint64_t bytes = (region.batch - 1) * region.batchPitch + (region.rows - 1) * region.pitch + region.rowBytes;
  for (uint64_t at = 0; at < bytes; at += noise.size())
    FT_RETURN_IF_ERROR(device.upload(0, static_cast<std::byte *>(region.base) + at, noise.data(),
                                     std::min<uint64_t>(noise.size(), bytes - at)));
  return {};
}

Status Tuner::fillOperands(const plan::Gemm &gemm) {
  FT_RETURN_IF_ERROR(fill(gemm.a(), gemm.a_type()));
  FT_RETURN_IF_ERROR(fill(gemm.b(), gemm.b_type()));
  if (gemm.beta() != 0)
    FT_RETURN_IF_ERROR(fill(gemm.d(), gemm.d_type()));
  if (!gemm.has_scale_a())
    return {};
  FT_RETURN_IF_ERROR(fill(gemm.scale_a(), plan::F32));
  return fill(gemm.scale_b(), plan::F32);
}

Status Tuner::enqueue(const Use &use) {
  const plan::Gemm &gemm = *use.gemm;
  const auto address = [&](bool there, const plan::Operand &operand) {
    return there ? arenas.region(operand).base : nullptr;
  };
  const GemmAddresses at = {address(true, gemm.a()),
                            address(true, gemm.b()),
                            address(true, gemm.d()),
                            address(gemm.has_workspace(), gemm.workspace()),
                            address(gemm.has_scale_a(), gemm.scale_a()),
                            address(gemm.has_scale_b(), gemm.scale_b())};
  if (gemm.has_scale_a())
    return device.scaledGemm(0, use.found.handle, at);
  return device.gemm(0, use.found.handle, at.a, at.b, at.d, at.workspace);
}

/// Of one of `count` behind each other.
Expected<double> Tuner::msOf(const Use &use, uint64_t count) {
  FT_RETURN_IF_ERROR(device.stamp(0, start));
  for (uint64_t i = 0; i < count; ++i)
    FT_RETURN_IF_ERROR(enqueue(use));
  FT_RETURN_IF_ERROR(device.stamp(0, end));
  FT_RETURN_IF_ERROR(device.synchronize());
  FT_ASSIGN_OR_RETURN(const double ms, device.elapsedMs(start, end));
  return ms / double(count);
}

/// Of one of as many as take `least` milliseconds, at `expected` each.
Expected<double> Tuner::msWithin(const Use &use, double expected, double least) {
  constexpr double most = 1000;
  return msOf(use, static_cast<uint64_t>(std::clamp(std::ceil(least / std::max(expected, 1e-4)), 2.0, most)));
}

Status Tuner::lookBriefly(Use &use) {
  FT_RETURN_IF_ERROR(fillOperands(*use.gemm));
  FT_ASSIGN_OR_RETURN(use.found.ways, device.waysOf(use.found.handle));
  for (uint32_t way = 0; way < use.found.ways; ++way) {
    if (use.found.ways > 1)
      FT_RETURN_IF_ERROR(device.takeWay(use.found.handle, way));
    FT_ASSIGN_OR_RETURN(const double one, msOf(use, 1)); // loads its kernel
    FT_ASSIGN_OR_RETURN(const double two, msOf(use, 2));
    FT_ASSIGN_OR_RETURN(const double ms, msWithin(use, std::min(one, two), effort.briefMs));
    use.brief.push_back(ms);
  }
  use.found.firstMs = use.brief.front();
  use.found.taken = uint32_t(std::min_element(use.brief.begin(), use.brief.end()) - use.brief.begin());
  use.found.ms = use.brief[use.found.taken];
  return {};
}

/// The present way and the fastest others in turn, each for a while before it is measured.
Status Tuner::lookLong(Use &use) {
  FT_RETURN_IF_ERROR(fillOperands(*use.gemm));
  std::vector<uint32_t> order(use.brief.size());
  for (uint32_t way = 0; way < order.size(); ++way)
    order[way] = way;
  std::sort(order.begin() + 1, order.end(), [&](uint32_t a, uint32_t b) { return use.brief[a] < use.brief[b]; });
  const double best = *std::min_element(use.brief.begin(), use.brief.end());
  std::vector<std::vector<double>> all;
  for (uint32_t round = 0; round < effort.rounds; ++round)
    for (uint32_t i = 0; i < order.size() && i <= effort.finalists; ++i) {
      const double brief = use.brief[order[i]];
      if (i > 0 && brief > best * mayBeBest)
        break;
      FT_RETURN_IF_ERROR(device.takeWay(use.found.handle, order[i]));
      FT_RETURN_IF_ERROR(msWithin(use, brief, effort.longMs).status());
      FT_ASSIGN_OR_RETURN(const double ms, msWithin(use, brief, effort.longMs));
      all.resize(std::max<size_t>(all.size(), i + 1));
      all[i].push_back(ms);
    }
  const auto median = [](std::vector<double> values) {
    std::nth_element(values.begin(), values.begin() + std::ptrdiff_t(values.size() / 2), values.end());
    return values[values.size() / 2];
  };
  use.found.firstMs = use.found.ms = median(all.front());
  use.found.taken = 0;
  for (size_t i = 1; i < all.size(); ++i)
    if (const double ms = median(all[i]); ms < use.found.ms)
      use.found.ms = ms, use.found.taken = order[i];
  return {};
}

Expected<std::vector<TunedProduct>> Tuner::run(const std::function<void(double done)> &atWork) {
  FT_RETURN_IF_ERROR(prepare());
  const double looks = 2 * double(uses.size());
  uint64_t done = 0;
  double all = 0;
  for (Use &use : uses) {
    atWork(double(done++) / looks);
    FT_RETURN_IF_ERROR(lookBriefly(use));
    all += use.found.firstMs * double(use.found.uses);
  }
  std::vector<TunedProduct> found;
  for (Use &use : uses) {
    atWork(double(done++) / looks);
    if (use.found.ways > 1 && use.found.firstMs * double(use.found.uses) >= light * all)
      FT_RETURN_IF_ERROR(lookLong(use));
    if (use.found.ms > use.found.firstMs * worthIt)
      use.found.taken = 0, use.found.ms = use.found.firstMs;
    if (use.found.ways > 1)
      FT_RETURN_IF_ERROR(device.takeWay(use.found.handle, use.found.taken));
    found.push_back(use.found);
  }
  return found;
}
} // namespace

Expected<std::vector<TunedProduct>> ft::rt::tuneProducts(const plan::Plan &plan, const Arenas &arenas, Device &device,
                                                         const std::function<void(double done)> &atWork,
                                                         const TuneEffort &effort) {
  return Tuner(plan, arenas, device, effort).run(atWork);
}
