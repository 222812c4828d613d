#include "runtime/Device/Cuda/AttentionPlans.h"

#include "runtime/Device/Cuda/GemmLayout.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <limits>
#include <thread>

namespace ft::rt {

namespace {

constexpr uint64_t Alignment = 256;
/// Operand fields q … workspace of plan::Attention.
constexpr size_t OperandCount = 12;

uint64_t alignUp(uint64_t bytes) { return (bytes + Alignment - 1) / Alignment * Alignment; }

uint64_t reservedBytes(const plan::Attention &attention) {
  return attention.has_workspace() ? operandBytes(attention.workspace()) : 0;
}

/// What makes two attentions the same: everything but where their operands lie.
std::string shapeKey(const plan::Attention &attention) {
  plan::Attention shape = attention;
  for (plan::Operand *operand :
       {shape.mutable_q(), shape.mutable_k(), shape.mutable_v(), shape.mutable_o(), shape.mutable_lse(),
        shape.mutable_d_o(), shape.mutable_d_q(), shape.mutable_d_k(), shape.mutable_d_v(),
        shape.mutable_document_offsets(), shape.mutable_document_lens(), shape.mutable_workspace()})
    operand->Clear();
  shape.mutable_workspace()->set_row_bytes(reservedBytes(attention));
  return shape.SerializeAsString();
}

} // namespace

AttentionWorkspace layoutWorkspace(const plan::Attention &attention, const std::vector<WorkspacePiece> &pieces) {
  AttentionWorkspace workspace;
  auto place = [&](AttentionTensor tensor, uint64_t bytes) {
    workspace.offsets[tensor] = workspace.ownBytes;
    workspace.ownBytes += alignUp(bytes);
  };
  for (const WorkspacePiece &piece : pieces)
    place(piece.tensor, piece.bytes);
  if (attention.form() == plan::Attention::RAGGED)
    for (AttentionTensor tensor : {AttentionTensor::QkvOffsets, AttentionTensor::OOffsets, AttentionTensor::LseOffsets})
      place(tensor, OffsetScaler::arrayBytes(attention.max_documents() + 1));
  return workspace;
}

/// One attention: what was asked, the plan, and what each execution binds.
struct AttentionPlans::Prepared {
  plan::Attention attention;
  std::string text;
  Status status;
  AttentionGraph graph;
  GraphPlan plan;
  AttentionWorkspace workspace;
  float scale = 1, minusInfinity = -std::numeric_limits<float>::infinity(), one = 1;
  std::vector<int64_t> ids;
  std::promise<void> finished;
  std::shared_future<void> done = finished.get_future().share();
  int64_t number = -1; ///< the handle once it is given out

