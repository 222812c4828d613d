// What the bytes of one arena hold, and who touched them, while the verifier runs a plan.
#pragma once

#include "runtime/Plan/ByteRegion.h"
#include "runtime/Plan/IntervalIndex.h"
#include "runtime/Plan/Lanes.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace ft::rt {

/// One operand of one run of a step.
struct Touch {
  ByteRegion region; ///< in the arena
  uint32_t buffer = 0;
  uint32_t version = 0;
  uint32_t writtenAs = 0;         ///< the version at first, where it has been renamed
  uint32_t segment = 0, step = 0; ///< where the step stands in the plan; the initial fill has segment = initialFill
  uint32_t run = 0;               ///< which segment of the unrolled sequence
  uint32_t stream = 0;
  int32_t position = 0; ///< among the steps of its stream in this run
};
inline constexpr uint32_t initialFill = ~uint32_t(0);

/// Why a touch is illegal.
struct Conflict {
  enum Kind {
    WrongValue,     ///< the bytes hold what `other` wrote
    Undefined,      ///< nothing has written `region`
    ReadRace,       ///< the write `other` of the value may not have finished
    OverwritesRead, ///< the read `other` may not have finished
    OverwritesWrite ///< the write `other` may not have finished
  };
  Kind kind;
  Touch other;       ///< meaningless for Undefined
  ByteRegion region; ///< bytes in question
};

/// Writes as records in order of time. Records overlap: later ones hide earlier ones, and what is hidden whole is
/// dropped. Reads are kept for the current run of a segment only, because segments follow each other.
///
/// A tensor may be thousands of tiles, each a record. So a read counts bytes where it can: if all that it finds from
/// the latest record back is what it wants, and none of these hides another in part, they are disjoint, and they are
/// all that it reads if they have as many bytes. Otherwise it takes each record's bytes from what is left.
class LiveRegions {
public:
  /// Whether `earlier` has finished when `later` starts: by streams and events.
  using Ordered = bool (*)(const void *context, const Touch &earlier, const Touch &later);

  LiveRegions(Ordered ordered, const void *context, WorkBudget &budget)
      : ordered(ordered), context(context), budget(budget) {}

  /// Checks that every byte holds `touch.version` of `touch.buffer`, written before.
  std::optional<Conflict> checkRead(const Touch &touch);
  /// Checks that everybody who touches these bytes has finished, drops what `touch` hides whole, and adds it.
  std::optional<Conflict> write(const Touch &touch);
  void addRead(const Touch &touch);
  /// A value that is there before anything runs.
  void fill(const Touch &touch);

  /// Bytes that hold version `from` of `buffer`, which lies at `region`, hold version `to`.
  void rename(const ByteRegion &region, uint32_t buffer, uint32_t from, uint32_t to);
  void forgetReads();
  /// The bytes of buffers for which dead[buffer] is set no longer hold a value; what they have hidden stays hidden.
  void forgetValues(const std::vector<bool> &dead);

private:
  struct Record {
    Touch touch;
    uint64_t time = 0;
    uint64_t hides = 0; ///< the time of the latest before it that it hides in part; 0: none
    bool dead = false;  ///< hides earlier records, but holds no value
  };
  struct Table {
    std::vector<Record> records;
    std::vector<Lanes> lanes; ///< of the records
    std::vector<uint32_t> spare;
    IntervalIndex index;

    /// `instead`: of a record with the same bytes that it takes the place of.
    void add(const Touch &touch, uint64_t time, uint64_t hides, std::optional<uint32_t> instead);
    void drop(uint32_t id);
    /// Drops a record that `touch` covers; if it has the same bytes it stays, to be taken over by add().
    void cover(uint32_t id, const Touch &touch, std::optional<uint32_t> &instead);
  };

  std::vector<uint32_t> &touching(const Table &table, const ByteRegion &region);
  /// What a write finds among earlier touches of its bytes.
  struct Earlier {
    uint64_t hides = 0;              ///< the time of the latest that it covers in part
    std::optional<uint32_t> instead; ///< a record with the same bytes
  };
  std::optional<Conflict> checkOrder(Table &table, const Touch &touch, Conflict::Kind kind, Earlier &earlier);
  bool isRead(const Record &record, const Touch &touch) const;
  bool countsAll(const std::vector<uint32_t> &ids, const Touch &touch);

  Ordered ordered;
  const void *context;
  WorkBudget &budget;
  Table writes, reads;
  uint64_t now = 0;
  std::vector<uint32_t> found;
  std::vector<ByteRegion> pieces, rest;
};

} // namespace ft::rt
