#include "compiler/Planning/VariableLayout.h"

#include "compiler/Planning/Borders.h"
#include "runtime/Plan/plan.pb.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/MathExtras.h"

#include <map>

using namespace mlir;
using namespace ft;
using model::Role;
using model::VariableOp;

namespace ft {

constexpr int64_t memberAlignment = 64;   // elements: 128 bytes at least, whole vectors of every type
constexpr int64_t bucketAlignment = 1024; // elements: one item of the optimizer's launch

/// Lays out the variables of one module.
class VariablePlacer {
public:
  VariablePlacer(ModuleOp m, bool foldAdapters) : module(m), fold(foldAdapters), builder(m.getBodyRegion()) {
    builder.setInsertionPointToEnd(m.getBody());
    for (auto v : m.getOps<VariableOp>()) {
      variables.insert({v.getSymName(), v});
      if (v.getOf())
        companions[{*v.getOf(), v.getRole()}] = v;
    }
  }

  FailureOr<VariableLayout> place() {
    createArenas();
    findGroups();
    findUpdates();
    if (fold)
      for (const BorderStack &stack : findBorders(module))
        placeBorders(stack);
    for (auto &[name, v] : variables)
      if (v.getRole() == Role::Trainable || v.getRole() == Role::Adapter)
        addToBucket(v);
    for (Bucket &bucket : layout.buckets)
      placeBucket(bucket);
    for (auto &[name, v] : variables)
      if (!layout.places.contains(name) && failed(placeAlone(v)))
        return failure();
    for (auto &[name, v] : variables)
      mapTensor(v);
    return std::move(layout);
  }

private:
  using Name = StringRef;

  void createArenas() {
    for (StringRef name : {"weights", "optimizer", "gradients", "io"})
      plan::ArenaOp::create(builder, module.getLoc(), plan::Space::Device, name, 0, 256, 0, false);
  }

  /// Weights that one linear reads together shall lie below each other: [W_q; W_k; W_v].
  void findGroups() {
    module.walk([&](Operation *op) {
      auto linear = dyn_cast<model::LinearOp>(op);
      if (!linear)
        return;
      OperandRange weights = linear.getWeights();
      SmallVector<VariableOp> group;
      for (Value w : weights)
        if (auto read = w.getDefiningOp<model::ReadOp>())
          group.push_back(variables.lookup(read.getVariable()));
      if (group.size() < 2 || group.size() != weights.size() || llvm::is_contained(group, VariableOp()))
        return;
      if (llvm::any_of(group, [&](VariableOp v) { return groupOf.contains(v.getSymName()); }))
        return;
      for (VariableOp v : group)
        groupOf[v.getSymName()] = groups.size();
      groups.push_back(group);
    });
  }

  void placeBorders(const BorderStack &stack) {
    const BorderedGroup &first = stack.groups.front();
    const int64_t bytes = stack.distance() * elementBytes(first.elementType());
    FlatSymbolRefAttr buffer = createBuffer(first.parts.front().name(), "weights", plan::BufferClass::Weight,
                                            stack.groups.size() * bytes, true);
    for (auto [i, group] : llvm::enumerate(stack.groups))
      for (const BorderedGroup::Part &part : group.parts)
        placeAt(part.variable, buffer, i * stack.distance() + part.offset, group.pitch);
    for (auto [p, part] : llvm::enumerate(first.parts)) {
      if (VariableOp(part.variable).getRole() != Role::WorkingCopy)
        continue;
      SmallVector<VariableOp> &copies = layout.borderCopies.emplace_back();
      for (const BorderedGroup &group : stack.groups) {
        copies.push_back(group.parts[p].variable);
        layout.borderOf[copies.back().getSymName()] = layout.borderCopies.size() - 1;
      }
    }
  }

  /// The working copy of `v` that lies in its bucket: none where it is in a border, or of v's type and so v itself.
  VariableOp bucketCopy(VariableOp v) {
    VariableOp copy = companion(v, Role::WorkingCopy);
    return copy && copy.getType() != v.getType() && !layout.borderOf.contains(copy.getSymName()) ? copy : VariableOp();
  }

  /// Parameters whose updates differ in an attribute (weight decay) go into different buckets.
  void findUpdates() {
    module.walk([&](Operation *op) {
      if (isa<model::AdamwOp, model::SgdOp>(op))
        if (auto read = op->getOperand(0).getDefiningOp<model::ReadOp>())
          updateOf[read.getVariable()] = op->getAttrDictionary();
    });
  }

  SmallVector<VariableOp> groupFor(VariableOp v) {
    auto it = groupOf.find(v.getSymName());
    return it == groupOf.end() ? SmallVector<VariableOp>{v} : groups[it->second];
  }

  VariableOp companion(VariableOp v, Role role) {
    auto it = companions.find({v.getSymName(), role});
    return it == companions.end() ? VariableOp() : it->second;
  }

  static Type elementType(VariableOp v) { return v ? cast<RankedTensorType>(v.getType()).getElementType() : Type(); }
  static int64_t elements(VariableOp v) { return cast<RankedTensorType>(v.getType()).getNumElements(); }

