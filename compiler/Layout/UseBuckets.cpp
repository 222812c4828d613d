#include "compiler/Layout/UseBuckets.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringMap.h"

#include <array>
#include <iterator>

using namespace mlir;
using namespace ft;
using namespace ft::model;

namespace {

/// What a bucket has of each member.
struct Part {
  VariableOp Bucket::Member::*of;
  llvm::StringLiteral name;
  int64_t per = 1; ///< elements of the parameter to one of it
};
constexpr Part parts[] = {{&Bucket::Member::parameter, "parameter"},
                          {&Bucket::Member::copy, "copy"},
                          {&Bucket::Member::gradient, "gradient"},
                          {&Bucket::Member::expAvg, "exp_avg"},
                          {&Bucket::Member::expAvgSq, "exp_avg_sq"},
                          {&Bucket::Member::mirror, "mirror"},
                          {&Bucket::Member::remainder, "remainder"},
                          {&Bucket::Member::expAvgScales, "exp_avg_scales", momentBlock},
                          {&Bucket::Member::expAvgSqScales, "exp_avg_sq_scales", momentBlock}};

/// The flat variables of one bucket; null where its members have none.
struct FlatBucket {
  VariableOp parameter, copy, gradient, expAvg, expAvgSq, mirror, remainder, expAvgScales, expAvgSqScales;
  VariableOp rows; ///< numbers of rows; null where its update does not round
  int64_t members = 0;

  /// In the order of `parts`.
  std::array<VariableOp *, std::size(parts)> slots() {
    return {&parameter, &copy, &gradient, &expAvg, &expAvgSq, &mirror, &remainder, &expAvgScales, &expAvgSqScales};
  }
};

/// Where a variable that is no longer read or written by itself lies.
struct Membership {
  VariableOp bucket;
  int64_t offset, pitch;
};

class BucketUser {
public:
  BucketUser(ModuleOp module, ArrayRef<Bucket> buckets, int64_t ranks)
      : module(module), builder(module.getContext()), ranks(ranks) {
    for (auto [index, bucket] : llvm::enumerate(buckets))
      declare(bucket, index);
  }

  LogicalResult run() {
    for (auto segment : module.getOps<func::FuncOp>()) {
      reads.clear();
      filled.clear();
      block = &segment.getBody().front();
      viewReads();
      updateBuckets();
      if (failed(assembleWrites()))
        return failure();
      eraseUnused();
    }
    return success();
  }

private:
  void declare(const Bucket &bucket, size_t index) {
    FlatBucket &flat = buckets.emplace_back();
    flat.members = bucket.members.size();
    for (auto [part, slot] : llvm::zip_equal(parts, flat.slots())) {
      VariableOp first = bucket.members.front().*part.of;
      if (!first)
        continue;
      builder.setInsertionPoint(bucket.members.front().parameter);
      std::string name = ("bucket" + Twine(index) + "." + part.name).str();
      const auto type = RankedTensorType::get({bucket.elements / part.per}, first.getTensorType().getElementType());
      *slot = VariableOp::create(builder, NameLoc::get(builder.getStringAttr(name)), name, type, first.getRole());
      slot->setBucket(true);
      slot->setHost(bucket.host && (isState(first.getRole()) || slot == &flat.parameter));
      if (slot == &flat.gradient)
        slot->setHost(bucket.gradientLeaves);
      if (first.getOf())
        slot->setOf(flat.parameter.getSymName());
      if (slot == &flat.parameter)
        declareInserted(*slot, bucket.inserted);
      for (const Bucket::Member &member : bucket.members) {
        VariableOp variable = member.*part.of;
        const int64_t offset = member.offset / part.per;
        variable.setPlaceAttr(
            PlaceAttr::get(builder.getContext(), FlatSymbolRefAttr::get(slot->getSymNameAttr()), offset, member.pitch));
        memberships[variable.getSymName()] = {*slot, offset, member.pitch};
      }
    }
    if (bucket.firstRow >= 0)
      declareRows(flat, bucket);
  }

  /// The number of the first row of each part that a rank might have, as often as fills the least share of a buffer
  /// that plans know, 256 bytes.
  void declareRows(FlatBucket &flat, const Bucket &bucket) {
    const std::string name = (flat.parameter.getSymName().rsplit('.').first + ".rows").str();
    constexpr int64_t times = 256 / sizeof(int64_t);
    flat.rows = VariableOp::create(builder, NameLoc::get(builder.getStringAttr(name)), name,
                                   RankedTensorType::get({times * ranks}, builder.getI64Type()), Role::RowNumbers);
    SmallVector<double> numbers;
    for (int64_t part = 0; part < ranks; ++part)
      numbers.append(times, double(bucket.firstRow + part * (bucket.elements / ranks / bucketAlignment)));
    flat.rows.setInitAttr(
        builder.getDictionaryAttr({builder.getNamedAttr("kind", builder.getStringAttr("numbers")),
                                   builder.getNamedAttr("numbers", builder.getDenseF64ArrayAttr(numbers))}));
    flat.rows.setHost(bucket.host);
    rowsOf[flat.parameter.getSymName()] = flat.rows;
  }

