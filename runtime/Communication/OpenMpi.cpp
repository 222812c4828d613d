#include "runtime/Communication/Moved.h"

#include <cstdlib>
#include <dlfcn.h>
#include <filesystem>
#include <fmt/format.h>

using namespace ft::rt;

namespace {
constexpr const char *file = "libftrun_mpi.so", *variable = "FTRUN_MPI_PLUGIN";

/// Where the plug-in lies; empty: nowhere.
std::filesystem::path findPlugin() {
  if (const char *named = std::getenv(variable); named && *named)
    return named;
  std::error_code ignored;
  const auto folder = std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path();
  for (const auto &path : {folder / file, folder.parent_path() / "lib" / file})
    if (std::filesystem::exists(path, ignored))
      return path;
  return {};
}
} // namespace

Expected<const FtMover *> ft::rt::loadMpi() {
  const std::filesystem::path path = findPlugin();
  if (path.empty())
    return cannotRun(
        fmt::format("the MPI plug-in {} is not beside this ftrun; build it where MPI's headers are (Debian: "
                    "libopenmpi-dev), or set {} to its path",
                    file, variable));
  // Global: MPI opens parts of itself at run time, and they look for its symbols.
  void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
  const char *reason = library ? nullptr : dlerror();
  const auto entry = library ? reinterpret_cast<FtMoverEntry>(dlsym(library, "ftrunMover")) : nullptr;
  if (!entry)
    return cannotRun(fmt::format("the MPI plug-in {} cannot be opened: {}", path.string(),
                                 reason ? reason : "it has no ftrunMover"));
  const FtMover *mover = entry();
  if (mover->version != ftMoverVersion)
    return cannotRun(fmt::format("the MPI plug-in {} has version {} and this ftrun takes {}; build them together",
                                 path.string(), mover->version, int(ftMoverVersion)));
  return mover;
}

Expected<Mover> ft::rt::connectMpi(const FtMover &functions, uint32_t rank, uint32_t ranks) {
  Mover mover{&functions, nullptr};
  uint32_t own = 0, all = 0;
  if (const char *problem = functions.open(&mover.self, &own, &all))
    return cannotRun(fmt::format("MPI does not start: {}", problem));
  if (own != rank || all != ranks)
    return cannotRun(fmt::format("this process is rank {} of {} to its launcher and rank {} of {} to MPI; start all of "
                                 "them with one mpirun",
                                 rank, ranks, own, all));
  return mover;
}
