#include "dialects/Ft/Verify.h"

using namespace mlir;
using namespace ft::model;

LogicalResult ViewOp::verify() {
  if (elementType(getBucket()) != elementType(getResult()))
    return checkElement(*this, "C1", "result", getResult(), elementType(getBucket()));
  const auto offset = static_cast<int64_t>(getOffset()), pitch = static_cast<int64_t>(getPitch());
  const int64_t elements = elementsWithin(tensorType(getResult()), pitch), size = dim(getBucket(), 0);
  if (offset < 0 || elements > size || offset > size - elements)
    return emitOpError("(C2) offset is ")
           << offset << " with " << elements << " elements of " << size << "; must lie in the bucket";
  if (pitch != 0 && (tensorType(getResult()).getRank() != 2 || pitch < dim(getResult(), 1)))
    return emitOpError("(C3) pitch is ") << pitch << "; must be 0, or at least the row of a matrix";
  return success();
}

LogicalResult InsertOp::verify() {
  const size_t matrices = getMatrices().size();
  if (matrices == 0 || matrices != getOffsets().size() || matrices != getPitches().size())
    return emitOpError("(C1) has ") << matrices << " matrices, " << getOffsets().size() << " offsets and "
                                    << getPitches().size() << " pitches; must have as many of each, at least one";
  for (auto [matrix, offset, pitch] : llvm::zip_equal(getMatrices(), getOffsets(), getPitches())) {
    if (elementType(matrix) != elementType(getBucket()))
      return checkElement(*this, "C2", "a matrix", matrix, elementType(getBucket()));
    const int64_t elements = elementsWithin(tensorType(matrix), pitch), size = dim(getBucket(), 0);
    if (pitch < dim(matrix, 1) || offset < 0 || elements > size || offset > size - elements)
      return emitOpError("(C3) a matrix of ")
             << dim(matrix, 0) << " x " << dim(matrix, 1) << " lies at " << offset << " with pitch " << pitch
             << "; must have room for its rows, and end inside the bucket of " << size;
  }
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
