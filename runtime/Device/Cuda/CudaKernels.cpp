// Kernel images of a plan, and their launches.
#include "runtime/Device/Cuda/CudaDevice.h"
#include "runtime/Plan/Kinds.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>

namespace ft::rt {

namespace {

/// 90 of "sm_90" and "sm_90a"; the letter means: this processor alone.
struct Arch {
  int number = 0;
  bool specific = false;
};

std::optional<Arch> parseArch(const std::string &text) {
  if (!text.starts_with("sm_"))
    return std::nullopt;
  Arch arch;
  const char *end = text.data() + text.size();
  auto [rest, error] = std::from_chars(text.data() + 3, end, arch.number);
  if (error != std::errc() || (rest != end && (rest + 1 != end || *rest != 'a')))
    return std::nullopt;
  arch.specific = rest != end;
  return arch;
}

/// How well an image suits the processor: 0 not at all, else more is better. Machine code runs on its own major
/// version from its minor version on; PTX is translated for any later processor, but not for an earlier one.
int suitability(const plan::Image &image, int capability) {
  const std::optional<Arch> arch = parseArch(image.arch());
  if (!arch || arch->number > capability || (arch->specific && arch->number != capability))
    return 0;
  if (image.format() == plan::Image::CUBIN)
    return arch->number / 10 == capability / 10 ? 1000 + arch->number : 0;
  return image.format() == plan::Image::PTX ? arch->number : 0;
}

std::string listImages(std::span<const ImageView> images) {
  std::string list;
  for (const ImageView &view : images)
    list += fmt::format("{}{} {}", list.empty() ? "" : ", ", plan::Image::Format_Name(view.image->format()),
                        view.image->arch());
  return list.empty() ? "none" : list;
}

std::vector<plan::Attention> attentionsOf(const plan::Plan &plan) {
  std::vector<plan::Attention> found;
  for (const plan::Segment &segment : plan.segments())
    for (const plan::Step &step : segment.steps())
      if (step.has_attention())
        found.push_back(step.attention());
  return found;
}

} // namespace

Expected<CUmodule> CudaDevice::loadImage(const ImageView &view) {
  // PTX is text; the container need not end it.
  std::string text;
  const void *bytes = view.bytes.data();
  if (view.image->format() == plan::Image::PTX) {
    text.assign(reinterpret_cast<const char *>(view.bytes.data()), view.bytes.size());
    bytes = text.c_str();
  }
  std::array<char, 8192> log{};
  CUjit_option options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
  void *values[] = {log.data(), reinterpret_cast<void *>(log.size() - 1)};
  CUmodule module = nullptr;
  const CUresult result = driver.moduleLoadDataEx(&module, bytes, 2, options, values);
  Status status = driver.check(result, fmt::format("loading the plan's {} image for {}",
                                                   plan::Image::Format_Name(view.image->format()), view.image->arch()));
  if (status.ok())
    return module;
  return log[0] ? Status(status.code(), fmt::format("{}: {}", status.message(), log.data())) : status;
}

static bool transposes(const plan::Plan &plan) {
  for (const plan::Segment &segment : plan.segments())
    for (const plan::Step &step : segment.steps())
      if (step.has_transpose())
        return true;
  return false;
}

Status CudaDevice::loadKernels(const plan::Plan &plan, std::span<const ImageView> images) {
  if (attentions)
    attentions->start(attentionsOf(plan));
  kernels.clear();
  FT_RETURN_IF_ERROR(loadHostKernels(plan, images));
  if (transposes(plan) && !transposer.loaded())
    FT_RETURN_IF_ERROR(transposer.load(driver));
  if (plan::kernelsFor(plan, /*host=*/false).empty())
    return {};
  const ImageView *best = nullptr;
  for (const ImageView &view : images)
    if (const int suits = suitability(*view.image, capability);
        suits && (!best || suits > suitability(*best->image, capability)))
      best = &view;
  if (!best)
    return cannotRun(fmt::format("the plan has no kernels for {} ({}), only {}; compile it for this GPU's target",
                                 description.arch, description.name, listImages(images)));
  FT_ASSIGN_OR_RETURN(CUmodule module, loadImage(*best));
  // Graphs that were captured before go on using the modules of their time.
  modules.push_back(module);
  for (const plan::Kernel &kernel : plan.kernels()) {
    LoadedKernel loaded{nullptr, kernel};
    if (kernel.host()) {
      kernels.push_back(std::move(loaded));
      continue;
    }
    if (driver.moduleGetFunction(&loaded.function, module, kernel.entry().c_str()) != CUDA_SUCCESS)
      return badInput(fmt::format("kernel {}: the plan's image for {} has no entry {}", kernel.name(),
                                  best->image->arch(), kernel.entry()));
    if (kernel.threads() == 0 || kernel.items_per_block() == 0)
      return badInput(fmt::format("kernel {}: {} threads and {} items per block; both must be at least 1",
                                  kernel.name(), kernel.threads(), kernel.items_per_block()));
    constexpr uint32_t SharedWithoutAsking = 48 << 10;
    if (kernel.shared_bytes() > SharedWithoutAsking)
      FT_RETURN_IF_ERROR(driver.check(
          driver.funcSetAttribute(loaded.function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                                  static_cast<int>(kernel.shared_bytes())),
          fmt::format("kernel {}: asking for {} bytes of shared memory", kernel.name(), kernel.shared_bytes())));
    kernels.push_back(std::move(loaded));
  }
  return {};
}

Status CudaDevice::launch(uint32_t stream, uint32_t kernel, uint64_t items, std::span<void *const> args) {
  FT_RETURN_IF_ERROR(checkQueue(stream));
  if (kernel >= kernels.size())
    return failed(fmt::format("kernel {} does not exist; {} are loaded", kernel, kernels.size()));
  if (!kernels[kernel].function)
    return failed(fmt::format("kernel {} is for the host's processors", kernel));
  if (items == 0)
    return {};
  const LoadedKernel &loaded = kernels[kernel];
  const uint64_t blocks = (items - 1) / loaded.kernel.items_per_block() + 1;
  if (blocks > static_cast<uint64_t>(std::numeric_limits<int32_t>::max()))
    return failed(fmt::format("kernel {}: {} items need {} blocks; a launch has at most {}", loaded.kernel.name(),
                              items, blocks, std::numeric_limits<int32_t>::max()));
  int64_t count = static_cast<int64_t>(items);
  parameters.clear();
  for (void *const &argument : args)
    parameters.push_back(const_cast<void **>(&argument));
  parameters.push_back(&count);
  return driver.check(driver.launchKernel(loaded.function, static_cast<unsigned>(blocks), 1, 1, loaded.kernel.threads(),
                                          1, 1, loaded.kernel.shared_bytes(), streams[stream], parameters.data(),
                                          nullptr),
                      loaded.kernel.name());
}

} // namespace ft::rt
