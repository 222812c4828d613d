#include "runtime/Program/Steps.h"

#include <fmt/format.h>

using namespace ft;
using namespace ft::rt;

namespace {
/// In the order of a kernel's arguments.
std::vector<void *> addressesOf(const plan::Launch &launch, const Arenas &arenas) {
  std::vector<void *> addresses;
  for (const plan::Operand &operand : launch.operands())
    addresses.push_back(arenas.region(operand).base);
  return addresses;
}

class LaunchStep final : public ExecutableStep {
public:
  LaunchStep(const plan::Step &step, const Arenas &arenas)
      : ExecutableStep(step), kernel(step.launch().kernel()), items(step.launch().items()),
        arguments(addressesOf(step.launch(), arenas)) {}
  Status enqueue(Device &device) override { return device.launch(stream, kernel, items, arguments); }

private:
  const uint32_t kernel;
  const uint64_t items;
  const std::vector<void *> arguments;
};

class HostLaunchStep final : public ExecutableStep {
public:
  HostLaunchStep(const plan::Step &step, uint32_t handle) : ExecutableStep(step), handle(handle) {}
  Status enqueue(Device &device) override { return device.hostLaunch(stream, handle); }

private:
  const uint32_t handle;
};

class GemmStep final : public ExecutableStep {
public:
  GemmStep(const plan::Step &step, const Arenas &arenas, uint32_t handle)
      : ExecutableStep(step), handle(handle), a(arenas.region(step.gemm().a()).base),
        b(arenas.region(step.gemm().b()).base), d(arenas.region(step.gemm().d()).base),
        workspace(step.gemm().has_workspace() ? arenas.region(step.gemm().workspace()).base : nullptr) {}
  Status enqueue(Device &device) override { return device.gemm(stream, handle, a, b, d, workspace); }

private:
  const uint32_t handle;
  const void *const a, *const b;
  void *const d, *const workspace;
};

class ScaledGemmStep final : public ExecutableStep {
public:
  ScaledGemmStep(const plan::Step &step, const Arenas &arenas, uint32_t handle) : ExecutableStep(step), handle(handle) {
    const plan::Gemm &gemm = step.gemm();
    auto address = [&](const plan::Operand &operand) { return arenas.region(operand).base; };
    addresses = {address(gemm.a()),       address(gemm.b()),
                 address(gemm.d()),       gemm.has_workspace() ? address(gemm.workspace()) : nullptr,
                 address(gemm.scale_a()), address(gemm.scale_b())};
  }
  Status enqueue(Device &device) override { return device.scaledGemm(stream, handle, addresses); }

private:
  const uint32_t handle;
  GemmAddresses addresses;
};

class AttentionStep final : public ExecutableStep {
public:
  AttentionStep(const plan::Step &step, const Arenas &arenas, uint32_t handle) : ExecutableStep(step), handle(handle) {
    const plan::Attention &x = step.attention();
    auto address = [&](bool present, const plan::Operand &operand) {
      return present ? arenas.region(operand).base : nullptr;
    };
    arguments = {address(x.has_q(), x.q()),
                 address(x.has_k(), x.k()),
                 address(x.has_v(), x.v()),
                 address(x.has_o(), x.o()),
                 address(x.has_lse(), x.lse()),
                 address(x.has_d_o(), x.d_o()),
                 address(x.has_d_q(), x.d_q()),
                 address(x.has_d_k(), x.d_k()),
                 address(x.has_d_v(), x.d_v()),
                 address(x.has_document_offsets(), x.document_offsets()),
                 address(x.has_document_lens(), x.document_lens()),
                 address(x.has_workspace(), x.workspace())};
  }
  Status enqueue(Device &device) override { return device.attention(stream, handle, arguments); }

private:
  const uint32_t handle;
  std::vector<void *> arguments;
};

class CollectiveStep final : public ExecutableStep {
public:
  CollectiveStep(const plan::Step &step, const Executors &executors, uint32_t handle)
      : ExecutableStep(step), communicator(*executors.communicator), progress(executors.progress), handle(handle) {}
  Status enqueue(Device &) override {
    const Progress::Wait wait(progress);
    return communicator.run(stream, handle);
  }

private:
  Communicator &communicator;
  Progress *const progress;
  const uint32_t handle;
};

class CopyStep final : public ExecutableStep {
public:
  CopyStep(const plan::Step &step, const Arenas &arenas)
      : ExecutableStep(step), dst(arenas.region(step.copy().dst())), src(arenas.region(step.copy().src())) {}
  Status enqueue(Device &device) override { return device.copy(stream, dst, src); }

private:
  const Region dst, src;
};

class TransposeStep final : public ExecutableStep {
public:
  TransposeStep(const plan::Step &step, const Arenas &arenas)
      : ExecutableStep(step), dst(arenas.region(step.transpose().dst())), src(arenas.region(step.transpose().src())) {}
  Status enqueue(Device &device) override { return device.transpose(stream, dst, src); }

private:
  const Region dst, src;
};

class MemsetStep final : public ExecutableStep {
public:
  MemsetStep(const plan::Step &step, const Arenas &arenas)
      : ExecutableStep(step), dst(arenas.region(step.memset().dst())),
        value(static_cast<uint8_t>(step.memset().value())) {}
  Status enqueue(Device &device) override { return device.fill(stream, dst, value); }

private:
  const Region dst;
  const uint8_t value;
};

/// The inputs take over the batch record that was submitted last. Which of two that is changes from run to run, so
/// this step is never part of a graph. Where there are slots, the record comes from its slot, which is free then.
class ReceiveStep final : public ExecutableStep {
public:
  ReceiveStep(const plan::Plan &plan, const plan::Step &step, const StagingArea &staging)
      : ExecutableStep(step), queues(plan), staging(staging) {}
  Status enqueue(Device &device) override {
    const uint32_t index = staging.submitted();
    const std::span<char> record = staging.record(index);
    char *slot = staging.slot(index);
    if (!slot)
      return device.upload(stream, staging.inputs(), record.data(), record.size());
    FT_RETURN_IF_ERROR(device.wait(stream, queues.arrived[index]));
    const Region inputs{staging.inputs(), 1, record.size(), record.size()};
    FT_RETURN_IF_ERROR(device.copy(stream, inputs, {slot, 1, record.size(), record.size()}));
    return device.record(stream, queues.taken[index]);
  }

private:
  const ProgramQueues queues;
  const StagingArea &staging;
};

/// Downloads outputs to the current record of the ring.
class EmitStep final : public ExecutableStep {
public:
  EmitStep(const plan::Plan &plan, const plan::Step &step, const Arenas &arenas, const StagingArea &staging)
      : ExecutableStep(step), staging(staging) {
    for (const plan::Operand &src : step.emit().src())
      for (int i = 0; i < plan.outputs_size(); ++i) {
        const plan::Output &output = plan.outputs(i);
        const uint64_t bytes = plan::outputBytes(plan.batch(), output.kind());
        if (output.buffer() == src.buffer() && output.offset() >= src.offset() &&
            output.offset() + bytes <= src.offset() + src.row_bytes())
          pieces.push_back({i, arenas.bufferAddress(output.buffer()) + output.offset(), bytes});
      }
  }
  Status enqueue(Device &device) override {
    for (const Piece &piece : pieces)
      FT_RETURN_IF_ERROR(
          device.download(stream, staging.output(piece.output, staging.ringSlot()), piece.address, piece.bytes));
    return {};
  }

private:
  struct Piece {
    int output;
    const char *address;
    uint64_t bytes;
  };
  const StagingArea &staging;
  std::vector<Piece> pieces;
};

Status withName(const plan::Step &step, const Status &status) {
  return {status.code(), fmt::format("step {}: {}", step.name(), status.message())};
}
} // namespace

