#include "runtime/Rendezvous/Launch.h"

#include "runtime/Support/Strings.h"

#include <charconv>
#include <fmt/format.h>

using namespace ft::rt;

namespace {
/// How one launcher names what it tells.
struct Dialect {
  const char *launcher, *rank, *world, *local;
  bool saysLocal = false; ///< without which it is not this one
};
/// mpirun sets its own variables inside a Slurm job and torchrun its own under either: the innermost comes first. srun
/// sets the first two of MPICH as well where it speaks its protocol.
constexpr Dialect dialects[] = {
    {"torchrun", "RANK", "WORLD_SIZE", "LOCAL_RANK"},
    {"Open MPI", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"},
    {"MPICH", "PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", true}, // and Intel's MPI
    {"Slurm", "SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID"}};

class Variables {
public:
  explicit Variables(const Environment &environment) : environment(environment) {}
  /// Empty where it is not there; a variable without content counts as that.
  std::string text(const char *name) const {
    const char *value = environment(name);
    return value ? value : "";
  }
  template <typename Number>
  Status read(const char *name, Number least, Number most, Number &number, const char *note = "") const {
    const std::string value = text(name);
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc() || end != value.data() + value.size() || !(number >= least && number <= most))
      return cannotRun(
          fmt::format("the environment has {}={}; must be in [{}, {}]{}", name, shown(value), least, most, note));
    return {};
  }

private:
  const Environment &environment;
};

/// The launcher whose variables are there; one of torchrun's pair is a launch that went wrong, and no single run: a
/// world without a rank where no other launcher gives both, for scripts under these say the world as well.
Expected<const Dialect *> findLauncher(const Variables &variables) {
  const Dialect &torchrun = dialects[0];
  const std::string world = variables.text(torchrun.world);
  if (world.empty() && !variables.text(torchrun.rank).empty())
    return cannotRun(fmt::format("the environment has {} and no {}; give both, as torchrun does, or neither",
                                 torchrun.rank, torchrun.world));
  const auto has = [&](const char *name) { return !variables.text(name).empty(); };
  for (const Dialect &dialect : dialects)
    if (has(dialect.rank) && has(dialect.world) && (has(dialect.local) || !dialect.saysLocal))
      return &dialect;
  if (!world.empty() && world != "1")
    return cannotRun(
        fmt::format("the environment has {}={} and no {}; give both, as torchrun does, or neither: without "
                    "a rank each process would run the whole plan",
                    torchrun.world, shown(world), torchrun.rank));
  return static_cast<const Dialect *>(nullptr);
}

/// By hand, or of a pod a rank, it may be absent.
Status findLocalRank(const Variables &variables, const Dialect &dialect, Launch &launch) {
  if (variables.text(dialect.local).empty())
    return {};
  return variables.read(dialect.local, 0u, launch.world - 1, launch.localRank.emplace());
}

Status findHost(const Variables &variables, Launch &launch) {
  launch.host = variables.text("MASTER_ADDR");
  for (const char *nodes : {"SLURM_STEP_NODELIST", "SLURM_JOB_NODELIST"}) // a step may have some of the job's
    if (launch.host.empty() && launch.launcher == "Slurm")
      launch.host = firstHost(variables.text(nodes));
  if (!launch.host.empty())
    return {};
  if (launch.launcher == "Open MPI")
    return cannotRun(
        "Open MPI does not say where rank 0 runs; name its host with: mpirun -x MASTER_ADDR=HOST …, or set "
        "MASTER_ADDR and pass -x MASTER_ADDR");
  return cannotRun(fmt::format("{} does not say where rank 0 runs: set MASTER_ADDR to its host", launch.launcher));
}

/// torchrun's own agent may hold MASTER_PORT. Slurm names no port: jobs that share a host get different ones.
Status findPort(const Variables &variables, Launch &launch) {
  uint32_t port = 29501;
  if (!variables.text("FTRUN_PORT").empty()) {
    FT_RETURN_IF_ERROR(variables.read("FTRUN_PORT", 1u, 65535u, port));
  } else if (!variables.text("MASTER_PORT").empty()) {
    FT_RETURN_IF_ERROR(variables.read("MASTER_PORT", 1u, 65534u, port,
                                      ", for rank 0 listens on the port behind it; FTRUN_PORT names another"));
    ++port;
  } else if (launch.launcher == "Slurm" && !variables.text("SLURM_JOB_ID").empty()) {
    uint32_t job = 0;
    FT_RETURN_IF_ERROR(variables.read("SLURM_JOB_ID", 0u, UINT32_MAX, job));
    port = 15000 + job % 10000;
  }
  launch.port = static_cast<uint16_t>(port);
  return {};
}

Status readOwn(const Variables &variables, Launch &launch) {
  launch.interface = variables.text("FTRUN_INTERFACE");
  launch.secret = variables.text("FTRUN_SECRET");
  uint32_t seconds = 0;
  if (!variables.text("FTRUN_START_TIMEOUT").empty()) {
    FT_RETURN_IF_ERROR(variables.read("FTRUN_START_TIMEOUT", 1u, 86400u, seconds, " seconds"));
    launch.startTimeout = std::chrono::seconds(seconds);
  }
  if (!variables.text("FTRUN_STALL_FACTOR").empty())
    FT_RETURN_IF_ERROR(variables.read("FTRUN_STALL_FACTOR", 2.0, 1e6, launch.stallFactor));
  return {};
}
} // namespace

std::string ft::rt::firstHost(std::string_view list) {
  std::string host;
  for (size_t i = 0; i < list.size() && list[i] != ','; ++i) {
    if (list[i] != '[') {
      host += list[i];
      continue;
    }
    const size_t end = list.find(']', i);
    if (end == std::string_view::npos)
      return {};
    const std::string_view numbers = list.substr(i + 1, end - i - 1);
    host += numbers.substr(0, numbers.find_first_of(",-"));
    i = end;
  }
  return host;
}

Expected<std::optional<Launch>> ft::rt::readLaunch(const Environment &environment) {
  const Variables variables(environment);
  FT_ASSIGN_OR_RETURN(const Dialect *dialect, findLauncher(variables));
  if (!dialect)
    return std::optional<Launch>();
  Launch launch;
  launch.launcher = dialect->launcher;
  FT_RETURN_IF_ERROR(variables.read(dialect->world, 1u, mostRanks, launch.world));
  FT_RETURN_IF_ERROR(variables.read(dialect->rank, 0u, launch.world - 1, launch.rank));
  if (launch.world == 1)
    return std::optional<Launch>();
  FT_RETURN_IF_ERROR(findLocalRank(variables, *dialect, launch));
  FT_RETURN_IF_ERROR(findHost(variables, launch));
  FT_RETURN_IF_ERROR(findPort(variables, launch));
  FT_RETURN_IF_ERROR(readOwn(variables, launch));
  return std::optional<Launch>(std::move(launch));
}
