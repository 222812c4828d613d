// Where threads of one process meet, agree and fail together.
#pragma once

#include "runtime/Communication/Communicator.h"

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace ft::rt {

/// What a rank comes for. All members of a group come for the same, or their programs have parted.
struct Purpose {
  enum Kind { Prepare, Run, Agree, Collect };
  Kind kind;
  std::string_view name; ///< of the collective, of the Agreement, or of what is collected
  uint64_t number;
  bool operator==(const Purpose &other) const { return kind == other.kind && number == other.number; }
};

/// One mutex for all: what is done under it takes no time, and what takes time is done outside.
class Room {
public:
  /// The meeting place of some ranks.
  struct Group {
    std::vector<uint32_t> ranks; ///< by member number
    uint32_t present = 0;        ///< how many have come this time
    uint64_t round = 0;          ///< how often all have come
    uint32_t first = 0;          ///< the rank that came first, and what for
    Purpose purpose{};
    uint64_t gathered = 0; ///< the combination of the values of those present
    uint64_t agreed = 0;   ///< of all, the last time; stands until all have come once more
    std::condition_variable changed;
  };

  explicit Room(uint32_t ranks) : left(ranks), alarms(ranks) {}
  uint32_t size() const { return uint32_t(left.size()); }

  /// The same object for the same ranks; lives as long as the room.
  Group &group(const std::vector<uint32_t> &ranks);

  /// Waits until all members have come. Then, and until close, peers' memory may be touched.
  Status open(Group &group, uint32_t rank, const Purpose &purpose);
  /// Waits until all members are done.
  Status close(Group &group, uint32_t rank, const Purpose &purpose);
  /// Waits until all members have come; the combination of their values.
  Expected<uint64_t> agree(Group &group, uint32_t rank, const Purpose &purpose, Agreement how, uint64_t value);

  /// The first failure stays. Wakes up whoever waits.
  void fail(uint32_t rank, std::string_view reason);
  /// The rank does not come any more: a failure once somebody waits for it. Returns when nobody touches its memory.
  void leave(uint32_t rank);
  /// See Communicator::whenFailed.
  void whenFailed(uint32_t rank, std::function<void()> what);
  /// Why all have failed; ok while none has.
  Status reason();
  /// Which ranks wait for others, and in what: "2 of 4 ranks wait in collective 3 "x""; empty where none waits.
  std::string waiting();

private:
  bool arrive(std::unique_lock<std::mutex> &lock, Group &group, uint32_t rank, const Purpose &purpose);
  void failLocked(uint32_t rank, std::string_view reason);

  std::mutex mutex;
  std::optional<Status> failure;
  std::vector<bool> left;                    ///< by rank
  std::vector<std::function<void()>> alarms; ///< by rank
  uint32_t touching = 0;                     ///< ranks between open and close
  std::condition_variable quiet;
  std::map<std::vector<uint32_t>, std::unique_ptr<Group>> groups;
};

} // namespace ft::rt
