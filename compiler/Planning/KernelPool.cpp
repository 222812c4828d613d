#include "compiler/Planning/KernelPool.h"

#include "mlir/IR/Builders.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace ft;

std::string KernelPool::uniqueName(StringRef name) {
  std::string symbol = (host ? "host_" : "") + name.str();
  std::replace(symbol.begin(), symbol.end(), '.', '_');
  int count = names[symbol]++;
  // Names are symbols of PTX as well: letters, digits and underscores.
  return count == 0 ? symbol : symbol + "_" + std::to_string(count);
}

/// A text that is equal for structurally equal regions: operations, attributes, types and the dataflow between them.
static void printStructure(kernel::FusedOp fused, llvm::raw_ostream &os) {
  DenseMap<Value, int64_t> ids;
  auto id = [&](Value v) { return ids.try_emplace(v, ids.size()).first->second; };
  fused.getBody().walk<WalkOrder::PreOrder>([&](Operation *op) {
    os << op->getName() << op->getAttrDictionary();
    for (Value v : op->getOperands())
      os << " %" << id(v);
    for (Value v : op->getResults())
      os << " %" << id(v) << ":" << v.getType();
    os << "\n";
  });
  for (BlockArgument argument : fused.getBody().getArguments())
    os << id(argument) << ":" << argument.getType() << " ";
}

FailureOr<const FusedProgram *> KernelPool::get(kernel::FusedOp fused, ArrayRef<RowOperand> layouts) {
  std::string structure;
  llvm::raw_string_ostream os(structure);
  printStructure(fused, os);
  std::vector<Fused> &known = fusedPrograms[structure];
  for (const Fused &built : known)
    if (ArrayRef<RowOperand>(built.layouts) == layouts)
      return built.program.get();
  OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
  FailureOr<FusedProgram> program = buildRowProgram(builder, uniqueName(fused.getName()), fused, layouts);
  if (failed(program))
    return failure();
  known.push_back({SmallVector<RowOperand>(layouts), std::make_unique<FusedProgram>(std::move(*program))});
  return known.back().program.get();
}
