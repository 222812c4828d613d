#include "compiler/Codegen/GpuHarness.h"

#include "runtime/Device/Device.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace ft {

namespace {

constexpr uint64_t scratchBytes = uint64_t(1) << 30, alignment = 256, guardBytes = 4096;
constexpr uint8_t guard = 0x5a;

/// Opened for the first kernel. Kernels share one piece of scratch memory, since a device frees none.
struct Gpu {
  rt::Expected<std::unique_ptr<rt::Device>> device = rt::openCudaDevice(0);
  std::byte *scratch = nullptr;

  Gpu() {
    if (!device.ok())
      return;
    rt::Status queues = (*device)->createQueues(1, 0);
    auto memory = queues.ok() ? (*device)->reserve(plan::Arena::DEVICE, scratchBytes, alignment) : queues;
    if (!memory.ok()) {
      device = memory.status();
      return;
    }
    scratch = static_cast<std::byte *>(*memory);
    const rt::DeviceInfo &info = (*device)->info();
    std::printf("kernels run on %s, %s\n", info.name.c_str(), info.arch.c_str());
  }
};

Gpu &gpu() {
  static Gpu only;
  return only;
}

/// Closes the device before main() returns: CUDA's own exit handlers run after that.
class CloseAtTheEnd : public testing::Environment {
  void TearDown() override {
    if (opened)
      gpu().device = rt::failed("closed");
  }

public:
  bool opened = false;
};
CloseAtTheEnd *const closing = static_cast<CloseAtTheEnd *>(testing::AddGlobalTestEnvironment(new CloseAtTheEnd));

rt::Status load(rt::Device &device, const CompiledKernel &kernel, const KernelImage &image) {
  plan::Plan plan;
  plan::Kernel *described = plan.add_kernels();
  described->set_name(kernel.name), described->set_entry(kernel.name);
  described->set_threads(kernel.threads), described->set_items_per_block(kernel.itemsPerBlock);
  described->set_shared_bytes(kernel.sharedBytes);
  plan::Image ptx;
  ptx.set_format(plan::Image::PTX), ptx.set_arch(image.arch);
  const rt::ImageView view{&ptx, std::as_bytes(std::span(image.bytes))};
  return device.loadKernels(plan, {&view, 1});
}

/// Operands at their places in scratch memory, each behind and before a stretch of guard bytes.
class Layout {
public:
  explicit Layout(const std::vector<HostOperand> &operands) {
    for (const HostOperand &operand : operands) {
      auto shared = std::find_if(pieces.begin(), pieces.end(), [&](const Piece &p) { return p.data == operand.data; });
      offsets.push_back(shared == pieces.end() ? bytes : shared->offset);
      if (shared != pieces.end())
        continue;
      pieces.push_back({operand, bytes});
      bytes += (operand.bytes + guardBytes + alignment - 1) / alignment * alignment;
    }
  }

  struct Piece : HostOperand {
    uint64_t offset;
  };
  std::vector<Piece> pieces;
  std::vector<uint64_t> offsets; ///< of each operand
  uint64_t bytes = guardBytes;
};

rt::Status run(rt::Device &device, std::byte *scratch, const Layout &layout, int64_t items,
               std::vector<std::byte> &after) {
  std::vector<void *> args;
  for (uint64_t offset : layout.offsets)
    args.push_back(scratch + offset);
  FT_RETURN_IF_ERROR(device.fill(0, {scratch, 1, layout.bytes}, guard));
  for (const Layout::Piece &piece : layout.pieces)
    FT_RETURN_IF_ERROR(device.upload(0, scratch + piece.offset, piece.data, piece.bytes));
  FT_RETURN_IF_ERROR(device.launch(0, 0, items, args));
  FT_RETURN_IF_ERROR(device.download(0, after.data(), scratch, layout.bytes));
  return device.synchronize();
}

} // namespace

std::string gpuArch(std::string *reason) {
  closing->opened = true;
  if (gpu().device.ok())
    return (*gpu().device)->info().arch;
  *reason = gpu().device.status().message();
  return "";
}

void runOnGpu(const CompiledKernel &kernel, const KernelImage &image, const std::vector<HostOperand> &operands,
              int64_t items) {
  closing->opened = true;
  ASSERT_TRUE(gpu().device.ok()) << gpu().device.status().message();
  rt::Device &device = **gpu().device;
  const Layout layout(operands);
  ASSERT_LE(layout.bytes, scratchBytes) << "the operands do not fit the scratch memory";
  rt::Status loaded = load(device, kernel, image);
  ASSERT_TRUE(loaded.ok()) << loaded.message();
  std::vector<std::byte> after(layout.bytes);
  rt::Status ran = run(device, gpu().scratch, layout, items, after);
  ASSERT_TRUE(ran.ok()) << ran.message();
  for (const Layout::Piece &piece : layout.pieces) {
    std::memcpy(piece.data, after.data() + piece.offset, piece.bytes);
    std::fill_n(after.begin() + piece.offset, piece.bytes, std::byte(guard));
  }
  const auto wrong = std::find_if(after.begin(), after.end(), [](std::byte b) { return b != std::byte(guard); });
  EXPECT_TRUE(wrong == after.end()) << kernel.name << " wrote outside its operands, at byte " << wrong - after.begin()
                                    << " of " << after.size();
}

} // namespace ft
