// Row kernels of the cpu driver: machine code of the plan, in executable memory.
#pragma once

#include "runtime/Device/Device.h"

namespace ft::rt {

/// void entry(void *const *args, int64_t begin, int64_t end): items [begin, end) of a launch.
using KernelEntry = void (*)(void *const *args, int64_t begin, int64_t end);

/// One image, copied into memory that is writable until the copy is done and executable from then on.
class KernelBlob {
public:
  /// Of the images for the host or, else, for the device picks that of the highest level that is not above `level`, and
  /// resolves the entries of their kernels. Fails with CannotRun where no image fits, with BadInput where an entry lies
  /// outside its image, or where the image says that its kernels are others (KernelSeal.h).
  static Expected<KernelBlob> load(const plan::Plan &plan, std::span<const ImageView> images, const std::string &level,
                                   bool host = false);

  KernelBlob() = default;
  KernelBlob(KernelBlob &&other) noexcept { *this = std::move(other); }
  KernelBlob &operator=(KernelBlob &&other) noexcept;
  ~KernelBlob();

  size_t size() const { return entries.size(); }
  /// Of Plan.kernels[kernel]; null where that is for another processor.
  KernelEntry entry(uint32_t kernel) const { return entries[kernel]; }
  const std::string &arch() const { return imageArch; }

private:
  void *code = nullptr;
  uint64_t codeBytes = 0;
  std::vector<KernelEntry> entries;
  std::string imageArch;
};

} // namespace ft::rt
