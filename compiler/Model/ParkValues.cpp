// A value belongs to the layer whose backward reads it first: what a block begins with was made by the one before it,
// or by the embedding. Weights and what is cast of them are no values of the forward part; neither is what is much
// smaller than a block's input (statistics, an adapter's x·Aᵀ), which would save little.
#include "compiler/Model/ParkValues.h"

#include "compiler/Model/Variables.h"
#include "dialects/TypeBytes.h"

using namespace mlir;
using namespace ft;
using namespace ft::model;

/// A value of this share of the largest that is parked is worth a transfer.
constexpr int64_t leastShare = 2;

namespace {

struct Parked {
  OpResult value;
  Operation *lastForward = nullptr, *firstBackward = nullptr;
  int64_t bytes = 0;
};

class Parking {
public:
  Parking(func::FuncOp segment, Park park) : block(segment.getBody().front()), park(park) {}

  void run() {
    SmallVector<Parked> all;
    int64_t largest = 0, lastLayer = 0;
    for (Operation &op : block)
      lastLayer = std::max(lastLayer, layerOf(&op).value_or(0));
    for (Operation &op : block)
      if (!isBackward(&op) && isActivation(&op))
        for (OpResult value : op.getResults())
          if (std::optional<Parked> parked = parkedAt(value, lastLayer)) {
            all.push_back(*parked);
            largest = std::max(largest, parked->bytes);
          }
    for (const Parked &parked : all)
      if (parked.bytes * leastShare >= largest)
        insertTransfers(parked);
  }

private:
  static bool isActivation(Operation *op) {
    if (auto cast = dyn_cast<CastOp>(op))
      return !cast.getX().getDefiningOp<ReadOp>();
    return isa<Remade, EmbeddingOp>(op);
  }

  std::optional<Parked> parkedAt(OpResult value, int64_t lastLayer) const {
    Parked parked{value, value.getOwner()};
    for (Operation *user : value.getUsers())
      if (!isBackward(user))
        parked.lastForward = parked.lastForward->isBeforeInBlock(user) ? user : parked.lastForward;
      else if (!parked.firstBackward || user->isBeforeInBlock(parked.firstBackward))
        parked.firstBackward = user;
    if (!parked.firstBackward)
      return std::nullopt;
    const std::optional<int64_t> layer = layerOf(parked.firstBackward);
    if (!layer || *layer >= lastLayer || !isNamed(value, *layer))
      return std::nullopt;
    auto type = cast<RankedTensorType>(value.getType());
    parked.bytes = type.getNumElements() * elementBytes(type.getElementType());
    return parked;
  }

  bool isNamed(OpResult value, int64_t layer) const {
    if (layerOf(value.getOwner()) != layer)
      return true; // of the block before
    auto made = dyn_cast<Remade>(value.getOwner());
    return park == Park::Stream && made && made.getRecompute(value) == Recompute::Blocks;
  }

  /// In front of the first product behind the value's last reader: a sum that rows are added to is then not computed in
  /// the place of a value that is about to leave, which would have to wait for it.
  static Operation *leavesBefore(const Parked &parked) {
    Operation *op = parked.lastForward->getNextNode();
    while (op && !isBackward(op) && !isa<LinearOp, AttentionOp>(op))
      op = op->getNextNode();
    return op;
  }

  static void insertTransfers(const Parked &parked) {
    Operation *op = parked.value.getOwner();
    OpBuilder builder(op->getContext());
    Location loc = placed(op->getContext(), placeOf(op->getLoc()) + ".parked");
    builder.setInsertionPoint(leavesBefore(parked));
    Value there = TransferOp::create(builder, loc, parked.value.getType(), parked.value, /*to_host=*/true);
    builder.setInsertionPoint(parked.firstBackward);
    auto back = TransferOp::create(builder, loc, parked.value.getType(), there, /*to_host=*/false);
    back->setAttr(backwardName, builder.getUnitAttr());
    Value(parked.value).replaceUsesWithIf(back, [&](OpOperand &use) { return isBackward(use.getOwner()); });
  }

  Block &block;
  const Park park;
};

} // namespace

void ft::parkValues(func::FuncOp segment, Park park) {
  if (park != Park::Nothing)
    Parking(segment, park).run();
}
