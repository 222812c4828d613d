// In which order a run takes the rows of its data.
#pragma once

#include <cstdint>
#include <vector>

namespace ft::rt {

/// Row g of a run is row permutation(g / rows)[g mod rows] of the file, a fresh shuffle for every epoch (Philox stream
/// "data", name "epoch/<e>"). Nothing is allocated after creation; going on in one epoch costs nothing.
class RowOrder {
public:
  RowOrder() = default;
  RowOrder(uint64_t seed, uint64_t rows) : seed(seed), permutation(rows) {}

  /// The file's row.
  uint64_t at(uint64_t rowOfRun) {
    permute(rowOfRun / permutation.size());
    return permutation[rowOfRun % permutation.size()];
  }

private:
  void permute(uint64_t epoch);

  uint64_t seed = 0, permutedEpoch = UINT64_MAX;
  std::vector<uint32_t> permutation;
};

} // namespace ft::rt
