#include "compiler/Planning/VariableLayout.h"

#include "compiler/Layout/Borders.h"
#include "compiler/Planning/BucketRuns.h"
#include "compiler/Planning/PlanningOptions.h"
#include "runtime/Plan/Nf4.h"
#include "runtime/Plan/plan.pb.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace ft;
using model::Role;
using model::VariableOp;

namespace ft {

/// Of a row of scales: libraries want 16 bytes, and buffers begin so.
constexpr int64_t fp8ScalesAlignment = 256;

/// Lays out the variables of one module.
class VariablePlacer {
public:
  VariablePlacer(ModuleOp m, bool foldAdapters, bool pinMoments)
      : module(m), fold(foldAdapters), pinMoments(pinMoments), builder(m.getBodyRegion()) {
    for (auto op : m.getOps<dist::MeshOp>())
      mesh = op;
    builder.setInsertionPointToEnd(m.getBody());
    for (auto v : m.getOps<VariableOp>())
      variables.insert({v.getSymName(), v});
  }

  FailureOr<VariableLayout> place() {
    createArenas();
    findGroups();
    if (fold)
      for (const BorderStack &stack : findBorders(module))
        placeBorders(stack);
    runs = findBucketRuns(module);
    for (auto &[name, v] : variables)
      if (v.getBucket() && !v.getPlace())
        placeBucket(v);
    for (auto &[name, v] : variables)
      if (v.getPlace())
        placeInBucket(v);
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
    auto arena = [&](plan::Space space, StringRef name, bool transient = false) {
      plan::ArenaOp::create(builder, module.getLoc(), space, name, 0, 256, 0, transient);
    };
    for (StringRef name : {"weights", "optimizer", "gradients", "io"})
      arena(plan::Space::Device, name);
    auto isThere = [](VariableOp v) { return v.getHost(); };
    auto leaves = [](VariableOp v) { return v.getHost() && v.getRole() == Role::Gradient; };
    auto any = [&](auto is) { return llvm::any_of(variables, [&](auto &entry) { return is(entry.second); }); };
    const bool updates = any(isThere);
    if (updates) {
      arena(plan::Space::Pinned, hostMasters);
      arena(pinMoments ? plan::Space::Pinned : plan::Space::Host, hostMoments);
      if (any(leaves))
        arena(plan::Space::Pinned, hostGradients);
    }
    if (updates || parks())
      arena(plan::Space::Pinned, hostTransfers, /*transient=*/true);
  }

  /// Whether the host holds values between forward and backward.
  bool parks() {
    return module.walk([](model::TransferOp) { return WalkResult::interrupt(); }).wasInterrupted();
  }

