#include "runtime/Text/RowOrder.h"

#include "runtime/Text/DataRandom.h"

#include <fmt/format.h>
#include <numeric>
#include <span>

using namespace ft::rt;

void RowOrder::permute(uint64_t epoch) {
  if (epoch == permutedEpoch)
    return;
  permutedEpoch = epoch;
  std::iota(permutation.begin(), permutation.end(), 0u);
  char name[32];
  const auto end = fmt::format_to_n(name, sizeof name, "epoch/{}", epoch);
  DataRandom(seed, std::string_view(name, end.size)).shuffle(std::span(permutation));
}
