// checkPlan: launches against what their kernels' code was made for.
#include "runtime/Plan/CheckParts.h"
#include "runtime/Plan/Kinds.h"

#include <tuple>

namespace ft::rt::check {

namespace {

/// Elements that code uses as indices come from the host, which keeps them below a limit that follows from `batch`: it
/// must be the one that the code was made for, or the batch is not the kernel's.
Status indices(const plan::Plan &plan, const plan::Operand &operand, const plan::KernelOperand &made, uint64_t rows) {
  for (const plan::BatchInput &input : plan.inputs()) {
    if (input.buffer() != operand.buffer())
      continue;
    const uint64_t limit = plan::batchInputLimit(plan.batch(), input.kind(), rows);
    if (limit == made.index_limit())
      return {};
    return bad("holds {}, which the host keeps below {} for a batch of {} × {} tokens and a vocabulary of {}; the "
               "kernel is made for indices below {}",
               plan::BatchInput::Kind_Name(input.kind()), limit, rows, plan.batch().sequence_len(),
               plan.batch().vocab_size(), made.index_limit());
  }
  return bad(
      "holds indices of the kernel in buffer \"{}\"; must be a batch input, whose values are known to be below {}",
      plan.buffers(int(operand.buffer())).name(), made.index_limit());
}

Status launchOperand(const plan::Plan &plan, const plan::Operand &operand, const plan::KernelOperand &made,
                     uint64_t rows) {
  FT_ASSIGN_OR_RETURN(const ByteRegion region, operandRegion(plan, operand));
  const uint64_t bytes = uint64_t(region.end() - region.start);
  if (bytes != made.bytes())
    return bad("spans {} bytes; the kernel is made for {}", bytes, made.bytes());
  if (placesOf(operand) % made.alignment() != 0)
    return bad("offset is {}; {}must be a multiple of {}, which the kernel moves at once", operand.offset(),
               operand.rank_pitch().empty() ? "" : "with rank_pitch it ", made.alignment());
  if (made.written() != (operand.write() != 0))
    return bad("has {} write version; the kernel {}", made.written() ? "no" : "a",
               made.written() ? "writes it" : "only reads it");
  return made.index_limit() > 0 ? indices(plan, operand, made, rows) : Status();
}

} // namespace

Status launch(const plan::Plan &plan, const plan::Step &step, uint64_t rows) {
  const plan::Launch &launch = *plan::launchOf(step);
  FT_RETURN_IF_ERROR(index("kernel", launch.kernel(), plan.kernels_size(), "kernels"));
  const plan::Kernel &kernel = plan.kernels(int(launch.kernel()));
  if (kernel.host() != step.has_host_launch())
    return bad("kernel \"{}\" is for the {}'s processors", kernel.name(), kernel.host() ? "host" : "device");
  if (launch.items() != kernel.items())
    return bad("items is {}; kernel \"{}\" is made for {}", launch.items(), kernel.name(), kernel.items());
  if (launch.operands_size() != kernel.operands_size())
    return bad("has {} operands; kernel \"{}\" takes {}", launch.operands_size(), kernel.name(),
               kernel.operands_size());
  for (int i = 0; i < launch.operands_size(); ++i)
    FT_RETURN_IF_ERROR(at(launchOperand(plan, launch.operands(i), kernel.operands(i), rows),
                          [&] { return fmt::format("kernel \"{}\": operands[{}]", kernel.name(), i); }));
  return {};
}

Status sameShape(const plan::Launch &launch, const plan::Launch &other) {
  for (int i = 0; i < launch.operands_size(); ++i) {
    const plan::Operand &x = launch.operands(i), &y = other.operands(i);
    auto fields = [](const plan::Operand &o) {
      return std::tuple(o.rows(), o.row_bytes(), o.rows() > 1 ? o.pitch() : 0, std::max<uint64_t>(o.batch(), 1),
                        o.batch() > 1 ? o.batch_pitch() : 0, o.read() != 0, o.write() != 0);
    };
    if (fields(x) != fields(y))
      return bad("operands[{}] differs from another launch of the kernel in more than buffer, offset and versions", i);
  }
  return {};
}

} // namespace ft::rt::check