  void addToBucket(VariableOp v) {
    if (!bucketed.insert(v.getSymName()).second)
      return;
    // Members of a GEMM group are neighbours of one bucket: working copies and masters follow the same order, and a
    // group is found through whichever of the two the linears read.
    SmallVector<VariableOp> members = groupFor(v);
    if (VariableOp copy = companion(v, Role::WorkingCopy)) {
      members.clear();
      for (VariableOp c : groupFor(copy))
        members.push_back(variables.lookup(*c.getOf()));
    }
    for (VariableOp member : members) {
      bucketed.insert(member.getSymName());
      Bucket &bucket = bucketFor(member);
      bucket.members.push_back({member, companion(member, Role::Gradient), companion(member, Role::ExpAvg),
                                companion(member, Role::ExpAvgSq), bucketCopy(member), bucket.elements});
      bucket.elements += llvm::alignTo(elements(member), memberAlignment);
    }
  }

  Bucket &bucketFor(VariableOp v) {
    auto types = [&](VariableOp p) {
      return std::tuple(elementType(p), elementType(companion(p, Role::Gradient)),
                        elementType(companion(p, Role::ExpAvg)), elementType(companion(p, Role::ExpAvgSq)),
                        elementType(bucketCopy(p)), updateOf.lookup(p.getSymName()));
    };
    for (Bucket &bucket : layout.buckets)
      if (types(bucket.members.front().parameter) == types(v))
        return bucket;
    layout.buckets.emplace_back();
    return layout.buckets.back();
  }

  FlatSymbolRefAttr createBuffer(const Twine &name, StringRef arena, plan::BufferClass kind, int64_t bytes,
                                 bool loaded) {
    int64_t version = layout.nextVersion++;
    auto symbol = FlatSymbolRefAttr::get(builder.getStringAttr(name));
    plan::BufferOp::create(builder, module.getLoc(), symbol.getValue(), arena, kind, bytes, IntegerAttr(),
                           loaded ? version : 0);
    layout.versions[symbol.getAttr()] = version;
    return symbol;
  }

  void placeBucket(Bucket &bucket) {
    bucket.elements = llvm::alignTo(bucket.elements, bucketAlignment);
    std::string name = "bucket" + std::to_string(&bucket - layout.buckets.data());
    auto buffer = [&](VariableOp Bucket::Member::*which, StringRef suffix, StringRef arena, plan::BufferClass kind,
                      bool loaded) -> FlatSymbolRefAttr {
      Type type = elementType(bucket.members.front().*which);
      if (!type)
        return {};
      FlatSymbolRefAttr symbol =
          createBuffer(name + "." + suffix, arena, kind, bucket.elements * elementBytes(type), loaded);
      for (Bucket::Member &member : bucket.members)
        placeAt(member.*which, symbol, member.offset);
      return symbol;
    };
    bucket.parameter = buffer(&Bucket::Member::parameter, "parameter", "weights", plan::BufferClass::Weight, true);
    for (Bucket::Member &member : bucket.members)
      if (VariableOp copy = companion(member.parameter, Role::WorkingCopy);
          copy && copy.getType() == member.parameter.getType())
        layout.places.try_emplace(copy.getSymName(), layout.places[member.parameter.getSymName()]);
    bucket.workingCopy = buffer(&Bucket::Member::workingCopy, "copy", "weights", plan::BufferClass::Weight, false);
    // The padding between members is read as zeros by the norm and the update.
    bucket.gradient = buffer(&Bucket::Member::gradient, "gradient", "gradients", plan::BufferClass::Gradient, true);
    bucket.expAvg = buffer(&Bucket::Member::expAvg, "exp_avg", "optimizer", plan::BufferClass::OptimizerState, true);
    bucket.expAvgSq =
        buffer(&Bucket::Member::expAvgSq, "exp_avg_sq", "optimizer", plan::BufferClass::OptimizerState, true);
  }

  void placeAt(VariableOp v, FlatSymbolRefAttr buffer, int64_t elementOffset, int64_t pitch = 0) {
    auto type = cast<RankedTensorType>(v.getType());
    Place p;
    p.buffer = buffer;
    p.elementType = type.getElementType();
    p.columns = type.getRank() ? type.getShape().back() : 1;
    p.rows = p.columns ? type.getNumElements() / p.columns : 0;
    p.pitch = pitch ? pitch : p.columns;
    p.offsetBytes = elementOffset * p.elementBytes();
    layout.places[v.getSymName()] = p;
  }

  LogicalResult placeAlone(VariableOp v) {
    switch (v.getRole()) {
    case Role::Frozen:
      placeFrozen(v);
      return success();
    case Role::ConstantTable:
    case Role::RandomKeys:
      placeAt(v, createBuffer(v.getSymName(), "weights", plan::BufferClass::Constant, bytes(v), true), 0);
      return success();
    case Role::Input:
    case Role::Output:
      placeAt(v, ioBuffer(v), 0);
      return success();
    default:
      return v.emitOpError("has role ") << model::stringifyRole(v.getRole())
                                        << " but its parameter is not trained; Planning has no place for it";
    }
  }

