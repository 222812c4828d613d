#include "dialects/Ft/Verify.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"

#include <cmath>

using namespace mlir;
using namespace ft::model;

LogicalResult ft::model::checkEqual(Operation *op, StringRef label, StringRef what, int64_t actual, int64_t expected) {
  if (actual == expected)
    return success();
  return op->emitOpError() << "(" << label << ") " << what << " is " << actual << "; must be " << expected;
}

LogicalResult ft::model::checkShape(Operation *op, StringRef label, StringRef what, Value value,
                                    ArrayRef<int64_t> expected) {
  if (shape(value) == expected)
    return success();
  return op->emitOpError() << "(" << label << ") " << what << " has shape ["
                           << llvm::join(llvm::map_range(shape(value), [](int64_t d) { return std::to_string(d); }),
                                         ", ")
                           << "]; must be ["
                           << llvm::join(llvm::map_range(expected, [](int64_t d) { return std::to_string(d); }), ", ")
                           << "]";
}

LogicalResult ft::model::checkSameType(Operation *op, StringRef label, StringRef what, Value value, Value other) {
  if (value.getType() == other.getType())
    return success();
  return op->emitOpError() << "(" << label << ") " << what << " has type " << value.getType() << "; must be "
                           << other.getType();
}

LogicalResult ft::model::checkElement(Operation *op, StringRef label, StringRef what, Value value, Type expected) {
  if (elementType(value) == expected)
    return success();
  return op->emitOpError() << "(" << label << ") " << what << " has elements of type " << elementType(value)
                           << "; must be " << expected;
}

LogicalResult ft::model::checkRange(Operation *op, StringRef label, StringRef what, double value, double low,
                                    double high) {
  if (value >= low && value < high)
    return success();
  std::string text;
  llvm::raw_string_ostream stream(text);
  if (std::isinf(high))
    stream << llvm::format("%g; must be at least %g", value, low);
  else
    stream << llvm::format("%g; must be in [%g, %g)", value, low, high);
  return op->emitOpError() << "(" << label << ") " << what << " is " << text;
}

static bool isOneOf(StringRef name, std::initializer_list<StringRef> names) { return llvm::is_contained(names, name); }

static LogicalResult verifyInit(VariableOp op, DictionaryAttr init) {
  auto kind = init.getAs<StringAttr>("kind");
  if (!kind || !isOneOf(kind, {"zeros", "ones", "normal", "uniform", "rope_cos", "rope_sin", "random_keys", "numbers"}))
    return op.emitOpError("(C4) init.kind must be one of zeros, ones, normal, uniform, rope_cos, rope_sin, "
                          "random_keys, numbers");
  const bool needsScale = isOneOf(kind, {"normal", "uniform"});
  if (needsScale != bool(init.getAs<FloatAttr>("scale")))
    return op.emitOpError("(C4) init.scale must be given with normal and uniform, and only there");
  auto frequencies = init.getAs<DenseF64ArrayAttr>("frequencies");
  const bool isRope = kind.getValue().starts_with("rope_");
  if (isRope != bool(frequencies) || (isRope && frequencies.size() != op.getLogicalShape().back()))
    return op.emitOpError(
        "(C4) init.frequencies must be given with rope_cos and rope_sin, one for each column, and only "
        "there");
  if (kind == "random_keys") {
    auto names = init.getAs<ArrayAttr>("names");
    if (!names || int64_t(names.size()) != op.getTensorType().getNumElements())
      return op.emitOpError("(C4) init.names must name each of the ") << op.getTensorType().getNumElements() << " keys";
  }
  if (kind == "numbers") {
    auto numbers = init.getAs<DenseF64ArrayAttr>("numbers");
    const int64_t elements = op.getTensorType().getNumElements() * static_cast<int64_t>(op.getShares());
    if (!numbers || numbers.size() != elements)
      return op.emitOpError("(C4) init.numbers must be ") << elements << " numbers";
  }
  return success();
}

