// Each kind of malformed GEMM and attention has its own message.
#include "runtime/Plan/PlanFaults.h"

#include <cmath>

using namespace ft;
using namespace ft::rt;
using namespace ft::rt::test;

namespace {

plan::Gemm &gemm(plan::Plan &plan) { return *step(plan, 1, 2).mutable_gemm(); }

} // namespace

TEST(CheckPlan, Gemm) {
  const std::string place = "ACCUMULATE_FIRST step 2 \"linear.forward\": gemm: ";
  expectEach({
      {[](auto &p) { gemm(p).set_m(0); }, place + "m is 0; must be in [1, "},
      {[](auto &p) { gemm(p).set_k(huge); }, place + "k is 18446744073709551615; must be in [1, "},
      {[](auto &p) { gemm(p).mutable_b()->set_offset(2), gemm(p).mutable_b()->set_rows(3); },
       place + "b: its offset is 2; must be a multiple of 4, the size of F32"},
      {[](auto &p) { gemm(p).set_lda(7); }, place + "a: its leading dimension is 7; must be in [8, "},
      {[](auto &p) { gemm(p).set_lda(9); },
       place + "a: 4 × 8 F32 at leading dimension 9: the shape means 4 rows of 32 bytes at pitch 36 from byte 0; the "
               "operand declares bytes [0, 128)"},
      {[](auto &p) { gemm(p).set_ldd(4); },
       place + "d: 4 × 4 F32 at leading dimension 4: the shape means bytes [0, 64); the operand declares 4 rows of 16 "
               "bytes at pitch 24 from byte 0"},
      {[](auto &p) { gemm(p).set_trans_b(false); },
       place + "b: 8 × 4 F32 at leading dimension 8: the shape means 8 rows of 16 bytes at pitch 32 from byte 0; the "
               "operand declares bytes [0, 128)"},
      {[](auto &p) { gemm(p).set_beta(1); }, place + "d: must have a read and a write version"},
      {[](auto &p) { gemm(p).mutable_d()->set_read(1); }, place + "d: must have a write version and no read version"},
      {[](auto &p) { gemm(p).set_beta(0.5); }, place + "alpha is 1 and beta 0.5; alpha must be finite, beta 0 or 1"},
      {[](auto &p) { gemm(p).set_a_type(plan::I32); }, place + "has operands of type 5; must be F64, F32, BF16 or F16"},
      {[](auto &p) { gemm(p).set_b_type(plan::BF16); }, place + "a_type is F32 and b_type BF16; must be the same"},
      {[](auto &p) { gemm(p).set_d_type(plan::F64); },
       place + "a_type F32, d_type F64 and compute_type 2 do not go together"},
      {[](auto &p) {
         gemm(p).set_a_type(plan::BF16);
         gemm(p).set_b_type(plan::BF16);
         gemm(p).set_allow_tf32(true);
       },
       place + "allow_tf32 is set for BF16"},
      {[](auto &p) {
         gemm(p).set_batch(2);
         gemm(p).mutable_d()->set_write(1);
       },
       place + "d: its batch stride is 0: 2 batches would write onto each other"},
      {[](auto &p) { *gemm(p).mutable_workspace() = gemm(p).a(); }, place + "workspace: must have a write version"},
      {[](auto &p) { *gemm(p).mutable_workspace() = gemm(p).d(); },
       place + "workspace: is 4 rows; must be one run of bytes"},
  });
}

