#include "runtime/Rendezvous/Launch.h"

#include <gtest/gtest.h>

#include <map>

using namespace ft::rt;

namespace {
using Variables = std::map<std::string, std::string>;

Expected<std::optional<Launch>> read(const Variables &variables) {
  return readLaunch([&](const char *name) {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

Variables with(Variables base, const Variables &more) {
  for (const auto &[name, value] : more)
    base[name] = value;
  return base;
}

const Variables torchrun = {
    {"RANK", "3"}, {"WORLD_SIZE", "4"}, {"LOCAL_RANK", "1"}, {"MASTER_ADDR", "node-a"}, {"MASTER_PORT", "29400"}};
const Variables slurm = {{"SLURM_PROCID", "2"}, {"SLURM_NTASKS", "8"}, {"SLURM_JOB_NODELIST", "gpu[07-09,12]"}};
const Variables openMpi = {{"OMPI_COMM_WORLD_RANK", "1"}, {"OMPI_COMM_WORLD_SIZE", "2"}};
} // namespace

TEST(LaunchTest, NobodyLaunched) {
  for (const Variables &variables :
       {Variables{}, Variables{{"WORLD_SIZE", "1"}}, Variables{{"SLURM_JOB_NODELIST", "a"}},
        Variables{{"RANK", "0"}, {"WORLD_SIZE", "1"}}, Variables{{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "1"}},
        Variables{{"PMI_RANK", "0"}, {"PMI_SIZE", "1"}}, Variables{{"WORLD_SIZE", ""}, {"RANK", ""}}}) {
    auto launch = read(variables);
    ASSERT_TRUE(launch.ok()) << launch.status().message();
    EXPECT_FALSE(*launch);
  }
}

TEST(LaunchTest, Torchrun) {
  auto launch = read(torchrun);
  ASSERT_TRUE(launch.ok() && *launch);
  EXPECT_EQ((*launch)->launcher, "torchrun");
  EXPECT_EQ((*launch)->rank, 3u);
  EXPECT_EQ((*launch)->world, 4u);
  EXPECT_EQ((*launch)->host, "node-a");
  EXPECT_EQ((*launch)->port, 29401) << "its agent may hold MASTER_PORT";
  EXPECT_EQ((*launch)->startTimeout, std::chrono::seconds(600));
  EXPECT_EQ((*read(with(torchrun, {{"FTRUN_PORT", "7000"}})))->port, 7000);
}

TEST(LaunchTest, Slurm) {
  auto launch = read(slurm);
  ASSERT_TRUE(launch.ok() && *launch);
  EXPECT_EQ((*launch)->rank, 2u);
  EXPECT_EQ((*launch)->world, 8u);
  EXPECT_EQ((*launch)->host, "gpu07");
  EXPECT_EQ((*launch)->port, 29501);
  EXPECT_EQ((*read(with(slurm, {{"SLURM_JOB_ID", "1234567"}})))->port, 15000 + 4567);
  EXPECT_EQ((*read(with(slurm, {{"MASTER_ADDR", "10.0.0.7"}})))->host, "10.0.0.7");
  EXPECT_EQ((*read(with(slurm, {{"SLURM_STEP_NODELIST", "gpu[09,12]"}})))->host, "gpu09") << "a step on some nodes";
}

TEST(LaunchTest, OpenMpiHoldsNoHost) {
  auto launch = read(openMpi);
  ASSERT_FALSE(launch.ok());
  EXPECT_EQ(launch.status().code(), Code::CannotRun);
  EXPECT_NE(launch.status().message().find("-x MASTER_ADDR"), std::string::npos);
  EXPECT_EQ((*read(with(openMpi, {{"MASTER_ADDR", "a"}})))->world, 2u);
  EXPECT_EQ((*read(with(slurm, with(openMpi, {{"MASTER_ADDR", "a"}}))))->launcher, "Open MPI") << "inside a Slurm job";
}

TEST(LaunchTest, MpichAndIntel) {
  const Variables mpich = {
      {"PMI_RANK", "1"}, {"PMI_SIZE", "2"}, {"MPI_LOCALRANKID", "1"}, {"MASTER_ADDR", "a"}, {"PMI_FD", "7"}};
  auto launch = read(mpich);
  ASSERT_TRUE(launch.ok() && *launch);
  EXPECT_EQ((*launch)->launcher, "MPICH");
  EXPECT_EQ((*launch)->rank, 1u);
  EXPECT_EQ((*launch)->world, 2u);
  EXPECT_EQ((*launch)->localRank, 1u);
  EXPECT_EQ((*read(with(slurm, {{"PMI_RANK", "2"}, {"PMI_SIZE", "8"}})))->launcher, "Slurm") << "srun --mpi=pmi2";
  EXPECT_EQ((*read(with(with(slurm, {{"SLURM_PROCID", "0"}}), mpich)))->rank, 1u) << "inside a Slurm job";
  EXPECT_FALSE(read({{"PMI_RANK", "1"}, {"PMI_SIZE", "2"}, {"MPI_LOCALRANKID", "0"}}).ok()) << "it says no host";
}

TEST(LaunchTest, AWorldThatAScriptSaysUnderAnotherLauncher) {
  EXPECT_EQ((*read(with(slurm, {{"WORLD_SIZE", "8"}})))->launcher, "Slurm");
}

TEST(LaunchTest, RefusesWhatIsNotCompleteOrNoNumber) {
  const std::pair<Variables, const char *> cases[] = {
      {{{"RANK", "0"}}, "RANK and no WORLD_SIZE"},
      {{{"WORLD_SIZE", "4"}}, "WORLD_SIZE=4 and no RANK"},
      {{{"RANK", ""}, {"WORLD_SIZE", "4"}}, "WORLD_SIZE=4 and no RANK"}, // of a pod that has no number
      {with(slurm, {{"RANK", "0"}}), "RANK and no WORLD_SIZE"},
      {{{"RANK", "0"}, {"WORLD_SIZE", "2"}}, "set MASTER_ADDR"},
      {with(torchrun, {{"RANK", "4"}}), "RANK=4; must be in [0, 3]"},
      {with(torchrun, {{"RANK", "-1"}}), "RANK=-1"},
      {with(torchrun, {{"RANK", "1x"}}), "RANK=1x"},
      {with(torchrun, {{"WORLD_SIZE", "1025"}}), "WORLD_SIZE=1025; must be in [1, 1024]"},
      {with(torchrun, {{"WORLD_SIZE", "0"}}), "WORLD_SIZE=0"},
      {with(torchrun, {{"MASTER_PORT", "65535"}}), "MASTER_PORT=65535"},
      {with(torchrun, {{"FTRUN_PORT", "0"}}), "FTRUN_PORT=0; must be in [1, 65535]"},
      {with(torchrun, {{"FTRUN_START_TIMEOUT", "soon"}}), "FTRUN_START_TIMEOUT=soon"},
      {with(torchrun, {{"FTRUN_STALL_FACTOR", "nan"}}), "FTRUN_STALL_FACTOR=nan"},
      {with(slurm, {{"SLURM_JOB_NODELIST", "gpu[07"}}), "set MASTER_ADDR"},
  };
  for (const auto &[variables, part] : cases) {
    auto launch = read(variables);
    ASSERT_FALSE(launch.ok()) << part;
    EXPECT_EQ(launch.status().code(), Code::CannotRun);
    EXPECT_NE(launch.status().message().find(part), std::string::npos) << launch.status().message();
  }
}

TEST(LaunchTest, FirstHostOfAList) {
  const std::pair<const char *, const char *> cases[] = {{"a", "a"},
                                                         {"a,b", "a"},
                                                         {"n[03-07,9],z", "n03"},
                                                         {"n[5],m", "n5"},
                                                         {"r[1-2]n[04-05]-ib", "r1n04-ib"},
                                                         {"n[1-2]x,y", "n1x"},
                                                         {"", ""},
                                                         {"n[1", ""},
                                                         {"[2,3]", "2"}};
  for (const auto &[list, host] : cases)
    EXPECT_EQ(firstHost(list), host);
}

TEST(LaunchTest, TheRankWithinTheHost) {
  EXPECT_EQ((*read(torchrun))->localRank, 1u);
  EXPECT_FALSE((*read(with(slurm, {})))->localRank) << "a pod of one rank need not say it";
  EXPECT_EQ((*read(with(slurm, {{"SLURM_LOCALID", "7"}, {"LOCAL_RANK", "3"}})))->localRank, 7u) << "its own launcher's";
  EXPECT_EQ((*read(with(openMpi, {{"MASTER_ADDR", "a"}, {"OMPI_COMM_WORLD_LOCAL_RANK", "0"}})))->localRank, 0u);
  const auto launch = read(with(torchrun, {{"LOCAL_RANK", "4"}}));
  ASSERT_FALSE(launch.ok());
  EXPECT_EQ(launch.status().code(), Code::CannotRun);
  EXPECT_NE(launch.status().message().find("LOCAL_RANK=4; must be in [0, 3]"), std::string::npos);
}
