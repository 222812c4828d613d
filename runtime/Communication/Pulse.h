// Heartbeats between two processes.
#pragma once

#include "runtime/Communication/Progress.h"
#include "runtime/Communication/pulse.pb.h"
#include "runtime/Rendezvous/Connection.h"
#include "runtime/Rendezvous/Frames.h"

namespace ft::rt {

/// When a rank counts as lost.
struct Patience {
  std::chrono::milliseconds beat{1000};        ///< between two heartbeats
  std::chrono::milliseconds silence{20000};    ///< without one
  std::chrono::milliseconds leastStall{20000}; ///< in one place of a segment
  std::chrono::milliseconds release{20000};    ///< for a rank that computes while all have failed
  double stallFactor = 10;                     ///< likewise, times the longest that such a segment took
};

/// The connection that heartbeats of one peer come over.
class Pulse {
public:
  Pulse(Connection connection, const Patience &patience);

  int descriptor() const { return connection.get(); }
  /// Takes in what has come; each beat goes to `take`. False once the peer has ended it.
  bool read(const std::function<void(const pulse::Beat &)> &take);
  /// False where it is broken.
  bool send(const pulse::Beat &beat) { return connection.sendNow(frame(beat.SerializeAsString())); }
  bool silent(Clock::time_point now) const { return now - heard > patience.silence; }
  void endSending() const { connection.endSending(); }

private:
  Connection connection;
  FrameReader frames;
  const Patience patience;
  Clock::time_point heard = Clock::now();
};

/// Sees that this process's own rank does not move, though the process lives. What segments of a device and chunks of
/// loading take it measures by itself, as often as it is asked.
class StallWatch {
public:
  StallWatch(const Progress *progress, const Patience &patience) : progress(progress), patience(patience) {}
  /// Why it counts as lost, or nothing. Asked often.
  std::string check(Clock::time_point now);

private:
  void measure(const Progress::Place &place, Clock::time_point now);
  double usualMs(const Progress::Place &place) const;
  std::string describeStall(const Progress::Place &place, double stillMs, double usualMs) const;

  const Progress *const progress;
  const Patience patience;
  Progress::Place last;
  Clock::time_point moved = Clock::now(), begun = moved;
  std::array<double, Progress::kinds> longest = {}; ///< of a device
  double longestChunk = 0;                          ///< of loading
};

/// Sees that all have failed and this process's own rank, in the middle of something long, has not heard of it.
class Overdue {
public:
  Overdue(const Progress *progress, const Patience &patience) : progress(progress), patience(patience) {}
  /// The rank's thread has heard of it. From any thread.
  void heard() { known.store(true, std::memory_order_relaxed); }
  /// True once; asked since all have failed. Never between segments of a training: there rank 0 may be saving.
  bool check(Clock::time_point now);

private:
  const Progress *const progress;
  const Patience patience;
  std::atomic<bool> known = false;
  std::optional<Clock::time_point> since;
  bool told = false;
};

/// A beat that says where the rank is.
pulse::Beat beatOf(const Progress *progress);

/// Wakes a thread that polls.
class Waker {
public:
  Waker();
  int descriptor() const { return event.get(); }
  void wake() const;
  void clear() const;

private:
  Descriptor event;
};

} // namespace ft::rt