namespace {

/// A product of 4 × 32 and 16 × 32 codes, and their transpose behind it.
plan::Plan codesPlan() {
  TestPlan t;
  const uint32_t a = t.buffer("a", TestPlan::Activations, 4 * 32, Buffer::ACTIVATION);
  const uint32_t w = t.buffer("w", TestPlan::Activations, 16 * 32, Buffer::ACTIVATION);
  const uint32_t d = t.buffer("d", TestPlan::Activations, 4 * 16 * 2, Buffer::ACTIVATION);
  const uint32_t scales = t.buffer("scales", TestPlan::Activations, 128, Buffer::ACTIVATION);
  plan::Gemm &x = *t.step(Segment::EVALUATE, "codes").mutable_gemm();
  x.set_m(4), x.set_n(16), x.set_k(32), x.set_lda(32), x.set_ldb(32), x.set_ldd(16);
  x.set_trans_b(true), x.set_alpha(1);
  x.set_a_type(plan::F8E4M3), x.set_b_type(plan::F8E4M3), x.set_d_type(plan::BF16), x.set_compute_type(plan::F32);
  *x.mutable_a() = t.rows(a, 0, 4, 32, 32, 1, 0);
  *x.mutable_b() = t.rows(w, 0, 16, 32, 32, 1, 0);
  *x.mutable_d() = t.rows(d, 0, 4, 32, 32, 0, 1);
  *x.mutable_scale_a() = t.rows(scales, 0, 1, 16, 16, 1, 0);
  *x.mutable_scale_b() = t.rows(scales, 64, 1, 64, 64, 1, 0);
  plan::Transpose &y = *t.step(Segment::EVALUATE, "turned").mutable_transpose();
  *y.mutable_src() = t.rows(w, 0, 16, 32, 32, 1, 0);
  *y.mutable_dst() = t.rows(t.buffer("t", TestPlan::Activations, 512, Buffer::ACTIVATION), 0, 32, 16, 16, 0, 2);
  return t.plan;
}

} // namespace

TEST(CheckPlan, ProductsOfCodes) {
  auto of = [](plan::Plan &p) -> plan::Gemm & { return *step(p, 0, 0).mutable_gemm(); };
  const std::string place = "EVALUATE step 0 \"codes\": gemm: ";
  expectEach(
      {
          {[=](auto &p) { of(p).set_b_type(plan::BF16); }, place + "a_type F8E4M3, b_type BF16 and d_type BF16 do not"},
          {[=](auto &p) { of(p).set_d_type(plan::F8E4M3); }, place + "a_type F8E4M3, b_type F8E4M3 and d_type F8E4M3"},
          {[=](auto &p) { of(p).set_allow_tf32(true); }, "compute_type F32 without TF32"},
          {[=](auto &p) { of(p).set_alpha(2); }, place + "alpha is 2, beta 0, batch 0; of F8E4M3 alpha must be 1"},
          {[=](auto &p) { of(p).set_trans_b(false); }, "A as it lies and B transposed"},
          {[=](auto &p) { of(p).set_k(24); }, place + "n 16, k 24, lda 32 and ldb 32 must be multiples of 16"},
          {[=](auto &p) { of(p).clear_scale_b(); }, place + "F8E4M3 needs scale_a and scale_b"},
          {[=](auto &p) { of(p).mutable_scale_a()->set_row_bytes(32); }, place + "scale_a: the shape means"},
          {[=](auto &p) { of(p).mutable_scale_b()->set_offset(8); },
           place + "scale_b: its offset is 8; must be a multiple"},
          {[=](auto &p) { of(p).mutable_scale_a()->set_write(3); }, place + "scale_a: must have a read version"},
          {[=](auto &p) { of(p).set_a_type(plan::BF16), of(p).set_b_type(plan::BF16); },
           place + "has scale_a, scale_b or fast_accumulation, which belong to F8E4M3 alone"},
      },
      codesPlan);
  auto turned = [](plan::Plan &p) -> plan::Transpose & { return *step(p, 0, 1).mutable_transpose(); };
  expectEach(
      {
          {[=](auto &p) { turned(p).mutable_dst()->set_rows(16); },
           "EVALUATE step 1 \"turned\": transpose: src is 16 rows of 32 bytes, dst 16 of 16; must be exchanged"},
          {[=](auto &p) { turned(p).mutable_src()->set_batch(2), turned(p).mutable_src()->set_batch_pitch(0); }, ""},
          {[=](auto &p) { turned(p).mutable_src()->set_write(4); }, "transpose: src: must have a read version and no"},
          {[=](auto &p) { turned(p).mutable_dst()->set_read(4); }, "transpose: dst: must have a write version and no"},
      },
      codesPlan);
}

