// #dist.sharding: its text form, its invariants, and dist.sharding as an attribute of operations.
#include "dialects/Dist/Dist.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace ft::dist;

namespace {

using Error = function_ref<InFlightDiagnostic()>;

/// ["dp", "tp"]
ParseResult parseAxes(AsmParser &parser, SmallVectorImpl<StringAttr> &axes) {
  return parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, [&]() -> ParseResult {
    std::string name;
    if (parser.parseString(&name))
      return failure();
    axes.push_back(parser.getBuilder().getStringAttr(name));
    return success();
  });
}

void printAxes(AsmPrinter &printer, ArrayRef<StringAttr> axes) {
  printer << "[";
  llvm::interleaveComma(axes, printer, [&](StringAttr axis) { printer.printAttribute(axis); });
  printer << "]";
}

/// ["dp"] own 9
FailureOr<DimAttr> parseDim(AsmParser &parser) {
  SmallVector<StringAttr> axes;
  int64_t own = 0;
  SMLoc loc = parser.getCurrentLocation();
  if (parseAxes(parser, axes) || (succeeded(parser.parseOptionalKeyword("own")) && parser.parseInteger(own)))
    return failure();
  auto error = [&] { return parser.emitError(loc); };
  DimAttr dim = DimAttr::getChecked(Error(error), parser.getContext(), ArrayRef<StringAttr>(axes), own);
  if (!dim)
    return failure();
  return dim;
}

void printDim(AsmPrinter &printer, DimAttr dim) {
  printAxes(printer, dim.getAxes());
  if (dim.getOwn())
    printer << " own " << dim.getOwn();
}

LogicalResult checkDistinct(function_ref<InFlightDiagnostic()> emitError, ArrayRef<StringAttr> axes) {
  for (auto [index, axis] : llvm::enumerate(axes))
    if (llvm::is_contained(axes.take_front(index), axis))
      return emitError() << "(C1) axis " << axis << " occurs twice; a sharding may use it once";
  return success();
}

} // namespace

Attribute DimAttr::parse(AsmParser &parser, Type) {
  if (parser.parseLess())
    return {};
  FailureOr<DimAttr> dim = parseDim(parser);
  if (failed(dim) || parser.parseGreater())
    return {};
  return *dim;
}

void DimAttr::print(AsmPrinter &printer) const {
  printer << "<";
  printDim(printer, *this);
  printer << ">";
}

LogicalResult DimAttr::verify(function_ref<InFlightDiagnostic()> emitError, ArrayRef<StringAttr> axes, int64_t own) {
  if (own < 0)
    return emitError() << "(C2) own is " << own << "; must be at least 0";
  return checkDistinct(emitError, axes);
}

Attribute ShardingAttr::parse(AsmParser &parser, Type) {
  FlatSymbolRefAttr mesh;
  SmallVector<DimAttr> dims;
  SmallVector<StringAttr> partial;
  Reduction reduction = Reduction::Sum;
  SMLoc loc = parser.getCurrentLocation();
  auto parseOne = [&]() -> ParseResult {
    FailureOr<DimAttr> dim = parseDim(parser);
    if (failed(dim))
      return failure();
    dims.push_back(*dim);
    return success();
  };
  if (parser.parseLess() || parser.parseAttribute(mesh) || parser.parseComma() ||
      parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, parseOne))
    return {};
  if (succeeded(parser.parseOptionalComma())) {
    StringRef word;
    SMLoc wordLoc;
    if (parser.parseKeyword("partial"))
      return {};
    wordLoc = parser.getCurrentLocation();
    if (parser.parseKeyword(&word))
      return {};
    std::optional<Reduction> named = symbolizeReduction(word);
    if (!named) {
      parser.emitError(wordLoc) << "reduction is " << word << "; must be sum, max or norm2";
      return {};
    }
    reduction = *named;
    if (parseAxes(parser, partial))
      return {};
  }
  if (parser.parseGreater())
    return {};
  auto error = [&] { return parser.emitError(loc); };
  return ShardingAttr::getChecked(Error(error), parser.getContext(), mesh, ArrayRef<DimAttr>(dims),
                                  ArrayRef<StringAttr>(partial), reduction);
}

