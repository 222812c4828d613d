// What a plan's collectives need from the connection between ranks. Several implementations share one conformance
// suite (CommunicatorConformanceTest).
#pragma once

#include "runtime/Plan/plan.pb.h"
#include "runtime/Support/Status.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace ft::rt {

class Trail;

/// Where the runs of a collective lie on this rank, parallel to the message's operands; no workspace is null.
struct CollectiveMemory {
  std::span<std::byte *const> whole;
  std::span<std::byte *const> part;
  std::byte *workspace = nullptr;
};

/// What ranks may agree on.
enum class Agreement {
  Max,
  Min,
  Sum,   ///< modulo 2^64
  Rank0, ///< what rank 0 says
};

/// One rank's end. The rank's thread alone calls it, but for abort. All ranks make the same calls in the same order,
/// the collectives of a group likewise in one order; where that is seen to differ, all of them fail.
///
/// A failure is final and of all ranks: whoever waits, or calls anything later, gets a Status (Failed) that names the
/// rank and the reason that came first. A rank whose end is destroyed counts as failed to those who still need it.
class Communicator {
public:
  /// Returns once no peer touches this rank's memory; what was prepared must live until then.
  virtual ~Communicator() = default;

  virtual uint32_t rank() const = 0;
  virtual uint32_t size() const = 0;

  /// Makes a collective ready to run any number of times; returns a handle for `run`. All ranks prepare it together,
  /// under one `name` (for messages). Synchronous; may allocate, and exchanges addresses with the peers. checkPlan has
  /// accepted the message; `memory` is copied.
  virtual Expected<uint32_t> prepare(std::string_view name, const plan::Collective &collective,
                                     const CollectiveMemory &memory) = 0;

  /// Runs the collective (plan.proto says what it does to the bytes), in the order of `stream`: a CPU rank has done it
  /// when the call returns. Allocates nothing. Between GPUs it only enqueues, and may be captured into a graph.
  virtual Status run(uint32_t stream, uint32_t handle) = 0;

  /// All ranks give a value and get the same one: for the loop around the steps, not for the steps. Every agreement is
  /// a barrier: no rank returns before all have called.
  virtual Expected<uint64_t> agree(Agreement how, uint64_t value) = 0;

  /// Rank 0 gets bytes of host memory that rank `from` has. All ranks give as many bytes; a barrier. Eight at a time
  /// where an implementation knows no better way.
  virtual Status toRank0(uint32_t from, std::span<std::byte> bytes) {
    for (size_t at = 0; at < bytes.size(); at += sizeof(uint64_t)) {
      const std::span<std::byte> piece = bytes.subspan(at, std::min(sizeof(uint64_t), bytes.size() - at));
      uint64_t word = 0;
      if (rank() == from)
        std::memcpy(&word, piece.data(), piece.size());
      FT_ASSIGN_OR_RETURN(word, agree(Agreement::Sum, word));
      if (rank() == 0)
        std::memcpy(piece.data(), &word, piece.size());
    }
    return {};
  }

  /// Makes every rank fail, this one too, for this reason unless there is an earlier one. From any thread; does not
  /// wait.
  virtual void abort(std::string reason) = 0;

  /// `what` is called when all have failed, now where they have, perhaps more than once: it ends waits for peers that
  /// are not in these calls. On any thread, under locks: it must neither wait nor call the communicator. Null: nobody
  /// is told any more.
  virtual void whenFailed(std::function<void()> what) = 0;

  /// What is enqueued from here on, first and last on stream 0, is a run of this segment; KIND_UNSPECIFIED: of none.
  /// For the trail.
  virtual Status enter(uint64_t, plan::Segment::Kind) { return {}; }
  /// Where the device is, complete once everything is prepared; null where a call has done its work when it returns.
  virtual const Trail *trail() const { return nullptr; }
};

} // namespace ft::rt
