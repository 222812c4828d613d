// A whole run of ftrun, from plan.bin to the files that it leaves.
#pragma once

#include "runtime/Metrics/Console.h"
#include "runtime/Rendezvous/Launch.h"
#include "runtime/Training/Interrupts.h"

#include <optional>
#include <vector>

namespace ft::rt {

struct RunOptions {
  std::string plan;    ///< path of plan.bin
  std::string model;   ///< folder, .safetensors, .gguf or "seeded:SEED"
  std::string adapter; ///< folder of a PEFT adapter to start from; empty: none
  std::string data;    ///< stands for the recipe's training data; empty: the recipe's own
  std::string out;     ///< empty: out/<recipe name>
  bool overwrite = false;
  std::string resume = "none";       ///< "none", "auto", or the path of a checkpoint or of a run's folder
  std::optional<uint64_t> maxSteps;  ///< the schedule's horizon
  uint64_t stopAfter = 0;            ///< steps; 0: at the horizon
  uint32_t threads = 0;              ///< CPU: 0 takes every usable processor
  std::optional<uint32_t> gpu;       ///< CUDA ordinal, of rank 0 where there are several; 0 where it is not given
  std::optional<uint32_t> ranks;     ///< of this process: the plan's, or with a launcher as many as each process has
  std::string collectives;           ///< "peers", "nccl", "mpi"; empty: NCCL and sockets between processes, else peers
  std::vector<std::string> settings; ///< "name=value" of --set
  std::string dumpGradients;         ///< folder; empty: no dump
  bool initAdaptersNormal = false;   ///< B from N(0, 0.02²), so that no gradient vanishes
  uint64_t verifySteps = 0;          ///< every so many steps one is run twice; 0: none
  std::string algorithms;            ///< file that --tune, or an earlier run, has written; empty: the library chooses
  std::string tune;                  ///< file to write: products are measured, and nothing is trained
  bool poison = false, profile = false;
  std::optional<Launch> launch; ///< which of several processes a launcher says that this is; nothing: it runs all ranks
  /// With a launcher: another rank is lost, and this one is in the middle of something long. It is to end the process.
  std::function<void(const std::string &reason)> onOverdue;
  /// Told where the run writes as soon as that is decided.
  std::function<void(const std::string &folder)> onFolder;
};

/// Measures the products of a plan for a GPU on that GPU, as rank 0 of the plan has them, and writes what is the
/// fastest into RunOptions::tune. Neither weights nor data are needed. Errors as the parts return them.
Status tunePlan(const RunOptions &options, Console &console);

/// Trains, evaluates, generates and saves as the plan says. Ok after a finished run; Interrupted where `interrupts`
/// asked for an end and everything is saved; Failed where loss or gradient norm were not finite, with the last good
/// state saved; other errors as the parts return them: BadInput and CannotRun always before the first step.
Status runPlan(const RunOptions &options, Interrupts &interrupts, Console &console);

} // namespace ft::rt
