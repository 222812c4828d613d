#include "runtime/Device/Cpu/KernelBlob.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <sys/mman.h>

using namespace ft;
using namespace ft::rt;

namespace {
/// x86-64 levels compare as text: "x86-64-v3" < "x86-64-v4".
bool runsOn(const plan::Image &image, const std::string &level) {
  return image.format() == plan::Image::CPU_BLOB && image.arch().starts_with("x86-64-v") && image.arch() <= level &&
         image.arch().size() == level.size();
}

Status checkEntries(const plan::Plan &plan, const ImageView &view) {
  const plan::Image &image = *view.image;
  if (image.entry_offsets_size() != plan.kernels_size())
    return badInput(fmt::format("plan image {} has {} entry offsets; must be one for each of the {} kernels: compile "
                                "the plan again",
                                image.arch(), image.entry_offsets_size(), plan.kernels_size()));
  for (int k = 0; k < plan.kernels_size(); ++k)
    if (image.entry_offsets(k) >= view.bytes.size())
      return badInput(fmt::format("plan image {}: kernel {} starts at byte {}; must be below the image's {} bytes: "
                                  "compile the plan again",
                                  image.arch(), plan.kernels(k).name(), image.entry_offsets(k), view.bytes.size()));
  return {};
}
} // namespace

Expected<KernelBlob> KernelBlob::load(const plan::Plan &plan, std::span<const ImageView> images,
                                      const std::string &level) {
  KernelBlob blob;
  if (plan.kernels_size() == 0)
    return blob;
  const ImageView *best = nullptr;
  std::string offered;
  for (const ImageView &view : images) {
    offered += (offered.empty() ? "" : ", ") + view.image->arch();
    if (runsOn(*view.image, level) && (!best || view.image->arch() > best->image->arch()))
      best = &view;
  }
  if (!best)
    return cannotRun(fmt::format("the plan's kernels are for {}; this processor runs {} and below: compile with --gpu "
                                 "cpu",
                                 offered.empty() ? "no processor" : offered, level));
  FT_RETURN_IF_ERROR(checkEntries(plan, *best));
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
  for (uint64_t offset : best->image->entry_offsets())
    blob.entries.push_back(reinterpret_cast<KernelEntry>(static_cast<char *>(code) + offset));
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
