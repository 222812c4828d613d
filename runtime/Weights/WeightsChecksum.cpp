#include "runtime/Weights/WeightsChecksum.h"

#include "runtime/Support/Checksum.h"
#include "runtime/Support/Parallel.h"
#include "runtime/Weights/ReadAhead.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <sys/resource.h>
#include <system_error>
#include <unistd.h>

namespace ft::rt {

namespace {

/// A checksum of its own has each piece of this size: it is part of what is compared.
constexpr uint64_t pieceBytes = 8 << 20;

std::vector<std::span<const std::byte>> piecesOf(const ModelSource &model) {
  std::vector<std::span<const std::byte>> pieces;
  for (const std::span<const std::byte> bytes : model.bytesOfTensors())
    for (uint64_t first = 0; first < bytes.size(); first += pieceBytes)
      pieces.push_back(bytes.subspan(first, std::min<uint64_t>(pieceBytes, bytes.size() - first)));
  return pieces;
}

} // namespace

/// Pieces are taken in the order in which files hold them.
struct WeightsChecksum::Reading {
  explicit Reading(const ModelSource &model)
      : pieces(piecesOf(model)), order(pieces.size()), sums(pieces.size()), ahead(partsIn(order, pieces)) {}

  static std::vector<ReadAhead::Parts> partsIn(std::vector<size_t> &order,
                                               const std::vector<std::span<const std::byte>> &pieces) {
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(),
              [&](size_t a, size_t b) { return std::less<>()(pieces[a].data(), pieces[b].data()); });
    std::vector<ReadAhead::Parts> parts;
    for (const size_t piece : order)
      parts.push_back({pieces[piece]});
    return parts;
  }

  void work() {
    for (uint64_t i; !ends && (i = next++) < order.size();) {
      const ReadAhead::Reading reading = ahead.begin(i);
      sums[order[i]] = checksumOf(pieces[order[i]]);
    }
  }

  uint64_t sum() const { return checksumOf(std::as_bytes(std::span(sums))); }

  const std::vector<std::span<const std::byte>> pieces;
  std::vector<size_t> order;
  std::vector<uint64_t> sums; ///< by piece
  ReadAhead ahead;
  std::atomic<uint64_t> next{0};
  std::atomic<bool> ends{false};
};

WeightsChecksum::WeightsChecksum() = default;

WeightsChecksum::~WeightsChecksum() {
  if (reading)
    reading->ends = true;
  if (beside.joinable())
    beside.join();
}

void WeightsChecksum::begin(const ModelSource &model) {
  const std::lock_guard lock(mutex);
  if (reading)
    return;
  reading = std::make_unique<Reading>(model);
  try {
    beside = std::thread([&work = *reading] {
      (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), 19); // of this thread alone
      work.work();
    });
  } catch (const std::system_error &) { // whoever asks reads then
  }
}

uint64_t WeightsChecksum::of(const ModelSource &model, uint32_t threads) {
  const std::lock_guard lock(mutex);
  if (isKnown)
    return sum;
  if (!reading)
    reading = std::make_unique<Reading>(model);
  onThreads(std::min<uint64_t>(threadCount(threads), reading->pieces.size()), [this] { reading->work(); });
  if (beside.joinable())
    beside.join();
  sum = reading->sum();
  isKnown = true;
  return sum;
}

std::optional<uint64_t> WeightsChecksum::known() const { return isKnown ? std::optional(sum) : std::nullopt; }

} // namespace ft::rt
