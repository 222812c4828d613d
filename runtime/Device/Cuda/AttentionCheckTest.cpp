#include "runtime/Device/Cuda/AttentionPlans.h"

#include <gtest/gtest.h>

using namespace ft;
using namespace ft::rt;

namespace {

plan::Attention valid() {
  plan::Attention attention;
  attention.set_direction(plan::Attention::BACKWARD);
  attention.set_form(plan::Attention::RAGGED);
  attention.set_batch(2), attention.set_sequence_len(256);
  attention.set_heads(4), attention.set_kv_heads(2), attention.set_head_dim(64);
  attention.set_max_documents(8), attention.set_max_document_len(128);
  attention.set_dtype(plan::BF16);
  attention.set_qkv_pitch(512), attention.set_d_qkv_pitch(512), attention.set_o_pitch(256);
  return attention;
}

const std::string where = "attention backward ragged, 4/2 heads of 64, 2 × 256 tokens, 8 documents of up to 128: ";

template <typename Change> Status checkWith(Change change, int capability = 90) {
  plan::Attention attention = valid();
  change(attention);
  return checkAttention(attention, capability);
}

void expectRefusal(const Status &status, Code code, const std::string &part) {
  EXPECT_EQ(status.code(), code) << status.message();
  EXPECT_NE(status.message().find(part), std::string::npos) << status.message();
}

} // namespace

TEST(AttentionCheckTest, TakesWhatCudnnTakes) {
  EXPECT_TRUE(checkWith([](auto &) {}).ok());
  EXPECT_TRUE(checkWith([](auto &a) { a.set_direction(plan::Attention::FORWARD), a.set_d_qkv_pitch(0); }, 80).ok());
  EXPECT_TRUE(checkWith([](auto &a) { a.set_form(plan::Attention::DENSE), a.set_deterministic(true); }, 80).ok());
}

TEST(AttentionCheckTest, RefusesContradictions) {
  expectRefusal(checkWith([](auto &a) { a.set_kv_heads(3); }), Code::BadInput,
                "heads 4 is not a multiple of kv_heads 3");
  expectRefusal(checkWith([](auto &a) { a.set_sequence_len(0); }), Code::BadInput,
                "sequence_len is 0; must be in [1, 2147483647]");
  expectRefusal(checkWith([](auto &a) { a.set_max_documents(0); }), Code::BadInput, "max_documents is 0");
  expectRefusal(checkWith([](auto &a) { a.set_qkv_pitch(248); }), Code::BadInput,
                where + "qkv_pitch is 248; must be a multiple of 8 and at least heads · head_dim = 256");
  expectRefusal(checkWith([](auto &a) { a.set_o_pitch(260); }), Code::BadInput, "o_pitch is 260; must be a multiple");
  expectRefusal(checkWith([](auto &a) { a.clear_direction(); }), Code::BadInput, "direction and form must be given");
}

TEST(AttentionCheckTest, RefusesWhatCudnnHasNot) {
  expectRefusal(checkWith([](auto &a) { a.set_dtype(plan::F32); }), Code::CannotRun, "bf16 and f16 only");
  expectRefusal(checkWith([](auto &) {}, 75), Code::CannotRun,
                "needs compute capability 8.0 or later, this GPU has 7.5");
  expectRefusal(checkWith([](auto &a) { a.set_head_dim(60), a.set_qkv_pitch(512); }), Code::CannotRun,
                "head_dim 60 is not a multiple of 8 up to 128");
  expectRefusal(checkWith([](auto &) {}, 80), Code::CannotRun,
                "no ragged backward with packed statistics on compute "
                "capability 8.0");
  expectRefusal(checkWith([](auto &a) { a.set_deterministic(true); }, 100), Code::CannotRun,
                "the deterministic form is for compute capability 8 and 9, this GPU has 10.0");
  expectRefusal(checkWith([](auto &a) { a.set_sequence_len(4'000'000); }), Code::CannotRun,
                "8000000 tokens · qkv_pitch 512 exceed the 2147483647 elements that ragged offsets reach");
}

TEST(AttentionCheckTest, RefusesRaggedGradientsAtAPitchOfTheirOwn) {
  auto wider = [](auto &a) { a.set_d_qkv_pitch(640); };
  expectRefusal(checkWith(wider), Code::CannotRun,
                where + "d_qkv_pitch is 640 and qkv_pitch 512; ragged gradients must have the pitch of their operands");
  EXPECT_TRUE(checkWith([&](auto &a) { wider(a), a.set_form(plan::Attention::DENSE); }).ok());
  EXPECT_TRUE(checkWith([](auto &a) { a.set_direction(plan::Attention::FORWARD), a.set_d_qkv_pitch(0); }).ok());
}

TEST(AttentionCheckTest, LaysPiecesAndOffsetsBehindEachOther) {
  const std::vector<WorkspacePiece> pieces{{AttentionTensor::SoftmaxSum, 1000},
                                           {AttentionTensor::QueryAccumulator, 256}};
  const AttentionWorkspace workspace = layoutWorkspace(valid(), pieces);
  const std::map<AttentionTensor, uint64_t> expected{{AttentionTensor::SoftmaxSum, 0},
                                                     {AttentionTensor::QueryAccumulator, 1024},
                                                     {AttentionTensor::QkvOffsets, 1280},
                                                     {AttentionTensor::OOffsets, 1536},
                                                     {AttentionTensor::LseOffsets, 1792}};
  EXPECT_EQ(workspace.offsets, expected);
  EXPECT_EQ(workspace.ownBytes, 2048u);
  plan::Attention dense = valid();
  dense.set_form(plan::Attention::DENSE);
  EXPECT_EQ(layoutWorkspace(dense, pieces).ownBytes, 1280u);
}
