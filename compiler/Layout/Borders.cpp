#include "compiler/Layout/Borders.h"

#include "dialects/TypeBytes.h"

#include "llvm/ADT/StringSet.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace ft;
using model::Role;
using model::VariableOp;

constexpr int64_t vectorBytes = 16, groupBytes = 256;

bool BorderedGroup::isLike(const BorderedGroup &other) const {
  return pitch == other.pitch && rows == other.rows &&
         llvm::equal(parts, other.parts,
                     [](const Part &a, const Part &b) { return a.offset == b.offset && a.type() == b.type(); });
}

int64_t BorderStack::distance() const {
  const BorderedGroup &first = groups.front();
  const int64_t bytes = elementBytes(first.elementType());
  return llvm::alignTo(first.rows * first.pitch * bytes, groupBytes) / bytes;
}

namespace {

class BorderFinder {
public:
  explicit BorderFinder(ModuleOp module) : symbols(module) {}

  void add(model::LinearOp linear) {
    std::optional<BorderedGroup> group = groupOf(linear);
    auto isPlaced = [&](const BorderedGroup::Part &part) { return placed.contains(part.name()); };
    if (!group || llvm::any_of(group->parts, isPlaced))
      return;
    for (const BorderedGroup::Part &part : group->parts)
      placed.insert(part.name());
    for (BorderStack &stack : stacks)
      if (stack.groups.front().isLike(*group))
        return stack.groups.push_back(*group);
    stacks.push_back({{*group}});
  }

  SmallVector<BorderStack> stacks;

private:
  struct Adapter {
    VariableOp a, b;
    int64_t of;

    int64_t rank() const { return VariableOp(a).getTensorType().getDimSize(0); }
  };

  /// The variable of role `role` that `value` reads as it lies in memory, or null.
  VariableOp read(Value value, Role role) {
    auto read = value.getDefiningOp<model::ReadOp>();
    auto variable = read ? symbols.lookup<VariableOp>(read.getVariable()) : VariableOp();
    return variable && variable.getRole() == role && !variable.getQuantization() ? variable : VariableOp();
  }

  std::optional<BorderedGroup> groupOf(model::LinearOp linear) {
    SmallVector<VariableOp> weights;
    SmallVector<Adapter> adapters;
    for (Value w : linear.getWeights())
      weights.push_back(read(w, Role::Frozen));
    for (auto [s, b, of] : llvm::zip_equal(linear.getLowRank(), linear.getLowRankWeights(), linear.getLowRankOf())) {
      auto down = s.getDefiningOp<model::LinearOp>();
      if (!down)
        return std::nullopt;
      Value a = down.getWeights()[cast<OpResult>(s).getResultNumber()];
      adapters.push_back({read(a, Role::WorkingCopy), read(b, Role::WorkingCopy), of});
    }
    if (adapters.empty() || llvm::is_contained(weights, VariableOp()) ||
        llvm::any_of(adapters, [](const Adapter &adapter) { return !adapter.a || !adapter.b; }))
      return std::nullopt;
    return layOut(weights, adapters);
  }

  static std::optional<BorderedGroup> layOut(ArrayRef<VariableOp> weights, ArrayRef<Adapter> adapters) {
    BorderedGroup group;
    const int64_t columns = VariableOp(weights.front()).getTensorType().getDimSize(1);
    int64_t ranks = 0;
    for (const Adapter &adapter : adapters)
      ranks += adapter.rank();
    group.pitch = columns + ranks;
    SmallVector<int64_t> firstRow;
    for (VariableOp w : weights) {
      firstRow.push_back(group.rows);
      group.parts.push_back({w, group.rows * group.pitch});
      group.rows += w.getTensorType().getDimSize(0);
    }
    int64_t column = columns;
    for (const Adapter &adapter : adapters) {
      group.parts.push_back({adapter.a, group.rows * group.pitch});
      group.parts.push_back({adapter.b, firstRow[adapter.of] * group.pitch + column});
      group.rows += adapter.rank();
      column += adapter.rank();
    }
    const int64_t bytes = elementBytes(group.elementType());
    if (columns * bytes % vectorBytes || ranks * bytes % vectorBytes)
      return std::nullopt;
    return group;
  }

  SymbolTable symbols;
  llvm::StringSet<> placed;
};

} // namespace

SmallVector<BorderStack> ft::findBorders(ModuleOp module) {
  BorderFinder finder(module);
  module.walk([&](model::LinearOp linear) { finder.add(linear); });
  return std::move(finder.stacks);
}