  void declareInserted(VariableOp bucket, ArrayRef<Bucket::Inserted> inserted) {
    if (inserted.empty())
      return;
    fillings[bucket] = inserted;
    for (const Bucket::Inserted &matrix : inserted)
      insertedIn[VariableOp(matrix.variable).getSymName()] = {bucket, matrix.offset, matrix.pitch};
  }

  /// The segment's read of a bucket, at its start.
  Value read(VariableOp bucket) {
    Value &value = reads[bucket];
    if (!value) {
      OpBuilder::InsertionGuard guard(builder);
      builder.setInsertionPointToStart(block);
      value = ReadOp::create(builder, bucket.getLoc(), bucket.getTensorType(), bucket.getSymName());
    }
    return value;
  }

  void write(VariableOp bucket, Value value) { WriteOp::create(builder, bucket.getLoc(), bucket.getSymName(), value); }

  /// What a segment that reads the weights reads of their adapters is in their border.
  void viewReads() {
    SmallVector<ReadOp> ofMembers;
    llvm::DenseSet<Operation *> buckets;
    for (auto op : block->getOps<ReadOp>())
      if (auto member = memberships.find(op.getVariable()); member != memberships.end()) {
        ofMembers.push_back(op);
        buckets.insert(member->second.bucket);
      }
    for (ReadOp op : ofMembers) {
      builder.setInsertionPoint(op);
      auto border = insertedIn.find(op.getVariable());
      const bool inserted = border != insertedIn.end() && buckets.contains(border->second.bucket);
      op.replaceAllUsesWith(view(op, inserted ? border->second : memberships[op.getVariable()]));
      op.erase();
    }
  }

  Value view(ReadOp op, const Membership &place) {
    return ViewOp::create(builder, op.getLoc(), op.getType(), fill(place.bucket), place.offset, place.pitch);
  }

  /// The segment's read of a bucket, with what is put into it.
  Value fill(VariableOp bucket) {
    auto filling = fillings.find(bucket);
    if (filling == fillings.end())
      return read(bucket);
    Value &value = filled[bucket];
    if (value)
      return value;
    SmallVector<Value> matrices;
    SmallVector<int64_t> offsets, pitches;
    for (const Bucket::Inserted &matrix : filling->second) {
      VariableOp variable = matrix.variable;
      const Membership &own = memberships[variable.getSymName()];
      matrices.push_back(ViewOp::create(builder, variable.getLoc(), variable.getTensorType(), read(own.bucket),
                                        own.offset, own.pitch));
      offsets.push_back(matrix.offset);
      pitches.push_back(matrix.pitch);
    }
    return value = InsertOp::create(builder, bucket.getLoc(), bucket.getTensorType(), read(bucket), matrices, offsets,
                                    pitches);
  }

  //===-- updates ------------------------------------------------------------------------------------------------===//

  /// The first member's operation becomes the bucket's; the others' results are views of its results.
  void updateBuckets() {
    llvm::DenseMap<Operation *, Operation *> whole; // by the bucket's read of the parameter
    for (Operation &op : llvm::make_early_inc_range(*block)) {
      if (auto norm = dyn_cast<GradNormOp>(op))
        takeWhole(norm);
      if (!isa<Optimizer>(op))
        continue;
      auto view = op.getOperand(0).getDefiningOp<ViewOp>();
      if (!view)
        continue;
      Operation *&update = whole[view.getBucket().getDefiningOp()];
      if (!update)
        update = createUpdate(op);
      viewResults(op, update);
    }
  }

  void takeWhole(GradNormOp norm) {
    SmallVector<Value> gradients;
    for (Value gradient : norm.getGrads()) {
      auto view = gradient.getDefiningOp<ViewOp>();
      Value whole = view ? view.getBucket() : gradient;
      if (!llvm::is_contained(gradients, whole))
        gradients.push_back(whole);
    }
    norm.getGradsMutable().assign(gradients);
  }

  Operation *createUpdate(Operation &member) {
    builder.setInsertionPoint(&member);
    Operation *update = builder.clone(member);
    for (OpOperand &operand : update->getOpOperands())
      if (auto view = operand.get().getDefiningOp<ViewOp>())
        operand.set(view.getBucket());
    auto optimizer = cast<Optimizer>(update);
    for (auto [result, operand] : llvm::zip_equal(update->getResults(), optimizer.getUpdatedOperands()))
      result.setType(update->getOperand(operand).getType());
    if (auto parameter = optimizer.getParam().getDefiningOp<ReadOp>())
      if (VariableOp rows = rowsOf.lookup(parameter.getVariable()))
        optimizer.getRowsMutable().assign(read(rows));
    return update;
  }

