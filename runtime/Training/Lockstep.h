// What the ranks of a run decide together.
#pragma once

#include "runtime/Communication/Communicator.h"
#include "runtime/Training/Interrupts.h"

namespace ft::rt {

/// All ranks run the same segments in the same order, or one waits in a collective for another for good. So nothing
/// that a rank sees for itself, at a moment of its own (a signal, a number that is not finite, the likeliest token),
/// decides what it runs next: it asks here, every rank asks the same in the same order, and each answer is rank 0's.
/// One object for each rank.
class Lockstep {
public:
  /// `interrupts`: rank 0's alone are looked at.
  explicit Lockstep(const Interrupts &interrupts) : interrupts(interrupts) {}
  virtual ~Lockstep() = default;

  /// Waits until every rank has come here. Fails where one has failed on its way.
  virtual Status meet() = 0;
  /// Whether what the ranks do in turns (steps, micro-batches of an evaluation, tokens) ends here: on rank 0 it is
  /// `done`, or somebody asked for an early end.
  Expected<bool> ends(bool done = false);
  /// The token that every rank goes on with; `mine` is what this rank would take.
  Expected<uint32_t> token(uint32_t mine);

  /// Whether it is so on every rank.
  virtual Expected<bool> all(bool mine) = 0;
  /// A number that all go on with: rank 0's.
  Expected<uint64_t> number(uint64_t mine) { return fromRankZero(mine); }

protected:
  /// The number of rank 0, which the others wait for. Fails where a rank has failed or is lost.
  virtual Expected<uint64_t> fromRankZero(uint64_t mine) = 0;

private:
  const Interrupts &interrupts;
};

/// Ranks that a communicator connects.
class RanksInStep final : public Lockstep {
public:
  RanksInStep(const Interrupts &interrupts, Communicator &communicator)
      : Lockstep(interrupts), communicator(communicator) {}
  Status meet() override { return communicator.agree(Agreement::Max, 0).status(); }
  Expected<bool> all(bool mine) override {
    FT_ASSIGN_OR_RETURN(const uint64_t least, communicator.agree(Agreement::Min, mine));
    return least != 0;
  }

protected:
  Expected<uint64_t> fromRankZero(uint64_t mine) override { return communicator.agree(Agreement::Rank0, mine); }

private:
  Communicator &communicator;
};

/// A world of one rank, which agrees with itself.
class OneRank final : public Lockstep {
public:
  using Lockstep::Lockstep;
  Status meet() override { return {}; }
  Expected<bool> all(bool mine) override { return mine; }

protected:
  Expected<uint64_t> fromRankZero(uint64_t mine) override { return mine; }
};

} // namespace ft::rt