  void *pointer(AttentionTensor tensor, std::span<void *const> args);
};

/// A team that builds a list of plans. Its cuDNN handles live as long as the plans built with them.
struct AttentionPlans::Builders {
  std::vector<Prepared *> work;
  std::atomic<size_t> next{0};
  std::vector<cudnnHandle_t> handles;
  std::vector<std::thread> threads;
};

AttentionPlans::AttentionPlans(const CudnnApi &cudnnApi, const DriverApi &driverApi, CUcontext deviceContext,
                               int computeCapability)
    : cudnn(cudnnApi), driver(driverApi), context(deviceContext), capability(computeCapability) {}

AttentionPlans::~AttentionPlans() {
  for (auto &team : builders)
    for (std::thread &thread : team->threads)
      thread.join();
  handles.clear();
  known.clear();
  for (auto &team : builders)
    for (cudnnHandle_t each : team->handles)
      if (each)
        cudnn.destroy(each);
  if (handle)
    cudnn.destroy(handle);
}

Status AttentionPlans::build(Prepared &prepared, cudnnHandle_t builder) const {
  prepared.graph = buildAttention(cudnn, prepared.attention, capability);
  FT_RETURN_IF_ERROR(prepared.graph.graph->status());
  prepared.workspace = layoutWorkspace(prepared.attention, prepared.graph.pieces);
  FT_ASSIGN_OR_RETURN(prepared.plan, prepared.graph.graph->build({builder, nullptr}, {reservedBytes(prepared.attention),
                                                                                      prepared.workspace.ownBytes}));
  for (auto &[tensor, offset] : prepared.workspace.offsets)
    offset += alignUp(prepared.plan.workspaceBytes);
  for (AttentionTensor tensor : prepared.graph.bound)
    prepared.ids.push_back(static_cast<int64_t>(tensor));
  for (const WorkspacePiece &piece : prepared.graph.pieces)
    prepared.ids.push_back(static_cast<int64_t>(piece.tensor));
  return {};
}

void AttentionPlans::start(std::span<const plan::Attention> attentions) {
  auto team = std::make_unique<Builders>();
  for (const plan::Attention &attention : attentions) {
    auto [entry, isNew] = known.try_emplace(shapeKey(attention));
    if (!isNew)
      continue;
    entry->second = std::make_unique<Prepared>();
    entry->second->attention = attention;
    entry->second->text = describeAttention(attention);
    entry->second->scale = static_cast<float>(attention.scale());
    entry->second->status = checkAttention(attention, capability);
    if (entry->second->status.ok())
      team->work.push_back(entry->second.get());
    else
      entry->second->finished.set_value();
  }
  if (team->work.empty())
    return;
  constexpr size_t Most = 8;
  const size_t count = std::min({Most, size_t(std::max(1u, std::thread::hardware_concurrency())), team->work.size()});
  team->handles.resize(count);
  for (size_t i = 0; i < count; ++i)
    team->threads.emplace_back([this, team = team.get(), i] {
      Status ready = driver.check(driver.ctxSetCurrent(context), "building attention plans");
      if (ready.ok())
        ready = cudnn.check(cudnn.create(&team->handles[i]), "starting cuDNN");
      for (size_t k = team->next++; k < team->work.size(); k = team->next++) {
        team->work[k]->status = ready.ok() ? build(*team->work[k], team->handles[i]) : ready;
        team->work[k]->finished.set_value();
      }
    });
  builders.push_back(std::move(team));
}

Expected<uint32_t> AttentionPlans::prepare(const plan::Attention &attention) {
  start({&attention, 1});
  Prepared &prepared = *known.at(shapeKey(attention));
  prepared.done.wait();
  FT_RETURN_IF_ERROR(prepared.status);
  if (!handle)
    FT_RETURN_IF_ERROR(cudnn.check(cudnn.create(&handle), "starting cuDNN"));
  if (attention.form() == plan::Attention::RAGGED && !scalerIsLoaded) {
    FT_RETURN_IF_ERROR(scaler.load(driver));
    scalerIsLoaded = true;
  }
  if (prepared.number < 0) {
    prepared.number = static_cast<int64_t>(handles.size());
    handles.push_back(&prepared);
  }
  return static_cast<uint32_t>(prepared.number);
}

void *AttentionPlans::Prepared::pointer(AttentionTensor tensor, std::span<void *const> args) {
  auto *base = static_cast<std::byte *>(args[OperandCount - 1]);
  switch (tensor) {
  case AttentionTensor::Scale:
    return &scale;
  case AttentionTensor::MinusInfinity:
    return &minusInfinity;
  case AttentionTensor::One:
    return &one;
  case AttentionTensor::KeyLens:
    return args[static_cast<size_t>(AttentionTensor::DocumentLens) - 1];
  default:
    break;
  }
  if (auto inside = workspace.offsets.find(tensor); inside != workspace.offsets.end())
    return base + inside->second;
  return args[static_cast<size_t>(tensor) - 1];
}

Status AttentionPlans::bindStream(CUstream stream) {
  if (streamIsBound && boundStream == stream)
    return {};
  FT_RETURN_IF_ERROR(cudnn.check(cudnn.setStream(handle, stream), "giving cuDNN a stream"));
  boundStream = stream;
  streamIsBound = true;
  return {};
}

Status AttentionPlans::run(CUstream stream, uint32_t number, std::span<void *const> args) {
  if (number >= handles.size())
    return failed(fmt::format("attention handle {} is unknown; {} are prepared", number, handles.size()));
  Prepared &prepared = *handles[number];
  if (args.size() != OperandCount)
    return failed(fmt::format("{}: {} operands given, must be {}", prepared.text, args.size(), OperandCount));
  std::vector<void *> pointers;
  for (int64_t id : prepared.ids) {
    pointers.push_back(prepared.pointer(static_cast<AttentionTensor>(id), args));
    if (!pointers.back())
      return failed(fmt::format("{}: operand {} is missing", prepared.text, id));
  }
  FT_RETURN_IF_ERROR(bindStream(stream));
  void *workspace = args[OperandCount - 1];
  if (prepared.attention.form() == plan::Attention::RAGGED) {
    void *scaled = prepared.pointer(AttentionTensor::QkvOffsets, args);
    const plan::Attention &a = prepared.attention;
    FT_RETURN_IF_ERROR(scaler.run(
        stream, args[static_cast<size_t>(AttentionTensor::DocumentOffsets) - 1], scaled,
        static_cast<uint32_t>(a.max_documents() + 1),
        {static_cast<int32_t>(a.qkv_pitch()), static_cast<int32_t>(a.o_pitch()), static_cast<int32_t>(a.heads())}));
  }
  return executeGraph(cudnn, handle, prepared.plan, prepared.ids, pointers, workspace, prepared.text);
}

} // namespace ft::rt
