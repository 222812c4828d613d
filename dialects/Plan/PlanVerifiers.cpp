// Local verifiers of the plan dialect; each step carries the label of the constraint in PlanOps.td. What needs the
// whole plan (lifetimes, order) is proved by runtime/Plan's verifier on the exported message.
#include "dialects/Plan/PlanDialect.h"
#include "dialects/TypeBytes.h"

#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace ft::plan;

LogicalResult OperandAttr::verify(function_ref<InFlightDiagnostic()> emitError, FlatSymbolRefAttr buffer,
                                  int64_t offset, int64_t rows, int64_t rowBytes, int64_t pitch, int64_t batch,
                                  int64_t batchPitch, int64_t read, int64_t write, DenseI64ArrayAttr) {
  if (rows <= 0 || rowBytes <= 0 || batch <= 0 || offset < 0 || batchPitch < 0) // (C1)
    return emitError() << "(C1) operand of " << buffer << " has an empty or negative size";
  if (rows > 1 && pitch < rowBytes) // (C2)
    return emitError() << "(C2) operand of " << buffer << " has rows of " << rowBytes << " bytes at pitch " << pitch;
  if (read < 0 || write < 0 || (read == 0 && write == 0)) // (C3)
    return emitError() << "(C3) operand of " << buffer << " neither reads nor writes a version";
  return success();
}

LogicalResult ArenaOp::verify() {
  if (static_cast<int64_t>(getSize()) < 0 || static_cast<int64_t>(getLargestLive()) < 0) // (C1)
    return emitOpError("(C1) has a negative size");
  if (!llvm::isPowerOf2_64(getAlignment())) // (C2)
    return emitOpError("(C2) alignment ") << getAlignment() << " is not a power of two";
  return success();
}

LogicalResult BufferOp::verify() {
  if (static_cast<int64_t>(getSize()) <= 0) // (C2)
    return emitOpError("(C2) size ") << getSize() << " must be positive";
  return success();
}

LogicalResult BufferOp::verifySymbolUses(SymbolTableCollection &table) {
  auto arena = table.lookupNearestSymbolFrom<ArenaOp>(getOperation(), getArenaAttr());
  if (!arena) // (C1)
    return emitOpError("(C1) names no arena: ") << getArenaAttr();
  if (auto offset = getOffset()) { // (C3)
    if (*offset % 256 != 0)
      return emitOpError("(C3) offset ") << *offset << " is not a multiple of 256";
    if (*offset + getSize() > arena.getSize())
      return emitOpError("(C3) ends at ")
             << *offset + getSize() << ", behind its arena of " << arena.getSize() << " bytes";
  }
  return success();
}

static int64_t product(ArrayRef<int64_t> values) {
  int64_t result = 1;
  for (int64_t v : values)
    result *= v;
  return result;
}

LogicalResult TensorOp::verify() {
  if (getSizes().size() != getStrides().size() || product(getSizes()) != product(getShape())) // (C1)
    return emitOpError("(C1) sizes, strides and shape do not fit each other");
  if ((getType().isInteger(4) || isa<Float8E4M3FNType>(getType())) != getQuantization().has_value()) // (C3)
    return emitOpError("(C3) quantization must be given for i4 and f8E4M3FN, and only there; the type is ")
           << getType();
  return success();
}

LogicalResult TensorOp::verifySymbolUses(SymbolTableCollection &table) {
  auto buffer = table.lookupNearestSymbolFrom<BufferOp>(getOperation(), getBufferAttr());
  if (!buffer)
    return emitOpError("(C2) names no buffer: ") << getBufferAttr();
  int64_t last = 0;
  for (auto [size, stride] : llvm::zip(getSizes(), getStrides()))
    last += (size - 1) * stride;
  int64_t end = getOffset() + (last + 1) * ft::elementBytes(getType());
  const int64_t size = buffer.getShares() ? buffer.getShares()->getBytes() : static_cast<int64_t>(buffer.getSize());
  if (end > size) // (C2)
    return emitOpError("(C2) ends at byte ") << end << " of a buffer of " << size;
  return success();
}

LogicalResult SegmentOp::verify() {
  if (!symbolizeSegmentKind(getSymName())) // (C1)
    return emitOpError("(C1) '") << getSymName() << "' is not a segment's name";
  return success();
}

LogicalResult LaunchOp::verify() {
  if (static_cast<int64_t>(getItems()) <= 0) // (C1)
    return emitOpError("(C1) items ") << getItems() << " must be positive";
  return success();
}

LogicalResult HostLaunchOp::verify() {
  if (static_cast<int64_t>(getItems()) <= 0) // (C1)
    return emitOpError("(C1) items ") << getItems() << " must be positive";
  return success();
}

static LogicalResult checkGemmRegion(Operation *op, StringRef which, OperandAttr operand, int64_t rows, int64_t columns,
                                     int64_t leading, Type type, int64_t batch) {
  int64_t bytes = ft::elementBytes(type);
  if (operand.getRows() != rows || operand.getRowBytes() != columns * bytes || operand.getBatch() != batch ||
      (rows > 1 && operand.getPitch() != leading * bytes))
    return op->emitOpError("(C2) operand ")
           << which << " is not " << rows << " rows of " << columns << " elements at leading dimension " << leading;
  return success();
}

