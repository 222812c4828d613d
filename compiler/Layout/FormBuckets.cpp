#include "compiler/Layout/FormBuckets.h"

#include "runtime/Plan/Kinds.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/MathExtras.h"

#include <map>
#include <tuple>

using namespace mlir;
using namespace ft;
using model::Role;
using model::VariableOp;

constexpr int64_t memberAlignment = 64; // elements: 128 bytes at least, whole vectors of every type

namespace {

class BucketFormer {
public:
  BucketFormer(ModuleOp module, const LayoutOptions &options, llvm::function_ref<bool(VariableOp)> liesElsewhere,
               ArrayRef<BorderedGroup> bordered)
      : options(options), liesElsewhere(liesElsewhere) {
    for (const BorderedGroup &group : bordered)
      for (const BorderedGroup::Part &part : group.parts)
        borderOf[part.name()] = &group;
    for (auto v : module.getOps<VariableOp>()) {
      variables.insert({v.getSymName(), v});
      if (v.getOf())
        companions[{*v.getOf(), v.getRole()}] = v;
    }
    for (auto segment : module.getOps<func::FuncOp>())
      if (plan::runsOnTokens(plan::segmentKind(segment.getSymName())))
        for (auto read : segment.getOps<model::ReadOp>())
          readAsStored.insert(read.getVariable());
    module.walk([&](model::LinearOp linear) { addGroup(linear); });
    // Parameters whose updates differ in an attribute (weight decay) go into different buckets.
    module.walk([&](model::Optimizer op) {
      if (auto read = op.getParam().getDefiningOp<model::ReadOp>()) {
        updateOf[read.getVariable()] = op->getAttrDictionary();
        if (op.getRounding())
          rounded.insert(read.getVariable());
      }
    });
  }

  SmallVector<Bucket> run() {
    for (auto &[name, v] : variables)
      if (v.getRole() == Role::Frozen && options.splitFrozen && borderOf.contains(v.getSymName()))
        addBordered(*borderOf.lookup(v.getSymName()));
      else if (v.isTrained() || (v.getRole() == Role::Frozen && options.splitFrozen))
        addWithGroup(v);
    for (Bucket &bucket : buckets) {
      const bool coded = bucket.members.front().expAvgScales;
      bucket.elements =
          llvm::alignTo(bucket.elements, (coded ? codedBucketAlignment : bucketAlignment) * options.ranks);
    }
    numberRows();
    chooseHost();
    return std::move(buckets);
  }

private:
  using Kind = std::tuple<Role, Type, Type, Type, Type, Type, Type, Attribute, bool>;

  /// Of updates that round: parameters whose rows are numbered in one run, and how many rows that has.
  struct Run {
    Kind kind;
    int64_t rows = 0;
  };

  /// From rows of a run to rows of all.
  void numberRows() {
    for (auto [run, bucket] : llvm::zip_equal(bucketRuns, buckets))
      for (int64_t before = 0; before < run; ++before)
        bucket.firstRow += runs[before].rows;
  }

  void chooseHost() {
    auto isTrained = [](const Bucket &bucket) { return VariableOp(bucket.members.front().parameter).isTrained(); };
    double all = 0, there = 0;
    for (const Bucket &bucket : buckets)
      all += isTrained(bucket) ? double(bucket.elements) : 0;
    for (Bucket &bucket : llvm::reverse(buckets)) {
      if (there >= options.hostFraction * all)
        return;
      bucket.host = isTrained(bucket);
      there += bucket.host ? double(bucket.elements) : 0;
    }
  }

  /// Weights that one linear reads together shall lie below each other: [W_q; W_k; W_v].
  void addGroup(model::LinearOp linear) {
    SmallVector<VariableOp> group;
    for (Value w : linear.getWeights())
      if (auto read = w.getDefiningOp<model::ReadOp>())
        group.push_back(variables.lookup(read.getVariable()));
    if (group.size() < 2 || group.size() != linear.getWeights().size() || llvm::is_contained(group, VariableOp()) ||
        llvm::any_of(group, [&](VariableOp v) { return groups.contains(v.getSymName()); }))
      return;
    for (VariableOp v : group)
      groups[v.getSymName()] = group;
  }

