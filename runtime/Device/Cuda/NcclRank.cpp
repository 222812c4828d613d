#include "runtime/Device/Cuda/NcclRank.h"

#include "runtime/Plan/Kinds.h"

#include <fmt/format.h>

#include <algorithm>

namespace ft::rt {

namespace {
bool hasParts(plan::Collective::Kind kind) {
  return kind == plan::Collective::REDUCE_SCATTER || kind == plan::Collective::ALL_GATHER;
}

/// What a rank's numbers are summed or compared as, or why NCCL must not: its results are the plan's, or none.
Expected<NcclType> typeOf(std::string_view name, const plan::Collective &collective, uint32_t members) {
  const bool sums = collective.reduction() == plan::Collective::SUM;
  switch (collective.dtype()) {
  case plan::F64:
    return NcclType::Float64;
  case plan::F32:
    return NcclType::Float32;
  case plan::I32:
    return NcclType::Int32;
  case plan::BF16:
    if (sums && members > 2)
      return cannotRun(fmt::format("{}: NCCL rounds a sum of BF16 at each of {} ranks, a plan's once at the end; "
                                   "compile with precision BF16_MIXED, or run the ranks in one process",
                                   name, members));
    return NcclType::Bfloat16;
  default:
    return cannotRun(fmt::format("{}: NCCL does not reduce {}", name, plan::DType_Name(collective.dtype())));
  }
}

Status checkMax(std::string_view name, const plan::Collective &collective) {
  if (collective.reduction() == plan::Collective::MAX && collective.dtype() != plan::I32)
    return cannotRun(fmt::format("{}: the largest of {} is not NCCL's to find, which loses a NaN; run the ranks in one "
                                 "process",
                                 name, plan::DType_Name(collective.dtype())));
  return {};
}
} // namespace

Expected<std::unique_ptr<NcclRank>> NcclRank::open(const NcclApi &api, const plan::Mesh &mesh, Communicator &host,
                                                   CudaDevice &device) {
  FT_ASSIGN_OR_RETURN(void *words, device.reserve(plan::Arena::PINNED, sizeof(TrailWords), alignof(TrailWords)));
  std::unique_ptr<NcclRank> rank(new NcclRank(api, mesh, host, device, static_cast<TrailWords *>(words)));
  FT_RETURN_IF_ERROR(rank->comms.open(mesh));
  return rank;
}

Expected<uint32_t> NcclRank::prepare(std::string_view name, const plan::Collective &collective,
                                     const CollectiveMemory &memory) {
  const auto axes = plan::axesOf(collective);
  Prepared c;
  c.kind = collective.kind(), c.root = collective.root();
  c.members = mesh.members(axes);
  uint64_t width = 1;
  if (collective.reduction() != plan::Collective::REDUCTION_UNSPECIFIED) {
    FT_RETURN_IF_ERROR(checkMax(name, collective));
    FT_ASSIGN_OR_RETURN(c.type, typeOf(name, collective, c.members));
    c.op = collective.reduction() == plan::Collective::MAX ? NcclOp::Max : NcclOp::Sum;
    width = plan::dtypeBytes(collective.dtype());
  }
  FT_ASSIGN_OR_RETURN(c.comm, comms.of(axes));
  for (int i = 0; i < collective.whole_size(); ++i) {
    const uint64_t bytes = collective.whole(i).row_bytes() * collective.whole(i).rows() *
                           std::max<uint64_t>(collective.whole(i).batch(), 1);
    c.runs.push_back({memory.whole[size_t(i)], memory.part.empty() ? nullptr : memory.part[size_t(i)],
                      bytes / width / (hasParts(c.kind) ? c.members : 1)});
  }
  if (collective.reduction() == plan::Collective::NORM2)
    FT_RETURN_IF_ERROR(prepareNorm(c, collective.dtype()));
  path.add(name);
  prepared.push_back(std::move(c));
  return uint32_t(prepared.size() - 1);
}

/// Norms are of one number a rank, so all numbers are gathered and each rank computes the same.
Status NcclRank::prepareNorm(Prepared &c, plan::DType dtype) {
  if (dtype != plan::F64 || c.kind != plan::Collective::ALL_REDUCE || c.runs.size() != 1 || c.runs[0].elements != 1)
    return cannotRun("a norm over ranks is not of one F64; run the ranks in one process");
  c.norm = true;
  FT_ASSIGN_OR_RETURN(void *memory, device.reserve(plan::Arena::DEVICE, c.members * sizeof(double), 256));
  c.gathered = static_cast<std::byte *>(memory);
  return norm.loaded() ? Status() : norm.load(device.api());
}

Status NcclRank::enter(uint64_t step, plan::Segment::Kind segment) {
  const uint32_t word = segment == plan::Segment::KIND_UNSPECIFIED ? 0 : Trail::segmentWord(step, ++segments, segment);
  if (word)
    FT_RETURN_IF_ERROR(device.write(0, &words->collective, 0));
  return device.write(0, &words->segment, word);
}

Status NcclRank::meetIdle() {
  FT_RETURN_IF_ERROR(device.synchronize());
  return host.agree(Agreement::Max, 0).status();
}

Status NcclRank::run(uint32_t stream, uint32_t handle) {
  const Prepared &c = prepared[handle];
  if (!device.isCapturing())
    FT_RETURN_IF_ERROR(meetIdle());
  FT_RETURN_IF_ERROR(device.write(stream, &words->collective, Trail::in(handle)));
  FT_RETURN_IF_ERROR(comms.use([&] { return enqueue(stream, c); }));
  FT_RETURN_IF_ERROR(device.write(stream, &words->collective, Trail::behind(handle)));
  return device.isCapturing() ? Status() : device.synchronize();
}

Status NcclRank::enqueue(uint32_t stream, const Prepared &c) {
  const CUstream queue = device.stream(stream);
  NcclResult result = api.groupStart();
  for (const Run &run : c.runs)
    if (result == NcclResult::Success)
      result = call(queue, c, run);
  const NcclResult ended = api.groupEnd();
  FT_RETURN_IF_ERROR(api.check(result == NcclResult::Success ? ended : result, "enqueueing a collective"));
  return c.norm ? norm.run(queue, c.gathered, c.runs[0].whole, c.members) : Status();
}

NcclResult NcclRank::call(CUstream stream, const Prepared &c, const Run &run) const {
  if (c.norm)
    return api.allGather(run.whole, c.gathered, run.elements, c.type, c.comm, stream);
  switch (c.kind) {
  case plan::Collective::ALL_REDUCE:
    return api.allReduce(run.whole, run.whole, run.elements, c.type, c.op, c.comm, stream);
  case plan::Collective::REDUCE_SCATTER:
    return api.reduceScatter(run.whole, run.part, run.elements, c.type, c.op, c.comm, stream);
  case plan::Collective::ALL_GATHER:
    return api.allGather(run.part, run.whole, run.elements, c.type, c.comm, stream);
  default:
    return api.broadcast(run.whole, run.whole, run.elements, c.type, int(c.root), c.comm, stream);
  }
}

} // namespace ft::rt
