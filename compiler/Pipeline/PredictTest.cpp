#include "compiler/Pipeline/Predict.h"

#include "dialects/Plan/PlanDialect.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

using namespace ft;

namespace {
/// Products at 50 TFLOP/s in bf16 and at 5 in f32; 1000 GB/s, half of it in products and four fifths in row kernels;
/// 50 GB/s on the host, and 20 between.
recipe::TargetSpec roundTarget() {
  recipe::TargetSpec target;
  target.set_bf16_tflops(100), target.set_f32_tflops(10);
  target.set_sustained_share(0.5), target.set_attention_share(0.5);
  target.set_memory_gb_per_s(1000), target.set_gemm_memory_share(0.5), target.set_row_memory_share(0.8);
  target.set_link_gb_per_s(20), target.set_host_gb_per_s(50);
  target.set_launch_us(2), target.set_multiprocessors(100);
  target.set_gemm_tile_rows(128), target.set_gemm_tile_columns(64);
  target.set_attention_softmax_lanes(41), target.set_attention_measured_lanes(128);
  target.set_ragged_attention_share(0.6), target.set_ragged_attention_launches(8);
  target.set_cards_per_host(8), target.set_peer_gb_per_s(400), target.set_collective_us(10);
  target.set_network_gb_per_s(200), target.set_network_hop_us(7), target.set_peer_hop_us(3);
  return target;
}

std::string operand(int64_t rows, int64_t rowBytes, const std::string &access) {
  return fmt::format("<buffer = @x, offset = 0, rows = {}, rowBytes = {}, pitch = {}, {}>", rows, rowBytes, rowBytes,
                     access);
}

/// The prediction for one step, the launch included.
double predicted(const std::string &step, llvm::ArrayRef<int64_t> mesh = {},
                 const recipe::TargetSpec &target = roundTarget()) {
  mlir::DialectRegistry registry;
  registry.insert<plan::PlanDialect>();
  mlir::MLIRContext context(registry);
  const std::string text = "plan.arena device @a\nplan.buffer @x in @a activation 1000000000\n"
                           "plan.buffer @w in @a workspace 1000000000\n"
                           "plan.arena pinned @p\nplan.buffer @h in @p weight 1000000000\n"
                           "plan.segment @update {\n" +
                           step + "\n}\n";
  auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
  if (!module)
    return ADD_FAILURE() << text, 0;
  predictTimes(*module, target, mesh);
  auto segment = *module->getOps<plan::SegmentOp>().begin();
  return segment.getBody().front().front().getAttrOfType<mlir::FloatAttr>("predicted_us").getValueAsDouble();
}

double gemm(const std::string &type, int64_t m, int64_t n, int64_t k, bool accumulates,
            const recipe::TargetSpec &target = roundTarget()) {
  const int64_t element = type == "f32" ? 4 : 2;
  const std::string a = operand(m, element * k, "read = 1"), b = operand(n, element * k, "read = 1"),
                    d = operand(m, n * 4, accumulates ? "read = 2, write = 3" : "write = 3");
  return predicted(fmt::format("plan.gemm \"g\" {}, {}, f32 accumulate f32 m {} n {} k {} a {} b {} d {} "
                               "{{lda = {} : i64, ldb = {} : i64, ldd = {} : i64, trans_b, beta = {}.0 : f64, "
                               "flops = {:.1f} : f64}}",
                               type, type, m, n, k, a, b, d, k, k, n, int(accumulates), 2.0 * m * n * k),
                   {}, target);
}

double attention(int64_t lanes, bool ragged, bool deterministic) {
  std::string operands;
  for (const char *read : {"q", "k", "v", "o", "lse", "d_o"})
    operands += fmt::format("{} {} ", read, operand(1, 2 * lanes, "read = 1"));
  for (const char *written : {"d_q", "d_k", "d_v"})
    operands += fmt::format("{} {} ", written, operand(1, 2 * lanes, "write = 2"));
  if (ragged)
    operands += "document_offsets " + operand(1, 8, "read = 1") + " document_lens " + operand(1, 4, "read = 1");
  operands += " workspace <buffer = @w, offset = 0, rows = 1, rowBytes = 8000000, pitch = 8000000, write = 1>";
  return predicted(fmt::format("plan.attention \"a\" bf16 {} {{backward, {}{}batch = 1 : i64, "
                               "sequence_len = 1 : i64, heads = 1 : i64, kv_heads = 1 : i64, head_dim = {} : i64, "
                               "scale = 1.0 : f64, max_documents = 1 : i64, max_document_len = 1 : i64, qkv_pitch = {} "
                               ": i64, o_pitch = {} : i64, d_qkv_pitch = {} : i64, flops = 1.0e10 : f64}}",
                               operands, ragged ? "ragged, " : "", deterministic ? "deterministic, " : "", lanes, lanes,
                               lanes, lanes));
}

TEST(Predict, ALargeProductIsArithmetic) {
  EXPECT_NEAR(gemm("bf16", 4096, 4096, 4096, false), 2 * std::pow(4096, 3) / 50e6 + 2, 1e-3);
  EXPECT_NEAR(gemm("f32", 4096, 4096, 4096, false), 2 * std::pow(4096, 3) / 5e6 + 2, 1e-3);
}

TEST(Predict, F16HasARateOfItsOwnOrThatOfBf16) {
  recipe::TargetSpec target = roundTarget();
  EXPECT_NEAR(gemm("f16", 4096, 4096, 4096, false, target), gemm("bf16", 4096, 4096, 4096, false, target), 1e-9);
  target.set_bf16_tflops(0), target.set_f16_tflops(80);
  EXPECT_NEAR(gemm("f16", 4096, 4096, 4096, false, target), 2 * std::pow(4096, 3) / 40e6 + 2, 1e-3);
}

TEST(Predict, AnAccumulatingProductMovesItsResultBehindItsSums) {
  const double sum = 2.0 * 4096 * 4096 * 512 / 50e6, d = 2.0 * 4096 * 4096 * 4 / 1e6;
  EXPECT_NEAR(gemm("bf16", 4096, 4096, 512, true), sum + d + 2, 1e-3);
}

TEST(Predict, ANarrowProductIsBandwidth) {
  const double bytes = 2.0 * 16384 * (4096 + 16) + 4096 * 16 * 4;
  EXPECT_NEAR(gemm("bf16", 4096, 16, 16384, false), bytes / 0.5e6 + 2, 1e-3);
}

TEST(Predict, ASmallProductLeavesMultiprocessorsIdle) {
  // 4 × 2 tiles of 128 × 64 on 100 multiprocessors.
  EXPECT_NEAR(gemm("f32", 512, 128, 512, false), 2.0 * 512 * 128 * 512 / (5e6 * 0.08) + 2, 1e-3);
}

TEST(Predict, ARowKernelIsBandwidth) {
  EXPECT_NEAR(
      predicted("plan.launch \"l\" @k items 1 [#plan.operand" + operand(1000, 8000, "read = 1, write = 2") + "]"),
      16e6 / 0.8e6 + 2, 1e-3);
  EXPECT_NEAR(
      predicted("plan.copy \"c\" " + operand(1000, 8000, "read = 1") + " to " + operand(1000, 8000, "write = 2")),
      16e6 / 1e6 + 2, 1e-3);
}

TEST(Predict, TheHostHasItsOwnBandwidthAndTheLinkBetween) {
  auto there = [](const std::string &operand) { return "<buffer = @h" + operand.substr(operand.find(',')); };
  const std::string host = there(operand(1000, 8000, "read = 1, write = 2"));
  EXPECT_NEAR(predicted("plan.host_launch \"l\" @k items 1 [#plan.operand" + host + "]"), 16e6 / 0.05e6 + 2, 1e-3);
  EXPECT_NEAR(predicted("plan.copy \"c\" " + operand(1000, 8000, "read = 1") + " to " +
                        there(operand(1000, 8000, "write = 2"))),
              8e6 / 0.02e6 + 2, 1e-3);
}

TEST(Predict, AttentionTakesLongerInNarrowHeadsAndBetweenDocuments) {
  const double whole = 1e10 / 50e6;
  EXPECT_NEAR(attention(128, false, true), whole + 2, 1e-3);
  EXPECT_NEAR(attention(64, false, true), whole * (1 + 41.0 / 64) / (1 + 41.0 / 128) + 2, 1e-3);
  EXPECT_NEAR(attention(128, true, false), whole / 0.6 + 9 * 2, 1e-3);
  EXPECT_NEAR(attention(128, true, true), whole / 0.6 + 9 * 2 + 4e6 / 1e6, 1e-3);
}

/// An all-reduce of 8 MB over axes of a mesh.
double allReduce(const std::string &axes, llvm::ArrayRef<int64_t> mesh) {
  return predicted("plan.collective \"c\" all_reduce sum f32 over [" + axes + "] [#plan.operand" +
                       operand(1, 8000000, "read = 1, write = 2") + "]",
                   mesh);
}

TEST(Predict, AnExchangeWithinAHostTakesItsPeersLinks) {
  EXPECT_NEAR(allReduce("0", {8}), 10 + 2 * 8e6 * 7 / 8 / 400e3 + 2, 1e-3);
  EXPECT_NEAR(allReduce("1", {16, 8}), allReduce("0", {8}), 1e-3) << "the inner axis lies within hosts";
}

TEST(Predict, AnExchangeBetweenHostsSharesTheirLinksAndGoesAroundARing) {
  // All 16 cards of two hosts in one ring: one hop between hosts and 14 within, twice; the hosts' links are slower.
  EXPECT_NEAR(allReduce("0", {16}), 10 + 2 * (7 + 14 * 3) + 2 * 8e6 * 15 / 16 / 200e3 + 2, 1e-3);
  // A card of each of 16 hosts: eight rings share a host's links, and there is no hop within.
  EXPECT_NEAR(allReduce("0", {16, 8}), 10 + 2 * 15 * 7 + 2 * 8e6 * 15 / 16 / 25e3 + 2, 1e-3);
  // Four of eight cards of a host, on two hosts.
  EXPECT_NEAR(allReduce("0", {4, 4}), 10 + 2 * (7 + 2 * 3) + 2 * 8e6 * 3 / 4 / 50e3 + 2, 1e-3);
}
} // namespace
