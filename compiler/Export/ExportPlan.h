// The plan module and the compiled kernels as the message and the sections of plan.bin.
#pragma once

#include "compiler/Codegen/CompileKernels.h"
#include "runtime/Plan/PlanFile.h"
#include "runtime/Plan/plan.pb.h"

#include "mlir/IR/BuiltinOps.h"

namespace ft {

/// What the sections of plan.bin hold beside the message; the first of them is section 1.
struct PlanSections {
  std::vector<std::string> bytes;
  std::vector<rt::SectionKind> kinds;

  uint32_t add(rt::SectionKind kind, std::string content) {
    bytes.push_back(std::move(content));
    kinds.push_back(kind);
    return bytes.size();
  }
};

/// Fills arenas, buffers, tensors, segments, inputs, outputs, kernels and constants of `plan` from `module`;
/// `plan.batch` must be set. Segments refer to kernels by the module's order of kernel.func, those for the device
/// before those for the host. Images are added by addImages; constants have their place, and zeros in it.
mlir::LogicalResult exportModule(mlir::ModuleOp module, plan::Plan &plan, PlanSections &sections);

/// Writes the constants of `module`, which exportModule has made `plan` and `sections` of: a search asks for no angle.
void fillConstants(mlir::ModuleOp module, const plan::Plan &plan, PlanSections &sections);

/// Adds what code generation made: of kernels for the device, then of those for the host.
void addImages(const CompiledKernels &compiled, plan::Plan &plan, PlanSections &sections);

/// The arenas in which batch records and outputs wait: "staging", and "slots" where the target is a GPU; and
/// "checkpoint" where the run may make one.
void addStaging(plan::Plan &plan);

/// Files that a finished run writes: the adapter where there is one, else the whole model.
void addExports(plan::Plan &plan);

} // namespace ft