  SmallVector<VariableOp> groupFor(VariableOp v) {
    auto it = groups.find(v.getSymName());
    return it == groups.end() ? SmallVector<VariableOp>{v} : it->second;
  }

  VariableOp companion(VariableOp v, Role role) {
    auto it = companions.find({v.getSymName(), role});
    return it == companions.end() ? VariableOp() : it->second;
  }

  /// Elements from its first to where the next member may start.
  int64_t roomFor(VariableOp v) {
    return llvm::alignTo(v.getTensorType().getNumElements(),
                         companion(v, Role::ExpAvgScales) ? model::momentBlock : memberAlignment);
  }

  VariableOp bucketCopy(VariableOp v) {
    VariableOp copy = companion(v, Role::WorkingCopy);
    return copy && copy.getType() != v.getType() && !liesElsewhere(copy) ? copy : VariableOp();
  }

  /// A group is found through whichever of master and working copy the linears read.
  void addWithGroup(VariableOp v) {
    if (!placed.insert(v).second)
      return;
    SmallVector<VariableOp> members = groupFor(v);
    if (VariableOp copy = companion(v, Role::WorkingCopy)) {
      members.clear();
      for (VariableOp c : groupFor(copy))
        members.push_back(variables.lookup(*c.getOf()));
    }
    while (!members.empty()) { // of one kind, as they most often are, they stay together
      SmallVector<VariableOp> alike;
      for (VariableOp member : members)
        if (kindOf(member) == kindOf(members.front()))
          alike.push_back(member);
      llvm::erase_if(members, [&](VariableOp member) { return llvm::is_contained(alike, member); });
      addTogether(alike);
    }
  }

  void addTogether(ArrayRef<VariableOp> members) {
    int64_t elements = 0;
    for (VariableOp member : members)
      elements += roomFor(member);
    for (VariableOp member : members) {
      placed.insert(member);
      Bucket &bucket = bucketFor(member, member == members.front() ? elements : 0);
      bucket.members.push_back({member, companion(member, Role::Gradient), companion(member, Role::ExpAvg),
                                companion(member, Role::ExpAvgSq), bucketCopy(member), bucket.elements});
      bucket.members.back().remainder = companion(member, Role::Remainder);
      bucket.members.back().expAvgScales = companion(member, Role::ExpAvgScales);
      bucket.members.back().expAvgSqScales = companion(member, Role::ExpAvgSqScales);
      bucket.elements += roomFor(member);
    }
  }

  /// Weights at the pitch of their border, with room for what is put into that.
  void addBordered(const BorderedGroup &group) {
    if (!placed.insert(group.parts.front().variable).second)
      return;
    const int64_t elements = llvm::alignTo(group.rows * group.pitch, memberAlignment);
    Bucket &bucket = bucketFor(group.parts.front().variable, elements);
    for (const BorderedGroup::Part &part : group.parts)
      if (VariableOp(part.variable).getRole() == Role::Frozen)
        bucket.members.push_back({part.variable, {}, {}, {}, {}, bucket.elements + part.offset, group.pitch});
    for (const bool beside : {false, true})
      for (const BorderedGroup::Part &part : group.parts)
        if (VariableOp(part.variable).getRole() != Role::Frozen && group.isBeside(part) == beside)
          bucket.inserted.push_back({part.variable, bucket.elements + part.offset, group.pitch});
    bucket.elements += elements;
  }

  /// "model.layers.3" of what lies in it, where that is gathered as a whole; else nothing.
  StringRef blockOf(VariableOp v) const {
    const bool gathered = v.getRole() == Role::Frozen || (v.getRole() == Role::Trainable && options.splitParameters);
    if (!gathered || options.ranks == 1)
      return "";
    StringRef name = v.getSymName();
    for (size_t begin = name.find('.'); begin != StringRef::npos; begin = name.find('.', begin + 1)) {
      const size_t digits = name.find_first_not_of("0123456789", begin + 1);
      if (digits != begin + 1 && digits != StringRef::npos && name[digits] == '.')
        return name.take_front(digits);
    }
    return name; // a block by itself
  }