  /// Each where the operand lies in its bucket whose next value it is.
  void viewResults(Operation &member, Operation *update) {
    builder.setInsertionPoint(&member);
    for (auto [part, whole, operand] :
         llvm::zip_equal(member.getResults(), update->getResults(), cast<Optimizer>(member).getUpdatedOperands())) {
      const auto before = member.getOperand(operand).getDefiningOp<ViewOp>();
      if (!part.use_empty())
        part.replaceAllUsesWith(
            ViewOp::create(builder, member.getLoc(), part.getType(), whole, ViewOp(before).getOffset()));
    }
    member.erase();
  }

  //===-- writes -------------------------------------------------------------------------------------------------===//

  LogicalResult assembleWrites() {
    llvm::MapVector<Operation *, SmallVector<WriteOp>> writes; // by bucket
    for (auto op : block->getOps<WriteOp>())
      if (auto member = memberships.find(op.getVariable()); member != memberships.end())
        writes[member->second.bucket].push_back(op);
    for (auto &[bucket, ops] : writes)
      if (failed(assemble(cast<VariableOp>(bucket), ops)))
        return failure();
    return success();
  }

  LogicalResult assemble(VariableOp bucket, SmallVector<WriteOp> writes) {
    const auto flat = llvm::find_if(buckets, [&](FlatBucket &b) {
      return llvm::any_of(b.slots(), [&](const VariableOp *slot) { return *slot == bucket; });
    });
    if (int64_t(writes.size()) != flat->members)
      return writes.front().emitOpError("writes one of ") << flat->members << " members of @" << bucket.getSymName()
                                                          << ", and the segment writes only " << writes.size();
    if (bucket.getRole() == Role::Gradient)
      builder.setInsertionPointAfter(lastOf(writes)); // so buckets are exchanged in the order in which they are ready
    else
      builder.setInsertionPoint(writes.back());
    auto offsetOf = [&](WriteOp op) { return memberships[op.getVariable()].offset; };
    llvm::sort(writes, [&](WriteOp a, WriteOp b) { return offsetOf(a) < offsetOf(b); });
    SmallVector<Value> values = llvm::map_to_vector(writes, [](WriteOp op) { return Value(op.getValue()); });
    write(bucket, wholeOf(bucket, values, llvm::map_to_vector(writes, offsetOf)));
    for (WriteOp op : writes)
      op.erase();
    return success();
  }

  /// The last operation in the block that makes a value which is written.
  static Operation *lastOf(ArrayRef<WriteOp> writes) {
    Operation *last = nullptr;
    for (WriteOp write : writes)
      if (Operation *op = write.getValue().getDefiningOp(); !last || last->isBeforeInBlock(op))
        last = op;
    return last;
  }

  /// One value where members are all of one value, or casts of all of it; else their assembly.
  Value wholeOf(VariableOp bucket, ArrayRef<Value> values, ArrayRef<int64_t> offsets) {
    Value whole;
    auto isMember = [&](Value value, int64_t offset) {
      auto view = value.getDefiningOp<ViewOp>();
      if (!view || view.getOffset() != offset || (whole && view.getBucket() != whole))
        return false;
      whole = view.getBucket();
      return true;
    };
    auto agree = [&](auto sourceOf) {
      whole = {};
      return llvm::all_of(llvm::zip_equal(values, offsets), [&](auto entry) {
        Value source = sourceOf(std::get<0>(entry));
        return source && isMember(source, std::get<1>(entry));
      });
    };
    if (agree([](Value value) { return value; }))
      return whole;
    auto castOf = [](Value value) {
      auto cast = value.getDefiningOp<CastOp>();
      return cast ? cast.getX() : Value();
    };
    if (agree(castOf))
      return CastOp::create(builder, values.front().getLoc(), bucket.getTensorType(), whole,
                            values.front().getDefiningOp<CastOp>().getTiesAway());
    return AssembleOp::create(builder, bucket.getLoc(), bucket.getTensorType(), values, offsets);
  }

  void eraseUnused() {
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(*block)))
      if (isa<ViewOp, InsertOp, CastOp, ReadOp>(op) && op.use_empty())
        op.erase();
  }

  ModuleOp module;
  OpBuilder builder;
  Block *block = nullptr;
  SmallVector<FlatBucket> buckets;
  const int64_t ranks;
  llvm::StringMap<VariableOp> rowsOf; ///< by the name of the bucket's parameters
  llvm::StringMap<Membership> memberships;
  llvm::StringMap<Membership> insertedIn; ///< by variable: where it lies in the bucket that it is put into
  llvm::DenseMap<Operation *, ArrayRef<Bucket::Inserted>> fillings; ///< by bucket
  llvm::DenseMap<Operation *, Value> reads, filled;                 ///< of the segment at hand, by bucket
};

} // namespace

LogicalResult ft::useBuckets(ModuleOp module, ArrayRef<Bucket> buckets, int64_t ranks) {
  return BucketUser(module, buckets, ranks).run();
}
