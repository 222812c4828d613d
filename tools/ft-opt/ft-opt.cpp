// ft-opt: runs passes on IR in text form, for tests and development. Every dialect and pass of ftc is registered here.
#include "compiler/Codegen/Passes.h"
#include "compiler/Fusion/Passes.h"
#include "compiler/Fusion/Rows/Rows.h"
#include "compiler/Import/Passes.h"
#include "compiler/Layout/Passes.h"
#include "compiler/Model/Passes.h"
#include "compiler/Model/TrainingModule.h"
#include "compiler/Pipeline/Pipelines.h"
#include "compiler/Planning/Passes.h"
#include "compiler/Planning/Steps/Steps.h"
#include "compiler/Sharding/Partition.h"
#include "compiler/Sharding/Passes.h"
#include "dialects/Ft/Ft.h"
#include "dialects/Kernel/Kernel.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  registry.insert<mlir::arith::ArithDialect, mlir::cf::ControlFlowDialect, mlir::func::FuncDialect,
                  mlir::LLVM::LLVMDialect, mlir::NVVM::NVVMDialect, mlir::math::MathDialect,
                  mlir::memref::MemRefDialect, mlir::scf::SCFDialect, mlir::vector::VectorDialect>();
  registry.insert<ft::kernel::KernelDialect, ft::model::FtDialect, ft::plan::PlanDialect>();
  ft::registerModel(registry);
  ft::registerRowModels(registry);
  ft::registerSteps(registry);
  ft::registerSharding(registry);

  mlir::registerTransformsPasses();
  ft::kernel::registerCodegenPasses();
  ft::registerImportPasses();
  ft::registerModelPasses();
  ft::registerLayoutPasses();
  ft::registerFusionPasses();
  ft::registerShardingPasses();
  ft::registerPlanningPasses();
  ft::registerPipelines();
  return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, "ft-opt: runs ftc's passes on IR\n", registry));
}