namespace {

/// A DENSE forward attention of a CUDA plan: 2 rows of 4 tokens, 2 heads of 8 on 1 head of keys, q, k, v interleaved.
plan::Plan attentionPlan() {
  TestPlan t;
  t.plan.mutable_target()->set_driver(plan::CUDA);
  t.plan.mutable_target()->set_arch("sm_90");
  t.plan.mutable_batch()->set_micro_batch_size(2);
  t.plan.mutable_batch()->set_max_documents_per_row(1);
  const uint32_t qkv = t.buffer("qkv", TestPlan::Activations, 8 * 64, Buffer::ACTIVATION);
  const uint32_t o = t.buffer("o", TestPlan::Activations, 8 * 32, Buffer::ACTIVATION);
  const uint32_t lse = t.buffer("lse", TestPlan::Activations, 64, Buffer::ACTIVATION);
  t.buffer("gradient", TestPlan::Activations, 8 * 64, Buffer::ACTIVATION);
  t.buffer("documents", TestPlan::Io, 64, Buffer::INPUT);
  plan::Attention &x = *t.step(Segment::EVALUATE, "attention").mutable_attention();
  x.set_direction(plan::Attention::FORWARD);
  x.set_form(plan::Attention::DENSE);
  x.set_batch(2), x.set_sequence_len(4), x.set_heads(2), x.set_kv_heads(1), x.set_head_dim(8), x.set_scale(0.35);
  x.set_dtype(plan::BF16);
  x.set_qkv_pitch(32), x.set_o_pitch(16);
  *x.mutable_q() = t.rows(qkv, 0, 8, 32, 64, 1, 0);
  *x.mutable_k() = t.rows(qkv, 32, 8, 16, 64, 1, 0);
  *x.mutable_v() = t.rows(qkv, 48, 8, 16, 64, 1, 0);
  *x.mutable_o() = t.whole(o, 0, 1);
  *x.mutable_lse() = t.whole(lse, 0, 1);
  return t.plan;
}

/// The backward pass of the same, RAGGED.
plan::Plan raggedPlan() {
  plan::Plan plan = attentionPlan();
  TestPlan t;
  t.plan = plan;
  t.plan.mutable_batch()->set_max_documents(3);
  plan::Attention &x = *t.plan.mutable_segments(0)->mutable_steps(0)->mutable_attention();
  x.set_direction(plan::Attention::BACKWARD);
  x.set_form(plan::Attention::RAGGED);
  x.set_max_documents(3), x.set_max_document_len(4);
  x.set_d_qkv_pitch(32);
  x.mutable_o()->set_read(1), x.mutable_o()->set_write(0);
  x.mutable_lse()->set_read(1), x.mutable_lse()->set_write(0);
  *x.mutable_d_o() = x.o();
  *x.mutable_d_q() = t.rows(3, 0, 8, 32, 64, 0, 1);
  *x.mutable_d_k() = t.rows(3, 32, 8, 16, 64, 0, 1);
  *x.mutable_d_v() = t.rows(3, 48, 8, 16, 64, 0, 1);
  *x.mutable_document_offsets() = t.rows(4, 0, 1, 16, 0, 1, 0);
  *x.mutable_document_lens() = t.rows(4, 16, 1, 12, 0, 1, 0);
  return t.plan;
}

plan::Attention &attention(plan::Plan &plan) { return *step(plan, 0, 0).mutable_attention(); }

} // namespace

