// What the conformance suite runs on: ranks as threads, each with memory of its own, on any implementation.
#pragma once

#include "runtime/Communication/Communicator.h"
#include "runtime/Plan/Mesh.h"

#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace ft::rt::test {

/// One communicator under test.
struct Implementation {
  std::string name;
  std::function<std::vector<std::unique_ptr<Communicator>>(const plan::Mesh &)> open;
};
std::vector<Implementation> implementations();

using Bytes = std::vector<std::byte>;

/// Runs `body` on a thread for each rank of the mesh and returns when all have ended, their ends destroyed.
void onEachRank(const Implementation &implementation, const plan::Mesh &mesh,
                const std::function<void(Communicator &)> &body);

struct CollectiveCase {
  plan::Collective::Kind kind;
  plan::Collective::Reduction reduction;
  plan::DType dtype;
};
/// Every kind with every type and reduction that it takes.
std::vector<CollectiveCase> everyCollective();
bool hasParts(plan::Collective::Kind kind);

/// One collective over runs of so many bytes (of the whole; parts where the kind has some).
plan::Collective makeCollective(plan::Collective::Kind kind, plan::Collective::Reduction reduction, plan::DType dtype,
                                const std::vector<uint32_t> &axes, uint32_t members,
                                const std::vector<uint64_t> &wholeBytes);

/// The memory of one collective on one rank, filled with random numbers: the same for the same seed and rank. Runs of
/// the whole lie behind each other, separated; parts in place, or likewise.
class RankMemory {
public:
  RankMemory(const plan::Collective &collective, uint32_t member, uint32_t members, bool inPlace, uint32_t seed);
  CollectiveMemory view() const { return {whole, part, nullptr}; }
  /// What the runs hold now, the parts behind the wholes.
  std::vector<Bytes> contents() const;

private:
  Bytes memory;
  std::vector<std::byte *> whole, part;
  std::vector<uint64_t> wholeBytes, partBytes;
};

/// What RankMemory::contents must be on `member` afterwards, from what the members' were before.
std::vector<Bytes> expectedContents(const plan::Collective &collective, uint32_t member,
                                    const std::vector<std::vector<Bytes>> &before, bool inPlace);

/// A short random wait, for the order in which ranks come.
void dawdle(std::mt19937 &random);

} // namespace ft::rt::test
