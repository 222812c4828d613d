#include "runtime/Training/ResultRoom.h"

#include "runtime/Plan/Kinds.h"
#include "runtime/Support/Strings.h"

#include <fmt/format.h>

#include <fcntl.h>
#include <filesystem>
#include <functional>
#include <numeric>
#include <sys/resource.h>
#include <unistd.h>
#include <utility>

using namespace ft;
using namespace ft::rt;

namespace {
constexpr uint64_t blockBytes = 4096;
/// Of a tensor in a safetensors header: its name, type, shape and offsets.
constexpr uint64_t headerBytes = 256;
/// summary.json, and what folders grow by.
constexpr uint64_t aroundBytes = 2 * blockBytes;

uint64_t inBlocks(uint64_t bytes) { return (bytes + blockBytes - 1) / blockBytes * blockBytes; }

/// The bytes of an exported file's numbers.
uint64_t tensorBytes(const plan::Plan &plan, const plan::ExportFile &file) {
  uint64_t bytes = 0;
  for (const plan::ExportTensor &exported : file.tensors()) {
    if (exported.tensor() >= static_cast<uint32_t>(plan.tensors_size()))
      continue; // the export says so
    const plan::Tensor &tensor = plan.tensors(static_cast<int>(exported.tensor()));
    bytes += std::accumulate(tensor.shape().begin(), tensor.shape().end(), dtypeBytes(exported.dtype()),
                             std::multiplies<uint64_t>());
  }
  return bytes;
}
} // namespace

uint64_t ft::rt::resultBytes(const plan::Plan &plan) {
  uint64_t bytes = aroundBytes;
  for (const plan::ExportFile &file : plan.exports())
    bytes += inBlocks(tensorBytes(plan, file) + headerBytes * static_cast<uint64_t>(file.tensors_size()));
  for (const plan::Text &text : plan.texts())
    bytes += inBlocks(text.content().size());
  return bytes;
}

Status ft::rt::checkResultRoom(const std::string &path, const std::string &there, uint64_t replaced,
                               const plan::Plan &plan) {
  rlimit longest = {};
  if (::getrlimit(RLIMIT_FSIZE, &longest) == 0 && longest.rlim_cur != RLIM_INFINITY)
    for (const plan::ExportFile &file : plan.exports())
      if (const uint64_t needs = tensorBytes(plan, file); needs > longest.rlim_cur)
        return cannotRun(fmt::format("--out {}: {} takes {}, and this process may write no file beyond {}; raise "
                                     "ulimit -f",
                                     path, file.file(), formatBytes(needs), formatBytes(longest.rlim_cur)));
  std::error_code error;
  const std::filesystem::space_info space = std::filesystem::space(there, error);
  if (error)
    return {}; // a file system that does not tell
  const uint64_t needs = resultBytes(plan), room = space.available + replaced;
  if (needs <= room)
    return {};
  return cannotRun(
      fmt::format("--out {}: the results take {}, and {} are free there; make room, or name another folder", path,
                  formatBytes(needs), formatBytes(room)));
}

ReservedRoom::ReservedRoom(const std::string &folder, uint64_t bytes)
    : descriptor(::open(folder.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600)), held(bytes) {
  if (descriptor >= 0 && ::fallocate(descriptor, 0, 0, static_cast<off_t>(bytes)) != 0)
    release();
}

void ReservedRoom::release() {
  if (descriptor >= 0)
    ::close(std::exchange(descriptor, -1));
}
