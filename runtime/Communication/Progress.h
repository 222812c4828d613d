// What a rank is doing, for whoever asks from another thread, and what it took.
#pragma once

#include "runtime/Plan/plan.pb.h"

#include <array>
#include <atomic>
#include <chrono>
#include <mutex>
#include <string>

namespace ft::rt {

class Trail;

/// Written by the rank's thread alone, read by any.
class Progress {
public:
  static constexpr size_t kinds = 16; ///< above every plan::Segment::Kind
  /// Milliseconds of all runs of a segment; on a CPU, where a call has done its work when it returns.
  struct Times {
    double own = 0;     ///< computing
    double exposed = 0; ///< in collectives: waiting for others, and the exchange itself
  };
  struct Place {
    uint64_t step = 0;                             ///< 0: before the first
    int segment = plan::Segment::KIND_UNSPECIFIED; ///< none: between segments
    std::string name;                              ///< of the plan's step, or which collective; empty: none has begun
    bool loads = false;                            ///< weights, in chunks
    bool waits = false;                            ///< for other ranks
    bool onDevice = false;                         ///< a device says so, of work that the host has enqueued
    uint64_t ordinal = 0;                          ///< another one: the rank has moved since
    bool operator==(const Place &) const = default;
  };

  using Clock = std::chrono::steady_clock;
  explicit Progress(Clock::time_point (*now)() = [] { return Clock::now(); }) : now(now) {}

  void beginStep(uint64_t step);
  void enter(plan::Segment::Kind segment);
  void leave();
  /// `name` must stay where it is.
  void at(const std::string &name);
  /// A chunk of weights is there. From any thread.
  void loaded() { move(); }
  /// From now on the device says where it is, where it runs what was enqueued; null: no longer.
  void follow(const Trail *device);

  Place place() const;
  /// Its own time for a segment of this kind at most, so far; 0 where none has ended.
  double longestMs(int segment) const { return longest[size_t(segment) % kinds].load(std::memory_order_relaxed); }
  /// For the rank's own thread.
  const Times &times(int segment) const { return sums[size_t(segment) % kinds]; }

  /// While one lives, the rank waits for others. They nest.
  class Wait {
  public:
    explicit Wait(Progress *progress);
    ~Wait();
    Wait(const Wait &) = delete;
    Wait &operator=(const Wait &) = delete;

  private:
    Progress *const progress;
    Clock::time_point start;
  };
  /// While one lives, the rank loads weights.
  class Loading {
  public:
    explicit Loading(Progress *progress) : progress(progress) { set(true); }
    ~Loading() { set(false); }
    Loading(const Loading &) = delete;
    Loading &operator=(const Loading &) = delete;

  private:
    void set(bool loads);
    Progress *const progress; ///< may be null
  };

private:
  void move() { ordinal.fetch_add(1, std::memory_order_relaxed); }
  double since(Clock::time_point start) const {
    return std::chrono::duration<double, std::milli>(now() - start).count();
  }

  Clock::time_point (*const now)();
  std::atomic<bool> loads = false;
  std::atomic<uint64_t> step = 0, ordinal = 0;
  std::atomic<int> segment = plan::Segment::KIND_UNSPECIFIED, waits = 0;
  std::atomic<const std::string *> name = nullptr;
  mutable std::mutex following;
  const Trail *trail = nullptr;
  std::array<std::atomic<double>, kinds> longest = {};
  std::array<Times, kinds> sums = {};
  Clock::time_point entered;
  double waitedMs = 0; ///< in this segment
};

/// "step 17, segment UPDATE, at \"norm\"".
std::string describe(const Progress::Place &place);

} // namespace ft::rt
