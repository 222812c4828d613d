#include "runtime/Device/Cpu/HostNode.h"

#include "runtime/Device/Cpu/HostTeam.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <mutex>
#include <set>

using namespace ft::rt;
namespace fs = std::filesystem;

namespace {
/// A machine of `nodes` nodes under a folder that is gone afterwards.
class HostNodes : public testing::Test {
protected:
  void SetUp() override { root = fs::path(testing::TempDir()) / ("host-nodes-" + std::to_string(::getpid())); }
  void TearDown() override { fs::remove_all(root); }
  void write(const std::string &path, const std::string &text) {
    fs::create_directories((root / path).parent_path());
    std::ofstream(root / path) << text << "\n";
  }
  void machine(const std::string &cardIsAt, std::initializer_list<const char *> nodes) {
    fs::remove_all(root);
    write("bus/pci/devices/0000:17:00.0/numa_node", cardIsAt);
    int number = 0;
    for (const char *processors : nodes)
      write("devices/system/node/node" + std::to_string(number++) + "/cpulist", processors);
  }
  HostNode near(const std::vector<int> &allowed) { return nodeNear("0000:17:00.0", allowed, root.string()); }

  fs::path root;
};
} // namespace

TEST_F(HostNodes, HaveTheProcessorsThatTheProcessMayUse) {
  machine("1", {"0-3,8-11", "4-7,12,14-15"});
  const HostNode node = near({0, 3, 5, 6, 12, 13, 15});
  EXPECT_EQ(node.number, 1);
  EXPECT_EQ(node.processors, (std::vector<int>{5, 6, 12, 15}));
}

TEST_F(HostNodes, AreNoneWhereThereIsNothingToChoose) {
  machine("0", {"0-15"});
  EXPECT_EQ(near({0, 1}).number, -1) << "one node";
  machine("-1", {"0-3", "4-7"});
  EXPECT_EQ(near({0, 1}).number, -1) << "the system does not know";
  machine("1", {"0-3", "4-7"});
  EXPECT_EQ(near({0, 1}).number, -1) << "the process may not go there";
  EXPECT_TRUE(near({0, 1}).processors.empty());
  EXPECT_EQ(nodeNear("0000:99:00.0", {4}, root.string()).number, -1) << "no such device";
  machine("1", {"0-3", "nonsense"});
  EXPECT_EQ(near({0, 4}).number, -1);
  machine("70", {"0-3", "4-7"});
  EXPECT_EQ(near({0, 4}).number, -1);
}

TEST(HostNode, OfThisMachineMayBePreferred) {
  const std::vector<int> allowed = allowedProcessors();
  ASSERT_FALSE(allowed.empty());
  const HostNode node{0, allowed};
  { const PreferNode prefer(node); } // whatever the system says to it
  { const PreferNode prefer(HostNode{}); }
}

TEST(HostTeam, StaysOnItsProcessors) {
  const int only = allowedProcessors().front();
  HostTeam team(3, {only});
  std::mutex mutex;
  std::set<std::vector<int>> seen;
  team.run(3000, [&](int64_t, int64_t) {
    const std::lock_guard lock(mutex);
    seen.insert(allowedProcessors());
  });
  seen.erase(allowedProcessors()); // the caller's own
  EXPECT_LE(seen.size(), 1u);
  for (const std::vector<int> &processors : seen)
    EXPECT_EQ(processors, std::vector<int>{only});
}
