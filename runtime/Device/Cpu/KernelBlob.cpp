#include "runtime/Device/Cpu/KernelBlob.h"

#include "runtime/Plan/KernelSeal.h"
#include "runtime/Plan/Kinds.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <sys/mman.h>

using namespace ft;
using namespace ft::rt;

namespace {
/// x86-64 levels compare as text: "x86-64-v3" < "x86-64-v4".
bool runsOn(const plan::Image &image, const std::string &level, bool host) {
  return image.host() == host && image.format() == plan::Image::CPU_BLOB && image.arch().starts_with("x86-64-v") &&
         image.arch() <= level && image.arch().size() == level.size();
}

Status checkEntries(const plan::Plan &plan, const std::vector<int> &kernels, const ImageView &view) {
  const plan::Image &image = *view.image;
  if (static_cast<size_t>(image.entry_offsets_size()) != kernels.size())
    return badInput(fmt::format("plan image {} has {} entry offsets; must be one for each of the {} kernels: compile "
                                "the plan again",
                                image.arch(), image.entry_offsets_size(), kernels.size()));
  for (int k = 0; k < image.entry_offsets_size(); ++k)
    if (image.entry_offsets(k) >= view.bytes.size())
      return badInput(fmt::format("plan image {}: kernel {} starts at byte {}; must be below the image's {} bytes: "
                                  "compile the plan again",
                                  image.arch(), plan.kernels(kernels[static_cast<size_t>(k)]).name(),
                                  image.entry_offsets(k), view.bytes.size()));
  return plan::checkKernelSeal(plan, image, view.bytes);
}
} // namespace

Expected<KernelBlob> KernelBlob::load(const plan::Plan &plan, std::span<const ImageView> images,
                                      const std::string &level, bool host) {
  KernelBlob blob;
  const std::vector<int> kernels = plan::kernelsFor(plan, host);
  if (kernels.empty())
    return blob;
  const ImageView *best = nullptr;
  std::string offered;
  for (const ImageView &view : images) {
    offered += (offered.empty() ? "" : ", ") + view.image->arch();
    if (runsOn(*view.image, level, host) && (!best || view.image->arch() > best->image->arch()))
      best = &view;
  }
  if (!best)
    return cannotRun(fmt::format("the plan's kernels are for {}; this processor runs {} and below: compile with --gpu "
                                 "cpu",
                                 offered.empty() ? "no processor" : offered, level));
  FT_RETURN_IF_ERROR(checkEntries(plan, kernels, *best));
  void *code = mmap(nullptr, best->bytes.size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (code == MAP_FAILED)
    return cannotRun(fmt::format("cannot map {} bytes for kernels: {}", best->bytes.size(), std::strerror(errno)));
  blob.code = code;
  blob.codeBytes = best->bytes.size();
  std::memcpy(code, best->bytes.data(), best->bytes.size());
  if (mprotect(code, best->bytes.size(), PROT_READ | PROT_EXEC) != 0)
    return cannotRun(fmt::format("this system does not let a program make memory executable (mprotect: {}); plans for "
                                 "the CPU hold machine code",
                                 std::strerror(errno)));
  blob.entries.resize(static_cast<size_t>(plan.kernels_size()));
  for (size_t k = 0; k < kernels.size(); ++k)
    blob.entries[static_cast<size_t>(kernels[k])] =
        reinterpret_cast<KernelEntry>(static_cast<char *>(code) + best->image->entry_offsets(static_cast<int>(k)));
  blob.imageArch = best->image->arch();
  return blob;
}

KernelBlob &KernelBlob::operator=(KernelBlob &&other) noexcept {
  std::swap(code, other.code);
  std::swap(codeBytes, other.codeBytes);
  std::swap(entries, other.entries);
  std::swap(imageArch, other.imageArch);
  return *this;
}

KernelBlob::~KernelBlob() {
  if (code)
    munmap(code, codeBytes);
}