LogicalResult VariableOp::verify() {
  auto tensor = llvm::dyn_cast<RankedTensorType>(getType());
  if (!tensor || !tensor.hasStaticShape() || tensor.getNumElements() == 0)
    return emitOpError("(C1) type must be a ranked tensor of static, non-zero shape");
  const Role role = getRole();
  const bool state = isState(role);
  const bool derived = state || role == Role::Gradient || role == Role::WorkingCopy;
  if (derived != getOf().has_value())
    return emitOpError("(C2) `of` must name a parameter for the roles gradient, exp_avg, exp_avg_sq, exp_avg_scales, "
                       "exp_avg_sq_scales, remainder and working_copy, and only there");
  const bool parameter = role == Role::Frozen || isTrained();
  const bool keyed = (parameter || state || role == Role::Gradient) && !getBucket();
  if (keyed != getKey().has_value())
    return emitOpError("(C3) `key` must be given for parameters, gradients, moments, their scales and remainders that "
                       "are no bucket, and only there");
  if (auto init = getInitAttr())
    if (failed(verifyInit(*this, init)))
      return failure();
  if ((role == Role::Input || role == Role::Output) != getIo().has_value())
    return emitOpError("(C5) `io` must be given for the roles input and output, and only there");
  if (role == Role::Input && !symbolizeInputKind(*getIo()))
    return emitOpError("(C5) `io` is \"") << *getIo() << "\", which is no kind of plan.proto's BatchInput";
  if (role == Role::Output && !symbolizeOutputKind(*getIo()))
    return emitOpError("(C5) `io` is \"") << *getIo() << "\", which is no kind of plan.proto's Output";
  if (getGradientType() && !isTrained())
    return emitOpError("(C6) gradient_type belongs to the roles trainable and adapter");
  if (getGradientType() && !llvm::isa<Float64Type, Float32Type, BFloat16Type>(*getGradientType()))
    return emitOpError("(C6) gradient_type must be f64, f32 or bf16");
  if (auto padding = getPaddingAttr(); padding && !padding.fits(tensor.getShape()))
    return emitOpError("(C7) ") << padding << " does not fit " << tensor
                                << ": must name a dimension that is a multiple of its block, with 0 < used < block";
  if (getBucket() && tensor.getRank() != 1)
    return emitOpError("(C9) a bucket has rank ") << tensor.getRank() << "; must have 1";
  if (getQuantization() && (role != Role::Frozen || tensor.getRank() != 2))
    return emitOpError("(C10) quantization belongs to the role frozen and rank 2; it is ")
           << stringifyRole(role) << " of rank " << tensor.getRank();
  const bool mayBeThere = isTrained() || state || role == Role::Gradient;
  if (getHost() && role != Role::RowNumbers && !(getBucket() && mayBeThere))
    return emitOpError(
               "(C11) host belongs to buckets of trained parameters, their gradients, moments, scales and remainders, "
               "and to row numbers; it is ")
           << stringifyRole(role) << (getBucket() ? "" : " and no bucket");
  return success();
}

static FailureOr<VariableOp> lookUp(Operation *op, FlatSymbolRefAttr symbol, SymbolTableCollection &table) {
  auto variable = table.lookupNearestSymbolFrom<VariableOp>(op, symbol);
  if (!variable)
    return op->emitOpError("(C1) no ft.variable named ") << symbol;
  return variable;
}

static LogicalResult verifyPlace(VariableOp op, PlaceAttr place, SymbolTableCollection &table) {
  auto bucket = table.lookupNearestSymbolFrom<VariableOp>(op, place.getBucket());
  if (!bucket || !bucket.getBucket() || bucket.getTensorType().getElementType() != op.getTensorType().getElementType())
    return op.emitOpError("(C8) lies in ") << place.getBucket() << "; must be a bucket of its element type";
  const int64_t elements = elementsWithin(op.getTensorType(), place.getPitch());
  const int64_t size = bucket.getTensorType().getNumElements() * static_cast<int64_t>(bucket.getShares());
  if (place.getOffset() >= 0 && elements <= size && place.getOffset() <= size - elements)
    return success();
  return op.emitOpError("(C8) lies at ") << place.getOffset() << " with " << elements << " elements; must end inside "
                                         << place.getBucket() << " of " << size;
}

LogicalResult VariableOp::verifySymbolUses(SymbolTableCollection &table) {
  if (PlaceAttr place = getPlaceAttr())
    if (failed(verifyPlace(*this, place, table)))
      return failure();
  if (!getOf())
    return success();
  auto parameter = table.lookupNearestSymbolFrom<VariableOp>(*this, getOfAttr());
  const bool codes = parameter && parameter.isFp8() && getRole() == Role::WorkingCopy;
  if (codes || (parameter && parameter.isTrained()))
    return success();
  return emitOpError("(C2) `of` must name a trainable or adapter variable; ") << getOfAttr() << " is none";
}

LogicalResult ReadOp::verifySymbolUses(SymbolTableCollection &table) {
  auto variable = lookUp(*this, getVariableAttr(), table);
  if (failed(variable))
    return failure();
  auto declared = variable->getTensorType();
  auto read = tensorType(getValue());
  const bool prefix = read.getRank() > 0 && read.getRank() == declared.getRank() && read.hasStaticShape() &&
                      read.getElementType() == declared.getElementType() &&
                      read.getShape().drop_front() == declared.getShape().drop_front() &&
                      read.getDimSize(0) <= declared.getDimSize(0);
  if (read != declared && !prefix)
    return emitOpError("(C2) reads ") << read << "; the variable is " << declared
                                      << ": must be that type or fewer of its leading rows";
  return success();
}

LogicalResult WriteOp::verifySymbolUses(SymbolTableCollection &table) {
  auto variable = lookUp(*this, getVariableAttr(), table);
  if (failed(variable))
    return failure();
  if (getValue().getType() != variable->getTensorType())
    return emitOpError("(C2) writes ") << getValue().getType() << "; must be " << variable->getTensorType();
  switch (variable->getRole()) {
  case Role::Frozen:
  case Role::ConstantTable:
  case Role::RandomKeys:
  case Role::RowNumbers:
  case Role::Input:
    return emitOpError("(C3) writes a variable of role ") << stringifyRole(variable->getRole());
  default:
    return success();
  }
}
