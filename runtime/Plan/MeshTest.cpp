#include "runtime/Plan/Mesh.h"

#include <gtest/gtest.h>

using namespace ft::plan;

namespace {

std::vector<uint32_t> group(const Mesh &mesh, uint32_t rank, std::vector<uint32_t> axes) {
  return mesh.group(mesh.coordinates(rank), axes);
}

} // namespace

TEST(Mesh, RanksAreNumberedWithTheFirstAxisOutermost) {
  const Mesh mesh({2, 3, 4});
  EXPECT_EQ(mesh.ranks(), 24u);
  EXPECT_EQ(mesh.coordinates(0), (Coordinates{0, 0, 0}));
  EXPECT_EQ(mesh.coordinates(1), (Coordinates{0, 0, 1}));
  EXPECT_EQ(mesh.coordinates(23), (Coordinates{1, 2, 3}));
  EXPECT_EQ(mesh.coordinates(12), (Coordinates{1, 0, 0}));
  for (uint32_t rank = 0; rank < mesh.ranks(); ++rank)
    EXPECT_EQ(mesh.rank(mesh.coordinates(rank)), rank);
  EXPECT_EQ(Mesh(std::vector<uint32_t>{}).ranks(), 1u);
  EXPECT_EQ(Mesh(std::vector<uint32_t>{}).coordinates(0), Coordinates{});
}

TEST(Mesh, AGroupDiffersOnItsAxesAlone) {
  const Mesh mesh({2, 4});
  EXPECT_EQ(group(mesh, 6, {0}), (std::vector<uint32_t>{2, 6}));
  EXPECT_EQ(group(mesh, 6, {1}), (std::vector<uint32_t>{4, 5, 6, 7}));
  EXPECT_EQ(group(mesh, 6, {0, 1}), (std::vector<uint32_t>{0, 1, 2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(group(mesh, 6, {1, 0}), (std::vector<uint32_t>{0, 4, 1, 5, 2, 6, 3, 7})); // axis 1 outermost
  EXPECT_EQ(group(mesh, 6, {}), std::vector<uint32_t>{6});
}

TEST(Mesh, AMemberStandsAtItsNumber) {
  const Mesh mesh({2, 3, 2});
  for (const std::vector<uint32_t> &axes : {std::vector<uint32_t>{0}, {1}, {2}, {0, 2}, {2, 0}, {1, 2, 0}})
    for (uint32_t rank = 0; rank < mesh.ranks(); ++rank) {
      const std::vector<uint32_t> ranks = group(mesh, rank, axes);
      ASSERT_EQ(ranks.size(), mesh.members(axes));
      EXPECT_EQ(ranks[mesh.member(mesh.coordinates(rank), axes)], rank);
    }
}
