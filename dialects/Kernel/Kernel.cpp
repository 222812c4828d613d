#include "dialects/Kernel/Kernel.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace ft::kernel;

#include "dialects/Kernel/KernelDialect.cpp.inc"

void KernelDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "dialects/Kernel/KernelOps.cpp.inc"
      >();
}

void FuncOp::build(OpBuilder &builder, OperationState &state, StringRef name, TypeRange operands,
                   ArrayRef<std::pair<int64_t, int64_t>> inplace) {
  state.addAttribute(getSymNameAttrName(state.name), builder.getStringAttr(name));
  if (!inplace.empty()) {
    SmallVector<Attribute> pairs;
    for (auto [read, written] : inplace)
      pairs.push_back(builder.getI64ArrayAttr({read, written}));
    state.addAttribute(getInplaceAttrName(state.name), builder.getArrayAttr(pairs));
  }
  Block &block = state.addRegion()->emplaceBlock();
  for (Type type : operands)
    block.addArgument(type, state.location);
  block.addArgument(builder.getIndexType(), state.location);
}

LogicalResult LoadCodesOp::verify() {
  auto memory = cast<MemRefType>(getBase().getType());
  if (int64_t(getIndices().size()) != memory.getRank())
    return emitOpError("(C1) has ") << getIndices().size() << " indices; must have " << memory.getRank();
  if (cast<VectorType>(getResult().getType()).getDimSize(0) % 2)
    return emitOpError("(C2) loads ") << getResult().getType() << "; must have an even number of elements";
  return success();
}

// kernel.func @name(%a: memref<…>, …) attributes {…} item %i { … }
ParseResult FuncOp::parse(OpAsmParser &parser, OperationState &result) {
  StringAttr name;
  SmallVector<OpAsmParser::Argument> arguments;
  if (parser.parseSymbolName(name, getSymNameAttrName(result.name), result.attributes) ||
      parser.parseArgumentList(arguments, AsmParser::Delimiter::Paren, /*allowType=*/true) ||
      parser.parseOptionalAttrDictWithKeyword(result.attributes) || parser.parseKeyword("item"))
    return failure();
  OpAsmParser::Argument item;
  if (parser.parseArgument(item))
    return failure();
  item.type = parser.getBuilder().getIndexType();
  arguments.push_back(item);
  return parser.parseRegion(*result.addRegion(), arguments);
}

void FuncOp::print(OpAsmPrinter &printer) {
  printer << ' ';
  printer.printSymbolName(getSymName());
  printer << '(';
  llvm::interleaveComma(getOperandArguments(), printer, [&](BlockArgument a) { printer.printRegionArgument(a); });
  printer << ')';
  printer.printOptionalAttrDictWithKeyword((*this)->getAttrs(), {getSymNameAttrName()});
  printer << " item ";
  printer.printRegionArgument(getItem(), {}, /*omitType=*/true);
  printer << ' ';
  printer.printRegion(getBody(), /*printEntryBlockArgs=*/false);
}

SmallVector<std::pair<int64_t, int64_t>> FuncOp::getInplacePairs() {
  SmallVector<std::pair<int64_t, int64_t>> pairs;
  if (ArrayAttr attr = getInplaceAttr())
    for (ArrayAttr pair : attr.getAsRange<ArrayAttr>())
      pairs.emplace_back(cast<IntegerAttr>(pair[0]).getInt(), cast<IntegerAttr>(pair[1]).getInt());
  return pairs;
}

static bool isOperandType(Type type) {
  auto memref = dyn_cast<MemRefType>(type);
  if (!memref || memref.getRank() == 0 || !memref.hasStaticShape() || memref.getMemorySpace())
    return false;
  SmallVector<int64_t> strides;
  int64_t offset;
  if (failed(memref.getStridesAndOffset(strides, offset)) || offset != 0 || strides.back() != 1 ||
      llvm::any_of(strides, [](int64_t s) { return ShapedType::isDynamic(s) || s < 0; }))
    return false;
  Type element = memref.getElementType();
  return element.isF64() || element.isF32() || element.isBF16() || element.isF16() || element.isSignlessInteger(64) ||
         element.isSignlessInteger(32) || element.isSignlessInteger(16) || element.isSignlessInteger(8);
}

static LogicalResult verifyInplace(FuncOp op) {
  ArrayAttr pairs = op.getInplaceAttr();
  if (!pairs)
    return success();
  auto operands = op.getOperandArguments();
  llvm::SmallVector<bool> used(operands.size(), false);
  for (Attribute attr : pairs) {
    auto pair = dyn_cast<ArrayAttr>(attr);
    if (!pair || pair.size() != 2 || !llvm::all_of(pair, [](Attribute a) { return isa<IntegerAttr>(a); }))
      return op.emitOpError("(C3) 'inplace' must be a list of pairs of operand numbers, has ") << attr;
    int64_t ends[2];
    for (int side : {0, 1}) {
      int64_t n = ends[side] = cast<IntegerAttr>(pair[side]).getInt();
      if (n < 0 || n >= int64_t(operands.size()))
        return op.emitOpError("(C3) in-place pair ")
               << attr << " names operand " << n << "; there are " << operands.size();
      if (used[n])
        return op.emitOpError("(C3) operand ") << n << " occurs twice in 'inplace'";
      used[n] = true;
    }
    if (operands[ends[0]].getType() != operands[ends[1]].getType())
      return op.emitOpError("(C3) in-place operands ")
             << ends[0] << " and " << ends[1] << " must have one type, have " << operands[ends[0]].getType() << " and "
             << operands[ends[1]].getType();
  }
  return success();
}

LogicalResult FuncOp::verify() {
  if (getBody().getNumArguments() == 0 || !getItem().getType().isIndex())
    return emitOpError("(C2) the last argument of the body must be the item, an index");
  for (auto [number, argument] : llvm::enumerate(getOperandArguments()))
    if (!isOperandType(argument.getType()))
      return emitOpError("(C1) operand ")
             << number << " must be a memref of static shape and strides, last stride 1, rank >= 1, of f64, f32, "
             << "bf16, f16, i64, i32, i16 or i8; is " << argument.getType();
  if (failed(verifyInplace(*this)))
    return failure();
  if (getItems() && static_cast<int64_t>(*getItems()) <= 0)
    return emitOpError("(C5) items is ") << *getItems() << "; must be positive";
  if (!isa<ReturnOp>(getBody().front().back()))
    return emitOpError("(C4) the body must end with kernel.return");
  return success();
}

#define GET_OP_CLASSES
#include "dialects/Kernel/KernelOps.cpp.inc"
