// checkPlan: the shapes of GEMM and attention against the bytes that their operands declare.
#include "runtime/Plan/CheckParts.h"
#include "runtime/Plan/Fp8.h"
#include "runtime/Plan/Kinds.h"

#include <cmath>

namespace ft::rt::check {

namespace {

constexpr uint64_t maxExtent = uint64_t(1) << 40; // of one dimension, in elements; times 8 bytes it stays below 2^56

struct Matrix {
  const char *name;
  const plan::Operand &operand;
  uint64_t rows, cols, leading, stride;
  plan::DType type;
  Access access;
};

Status matrix(const plan::Plan &plan, const Matrix &x, uint64_t batch) {
  FT_RETURN_IF_ERROR(access(x.operand, x.access));
  FT_RETURN_IF_ERROR(range("its leading dimension", x.leading, x.cols, maxExtent));
  FT_RETURN_IF_ERROR(range("its batch stride", x.stride, 0, maxExtent));
  if (batch > 1 && x.stride == 0 && x.access != Access::Read)
    return bad("its batch stride is 0: {} batches would write onto each other", batch);
  const uint64_t width = plan::dtypeBytes(x.type);
  if (placesOf(x.operand) % width != 0)
    return bad("its offset is {}; must be a multiple of {}, the size of {}, and its rank_pitch too", x.operand.offset(),
               width, plan::DType_Name(x.type));
  return at(sameBytes(plan, x.operand, x.rows, x.cols * width, x.leading * width, batch, x.stride * width), [&] {
    return fmt::format("{} × {} {} at leading dimension {}", x.rows, x.cols, plan::DType_Name(x.type), x.leading);
  });
}

/// A vector of scales: one run of `count` f32.
Status scale(const plan::Plan &plan, const plan::Operand &operand, uint64_t count) {
  FT_RETURN_IF_ERROR(access(operand, Access::Read));
  const uint64_t bytes = count * plan::dtypeBytes(plan::F32);
  FT_RETURN_IF_ERROR(sameBytes(plan, operand, 1, bytes, bytes, 1, 0));
  return placesOf(operand) % 16 == 0 ? Status() : bad("its offset is {}; must be a multiple of 16", operand.offset());
}

bool ofCodes(const plan::Gemm &gemm) { return gemm.a_type() == plan::F8E4M3 || gemm.b_type() == plan::F8E4M3; }

/// Products of codes have one form, which is all that libraries have of it.
Status codeTypes(const plan::Gemm &gemm) {
  if (gemm.a_type() != gemm.b_type() || (gemm.d_type() != plan::F32 && gemm.d_type() != plan::BF16) ||
      gemm.compute_type() != plan::F32 || gemm.allow_tf32())
    return bad(
        "a_type {}, b_type {} and d_type {} do not go together; F8E4M3 must be both of A and B, D F32 or BF16, and "
        "compute_type F32 without TF32",
        plan::DType_Name(gemm.a_type()), plan::DType_Name(gemm.b_type()), plan::DType_Name(gemm.d_type()));
  if (gemm.alpha() != 1 || gemm.beta() != 0 || gemm.batch() > 1 || gemm.trans_a() || !gemm.trans_b())
    return bad(
        "alpha is {}, beta {}, batch {}; of F8E4M3 alpha must be 1, beta 0, batch 1, A as it lies and B transposed",
        gemm.alpha(), gemm.beta(), gemm.batch());
  for (uint64_t size : {gemm.n(), gemm.k(), gemm.lda(), gemm.ldb()})
    if (size % plan::fp8Multiple != 0)
      return bad("n {}, k {}, lda {} and ldb {} must be multiples of {} for F8E4M3", gemm.n(), gemm.k(), gemm.lda(),
                 gemm.ldb(), plan::fp8Multiple);
  return gemm.has_scale_a() && gemm.has_scale_b() ? Status() : bad("F8E4M3 needs scale_a and scale_b");
}

Status gemmTypes(const plan::Gemm &gemm) {
  if (ofCodes(gemm))
    return codeTypes(gemm);
  if (gemm.has_scale_a() || gemm.has_scale_b() || gemm.fast_accumulation())
    return bad("has scale_a, scale_b or fast_accumulation, which belong to F8E4M3 alone");
  for (plan::DType type : {gemm.a_type(), gemm.b_type(), gemm.d_type()})
    if (!floating(type))
      return bad("has operands of type {}; must be F64, F32, BF16 or F16", int(type));
  if (gemm.a_type() != gemm.b_type())
    return bad("a_type is {} and b_type {}; must be the same", plan::DType_Name(gemm.a_type()),
               plan::DType_Name(gemm.b_type()));
  const bool f64 = gemm.a_type() == plan::F64;
  if (f64 != (gemm.d_type() == plan::F64) || gemm.compute_type() != (f64 ? plan::F64 : plan::F32))
    return bad("a_type {}, d_type {} and compute_type {} do not go together; must be all F64, or compute F32 without "
               "any F64",
               plan::DType_Name(gemm.a_type()), plan::DType_Name(gemm.d_type()), int(gemm.compute_type()));
  if (gemm.allow_tf32() && gemm.a_type() != plan::F32)
    return bad("allow_tf32 is set for {}; TF32 stands in for F32 only", plan::DType_Name(gemm.a_type()));
  if (!std::isfinite(gemm.alpha()) || (gemm.beta() != 0 && gemm.beta() != 1))
    return bad("alpha is {} and beta {}; alpha must be finite, beta 0 or 1", gemm.alpha(), gemm.beta());
  return {};
}

} // namespace

Status workspace(const plan::Plan &plan, const plan::Operand &operand) {
  FT_RETURN_IF_ERROR(access(operand, Access::WriteOrUpdate));
  FT_ASSIGN_OR_RETURN(const ByteRegion region, operandRegion(plan, operand));
  return region.contiguous() ? Status() : bad("is {} rows; must be one run of bytes", region.count);
}

Status gemm(const plan::Plan &plan, const plan::Gemm &gemm) {
  FT_RETURN_IF_ERROR(gemmTypes(gemm));
  FT_RETURN_IF_ERROR(range("m", gemm.m(), 1, maxExtent));
  FT_RETURN_IF_ERROR(range("n", gemm.n(), 1, maxExtent));
  FT_RETURN_IF_ERROR(range("k", gemm.k(), 1, maxExtent));
  const uint64_t m = gemm.m(), n = gemm.n(), k = gemm.k();
  const bool ta = gemm.trans_a(), tb = gemm.trans_b();
  const Matrix matrices[] = {
      {"a", gemm.a(), ta ? k : m, ta ? m : k, gemm.lda(), gemm.stride_a(), gemm.a_type(), Access::Read},
      {"b", gemm.b(), tb ? n : k, tb ? k : n, gemm.ldb(), gemm.stride_b(), gemm.b_type(), Access::Read},
      {"d", gemm.d(), m, n, gemm.ldd(), gemm.stride_d(), gemm.d_type(),
       gemm.beta() == 0 ? Access::Write : Access::Update}};
  for (const Matrix &x : matrices)
    FT_RETURN_IF_ERROR(at(matrix(plan, x, gemm.batch()), [&] { return x.name; }));
  if (ofCodes(gemm)) {
    FT_RETURN_IF_ERROR(at(scale(plan, gemm.scale_a(), m), [] { return "scale_a"; }));
    FT_RETURN_IF_ERROR(at(scale(plan, gemm.scale_b(), n), [] { return "scale_b"; }));
  }
  if (gemm.has_workspace())
    return at(workspace(plan, gemm.workspace()), [] { return "workspace"; });
  return {};
}

namespace {

/// One operand of an attention: what it must be, or that it must be absent.
struct AttentionOperand {
  const char *name;
  bool present, wanted;
  const plan::Operand &operand;
  uint64_t rows, rowBytes, pitch;
  Access access;
};

Status attentionOperand(const plan::Plan &plan, const AttentionOperand &x) {
  if (x.present != x.wanted)
    return bad("is {}; the direction and form want it {}", x.present ? "present" : "absent",
               x.wanted ? "present" : "absent");
  if (!x.present)
    return {};
  FT_RETURN_IF_ERROR(access(x.operand, x.access));
  FT_RETURN_IF_ERROR(sameBytes(plan, x.operand, x.rows, x.rowBytes, x.pitch, 1, 0));
  if ((x.operand.offset() | (x.rows > 1 ? x.pitch : 0)) % 16 != 0)
    return bad("offset {} and pitch {} must be multiples of 16 bytes", x.operand.offset(), x.pitch);
  return {};
}

Status attentionShape(const plan::Plan &plan, const plan::Attention &x, uint64_t rows) {
  if (plan.target().driver() != plan::CUDA)
    return bad("is a library call that the target's driver {} does not have; compile with attention \"tiled\"",
               plan::Driver_Name(plan.target().driver()));
  if (x.direction() != plan::Attention::FORWARD && x.direction() != plan::Attention::BACKWARD)
    return bad("direction is {}; must be FORWARD or BACKWARD", int(x.direction()));
  if (x.form() != plan::Attention::DENSE && x.form() != plan::Attention::RAGGED)
    return bad("form is {}; must be DENSE or RAGGED", int(x.form()));
  if (x.dtype() != plan::BF16 && x.dtype() != plan::F16)
    return bad("dtype is {}; must be BF16 or F16", int(x.dtype()));
  FT_RETURN_IF_ERROR(range("scale", x.scale(), 1e-30, 1e30));
  FT_RETURN_IF_ERROR(range("batch", x.batch(), 1, 1 << 30));
  FT_RETURN_IF_ERROR(range("sequence_len", x.sequence_len(), 1, 1 << 30));
  FT_RETURN_IF_ERROR(range("head_dim", x.head_dim(), 1, 1 << 16));
  FT_RETURN_IF_ERROR(range("heads", x.heads(), 1, 1 << 16));
  FT_RETURN_IF_ERROR(range("kv_heads", x.kv_heads(), 1, x.heads()));
  if (x.heads() % x.kv_heads() != 0)
    return bad("heads is {}; must be a multiple of kv_heads, {}", x.heads(), x.kv_heads());
  for (uint64_t pitch : {x.qkv_pitch(), x.o_pitch(), x.d_qkv_pitch()})
    FT_RETURN_IF_ERROR(range("pitch", pitch, 0, maxExtent));
  // What the host writes of documents must be what the library was made for.
  const plan::Batch &batch = plan.batch();
  if (x.batch() != rows || x.sequence_len() != batch.sequence_len())
    return bad("is for {} rows of {} tokens; the segment works on {} of {}", x.batch(), x.sequence_len(), rows,
               batch.sequence_len());
  if (x.form() == plan::Attention::DENSE)
    return range("batch.max_documents_per_row, where form is DENSE,", batch.max_documents_per_row(), 1, 1);
  FT_RETURN_IF_ERROR(range("max_documents", x.max_documents(), batch.max_documents(), batch.max_documents()));
  return range("max_document_len", x.max_document_len(), batch.max_document_len(), x.sequence_len());
}

} // namespace

Status attention(const plan::Plan &plan, const plan::Attention &x, uint64_t rows) {
  FT_RETURN_IF_ERROR(attentionShape(plan, x, rows));
  const bool backward = x.direction() == plan::Attention::BACKWARD, ragged = x.form() == plan::Attention::RAGGED;
  const uint64_t width = plan::dtypeBytes(x.dtype()), index = plan::dtypeBytes(plan::I32);
  const uint64_t tokens = x.batch() * x.sequence_len(), documents = index * x.max_documents();
  const uint64_t q = width * x.heads() * x.head_dim(), kv = width * x.kv_heads() * x.head_dim(); // bytes of a token
  const uint64_t in = width * x.qkv_pitch(), out = width * x.o_pitch(), gradient = width * x.d_qkv_pitch();
  const uint64_t lse = plan::dtypeBytes(plan::F32) * tokens * x.heads();
  const Access made = backward ? Access::Read : Access::Write;
  const AttentionOperand operands[] = {
      {"q", x.has_q(), true, x.q(), tokens, q, in, Access::Read},
      {"k", x.has_k(), true, x.k(), tokens, kv, in, Access::Read},
      {"v", x.has_v(), true, x.v(), tokens, kv, in, Access::Read},
      {"o", x.has_o(), true, x.o(), tokens, q, out, made},
      {"lse", x.has_lse(), true, x.lse(), 1, lse, lse, made},
      {"d_o", x.has_d_o(), backward, x.d_o(), tokens, q, out, Access::Read},
      {"d_q", x.has_d_q(), backward, x.d_q(), tokens, q, gradient, Access::Write},
      {"d_k", x.has_d_k(), backward, x.d_k(), tokens, kv, gradient, Access::Write},
      {"d_v", x.has_d_v(), backward, x.d_v(), tokens, kv, gradient, Access::Write},
      {"document_offsets", x.has_document_offsets(), ragged, x.document_offsets(), 1, documents + index,
       documents + index, Access::Read},
      {"document_lens", x.has_document_lens(), ragged, x.document_lens(), 1, documents, documents, Access::Read}};
  for (const AttentionOperand &operand : operands)
    FT_RETURN_IF_ERROR(at(attentionOperand(plan, operand), [&] { return operand.name; }));
  if (backward && ragged && (x.d_q().buffer() != x.d_k().buffer() || x.d_q().buffer() != x.d_v().buffer()))
    return bad("d_q, d_k and d_v lie in buffers {}, {} and {}; RAGGED needs them in one", x.d_q().buffer(),
               x.d_k().buffer(), x.d_v().buffer());
  if (x.has_workspace())
    return at(workspace(plan, x.workspace()), [] { return "workspace"; });
  return {};
}

} // namespace ft::rt::check