void ShardingAttr::print(AsmPrinter &printer) const {
  printer << "<" << getMesh() << ", [";
  llvm::interleaveComma(getDims(), printer, [&](DimAttr dim) { printDim(printer, dim); });
  printer << "]";
  if (isPartial()) {
    printer << ", partial " << stringifyReduction(getReduction()) << " ";
    printAxes(printer, getPartial());
  }
  printer << ">";
}

LogicalResult ShardingAttr::verify(function_ref<InFlightDiagnostic()> emitError, FlatSymbolRefAttr,
                                   ArrayRef<DimAttr> dims, ArrayRef<StringAttr> partial, Reduction) {
  SmallVector<StringAttr> all(partial);
  bool hasOwn = llvm::any_of(dims, [](DimAttr dim) { return dim.getOwn() > 0; });
  for (DimAttr dim : dims)
    if (!hasOwn) // the dimensions of a rank's own table all follow the batch
      all.append(dim.getAxes().begin(), dim.getAxes().end());
  return checkDistinct(emitError, all);
}

ShardingAttr ShardingAttr::broadcast(FlatSymbolRefAttr mesh, int64_t rank) {
  MLIRContext *context = mesh.getContext();
  SmallVector<DimAttr> dims(rank, DimAttr::get(context, ArrayRef<StringAttr>(), 0));
  return get(context, mesh, dims, {}, Reduction::Sum);
}

bool ShardingAttr::isBroadcast() const {
  return !isPartial() && llvm::all_of(getDims(), [](DimAttr dim) { return dim.getAxes().empty() && !dim.getOwn(); });
}

ShardingAttr ShardingAttr::withDim(int64_t dim, ArrayRef<StringAttr> axes, int64_t own) const {
  SmallVector<DimAttr> dims(getDims());
  dims[dim] = DimAttr::get(getContext(), axes, own);
  return get(getContext(), getMesh(), dims, getPartial(), getReduction());
}

ShardingAttr ShardingAttr::withPartial(ArrayRef<StringAttr> axes, Reduction reduction) const {
  return get(getContext(), getMesh(), getDims(), axes, axes.empty() ? Reduction::Sum : reduction);
}

LogicalResult PendingType::verify(function_ref<InFlightDiagnostic()> emitError, ArrayRef<Type> types) {
  if (types.empty())
    return emitError() << "(C1) a pending value has no type; must have at least one";
  for (Type type : types)
    if (auto tensor = dyn_cast<RankedTensorType>(type); !tensor || !tensor.hasStaticShape())
      return emitError() << "(C1) a pending value has type " << type << "; must be a ranked tensor of static shape";
  return success();
}

/// One sharding against the value's type.
static LogicalResult verifyOne(Operation *op, Attribute attr, Type type) {
  auto sharding = dyn_cast<ShardingAttr>(attr);
  if (!sharding)
    return op->emitOpError() << shardingName << " holds " << attr << "; must be #dist.sharding";
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor || int64_t(sharding.getDims().size()) != tensor.getRank())
    return op->emitOpError() << shardingName << " has " << sharding.getDims().size() << " dimensions for " << type
                             << "; must have one list of axes per dimension";
  return success();
}

LogicalResult DistDialect::verifyOperationAttribute(Operation *op, NamedAttribute attribute) {
  if (attribute.getName() == globalName) {
    auto type = dyn_cast<TypeAttr>(attribute.getValue());
    if (!type || !isa<RankedTensorType>(type.getValue()))
      return op->emitOpError() << globalName << " is " << attribute.getValue() << "; must be a ranked tensor type";
    return success();
  }
  if (attribute.getName() != shardingName)
    return op->emitOpError() << "has the unknown attribute " << attribute.getName() << "; dist has " << shardingName
                             << " and " << globalName;
  // A variable has no result; its type is an attribute.
  if (op->getNumResults() == 0) {
    auto type = op->getAttrOfType<TypeAttr>("type");
    if (!type)
      return op->emitOpError() << shardingName << " is on an operation without results; must be on a variable";
    return verifyOne(op, attribute.getValue(), type.getValue());
  }
  auto list = dyn_cast<ArrayAttr>(attribute.getValue());
  if (!list || list.size() != op->getNumResults())
    return op->emitOpError() << shardingName << " must be an array of " << op->getNumResults()
                             << " shardings, one per result";
  for (auto [sharding, type] : llvm::zip(list, op->getResultTypes()))
    if (failed(verifyOne(op, sharding, type)))
      return failure();
  return success();
}