TEST(CheckPlan, Attention) {
  const std::string place = "EVALUATE step 0 \"attention\": attention: ";
  expectEach(
      {
          {[](auto &p) { p.mutable_target()->set_driver(plan::CPU); },
           place + "is a library call that the target's driver CPU does not have; compile with attention \"tiled\""},
          {[](auto &p) { attention(p).set_direction(plan::Attention::Direction(5)); }, place + "direction is 5"},
          {[](auto &p) { attention(p).set_form(plan::Attention::Form(5)); }, place + "form is 5"},
          {[](auto &p) { attention(p).set_dtype(plan::F32); }, place + "dtype is 2; must be BF16 or F16"},
          {[](auto &p) { attention(p).set_kv_heads(3); }, place + "kv_heads is 3; must be in [1, 2]"},
          {[](auto &p) { attention(p).set_heads(3), attention(p).set_kv_heads(2); },
           place + "heads is 3; must be a multiple of kv_heads, 2"},
          {[](auto &p) { attention(p).set_scale(NAN); }, place + "scale is nan"},
          {[](auto &p) { attention(p).set_head_dim(1 << 20); }, place + "head_dim is 1048576; must be in [1, 65536]"},
          {[](auto &p) { attention(p).set_qkv_pitch(33); },
           place +
               "q: the shape means 8 rows of 32 bytes at pitch 66 from byte 0; the operand declares 8 rows of 32 bytes "
               "at pitch 64 from byte 0"},
          {[](auto &p) { attention(p).set_qkv_pitch(12); },
           place + "q: has rows of 32 bytes at a pitch of 24: they overlap"},
          {[](auto &p) { attention(p).mutable_lse()->set_row_bytes(32); },
           place + "lse: the shape means bytes [0, 64); the operand declares bytes [0, 32)"},
          {[](auto &p) { attention(p).mutable_o()->set_read(1); }, place + "o: must have a write version and no read"},
          {[](auto &p) { attention(p).clear_k(); }, place + "k: is absent; the direction and form want it present"},
          {[](auto &p) { *attention(p).mutable_d_o() = attention(p).q(); },
           place + "d_o: is present; the direction and form want it absent"},
          {[](auto &p) { attention(p).set_form(plan::Attention::RAGGED); },
           place + "max_documents is 0; must be in [2, 2]"},
          {[](auto &p) { p.mutable_batch()->set_micro_batch_size(1); },
           place + "is for 2 rows of 4 tokens; the segment works on 1 of 4"},
          {[](auto &p) { p.mutable_segments(0)->set_kind(Segment::GENERATE); },
           "GENERATE step 0 \"attention\": attention: is for 2 rows of 4 tokens; the segment works on 1 of 4"},
          {[](auto &p) { p.mutable_batch()->set_max_documents_per_row(2); },
           place + "batch.max_documents_per_row, where form is DENSE, is 2; must be in [1, 1]"},
      },
      attentionPlan);
  expectEach(
      {{[](auto &p) { attention(p).set_max_document_len(5); }, "max_document_len is 5; must be in [4, 4]"},
       {[](auto &p) { attention(p).set_max_document_len(3); }, "max_document_len is 3; must be in [4, 4]"},
       {[](auto &p) { attention(p).set_max_documents(4); }, "max_documents is 4; must be in [3, 3]"},
       {[](auto &p) { attention(p).set_max_documents(4), p.mutable_batch()->set_max_documents(4); },
        "document_offsets: the shape means bytes [0, 20); the operand declares bytes [0, 16)"},
       {[](auto &p) { attention(p).mutable_d_q()->set_read(1); }, "d_q: must have a write version and no read"},
       {[](auto &p) { attention(p).mutable_d_k()->set_buffer(0); }, "d_q, d_k and d_v lie in buffers 3, 0 and 3"},
       {[](auto &p) { attention(p).mutable_document_offsets()->set_offset(4); },
        "document_offsets: offset 4 and pitch 16 must be multiples of 16 bytes"}},
      raggedPlan);
}
