// A rank whose collectives are done piece by piece somewhere else.
#pragma once

#include "runtime/Communication/Pieces.h"
#include "runtime/Communication/Progress.h"

namespace ft::rt {

/// Cuts; how a piece gets to the meeting place and back is the subclass's.
class PiecewiseRank : public Communicator {
public:
  PiecewiseRank(plan::Mesh mesh, uint32_t number, Progress *progress)
      : mesh(std::move(mesh)), number(number), progress(progress) {}

  uint32_t rank() const override { return number; }
  uint32_t size() const override { return mesh.ranks(); }
  Expected<uint32_t> prepare(std::string_view name, const plan::Collective &collective,
                             const CollectiveMemory &memory) override;
  Status run(uint32_t stream, uint32_t handle) override;
  Status toRank0(uint32_t from, std::span<std::byte> bytes) override;

protected:
  /// The meeting place gets ready for pieces of the collective; handles are the same there.
  virtual Status announce(std::string_view name, const plan::Collective &collective) = 0;
  /// One piece of `bytes` a slice: what it gives goes, and what it gets has come.
  virtual Status exchange(uint32_t handle, uint64_t bytes, std::span<const iovec> gives, Pieces &pieces,
                          const Pieces::Memory &memory) = 0;
  /// toRank0 of at most Pieces::mostStagedBytes.
  virtual Status bring(uint32_t from, std::span<std::byte> piece) = 0;

  const plan::Mesh mesh;
  const uint32_t number;
  Progress *const progress; ///< may be null

private:
  struct Run {
    std::byte *whole, *part;
    uint64_t wholeBytes;
  };
  struct Prepared {
    Pieces pieces;
    std::vector<Run> runs;
  };
  std::vector<Prepared> prepared;
};

} // namespace ft::rt