  /// Weights that one linear reads together shall lie below each other: [W_q; W_k; W_v].
  void findGroups() {
    module.walk([&](Operation *op) {
      SmallVector<Value> weights;
      if (auto linear = dyn_cast<model::LinearOp>(op))
        llvm::append_range(weights, linear.getWeights());
      if (auto linear = dyn_cast<model::ScaledLinearOp>(op))
        for (Value codes : linear.getWeights())
          weights.push_back(codes.getDefiningOp<model::StoredOp>().getW());
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

  /// Those of the group that lie in memory as they are read.
  SmallVector<VariableOp> groupFor(VariableOp v) {
    auto it = groupOf.find(v.getSymName());
    if (it == groupOf.end())
      return {v};
    SmallVector<VariableOp> group = groups[it->second];
    llvm::erase_if(group, [](VariableOp member) { return member.getQuantization().has_value(); });
    return group;
  }

  static Type elementType(VariableOp v) { return v ? cast<RankedTensorType>(v.getType()).getElementType() : Type(); }
  static int64_t elements(VariableOp v) { return cast<RankedTensorType>(v.getType()).getNumElements(); }

  FlatSymbolRefAttr createBuffer(const Twine &name, StringRef arena, plan::BufferClass kind, int64_t bytes,
                                 bool loaded) {
    int64_t version = layout.nextVersion++;
    auto symbol = FlatSymbolRefAttr::get(builder.getStringAttr(name));
    buffers[symbol.getAttr()] = plan::BufferOp::create(builder, module.getLoc(), symbol.getValue(), arena, kind, bytes,
                                                       IntegerAttr(), loaded ? version : 0, plan::SharesAttr());
    bufferVersions[symbol.getAttr()] = version;
    return symbol;
  }

  /// The padding between a bucket's members is read as zeros by the norm and the update; a working copy, and a gradient
  /// that leaves, is written whole before it is read.
  void placeBucket(VariableOp v) {
    const auto run = runs.find(v.getSymName());
    if (run != runs.end() && VariableOp(run->second.first) != v)
      return placeAt(v, layout.place(VariableOp(run->second.first).getSymName()).buffer, run->second.offset);
    const int64_t size = run == runs.end() ? bytes(v) : run->second.elements * elementBytes(elementType(v));
    const Role role = v.getRole();
    const bool gradient = role == Role::Gradient, state = model::isState(role);
    const plan::BufferClass kind = gradient ? plan::BufferClass::Gradient
                                   : state  ? plan::BufferClass::OptimizerState
                                            : plan::BufferClass::Weight;
    StringRef arena = gradient ? "gradients" : state ? "optimizer" : "weights";
    if (v.getHost())
      arena = gradient ? hostGradients : state ? hostMoments : hostMasters;
    const bool loaded = role != Role::WorkingCopy && !(gradient && v.getHost());
    placeAt(v, createBuffer(v.getSymName(), arena, kind, size, loaded), 0);
    layout.places[v.getSymName()].host = v.getHost();
    if (v.getShares() > 1)
      sayShares(v, bytes(v) * static_cast<int64_t>(v.getShares()));
  }

  SmallVector<StringAttr> axesOf(VariableOp split) {
    auto sharding = split->getAttrOfType<dist::ShardingAttr>(dist::shardingName);
    return SmallVector<StringAttr>(sharding.getDims()[0].getAxes());
  }

  /// Members lie in the whole, of so many bytes, of which the rank's buffer holds the share that `v` is.
  void sayShares(VariableOp v, int64_t bytes) {
    SmallVector<int64_t> axes;
    for (StringAttr axis : axesOf(v))
      axes.push_back(llvm::find(mesh.getAxes(), axis) - mesh.getAxes().begin());
    buffers.lookup(layout.places[v.getSymName()].buffer.getAttr())
        .setSharesAttr(plan::SharesAttr::get(v.getContext(), builder.getDenseI64ArrayAttr(axes), bytes));
  }

  /// What takes a bucket's place in the course of a step is another value, and so has another version. A share of it is
  /// at another place on each rank, and is what members are read from.
  void placeInBucket(VariableOp v) {
    StringRef bucket = v.getPlaceAttr().getBucket().getValue();
    const Place &whole = layout.place(bucket);
    if (v.getBucket() && v.getShares() > 1) {
      layout.places[v.getSymName()] = sharePlace(whole, mesh, axesOf(v));
      layout.wholes[v.getSymName()] = whole;
      sayShares(v, whole.columns * whole.elementBytes());
    } else {
      const model::PlaceAttr place = v.getPlaceAttr();
      layout.places[v.getSymName()] = memberPlace(whole, place.getOffset(), v.getTensorType(), place.getPitch());
    }
    layout.versions[v.getSymName()] = v.getBucket() ? versionAt(v) : layout.version(bucket);
  }

  /// Of a bucket in a bucket's place: that of its likes in one buffer, which are read as one.
  int64_t versionAt(VariableOp v) {
    if (!runs.contains(v.getPlaceAttr().getBucket().getValue()))
      return layout.nextVersion++;
    const auto key = std::pair(layout.place(v.getSymName()).buffer.getAttr(), v.getSymName().rsplit('.').second);
    const auto [version, isNew] = versionsInRuns.try_emplace(key, layout.nextVersion);
    layout.nextVersion += isNew;
    return version->second;
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
    layout.versions[v.getSymName()] = bufferVersions.lookup(buffer.getAttr());
  }

  LogicalResult placeAlone(VariableOp v) {
    switch (v.getRole()) {
    case Role::Frozen:
      v.isFp8() ? placeFp8(v) : v.getQuantization() ? placeQuantized(v) : placeFrozen(v);
      return success();
    case Role::WorkingCopy:
      if (VariableOp of = variables.lookup(v.getOf()->str()); of && of.isFp8()) {
        placeCopyOfCodes(v);
        return success();
      }
      break;
    case Role::RowNumbers:
      placeRowNumbers(v);
      return success();
    case Role::LossScale:
      placeAt(v, createBuffer(v.getSymName(), "optimizer", plan::BufferClass::OptimizerState, bytes(v), true), 0);
      return success();
    case Role::Kept:
      placeAt(v, createBuffer(v.getSymName(), "gradients", plan::BufferClass::Gradient, bytes(v), /*loaded=*/false), 0);
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
      break;
    }
    return v.emitOpError("has role ") << model::stringifyRole(v.getRole())
                                      << " but lies in no bucket; compiler/Layout must run first";
  }

  /// A number for each part of a bucket; of a bucket that ranks have in shares, each rank's own.
  void placeRowNumbers(VariableOp v) {
    StringRef arena = v.getHost() ? StringRef(hostMasters) : "weights";
    placeAt(v, createBuffer(v.getSymName(), arena, plan::BufferClass::Constant, bytes(v), true), 0);
    layout.places[v.getSymName()].host = v.getHost();
    if (v.getShares() > 1)
      sayShares(v, bytes(v) * static_cast<int64_t>(v.getShares()));
  }

  static uint64_t logicalElements(VariableOp v) { return ShapedType::getNumElements(v.getLogicalShape()); }

  void placeQuantized(VariableOp v) {
    const plan::Nf4Layout codes(logicalElements(v), v.getNf4().getDoubleQuant());
    Place p;
    p.buffer = createBuffer(v.getSymName(), "weights", plan::BufferClass::Weight, codes.bytes, true);
    p.elementType = builder.getI8Type();
    p.columns = p.pitch = codes.bytes;
    layout.places[v.getSymName()] = p;
    layout.versions[v.getSymName()] = bufferVersions.lookup(p.buffer.getAttr());
    layout.quantizedVariables[v.getSymName()] = v;
  }

  /// The weights in FP8 that one linear reads lie as one matrix of codes, with one row of scales behind them, so that
  /// they are one product: `v` and what goes with it.
  void placeFp8(VariableOp v) {
    auto it = groupOf.find(v.getSymName());
    SmallVector<VariableOp> group = it == groupOf.end() ? SmallVector<VariableOp>{v} : groups[it->second];
    llvm::erase_if(group, [](VariableOp member) { return !member.isFp8(); });
    int64_t codes = 0, rows = 0;
    for (VariableOp member : group)
      codes += elements(member), rows += member.getTensorType().getDimSize(0);
    const int64_t scalesAt = llvm::alignTo(codes, fp8ScalesAlignment);
    const Type f32 = builder.getF32Type();
    FlatSymbolRefAttr buffer = createBuffer(group.front().getSymName(), "weights", plan::BufferClass::Weight,
                                            scalesAt + rows * elementBytes(f32), true);
    int64_t element = 0, row = 0;
    for (VariableOp member : group) {
      Place p;
      p.buffer = buffer;
      p.rows = member.getTensorType().getDimSize(0);
      p.columns = p.pitch = member.getTensorType().getDimSize(1);
      p.elementType = Float8E4M3FNType::get(v.getContext());
      p.offsetBytes = element;
      Place scales = p;
      scales.rows = 1;
      scales.columns = scales.pitch = p.rows;
      scales.elementType = f32;
      scales.offsetBytes = scalesAt + row * elementBytes(f32);
      element += p.rows * p.columns;
      row += p.rows;
      layout.places[member.getSymName()] = p;
      layout.scalePlaces[member.getSymName()] = scales;
      layout.versions[member.getSymName()] = bufferVersions.lookup(buffer.getAttr());
      layout.quantizedVariables[member.getSymName()] = member;
    }
  }

  /// A product's codes in another order, which @initialize writes.
  void placeCopyOfCodes(VariableOp v) {
    placeAt(v, createBuffer(v.getSymName(), "weights", plan::BufferClass::Weight, bytes(v), /*loaded=*/false), 0);
  }

  /// Codes are in the order of the checkpoint, whatever padding the numbers have.
  void mapQuantized(VariableOp v) {
    const Place &p = layout.places[v.getSymName()];
    auto quantization = builder.getDictionaryAttr(
        builder.getNamedAttr("double_quant", builder.getBoolAttr(v.getNf4().getDoubleQuant())));
    plan::TensorOp::create(builder, v.getLoc(), *v.getKey(), builder.getIntegerType(4), p.buffer.getValue(),
                           model::stringifyRole(v.getRole()), p.offsetBytes, v.getLogicalShape(),
                           ArrayRef<int64_t>(logicalElements(v)), ArrayRef<int64_t>{1}, v.getInitAttr(),
                           v.getGgufKeyAttr(), v.getGgufRopeHeadsAttr(), quantization);
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
    if (v.getRole() == Role::Input || v.getRole() == Role::Output || v.getRole() == Role::WorkingCopy ||
        v.getRole() == Role::Kept || v.getBucket())
      return;
    if (v.getNf4())
      return mapQuantized(v);
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
    Role role = v.getRole();
    if (role == Role::RowNumbers) { // in one dimension, all shares of them
      role = Role::ConstantTable;
      sizes[0] = shape[0] *= static_cast<int64_t>(v.getShares());
    }
    plan::TensorOp::create(builder, v.getLoc(), key, p.elementType, p.buffer.getValue(), model::stringifyRole(role),
                           p.offsetBytes, shape, sizes, strides, v.getInitAttr(), v.getGgufKeyAttr(),
                           v.getGgufRopeHeadsAttr(), inFp8(v));
  }

  /// Where the scales are of codes that lie as `p` does; null of other weights.
  DictionaryAttr inFp8(VariableOp v) {
    if (!v.isFp8())
      return DictionaryAttr();
    auto entry = [&](StringRef name, int64_t value) {
      return builder.getNamedAttr(name, builder.getI64IntegerAttr(value));
    };
    return builder.getDictionaryAttr({entry("scales_offset", layout.scales(v.getSymName()).offsetBytes),
                                      entry("row_pitch", layout.place(v.getSymName()).pitch)});
  }

  ModuleOp module;
  bool fold, pinMoments;
  OpBuilder builder;
  VariableLayout layout;
  llvm::MapVector<Name, VariableOp> variables;
  dist::MeshOp mesh;                                  ///< null: one rank
  llvm::DenseMap<StringAttr, int64_t> bufferVersions; ///< of the value that a buffer starts with
  llvm::DenseMap<StringAttr, plan::BufferOp> buffers;
  llvm::StringMap<size_t> groupOf;
  SmallVector<SmallVector<VariableOp>> groups;
  llvm::StringMap<FlatSymbolRefAttr> ioBuffers;
  llvm::StringMap<RunMember> runs;
  llvm::DenseMap<std::pair<StringAttr, StringRef>, int64_t> versionsInRuns; ///< by buffer and part
};

Place memberPlace(const Place &bucket, int64_t offset, Type type, int64_t pitch) {
  auto tensor = cast<RankedTensorType>(type);
  Place p = bucket;
  p.offsetBytes += offset * p.elementBytes();
  p.columns = tensor.getRank() ? tensor.getShape().back() : 1;
  p.pitch = pitch ? pitch : p.columns;
  p.rows = tensor.getNumElements() / p.columns;
  return p;
}

Place sharePlace(const Place &whole, dist::MeshOp mesh, ArrayRef<StringAttr> axes) {
  Place share = whole;
  share.columns = share.pitch = whole.columns / mesh.getSize(axes);
  share.rankPitch.resize(mesh.getAxes().size(), 0);
  int64_t pitch = share.columns * share.elementBytes();
  for (StringAttr axis : llvm::reverse(axes)) {
    const int64_t size = mesh.getSize(axis);
    share.rankPitch[llvm::find(mesh.getAxes(), axis) - mesh.getAxes().begin()] += size > 1 ? pitch : 0;
    pitch *= size;
  }
  return share;
}

void VariableLayout::addTable(OpBuilder &builder, StringRef name, ArrayRef<int32_t> values) {
  int64_t version = nextVersion++, count = values.size();
  Location loc = builder.getUnknownLoc();
  plan::BufferOp::create(builder, loc, name, "weights", plan::BufferClass::Constant, 4 * count, IntegerAttr(), version,
                         plan::SharesAttr());
  auto init = builder.getDictionaryAttr({builder.getNamedAttr("kind", builder.getStringAttr("values")),
                                         builder.getNamedAttr("values", builder.getDenseI32ArrayAttr(values))});
  plan::TensorOp::create(builder, loc, name, builder.getI32Type(), name, stringifyRole(Role::ConstantTable), 0,
                         ArrayRef<int64_t>{count}, ArrayRef<int64_t>{count}, ArrayRef<int64_t>{1}, init, StringAttr(),
                         IntegerAttr(), DictionaryAttr());
  Place place;
  place.buffer = FlatSymbolRefAttr::get(builder.getContext(), name);
  place.elementType = builder.getI32Type();
  place.columns = place.pitch = count;
  places[name] = place;
  versions[name] = version;
}

std::optional<Place> VariableLayout::wholeAround(StringRef variable) const {
  auto it = wholes.find(variable);
  return it == wholes.end() ? std::nullopt : std::optional(it->second);
}

ArrayRef<VariableOp> VariableLayout::borderedWith(StringRef variable) const {
  auto it = borderOf.find(variable);
  return it == borderOf.end() ? ArrayRef<VariableOp>() : ArrayRef(borderCopies[it->second]);
}

FailureOr<VariableLayout> VariableLayout::create(ModuleOp module, bool foldAdapters, bool pinMoments) {
  return VariablePlacer(module, foldAdapters, pinMoments).place();
}

} // namespace ft