  void placeFrozen(VariableOp v) {
    SmallVector<VariableOp> group = groupFor(v);
    int64_t total = 0;
    for (VariableOp member : group)
      total += elements(member);
    std::string name = group.front().getSymName().str();
    FlatSymbolRefAttr buffer =
        createBuffer(name, "weights", plan::BufferClass::Weight, total * elementBytes(elementType(v)), true);
    int64_t offset = 0;
    for (VariableOp member : group) {
      placeAt(member, buffer, offset);
      offset += elements(member);
    }
  }

  static int64_t bytes(VariableOp v) { return elements(v) * elementBytes(elementType(v)); }

  /// Inputs of one kind share a buffer as large as the largest of them: a segment that reads fewer rows reads its
  /// start.
  FlatSymbolRefAttr ioBuffer(VariableOp v) {
    StringRef kind = *v.getIo();
    auto it = ioBuffers.find(kind);
    if (it != ioBuffers.end())
      return it->second;
    int64_t size = 0;
    for (auto &[name, other] : variables)
      if (other.getIo() && *other.getIo() == kind)
        size = std::max(size, bytes(other));
    bool input = v.getRole() == Role::Input;
    // The status starts as zero: good. Other outputs are written before they are read.
    FlatSymbolRefAttr buffer =
        createBuffer("io." + kind.lower(), "io", input ? plan::BufferClass::Input : plan::BufferClass::Output, size,
                     kind == plan::Output::Kind_Name(plan::Output::STATUS));
    return ioBuffers[kind] = buffer;
  }

  void mapTensor(VariableOp v) {
    if (v.getRole() == Role::Input || v.getRole() == Role::Output || v.getRole() == Role::WorkingCopy)
      return;
    const Place &p = layout.places[v.getSymName()];
    auto type = cast<RankedTensorType>(v.getType());
    SmallVector<int64_t> shape = v.getLogicalShape(), sizes = shape, strides(type.getRank(), 1);
    for (int64_t i = type.getRank() - 2; i >= 0; --i)
      strides[i] = i == type.getRank() - 2 ? p.pitch : strides[i + 1] * type.getDimSize(i + 1);
    if (model::PaddingAttr padding = v.getPaddingAttr()) {
      int64_t dim = padding.getDim();
      sizes[dim] = padding.getUsed();
      sizes.insert(sizes.begin() + dim, type.getDimSize(dim) / padding.getBlock());
      strides.insert(strides.begin() + dim, padding.getBlock() * strides[dim]);
    }
    StringRef key = v.getKey() ? *v.getKey() : v.getSymName();
    plan::TensorOp::create(builder, v.getLoc(), key, p.elementType, p.buffer.getValue(),
                           model::stringifyRole(v.getRole()), p.offsetBytes, shape, sizes, strides, v.getInitAttr(),
                           v.getGgufKeyAttr(), v.getGgufRopeHeadsAttr());
  }

  ModuleOp module;
  bool fold;
  OpBuilder builder;
  VariableLayout layout;
  llvm::MapVector<Name, VariableOp> variables;
  std::map<std::pair<Name, Role>, VariableOp> companions;
  llvm::StringMap<size_t> groupOf;
  llvm::StringMap<Attribute> updateOf;
  SmallVector<SmallVector<VariableOp>> groups;
  llvm::StringSet<> bucketed;
  llvm::StringMap<FlatSymbolRefAttr> ioBuffers;
};

void VariableLayout::addTable(OpBuilder &builder, StringRef name, ArrayRef<int32_t> values) {
  int64_t version = nextVersion++, count = values.size();
  Location loc = builder.getUnknownLoc();
  plan::BufferOp::create(builder, loc, name, "weights", plan::BufferClass::Constant, 4 * count, IntegerAttr(), version);
  auto init = builder.getDictionaryAttr({builder.getNamedAttr("kind", builder.getStringAttr("values")),
                                         builder.getNamedAttr("values", builder.getDenseI32ArrayAttr(values))});
  plan::TensorOp::create(builder, loc, name, builder.getI32Type(), name, stringifyRole(Role::ConstantTable), 0,
                         ArrayRef<int64_t>{count}, ArrayRef<int64_t>{count}, ArrayRef<int64_t>{1}, init, StringAttr(),
                         IntegerAttr());
  Place place;
  place.buffer = FlatSymbolRefAttr::get(builder.getContext(), name);
  place.elementType = builder.getI32Type();
  place.columns = place.pitch = count;
  places[name] = place;
  versions[place.buffer.getAttr()] = version;
}

ArrayRef<VariableOp> VariableLayout::borderedWith(StringRef variable) const {
  auto it = borderOf.find(variable);
  return it == borderOf.end() ? ArrayRef<VariableOp>() : ArrayRef(borderCopies[it->second]);
}

FailureOr<VariableLayout> VariableLayout::create(ModuleOp module, bool foldAdapters) {
  return VariablePlacer(module, foldAdapters).place();
}

} // namespace ft
