// kernel-lower-to-llvm: strip-mined kernels → LLVM dialect, with the entry points of the kernel ABI.
//   CPU   `name(args, begin, end)` loads the operands from `args` and calls the internal `name.items`, which keeps the
//         no-alias claims on its parameters: pointers loaded from memory could not carry them.
//   GPU   `name(operands…, items)` is a kernel of exactly the threads that strip-mining chose.
#include "compiler/Codegen/Passes.h"

#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVM.h"
#include "mlir/Conversion/LLVMCommon/ConversionTarget.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/MemRefToLLVM/MemRefToLLVM.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVM.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace ft::kernel {
#define GEN_PASS_DEF_KERNELLOWERTOLLVM
#include "compiler/Codegen/Codegen.h.inc"
} // namespace ft::kernel

using namespace mlir;

namespace {
struct KernelLowerToLlvmPass : ft::kernel::impl::KernelLowerToLlvmBase<KernelLowerToLlvmPass> {
  using KernelLowerToLlvmBase::KernelLowerToLlvmBase;

  void runOnOperation() override {
    SmallVector<StringAttr> names;
    DenseMap<StringAttr, DictionaryAttr> launches;
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      names.push_back(function.getSymNameAttr());
      launches[names.back()] = function->getAttrOfType<DictionaryAttr>("kernel.launch");
      function->removeAttr("kernel.launch");
    }
    if (failed(lowerControlFlow()) || failed(lowerOperations()))
      return signalPassFailure();
    for (StringAttr name : names) {
      auto function = getOperation().lookupSymbol<LLVM::LLVMFuncOp>(name);
      if (DictionaryAttr launch = launches[name])
        markKernel(function, launch);
      else
        addEntry(function);
    }
  }

  LogicalResult lowerControlFlow() {
    RewritePatternSet patterns(&getContext());
    populateSCFToControlFlowConversionPatterns(patterns);
    ConversionTarget legal(getContext());
    legal.addIllegalDialect<scf::SCFDialect>();
    legal.markUnknownOpDynamicallyLegal([](Operation *) { return true; });
    return applyPartialConversion(getOperation(), legal, std::move(patterns));
  }

  LogicalResult lowerOperations() {
    LowerToLLVMOptions options(&getContext());
    options.useBarePtrCallConv = true;
    LLVMTypeConverter types(&getContext(), options);
    RewritePatternSet patterns(&getContext());
    arith::populateArithToLLVMConversionPatterns(types, patterns);
    populateMathToLLVMConversionPatterns(types, patterns);
    populateVectorToLLVMConversionPatterns(types, patterns);
    populateFinalizeMemRefToLLVMConversionPatterns(types, patterns);
    cf::populateControlFlowToLLVMConversionPatterns(types, patterns);
    populateFuncToLLVMConversionPatterns(types, patterns);
    LLVMConversionTarget legal(getContext());
    legal.addLegalDialect<NVVM::NVVMDialect>();
    legal.addLegalOp<ModuleOp>();
    return applyFullConversion(getOperation(), legal, std::move(patterns));
  }

  static void markKernel(LLVM::LLVMFuncOp function, DictionaryAttr launch) {
    OpBuilder b(function.getContext());
    int32_t threads = cast<IntegerAttr>(launch.get("threads")).getInt();
    function->setAttr(NVVM::NVVMDialect::getKernelFuncAttrName(), b.getUnitAttr());
    function->setAttr(NVVM::NVVMDialect::getReqntidAttrName(), b.getDenseI32ArrayAttr({threads, 1, 1}));
    int32_t blocks = cast<IntegerAttr>(launch.get("min_blocks")).getInt();
    function->setAttr(NVVM::NVVMDialect::getMinctasmAttrName(), b.getI32IntegerAttr(blocks));
  }

  static void addEntry(LLVM::LLVMFuncOp function) {
    ImplicitLocOpBuilder b(function.getLoc(), function);
    b.setInsertionPointAfter(function);
    std::string name = function.getSymName().str();
    function.setSymName(name + ".items");
    function.setLinkage(LLVM::Linkage::Internal);
    function.setPassthroughAttr(b.getArrayAttr({b.getStringAttr("noinline")}));
    Type pointer = LLVM::LLVMPointerType::get(b.getContext()), i64 = b.getI64Type();
    auto entry = LLVM::LLVMFuncOp::create(
        b, name, LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(b.getContext()), {pointer, i64, i64}));
    Block *block = entry.addEntryBlock(b);
    b.setInsertionPointToStart(block);
    SmallVector<Value> arguments;
    for (unsigned i = 0; i + 2 < function.getNumArguments(); ++i) {
      Value slot = LLVM::GEPOp::create(b, pointer, pointer, block->getArgument(0), ArrayRef<LLVM::GEPArg>{int32_t(i)});
      arguments.push_back(LLVM::LoadOp::create(b, pointer, slot));
    }
    arguments.append({block->getArgument(1), block->getArgument(2)});
    LLVM::CallOp::create(b, function, arguments);
    LLVM::ReturnOp::create(b, ValueRange());
  }
};
} // namespace
