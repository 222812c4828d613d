// Launches that are not what their kernels were made for, and batches that are not the kernels'.
#include "runtime/Plan/PlanFaults.h"

namespace ft::rt::test {

namespace {

plan::Launch &launch(plan::Plan &plan, int segment, int index) { return *step(plan, segment, index).mutable_launch(); }
plan::KernelOperand &made(plan::Plan &plan, int kernel, int operand) {
  return *plan.mutable_kernels(kernel)->mutable_operands(operand);
}

} // namespace

TEST(CheckLaunches, EachMustBeWhatItsKernelIsMadeFor) {
  const std::string loss = "ACCUMULATE_FIRST step 3 \"loss\": launch: ", operand = "kernel \"loss\": operands";
  expectEach({
      {[](auto &p) { launch(p, 1, 3).set_items(1 << 30); },
       loss + "items is 1073741824; kernel \"loss\" is made for 4"},
      {[](auto &p) { launch(p, 1, 3).set_items(0); }, loss + "items is 0; kernel \"loss\" is made for 4"},
      {[](auto &p) { launch(p, 4, 3).mutable_operands()->RemoveLast(); },
       "EVALUATE step 3 \"loss\": launch: has 2 operands; kernel \"loss\" takes 3"},
      {[](auto &p) { *launch(p, 1, 3).add_operands() = launch(p, 1, 3).operands(2); },
       loss + "has 4 operands; kernel \"loss\" takes 3"},
      {[](auto &p) { launch(p, 1, 3).set_kernel(0); }, loss + "has 3 operands; kernel \"embed\" takes 2"},
      {[](auto &p) { launch(p, 1, 3).mutable_operands(0)->set_rows(3); },
       loss + operand + "[0]: spans 64 bytes; the kernel is made for 88"},
      {[](auto &p) { launch(p, 1, 3).mutable_operands(1)->set_buffer(launch(p, 1, 3).operands(2).buffer()); },
       "operands[1]: ends at byte 64 of buffer \"loss\", which has 8"},
      {[](auto &p) {
         made(p, 0, 1).set_alignment(16);
         made(p, 0, 1).set_bytes(64);
         launch(p, 1, 1).mutable_operands(1)->set_row_bytes(64);
         launch(p, 1, 1).mutable_operands(1)->set_offset(8);
       },
       "kernel \"embed\": operands[1]: offset is 8; must be a multiple of 16, which the kernel moves at once"},
      {[](auto &p) { made(p, 1, 1).set_written(true); },
       loss + operand + "[1]: has no write version; the kernel writes it"},
      {[](auto &p) { made(p, 1, 2).set_written(false); },
       loss + operand + "[2]: has a write version; the kernel only reads it"},
      // One span, another geometry.
      {[](auto &p) {
         plan::Operand &x = *launch(p, 4, 3).mutable_operands(0);
         x.set_rows(1), x.set_row_bytes(88);
       },
       "EVALUATE step 3 \"loss\": operands[0] differs from another launch of the kernel in more than buffer, offset "
       "and "
       "versions"},
  });
}

TEST(CheckLaunches, IndicesAreThoseOfTheBatch) {
  const std::string tokens = "ACCUMULATE_FIRST step 1 \"embed.forward\": launch: kernel \"embed\": operands[0]: holds ";
  auto positions = [](plan::Plan &p, uint64_t limit) {
    p.mutable_inputs(0)->set_kind(plan::BatchInput::POSITIONS);
    made(p, 0, 0).set_index_limit(limit);
  };
  expectEach({
      {[](auto &p) { p.mutable_batch()->set_vocab_size(1 << 24); },
       tokens + "TOKENS, which the host keeps below 16777216 for a batch of 1 × 4 tokens and a vocabulary of 16777216; "
                "the kernel is made for indices below 16"},
      {[](auto &p) { p.mutable_batch()->set_vocab_size(15); }, "below 15"},
      // The inputs' bytes are the same.
      {[&](auto &p) {
         positions(p, 4);
         p.mutable_batch()->set_micro_batch_size(4);
         p.mutable_batch()->set_sequence_len(1);
         p.mutable_batch()->set_max_document_len(1);
         p.mutable_batch()->set_max_documents_per_row(1);
       },
       tokens + "POSITIONS, which the host keeps below 1 for a batch of 4 × 1 tokens"},
      {[](auto &p) { made(p, 1, 0).set_index_limit(4); },
       "operands[0]: holds indices of the kernel in buffer \"y\"; must be a batch input, whose values are known to be "
       "below 4"},
  });
  plan::Plan same = samplePlan();
  positions(same, 4);
  const Status status = checkPlan(same, SampleSections().all());
  EXPECT_TRUE(status.ok()) << status.message();
}

} // namespace ft::rt::test
