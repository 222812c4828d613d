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

namespace {
double milliseconds(Clock::duration duration) { return std::chrono::duration<double, std::milli>(duration).count(); }
} // namespace

void StallWatch::measure(const Progress::Place &place, Clock::time_point now) {
  if (last.loads)
    longestChunk = std::max(longestChunk, milliseconds(now - moved));
  const bool goesOn = place.onDevice && last.onDevice && place.segment == last.segment && place.step == last.step;
  if (goesOn)
    return;
  if (last.onDevice) {
    double &most = longest[size_t(last.segment) % Progress::kinds];
    most = std::max(most, milliseconds(now - begun));
  }
  begun = now;
}

/// Of a device's first run of a segment nothing is known but that it has run before the first step, nor of a first
/// chunk.
double StallWatch::usualMs(const Progress::Place &place) const {
  if (!place.onDevice && !place.loads)
    return progress->longestMs(place.segment);
  const double most = place.loads ? longestChunk : longest[size_t(place.segment) % Progress::kinds];
  return most > 0 ? most : milliseconds(patience.leastStall);
}

std::string StallWatch::describeStall(const Progress::Place &place, double stillMs, double usualMs) const {
  const std::string still = fmt::format("no progress for {:.0f} s", stillMs / 1e3);
  if (!place.loads)
    return fmt::format("{} in {}; such a segment has taken {:.2f} s at most", still, describe(place), usualMs / 1e3);
  return still + " in loading weights; " +
         (longestChunk > 0 ? fmt::format("a piece has taken {:.2f} s at most", usualMs / 1e3)
                           : "nothing has been read so far") +
         ": look at the disk or network that the model is on";
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
  const double usual = usualMs(place), still = milliseconds(now - moved);
  // Nothing is known of what runs for the first time, nor of saving.
  const bool known = place.loads || (place.segment != plan::Segment::KIND_UNSPECIFIED && usual > 0);
  if (place.waits || !known || now - moved < patience.leastStall || still < patience.stallFactor * usual)
    return {};
  return describeStall(place, still, usual);
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
