#include "dialects/Ft/Verify.h"

using namespace mlir;
using namespace ft::model;

LogicalResult ViewOp::verify() {
  if (elementType(getBucket()) != elementType(getResult()))
    return checkElement(*this, "C1", "result", getResult(), elementType(getBucket()));
  const int64_t elements = tensorType(getResult()).getNumElements(), size = dim(getBucket(), 0);
  const auto offset = static_cast<int64_t>(getOffset());
  if (offset < 0 || elements > size || offset > size - elements)
    return emitOpError("(C2) offset is ")
           << offset << " with " << elements << " elements of " << size << "; must lie in the bucket";
  return success();
}

LogicalResult AssembleOp::verify() {
  if (getMembers().empty() || getMembers().size() != getOffsets().size())
    return emitOpError("(C1) has ") << getMembers().size() << " members and " << getOffsets().size()
                                    << " offsets; must have as many of both, at least one";
  int64_t end = 0;
  for (auto [index, member] : llvm::enumerate(getMembers())) {
    if (elementType(member) != elementType(getBucket()))
      return checkElement(*this, "C2", "a member", member, elementType(getBucket()));
    const int64_t offset = getOffsets()[index], elements = tensorType(member).getNumElements();
    if (offset < end || elements > dim(getBucket(), 0) || offset > dim(getBucket(), 0) - elements)
      return emitOpError("(C3) member ") << index << " of " << elements << " elements starts at " << offset
                                         << "; must be behind the member before it, at " << end
                                         << ", and end inside the bucket of " << dim(getBucket(), 0);
    end = offset + elements;
  }
  return success();
}