  static Type element(VariableOp of) { return of ? of.getTensorType().getElementType() : Type(); }

  /// What all parameters of a bucket have in common, whatever ranks share.
  Kind kindOf(VariableOp p) {
    return {p.getRole(),
            element(p),
            element(companion(p, Role::Gradient)),
            element(companion(p, Role::ExpAvg)),
            element(companion(p, Role::ExpAvgSq)),
            element(companion(p, Role::Remainder)),
            element(bucketCopy(p)),
            updateOf.lookup(p.getSymName()),
            readAsStored.contains(p.getSymName())};
  }

  /// The run of the parameter's rows; -1 where its update does not round.
  int64_t runFor(VariableOp v) {
    if (!rounded.contains(v.getSymName()))
      return -1;
    auto run = llvm::find_if(runs, [&, kind = kindOf(v)](const Run &candidate) { return candidate.kind == kind; });
    if (run == runs.end())
      run = runs.insert(run, {kindOf(v)});
    return run - runs.begin();
  }

  /// Where a group begins that is put behind what the bucket holds.
  static int64_t nextPlace(const Bucket &bucket) {
    return bucket.firstRow < 0 ? bucket.elements : llvm::alignTo(bucket.elements, bucketAlignment);
  }

  bool isFull(const Bucket &bucket, VariableOp v, int64_t elements) {
    const VariableOp gradient = companion(v, Role::Gradient), exchanged = gradient ? gradient : v;
    return (nextPlace(bucket) + elements) * element(exchanged).getIntOrFloatBitWidth() > 8 * options.mostExchangedBytes;
  }

  /// The last bucket of the parameter's kind, if `elements` more leave it small enough to be exchanged at once, and a
  /// run of rows. 0: another of a group.
  Bucket &bucketFor(VariableOp v, int64_t elements) {
    const int64_t run = runFor(v);
    auto takes = [&](const Bucket &bucket) {
      return elements == 0 || (!isFull(bucket, v, elements) &&
                               (run < 0 || bucket.firstRow + nextPlace(bucket) / bucketAlignment == runs[run].rows));
    };
    Bucket *found = nullptr;
    for (Bucket &bucket : llvm::reverse(buckets)) {
      const VariableOp first = bucket.members.front().parameter;
      if (kindOf(first) != kindOf(v) || blockOf(first) != blockOf(v))
        continue;
      found = takes(bucket) ? &bucket : nullptr;
      break;
    }
    if (!found) {
      found = &buckets.emplace_back();
      bucketRuns.push_back(run);
      found->firstRow = run < 0 ? -1 : runs[run].rows;
    }
    if (run >= 0 && elements > 0) {
      found->elements = nextPlace(*found);
      runs[run].rows += llvm::divideCeil(elements, bucketAlignment);
    }
    return *found;
  }

  const LayoutOptions &options;
  llvm::function_ref<bool(VariableOp)> liesElsewhere;
  llvm::MapVector<StringRef, VariableOp> variables;
  std::map<std::pair<StringRef, Role>, VariableOp> companions;
  llvm::StringMap<SmallVector<VariableOp>> groups;
  llvm::StringMap<Attribute> updateOf;
  llvm::StringSet<> readAsStored;                  ///< in segments that run on tokens
  llvm::StringSet<> rounded;                       ///< parameters whose updates round
  llvm::StringMap<const BorderedGroup *> borderOf; ///< by the names of all parts
  llvm::DenseSet<Operation *> placed;
  SmallVector<Bucket> buckets;
  SmallVector<int64_t> bucketRuns; ///< by bucket; -1: none
  SmallVector<Run> runs;
};

} // namespace

SmallVector<Bucket> ft::formBuckets(ModuleOp module, const LayoutOptions &options,
                                    llvm::function_ref<bool(VariableOp)> liesElsewhere,
                                    ArrayRef<BorderedGroup> bordered) {
  return BucketFormer(module, options, liesElsewhere, bordered).run();
}
