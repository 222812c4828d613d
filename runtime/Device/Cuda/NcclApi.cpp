#include "runtime/Device/Cuda/NcclApi.h"

#include <fmt/format.h>

#include <cstdlib>

namespace ft::rt {

namespace {
constexpr int oldest = 21800; // ncclCommSplit

struct Variable {
  const char *name, *value;
};

/// With another algorithm, or as many channels as NCCL likes, equal runs of equal ranks could sum in another order.
constexpr Variable order[] = {{"NCCL_ALGO", "Ring"}, {"NCCL_PROTO", "Simple"}};

/// Graphs of one communicator never run beside each other here, nor beside calls outside of a graph: order between
/// them costs nodes and is not needed. NVLink multicast is of no use to rings.
constexpr Variable habits[] = {{"NCCL_GRAPH_MIXING_SUPPORT", "0"}, {"NCCL_NVLS_ENABLE", "0"}};

/// What the user has set stays.
void set(const Variable &variable) { setenv(variable.name, variable.value, 0); }
} // namespace

LibrarySpec ncclSpec() {
  LibrarySpec spec;
  spec.title = "NCCL";
  spec.files = {"libnccl.so.2"};
  spec.variable = "FTC_NCCL_DIR";
  spec.wheelFolders = {"nvidia/nccl/lib"};
  spec.advice = "pip install nvidia-nccl-cu13 (nvidia-nccl-cu12 for drivers before 580)";
  return spec;
}

Expected<NcclApi> NcclApi::load(const SearchPlaces &places, const std::string &interface) {
  FT_ASSIGN_OR_RETURN(const std::filesystem::path path, findLibrary(ncclSpec(), places));
  NcclApi api;
  FT_ASSIGN_OR_RETURN(api.library, DynamicLibrary::open(path));
#define FT_RESOLVE(member, symbol, ...)                                                                                \
  api.member = reinterpret_cast<decltype(api.member)>(api.library.find(#symbol));                                      \
  if (!api.member)                                                                                                     \
    return cannotRun(fmt::format("{} has no {}: NCCL 2.18 or later is needed", api.library.path(), #symbol));
  FT_NCCL_FUNCTIONS(FT_RESOLVE)
#undef FT_RESOLVE
  int version = 0;
  FT_RETURN_IF_ERROR(api.check(api.getVersion(&version), "asking NCCL for its version"));
  if (version < oldest)
    return cannotRun(
        fmt::format("{} is NCCL {}; 2.18 or later is needed", api.library.path(), ncclVersionText(version)));
  for (const Variable &variable : habits)
    set(variable);
  if (!interface.empty())
    set({"NCCL_SOCKET_IFNAME", ("=" + interface).c_str()});
  for (const Variable &variable : order) {
    set(variable);
    api.pinned += fmt::format("{}{}={}", api.pinned.empty() ? "" : " ", variable.name, std::getenv(variable.name));
  }
  return api;
}

std::string NcclApi::description() const {
  int version = 0;
  getVersion(&version);
  return fmt::format("NCCL {} {} ({})", ncclVersionText(version), pinned, library.path());
}

std::string ncclVersionText(int version) {
  return fmt::format("{}.{}.{}", version / 10000, version / 100 % 100, version % 100);
}

Status NcclApi::check(NcclResult result, const std::string &what) const {
  if (result == NcclResult::Success)
    return {};
  const char *last = getLastError(nullptr);
  const std::string message = fmt::format("{}: NCCL answers {} ({}){}", what, getErrorString(result),
                                          static_cast<int>(result), last && *last ? fmt::format(": {}", last) : "");
  return result == NcclResult::InvalidUsage || result == NcclResult::SystemError ? cannotRun(message) : failed(message);
}

} // namespace ft::rt
