// What a launcher tells a process: which rank it is, of how many, and where they meet.
#pragma once

#include "runtime/Support/Status.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace ft::rt {

inline constexpr uint32_t mostRanks = 1024; ///< as recipe.proto's dp_replicate_size

struct Launch {
  std::string launcher;                   ///< for messages: "torchrun", "Slurm", "Open MPI" or "MPICH"
  uint32_t rank = 0, world = 1;           ///< which process of how many; a process may run several ranks of the plan
  std::optional<uint32_t> localRank;      ///< among the processes of this host, where the launcher says it
  std::string host;                       ///< of rank 0
  uint16_t port = 0;                      ///< where rank 0 listens while the run starts
  std::string interface;                  ///< name or address of the interface that carries it; empty: any
  std::string secret;                     ///< what every rank must know; empty: nothing
  std::chrono::seconds startTimeout{600}; ///< pods of one run start minutes apart
  double stallFactor = 10;                ///< see Patience
};

using Environment = std::function<const char *(const char *name)>;

/// Reads torchrun's variables (RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT), Open MPI's
/// (OMPI_COMM_WORLD_*), MPICH's (PMI_RANK, PMI_SIZE, MPI_LOCALRANKID) or Slurm's (SLURM_PROCID, SLURM_NTASKS,
/// SLURM_STEP_NODELIST or SLURM_JOB_NODELIST), the first of them that is there, with its LOCAL_RANK,
/// OMPI_COMM_WORLD_LOCAL_RANK or SLURM_LOCALID, and FTRUN_PORT, FTRUN_INTERFACE, FTRUN_SECRET, FTRUN_START_TIMEOUT and
/// FTRUN_STALL_FACTOR. Nothing where no launcher is seen, or its world is one rank. CannotRun, naming the variable,
/// where what it says is not complete or no number.
Expected<std::optional<Launch>> readLaunch(const Environment &environment);

/// "node[03-07,9],login" → "node03": the first host of a Slurm list. Empty where it is none.
std::string firstHost(std::string_view list);

} // namespace ft::rt