LogicalResult GemmOp::verify() {
  double beta = getBeta().convertToDouble();
  if ((beta != 0 && beta != 1) || (beta == 1) != (getD().getRead() != 0)) // (C1)
    return emitOpError("(C1) beta ") << beta << " does not fit what is read of d";
  int64_t m = getM(), n = getN(), k = getK(), batch = getBatch();
  auto check = [&](StringRef which, OperandAttr operand, int64_t rows, int64_t columns, int64_t leading, Type type) {
    return checkGemmRegion(*this, which, operand, rows, columns, leading, type, batch); // (C2)
  };
  if (failed(check("a", getA(), getTransA() ? k : m, getTransA() ? m : k, getLda(), getAType())) ||
      failed(check("b", getB(), getTransB() ? n : k, getTransB() ? k : n, getLdb(), getBType())))
    return failure();
  if (failed(check("d", getD(), m, n, getLdd(), getDType())))
    return failure();
  auto checkScale = [&](StringRef which, OperandAttr scale, int64_t count) -> LogicalResult { // (C3)
    const bool codes = isa<Float8E4M3FNType>(getAType());
    if (codes != !!scale || (scale && (scale.getRows() != 1 || scale.getBatch() != 1 || scale.getWrite() ||
                                       scale.getRowBytes() != 4 * count)))
      return emitOpError("(C3) ") << which << " must be a run of " << count
                                  << " f32 for f8E4M3FN, and absent elsewhere";
    return success();
  };
  return failed(checkScale("scale_a", getScaleAAttr(), m)) ? failure() : checkScale("scale_b", getScaleBAttr(), n);
}

LogicalResult TransposeOp::verify() {
  OperandAttr src = getSrc(), dst = getDst();
  if (src.getRows() != dst.getRowBytes() || src.getRowBytes() != dst.getRows() || src.getBatch() != 1 ||
      dst.getBatch() != 1 || !src.getRead() || src.getWrite() || dst.getRead() || !dst.getWrite())
    return emitOpError("(C1) source and destination do not fit each other");
  return success();
}

LogicalResult AttentionOp::verify() {
  auto given = [&](StringRef role, bool present, bool wanted) -> LogicalResult { // (C1)
    if (present == wanted)
      return success();
    return emitOpError("(C1) operand ") << role << (present ? " is given" : " is missing") << "; direction and form "
                                        << (wanted ? "need it" : "have none");
  };
  if (failed(given("d_o", !!getDOAttr(), getBackward())) || failed(given("d_q", !!getDQAttr(), getBackward())) ||
      failed(given("d_k", !!getDKAttr(), getBackward())) || failed(given("d_v", !!getDVAttr(), getBackward())) ||
      failed(given("document_offsets", !!getDocumentOffsetsAttr(), getRagged())) ||
      failed(given("document_lens", !!getDocumentLensAttr(), getRagged())))
    return failure();
  if (getKvHeads() <= 0 || getHeads() % getKvHeads() != 0) // (C2)
    return emitOpError("(C2) heads ") << getHeads() << " is not a multiple of kv_heads " << getKvHeads();
  return success();
}

LogicalResult CollectiveOp::verify() {
  const bool reduces = getKind() == CollectiveKind::AllReduce || getKind() == CollectiveKind::ReduceScatter;
  if (reduces != getReduction().has_value()) // (C1)
    return emitOpError("(C1) ") << stringifyCollectiveKind(getKind())
                                << (reduces ? " needs a reduction" : " has a reduction; nothing is reduced");
  for (auto run : getWhole().getAsRange<OperandAttr>()) {
    if (getKind() == CollectiveKind::AllReduce && (!run.getRead() || !run.getWrite())) // (C2)
      return emitOpError("(C2) must read and write ") << run.getBuffer();
    if (run.getBatch() != 1 || (run.getRows() != 1 && run.getPitch() != run.getRowBytes())) // (C3)
      return emitOpError("(C3) takes rows of ") << run.getBuffer() << " that do not follow each other";
  }
  const bool parted = getKind() == CollectiveKind::AllGather || getKind() == CollectiveKind::ReduceScatter;
  const size_t parts = getPartAttr() ? getPartAttr().size() : 0;
  if (parts != (parted ? getWhole().size() : 0)) // (C4)
    return emitOpError("(C4) has ") << parts << " parts and " << getWhole().size() << " wholes";
  return success();
}

LogicalResult CopyOp::verify() {
  OperandAttr src = getSrc(), dst = getDst();
  if (src.getRows() != dst.getRows() || src.getRowBytes() != dst.getRowBytes() || src.getBatch() != dst.getBatch() ||
      !src.getRead() || src.getWrite() || dst.getRead() || !dst.getWrite())
    return emitOpError("(C1) source and destination do not fit each other");
  return success();
}

LogicalResult MemsetOp::verify() {
  if (getDst().getRead()) // (C1)
    return emitOpError("(C1) reads its operand");
  if (getValue() > 255) // (C2)
    return emitOpError("(C2) value ") << getValue() << " is not a byte";
  return success();
}

LogicalResult ReceiveOp::verify() {
  if (llvm::any_of(getDst().getAsRange<OperandAttr>(), [](OperandAttr o) { return o.getRead() || !o.getWrite(); }))
    return emitOpError("(C1) reads an operand");
  return success();
}

LogicalResult EmitOp::verify() {
  if (llvm::any_of(getSrc().getAsRange<OperandAttr>(), [](OperandAttr o) { return o.getWrite() || !o.getRead(); }))
    return emitOpError("(C1) writes an operand");
  return success();
}