/// All ranks come here together, step by step.
static Expected<uint32_t> prepareCollective(const plan::Step &step, const Arenas &arenas, Communicator *communicator) {
  if (!communicator)
    return badInput("ranks exchange here, and this program runs alone: compile the plan for one rank");
  const plan::Collective &collective = step.collective();
  std::vector<std::byte *> whole, part;
  auto address = [&](const plan::Operand &operand) { return static_cast<std::byte *>(arenas.region(operand).base); };
  for (const plan::Operand &operand : collective.whole())
    whole.push_back(address(operand));
  for (const plan::Operand &operand : collective.part())
    part.push_back(address(operand));
  return communicator->prepare(step.name(), collective,
                               {whole, part, collective.has_workspace() ? address(collective.workspace()) : nullptr});
}

Expected<std::unique_ptr<ExecutableStep>> ft::rt::makeStep(const plan::Plan &plan, const plan::Step &step,
                                                           const Arenas &arenas, const StagingArea &staging,
                                                           const Executors &executors) {
  using Made = std::unique_ptr<ExecutableStep>;
  Device &device = executors.device;
  switch (step.kind_case()) {
  case plan::Step::kLaunch:
    return Made(std::make_unique<LaunchStep>(step, arenas));
  case plan::Step::kHostLaunch: {
    const plan::Launch &launch = step.host_launch();
    auto handle = device.prepareHostLaunch(launch.kernel(), launch.items(), addressesOf(launch, arenas));
    if (!handle.ok())
      return withName(step, handle.status());
    return Made(std::make_unique<HostLaunchStep>(step, *handle));
  }
  case plan::Step::kGemm: {
    auto handle = device.prepareGemm(step.gemm());
    if (!handle.ok())
      return withName(step, handle.status());
    if (step.gemm().has_scale_a())
      return Made(std::make_unique<ScaledGemmStep>(step, arenas, *handle));
    return Made(std::make_unique<GemmStep>(step, arenas, *handle));
  }
  case plan::Step::kAttention: {
    auto handle = device.prepareAttention(step.attention());
    if (!handle.ok())
      return withName(step, handle.status());
    return Made(std::make_unique<AttentionStep>(step, arenas, *handle));
  }
  case plan::Step::kCollective: {
    auto handle = prepareCollective(step, arenas, executors.communicator);
    if (!handle.ok())
      return withName(step, handle.status());
    return Made(std::make_unique<CollectiveStep>(step, executors, *handle));
  }
  case plan::Step::kCopy:
    return Made(std::make_unique<CopyStep>(step, arenas));
  case plan::Step::kTranspose:
    return Made(std::make_unique<TransposeStep>(step, arenas));
  case plan::Step::kMemset:
    return Made(std::make_unique<MemsetStep>(step, arenas));
  case plan::Step::kReceive:
    return Made(std::make_unique<ReceiveStep>(plan, step, staging));
  case plan::Step::kEmit:
    return Made(std::make_unique<EmitStep>(plan, step, arenas, staging));
  case plan::Step::KIND_NOT_SET:
    break;
  }
  return badInput(fmt::format("step {} has no kind that this ftrun knows; use the ftrun of the ftc that compiled the "
                              "plan ({})",
                              step.name(), plan.compiler()));
}
