// dist-form-buckets: one collective for many gradients. A collective costs a fixed time beside that of its bytes, and a
// norm's gradient of some kilobytes would pay it alone. Gradients are taken in the order in which a segment makes them,
// the reverse of the forward pass, so that a bucket is full when its last gradient is ready, and the first leaves
// early. The segments of a step must agree: a gradient is in one bucket, whose members lie in one buffer.
#include "compiler/Sharding/FormBuckets.h"
#include "compiler/Sharding/Boxing.h"
#include "compiler/Sharding/MoveUsers.h"

#include "dialects/Ft/Ft.h"
#include "dialects/TypeBytes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace ft;
using namespace ft::dist;
using namespace ft::model;

namespace {

/// A reduction of one gradient.
struct Member {
  Operation *start;
  VariableOp gradient;
};

/// Reductions that one collective can make: of one kind, over the same axes, along one dimension, of one element type.
struct Bucket {
  Attribute kind;
  SmallVector<Member> members;
  int64_t bytes = 0;
};

class Former {
public:
  Former(ModuleOp module, MeshOp mesh, int64_t limit)
      : mesh(mesh), limit(limit), symbols(module), builder(module.getContext()) {}

  void run(func::FuncOp segment) {
    SmallVector<Bucket> closed, open;
    for (Operation &op : segment.getBody().front())
      if (isa<StartAllReduceOp, StartReduceScatterOp>(op))
        if (VariableOp gradient = gradientOf(&op))
          add({&op, gradient}, open, closed);
    closed.append(open);
    for (const Bucket &bucket : closed)
      merge(bucket);
  }

private:
  VariableOp gradientNamed(StringRef name) {
    auto variable = symbols.lookup<VariableOp>(name);
    return variable && variable.getRole() == Role::Gradient ? variable : nullptr;
  }

  /// The gradient that a reduction is of: read before it, or written behind it, maybe after an addition.
  VariableOp gradientOf(Operation *start) {
    if (start->getNumOperands() != 1)
      return nullptr;
    if (auto read = start->getOperand(0).getDefiningOp<ReadOp>())
      if (VariableOp gradient = gradientNamed(read.getVariable()))
        return gradient;
    Value value = (*start->getResult(0).user_begin())->getResult(0);
    if (value.hasOneUse())
      if (auto add = dyn_cast<AddOp>(*value.user_begin()))
        value = add.getResult();
    for (Operation *user : value.getUsers())
      if (auto write = dyn_cast<WriteOp>(user))
        return gradientNamed(write.getVariable());
    return nullptr;
  }

  Attribute kindOf(Operation *start) {
    auto type = cast<RankedTensorType>(start->getOperand(0).getType());
    SmallVector<Attribute> parts{start->getName().getIdentifier(), start->getAttr("axes"), start->getAttr("reduction"),
                                 TypeAttr::get(type.getElementType())};
    if (Attribute dim = start->getAttr("dim"))
      parts.push_back(dim);
    return builder.getArrayAttr(parts);
  }

  void add(Member member, SmallVectorImpl<Bucket> &open, SmallVectorImpl<Bucket> &closed) {
    auto type = cast<RankedTensorType>(member.start->getOperand(0).getType());
    const int64_t bytes = type.getNumElements() * elementBytes(type.getElementType());
    Attribute kind = kindOf(member.start);
    auto *found = llvm::find_if(open, [&](const Bucket &bucket) { return bucket.kind == kind; });
    if (found != open.end() && found->bytes + bytes > limit) {
      closed.push_back(std::move(*found));
      open.erase(found);
      found = open.end();
    }
    if (found == open.end()) {
      open.push_back({kind, {}, 0});
      found = &open.back();
    }
    found->members.push_back(member);
    found->bytes += bytes;
  }

  /// The bucket of these members, declared at its first use; null where one of them is in another already.
  BucketOp declare(const Bucket &bucket) {
    SmallVector<Attribute> members;
    SmallVector<int64_t> elements;
    for (Member member : bucket.members) {
      members.push_back(FlatSymbolRefAttr::get(member.gradient.getSymNameAttr()));
      elements.push_back(cast<RankedTensorType>(member.start->getOperand(0).getType()).getNumElements());
    }
    ArrayAttr list = builder.getArrayAttr(members);
    if (BucketOp known = buckets.lookup(members.front()); known && known.getMembers() == list)
      return known;
    if (llvm::any_of(members, [&](Attribute member) { return buckets.contains(member); }))
      return nullptr;
    Operation *first = bucket.members.front().start;
    Type element = cast<RankedTensorType>(first->getOperand(0).getType()).getElementType();
    builder.setInsertionPointAfter(last ? last.getOperation() : mesh.getOperation());
    last = BucketOp::create(builder, first->getLoc(), ("gradients." + Twine(count++)).str(), list, elements, element,
                            first->getAttrOfType<ArrayAttr>("axes"), mesh.getSymName());
    for (Attribute member : members)
      buckets[member] = last;
    return last;
  }

  void merge(const Bucket &bucket) {
    BucketOp declared = declare(bucket);
    if (!declared)
      return;
    SmallVector<Value> values;
    SmallVector<Type> types;
    for (Member member : bucket.members) {
      values.push_back(member.start->getOperand(0));
      types.push_back(cast<PendingType>(member.start->getResult(0).getType()).getTypes().front());
    }
    Operation *lastStart = bucket.members.back().start;
    OperationState state(lastStart->getLoc(), lastStart->getName(), values,
                         {PendingType::get(builder.getContext(), types)}, lastStart->getAttrs());
    state.attributes.set("bucket", FlatSymbolRefAttr::get(declared.getSymNameAttr()));
    builder.setInsertionPoint(lastStart);
    Operation *start = builder.create(state);
    auto done = DoneOp::create(builder, start->getLoc(), start->getResult(0));
    for (const auto &[member, result] : llvm::zip(bucket.members, done.getResults())) {
      Operation *before = *member.start->getResult(0).user_begin();
      before->getResult(0).replaceAllUsesWith(result);
      before->erase();
      member.start->erase();
    }
    moveUsersBehind(done);
  }

  MeshOp mesh;
  int64_t limit, count = 0;
  SymbolTable symbols;
  OpBuilder builder;
  DenseMap<Attribute, BucketOp> buckets;
  BucketOp last;
};

} // namespace

void ft::formBuckets(ModuleOp module, int64_t bytes) {
  MeshOp mesh = findMesh(module);
  if (!mesh)
    return;
  Former former(module, mesh, bytes);
  for (auto segment : module.getOps<func::FuncOp>())
    former.run(segment);
}
