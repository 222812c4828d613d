// Ranks that mpirun has started as processes: each collective gives the same bits through MPI and through rank 0's
// process, which are those that the suite wants of threads. Without mpirun it is skipped.
#include "runtime/Communication/CommunicatorFixture.h"
#include "runtime/Communication/Moved.h"
#include "runtime/Communication/Sockets.h"
#include "runtime/Plan/Kinds.h"

#include <cstdlib>
#include <optional>

using namespace ft;
using namespace ft::rt;
using namespace ft::rt::test;

namespace {
/// This process among those of mpirun.
class MpiConformance : public testing::Test {
protected:
  void SetUp() override {
    auto read = readLaunch([](const char *name) { return std::getenv(name); });
    ASSERT_TRUE(read.ok()) << read.status().message();
    if (!*read)
      GTEST_SKIP() << "no mpirun has started this";
    launch = **read;
    auto functions = loadMpi();
    ASSERT_TRUE(functions.ok()) << functions.status().message();
    auto connected = connectMpi(**functions, launch.rank, launch.world);
    ASSERT_TRUE(connected.ok()) << connected.status().message();
    mpi = *connected;
    // MPI ends once in a process, and here each mesh has a communicator.
    lasting = *mpi->functions;
    lasting.close = [](void *) {};
  }
  void TearDown() override {
    if (mpi)
      mpi->functions->close(mpi->self);
  }

  std::unique_ptr<Communicator> meet(const plan::Mesh &mesh) const {
    const Attendance own{launch.rank, launch.world, hostName(), launch.rank, {}, {}};
    const std::function<bool()> never = [] { return false; };
    if (launch.rank != 0) {
      auto company = join(launch, own, SocketChannels, never);
      EXPECT_TRUE(company.ok()) << company.status().message();
      return company.ok() ? openFarRank(mesh, launch.rank, std::move(*company), {}) : nullptr;
    }
    auto listener = listenAt(launch.host, "", launch.port);
    EXPECT_TRUE(listener.ok()) << listener.status().message();
    auto company = gather(std::move(*listener), launch, own, SocketChannels, never);
    EXPECT_TRUE(company.ok()) << company.status().message();
    return company.ok() ? openMeetingPlace(mesh, std::move(*company), {}) : nullptr;
  }
  static void expectRight(Communicator &end, const plan::Mesh &mesh, const std::vector<uint32_t> &axes,
                          const CollectiveCase &x, bool inPlace);

  Launch launch;
  std::optional<Mover> mpi;
  FtMover lasting{};
};

void MpiConformance::expectRight(Communicator &end, const plan::Mesh &mesh, const std::vector<uint32_t> &axes,
                                 const CollectiveCase &x, bool inPlace) {
  const uint32_t members = mesh.members(axes);
  std::vector<uint64_t> bytes;
  for (const uint64_t elements : {1, 7, 1025})
    bytes.push_back(elements * plan::dtypeBytes(x.dtype) * (hasParts(x.kind) ? members : 1));
  plan::Collective collective = makeCollective(x.kind, x.reduction, x.dtype, axes, members, bytes);
  collective.set_root(members - 1);
  const plan::Coordinates at = mesh.coordinates(end.rank());
  const std::vector<uint32_t> group = mesh.group(at, axes);
  const uint32_t member = mesh.member(at, axes);
  auto memoryOf = [&](uint32_t m) {
    return std::make_unique<RankMemory>(collective, m, members, inPlace, 1000 * uint32_t(x.dtype) + group[m]);
  };
  std::vector<std::vector<Bytes>> before;
  for (uint32_t m = 0; m < members; ++m)
    before.push_back(memoryOf(m)->contents());
  const auto own = memoryOf(member);
  auto handle = end.prepare("test", collective, own->view());
  ASSERT_TRUE(handle.ok()) << handle.status().message();
  const Status status = end.run(0, *handle);
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(own->contents(), expectedContents(collective, member, before, inPlace))
      << plan::Collective::Kind_Name(x.kind) << " " << plan::Collective::Reduction_Name(x.reduction) << " "
      << plan::DType_Name(x.dtype) << " on rank " << end.rank() << " of " << mesh.ranks();
}
} // namespace

TEST_F(MpiConformance, CollectivesHaveTheBitsOfThreads) {
  std::vector<std::pair<std::vector<uint32_t>, std::vector<uint32_t>>> worlds = {{{launch.world}, {0}}}; // mesh, axes
  if (launch.world == 4)
    worlds.insert(worlds.end(), {{{2, 2}, {0}}, {{2, 2}, {1}}, {{2, 2}, {1, 0}}});
  for (const auto &[sizes, axes] : worlds) {
    const plan::Mesh mesh(sizes);
    const std::unique_ptr<Communicator> host = meet(mesh);
    ASSERT_TRUE(host);
    const std::unique_ptr<Communicator> moved = openMoved(mesh, *host, {&lasting, mpi->self}, nullptr);
    for (const CollectiveCase &x : everyCollective())
      for (const bool inPlace : {false, true})
        if (inPlace || hasParts(x.kind))
          for (Communicator *end : {moved.get(), host.get()})
            expectRight(*end, mesh, axes, x, inPlace);
    EXPECT_TRUE(moved->agree(Agreement::Max, 0).ok());
  }
}
