#include "runtime/Plan/KernelSeal.h"

#include "runtime/Plan/Kinds.h"
#include "runtime/Support/Checksum.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

using namespace ft;
using namespace ft::plan;

namespace {
constexpr std::string_view magic = "FTKERNEL";

/// Serialised, a kernel is the same bytes for the same content: it holds no maps.
uint64_t hashOf(const Kernel &kernel, uint64_t offset) {
  const std::string message = kernel.SerializeAsString();
  rt::Checksum checksum;
  checksum.update(std::as_bytes(std::span(&offset, 1)));
  checksum.update(std::as_bytes(std::span(message)));
  return checksum.value();
}
} // namespace

std::string ft::plan::kernelSeal(const Plan &plan, const Image &image) {
  std::string seal;
  const std::vector<int> kernels = kernelsFor(plan, image.host());
  for (size_t k = 0; k < kernels.size(); ++k) {
    const uint64_t hash = hashOf(plan.kernels(kernels[k]), image.entry_offsets(static_cast<int>(k)));
    seal.append(reinterpret_cast<const char *>(&hash), sizeof hash);
  }
  return seal.append(magic);
}

rt::Status ft::plan::checkKernelSeal(const Plan &plan, const Image &image, std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char *>(bytes.data()), bytes.size());
  if (!text.ends_with(magic))
    return {};
  const std::vector<int> kernels = kernelsFor(plan, image.host());
  const size_t size = kernels.size() * sizeof(uint64_t) + magic.size();
  const std::string wanted = kernelSeal(plan, image);
  const std::string_view found = text.substr(text.size() - std::min(size, text.size()));
  if (found == wanted)
    return {};
  for (size_t k = 0; k < kernels.size() && found.size() == size; ++k)
    if (std::memcmp(found.data() + k * sizeof(uint64_t), wanted.data() + k * sizeof(uint64_t), sizeof(uint64_t)) != 0)
      return rt::badInput(fmt::format("plan image {}: its code is of another kernel than \"{}\" at byte {} with the "
                                      "operands that the plan says: compile the plan again",
                                      image.arch(), plan.kernels(kernels[k]).name(),
                                      image.entry_offsets(static_cast<int>(k))));
  return rt::badInput(fmt::format("plan image {}: has code for another number of kernels than the plan's {}: compile "
                                  "the plan again",
                                  image.arch(), kernels.size()));
}
