#include "compiler/Sharding/MoveUsers.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

SmallVector<Operation *> ft::dependents(Operation *op, Operation *end) {
  llvm::SetVector<Operation *> found;
  SmallVector<Operation *> work{op};
  while (!work.empty())
    for (Operation *user : work.pop_back_val()->getUsers())
      if ((!end || user->isBeforeInBlock(end)) && found.insert(user))
        work.push_back(user);
  SmallVector<Operation *> sorted = found.takeVector();
  llvm::sort(sorted, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  return sorted;
}

void ft::moveUsersBehind(Operation *op) {
  Operation *position = op;
  for (Operation *user : dependents(op, /*end=*/op)) {
    user->moveAfter(position);
    position = user;
  }
}
