#include "compiler/Pipeline/Predict.h"

#include "dialects/Plan/PlanDialect.h"

#include <algorithm>

using namespace mlir;
using namespace ft;

namespace {
double regionBytes(plan::OperandAttr operand) {
  const double region = double(operand.getRows()) * operand.getRowBytes() * operand.getBatch();
  return region * ((operand.getRead() != 0) + (operand.getWrite() != 0));
}

/// What a step's operands declare. A workspace is touched as the library likes; it is not what a step moves.
double stepBytes(plan::StepOpInterface step) {
  double bytes = 0;
  const plan::OperandAttr workspace = step.getWorkspace();
  step.visitOperands(
      [&](StringRef, plan::OperandAttr operand) { bytes += operand == workspace ? 0 : regionBytes(operand); });
  return bytes;
}

double flopsOf(plan::StepOpInterface step) { return step.getFlops().convertToDouble(); }

/// Microseconds of steps on one target, the cost of the launch left out.
class Prediction {
public:
  Prediction(ModuleOp module, const recipe::TargetSpec &target, ArrayRef<int64_t> mesh)
      : symbols(module), target(target), mesh(mesh) {}

  double of(plan::StepOpInterface step) const {
    if (auto gemm = dyn_cast<plan::GemmOp>(*step))
      return product(gemm);
    if (auto attention = dyn_cast<plan::AttentionOp>(*step))
      return libraryAttention(attention);
    if (auto collective = dyn_cast<plan::CollectiveOp>(*step))
      return exchanging(collective);
    if (isa<plan::HostLaunchOp>(*step))
      return stepBytes(step) / (target.host_gb_per_s() * 1e3);
    if (auto copy = dyn_cast<plan::CopyOp>(*step); copy && isOnHost(copy.getSrc()) != isOnHost(copy.getDst()))
      return regionBytes(copy.getSrc()) / (target.link_gb_per_s() * 1e3);
    const double share = isa<plan::LaunchOp, plan::TransposeOp>(*step) ? target.row_memory_share() : 1;
    return moving(stepBytes(step), share);
  }

private:
  bool isOnHost(plan::OperandAttr operand) const {
    auto buffer = symbols.lookup<plan::BufferOp>(operand.getBuffer().getAttr());
    return symbols.lookup<plan::ArenaOp>(buffer.getArenaAttr().getAttr()).getSpace() != plan::Space::Device;
  }

  double moving(double bytes, double share = 1) const { return bytes / (target.memory_gb_per_s() * 1e3 * share); }
  /// Each rank reads its share from all others, or theirs; to reduce everywhere, both. Over several hosts that goes
  /// around a ring, and all groups do it at the same time: a host's links carry one ring for each member that it has of
  /// a group, of as many groups as it has other cards.
  double exchanging(plan::CollectiveOp collective) const {
    double bytes = 0;
    for (auto whole : collective.getWhole().getAsRange<plan::OperandAttr>())
      bytes += double(whole.getRows()) * whole.getRowBytes();
    const double members = double(membersOf(collective)), onHost = double(membersOnHost(collective));
    const double passes = collective.getKind() == plan::CollectiveKind::AllReduce ? 2 : 1;
    const double moved = passes * bytes * (members - 1) / members;
    double rate = target.peer_gb_per_s(), hops = 0;
    if (onHost < members) {
      const double network = target.network_gb_per_s() * onHost / double(target.cards_per_host());
      rate = onHost > 1 ? std::min(rate, network) : network;
      const double hosts = members / onHost;
      hops = passes * ((hosts - 1) * target.network_hop_us() + (members - hosts) * target.peer_hop_us());
    }
    return target.collective_us() + hops + (rate > 0 ? moved / (rate * 1e3) : 0);
  }
  int64_t membersOf(plan::CollectiveOp collective) const {
    int64_t members = 1;
    for (int64_t axis : collective.getAxes())
      members *= mesh[axis];
    return members;
  }
  /// Members of a group on one host. The last axis of the mesh is the innermost: neighbours differ in it.
  int64_t membersOnHost(plan::CollectiveOp collective) const {
    if (!target.cards_per_host())
      return membersOf(collective);
    int64_t room = int64_t(target.cards_per_host()), members = 1;
    for (int64_t axis = int64_t(mesh.size()) - 1; axis >= 0; --axis) {
      const int64_t here = std::min(mesh[axis], room);
      if (llvm::is_contained(collective.getAxes(), axis))
        members *= here;
      room = std::max<int64_t>(room / mesh[axis], 1);
    }
    return members;
  }
  double computing(double flops, Type type, double share) const {
    if (isa<Float8E4M3FNType>(type))
      return flops / (target.fp8_tflops() * 1e6 * share);
    double rate = target.f32_tflops();
    if (type.isF16() && target.f16_tflops() > 0)
      rate = target.f16_tflops();
    else if ((type.isBF16() || type.isF16()) && target.bf16_tflops() > 0)
      rate = target.bf16_tflops();
    return flops / (rate * 1e6 * share);
  }

  double product(plan::GemmOp gemm) const {
    const double sustained = isa<Float8E4M3FNType>(gemm.getAType()) ? target.fp8_share() : target.sustained_share();
    double sum = computing(flopsOf(gemm), gemm.getAType(), sustained * usedShare(gemm));
    // Tiles add to D after their sums: that is not hidden behind the products.
    if (gemm.getD().getRead())
      sum += moving(regionBytes(gemm.getD()));
    return std::max(sum, moving(stepBytes(gemm), target.gemm_memory_share()));
  }

  /// The share of multiprocessors that have a tile of a small D.
  double usedShare(plan::GemmOp gemm) const {
    if (!target.multiprocessors())
      return 1;
    const double tiles = double(gemm.getBatch()) * llvm::divideCeil(gemm.getM(), target.gemm_tile_rows()) *
                         llvm::divideCeil(gemm.getN(), target.gemm_tile_columns());
    return std::min(1.0, tiles / double(target.multiprocessors()));
  }

  double libraryAttention(plan::AttentionOp attention) const {
    const double softmax = target.attention_softmax_lanes(), measured = target.attention_measured_lanes();
    const double ofLanes = (1 + softmax / measured) / (1 + softmax / double(attention.getHeadDim()));
    const bool ragged = attention.getRagged();
    const double share = target.attention_share() * ofLanes * (ragged ? target.ragged_attention_share() : 1);
    double us = computing(flopsOf(attention), attention.getType(), share);
    us += ragged ? double(target.ragged_attention_launches()) * target.launch_us() : 0;
    // The deterministic engine sweeps its scores, the causal half of documents × heads × length².
    if (ragged && attention.getBackward() && attention.getDeterministic())
      if (plan::OperandAttr workspace = attention.getWorkspaceAttr())
        us += moving(double(workspace.getRows()) * workspace.getRowBytes() / 2);
    return std::max(us, moving(stepBytes(attention)));
  }

  const SymbolTable symbols;
  const recipe::TargetSpec &target;
  const ArrayRef<int64_t> mesh;
};
} // namespace

void ft::predictTimes(ModuleOp module, const recipe::TargetSpec &target, ArrayRef<int64_t> mesh) {
  const Prediction prediction(module, target, mesh);
  for (auto segment : module.getOps<plan::SegmentOp>())
    for (auto step : segment.getBody().getOps<plan::StepOpInterface>())
      step.setPredictedUs(llvm::APFloat(prediction.of(step) + target.launch_us()));
}
