#include "runtime/Communication/Pulse.h"

#include <algorithm>
#include <fmt/format.h>
#include <sys/eventfd.h>
#include <unistd.h>

using namespace ft;
using namespace ft::rt;

Pulse::Pulse(Connection open, const Patience &patience) : connection(std::move(open)), patience(patience) {}

bool Pulse::read(const std::function<void(const pulse::Beat &)> &take) {
  std::string bytes;
  do {
    if (!connection.receiveSome(bytes, mostFrameBytes) || !frames.feed(bytes))
      return false;
    while (const auto payload = frames.next()) {
      pulse::Beat beat;
      if (!beat.ParseFromString(*payload))
        return false;
      heard = Clock::now();
      take(beat);
    }
  } while (!bytes.empty());
  return true;
}

void StallWatch::measure(const Progress::Place &place, Clock::time_point now) {
  const bool goesOn = place.onDevice && last.onDevice && place.segment == last.segment && place.step == last.step;
  if (goesOn)
    return;
  if (last.onDevice) {
    double &most = longest[size_t(last.segment) % Progress::kinds];
    most = std::max(most, std::chrono::duration<double, std::milli>(now - begun).count());
  }
  begun = now;
}

/// Of a device's first run of a segment nothing is known but that it has run before the first step.
double StallWatch::usualMs(const Progress::Place &place) const {
  if (!place.onDevice)
    return progress->longestMs(place.segment);
  const double most = longest[size_t(place.segment) % Progress::kinds];
  return most > 0 ? most : std::chrono::duration<double, std::milli>(patience.leastStall).count();
}

std::string StallWatch::check(Clock::time_point now) {
  if (!progress)
    return {};
  const Progress::Place place = progress->place();
  if (place != last) {
    measure(place, now);
    last = place;
    moved = now;
    return {};
  }
  const double usual = usualMs(place), still = std::chrono::duration<double, std::milli>(now - moved).count();
  // Nothing is known of what runs for the first time, nor of loading and saving.
  const bool known = place.segment != plan::Segment::KIND_UNSPECIFIED && usual > 0;
  if (place.waits || !known || now - moved < patience.leastStall || still < patience.stallFactor * usual)
    return {};
  return fmt::format("no progress for {:.0f} s in {}; such a segment has taken {:.2f} s at most", still / 1e3,
                     describe(place), usual / 1e3);
}

bool Overdue::check(Clock::time_point now) {
  if (!since)
    since = now;
  if (told || !progress || known.load(std::memory_order_relaxed) || now - *since < patience.release)
    return false;
  const Progress::Place place = progress->place();
  told = place.step == 0 || place.segment != plan::Segment::KIND_UNSPECIFIED;
  return told;
}

pulse::Beat ft::rt::beatOf(const Progress *progress) {
  pulse::Beat beat;
  if (!progress)
    return beat;
  const Progress::Place place = progress->place();
  beat.set_step(place.step);
  beat.set_place(describe(place));
  beat.set_on_device(place.onDevice);
  if (place.onDevice && place.waits)
    beat.set_waits_in(place.name);
  return beat;
}

Waker::Waker() : event(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

void Waker::wake() const {
  const uint64_t one = 1;
  (void)!write(event.get(), &one, sizeof one);
}

void Waker::clear() const {
  uint64_t count = 0;
  (void)!::read(event.get(), &count, sizeof count);
}
