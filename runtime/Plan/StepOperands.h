// One walk over the operands of any step, for everybody who must not forget one.
#pragma once

#include "runtime/Plan/plan.pb.h"

#include <string>
#include <string_view>

namespace ft::plan {

/// Calls visit(field, index, operand) for each operand that is present, in the order of the message: the order of a
/// kernel's arguments. `index` is -1 unless the field is repeated.
template <typename Visit> void visitOperands(const Step &step, Visit &&visit) {
  auto each = [&](std::string_view field, const auto &operands) {
    for (int i = 0; i < operands.size(); ++i)
      visit(field, i, operands[i]);
  };
  switch (step.kind_case()) {
  case Step::kLaunch:
    return each("operands", step.launch().operands());
  case Step::kHostLaunch:
    return each("operands", step.host_launch().operands());
  case Step::kReceive:
    return each("dst", step.receive().dst());
  case Step::kEmit:
    return each("src", step.emit().src());
  case Step::kCollective:
    each("whole", step.collective().whole());
    each("part", step.collective().part());
    if (step.collective().has_workspace())
      visit("workspace", -1, step.collective().workspace());
    return;
  case Step::kCopy:
    visit("src", -1, step.copy().src());
    return (void)visit("dst", -1, step.copy().dst());
  case Step::kMemset:
    return (void)visit("dst", -1, step.memset().dst());
  case Step::kGemm: {
    const Gemm &gemm = step.gemm();
    visit("a", -1, gemm.a());
    visit("b", -1, gemm.b());
    visit("d", -1, gemm.d());
    if (gemm.has_workspace())
      visit("workspace", -1, gemm.workspace());
    if (gemm.has_scale_a())
      visit("scale_a", -1, gemm.scale_a());
    if (gemm.has_scale_b())
      visit("scale_b", -1, gemm.scale_b());
    return;
  }
  case Step::kTranspose:
    visit("src", -1, step.transpose().src());
    return (void)visit("dst", -1, step.transpose().dst());
  case Step::kAttention: {
    const Attention &x = step.attention();
#define FT_VISIT(field)                                                                                                \
  if (x.has_##field())                                                                                                 \
  visit(#field, -1, x.field())
    FT_VISIT(q);
    FT_VISIT(k);
    FT_VISIT(v);
    FT_VISIT(o);
    FT_VISIT(lse);
    FT_VISIT(d_o);
    FT_VISIT(d_q);
    FT_VISIT(d_k);
    FT_VISIT(d_v);
    FT_VISIT(document_offsets);
    FT_VISIT(document_lens);
    FT_VISIT(workspace);
#undef FT_VISIT
    return;
  }
  case Step::KIND_NOT_SET:
    return;
  }
}

/// "d", or "operands[3]".
inline std::string operandName(std::string_view field, int index) {
  std::string name(field);
  return index < 0 ? name : name + "[" + std::to_string(index) + "]";
}

} // namespace ft::plan
