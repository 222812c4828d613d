#include "runtime/Communication/Trail.h"

#include <atomic>
#include <fmt/format.h>

using namespace ft;
using namespace ft::rt;

static uint32_t read(const uint32_t &word) {
  return std::atomic_ref<uint32_t>(const_cast<uint32_t &>(word)).load(std::memory_order_relaxed);
}

Progress::Place Trail::place(const Progress::Place &host) const {
  const uint32_t segment = read(words->segment), collective = read(words->collective);
  Progress::Place place = host;
  place.segment = int(segment % (1u << runShift));
  if (place.segment == plan::Segment::KIND_UNSPECIFIED)
    return host;
  place.onDevice = true, place.loads = false;
  // The word has the lower bits of a step that is not later than the host's.
  place.step = host.step - ((host.step - (segment >> stepShift)) & (UINT32_MAX >> stepShift));
  place.ordinal = uint64_t(segment) << 32 | collective;
  place.waits = collective % 2 == 1;
  place.name.clear();
  if (const uint32_t handle = (collective + 1) / 2; handle > 0 && handle <= names.size())
    place.name = fmt::format("collective {} \"{}\"", handle - 1, names[handle - 1]);
  return place;
}
