#include "runtime/Text/TargetReport.h"

#include "runtime/Text/SyntheticData.h"
#include "runtime/Text/TextTestUtils.h"

#include <algorithm>
#include <gtest/gtest.h>

using namespace ft;
using namespace ft::rt;

namespace {

/// Rows of one document each, whose last `targets[r]` tokens are trained.
std::shared_ptr<const TokenFile> fileWith(const BatchShape &shape, const std::vector<uint32_t> &targets) {
  std::vector<Document> documents;
  std::vector<uint32_t> lengths, order;
  for (uint32_t count : targets) {
    Document document;
    document.ids.assign(shape.row.maxDocumentLen, 1);
    document.prompt = shape.row.maxDocumentLen - count;
    order.push_back(uint32_t(documents.size()));
    lengths.push_back(shape.row.maxDocumentLen);
    documents.push_back(document);
  }
  TokenFileIdentity identity;
  identity.shape = shape.row;
  identity.vocabSize = shape.vocabSize;
  auto file =
      TokenFile::fromImage(buildTokenFile(identity, {}, documents, packRows(shape.row, lengths, order)), "rows");
  EXPECT_TRUE(file.ok()) << file.status().message();
  return std::make_shared<const TokenFile>(std::move(*file));
}

plan::Batch batchOf(uint64_t rows, uint64_t accumulation) {
  plan::Batch batch = testBatch(rows, 32, 50, /*packing=*/false);
  batch.set_gradient_accumulation_steps(accumulation);
  return batch;
}

/// What micro-batches have is what the batch source serves, on one rank and on several.
TEST(TargetReport, CountsWhatTrainingIsServed) {
  plan::Batch batch = batchOf(2, 3);
  batch.set_max_target_tokens(21);
  const BatchShape shape = *BatchShape::from(batch);
  const auto file = fileWith(shape, {1, 2, 3, 5, 8, 13, 21, 2, 4, 6, 7});
  for (uint32_t world : {1u, 2u}) {
    plan::Run run;
    run.set_seed(5);
    run.set_max_steps(7);
    const MicroBatchTargets found = trainingTargets(*file, shape, batch, run, world);
    ASSERT_EQ(found.count, 21u);
    auto source = BatchSource::training(file, shape, {BatchRecord()}, 5, {0, world});
    ASSERT_TRUE(source.ok());
    std::vector<uint64_t> most;
    for (uint64_t i = 0; i < found.count; ++i) {
      most.push_back((*source)->take()->info.mostTargets);
      (*source)->release();
    }
    EXPECT_EQ(found.within, uint64_t(std::count_if(most.begin(), most.end(), [](uint64_t m) { return m <= 21; })));
    std::sort(most.begin(), most.end());
    EXPECT_EQ(found.most, most.back());
    EXPECT_EQ(found.nineOfTen, most[18]); // 19 of 21 have no more
    EXPECT_EQ(found.anyOrder, 21u + 13);
    EXPECT_GE(found.anyOrder, found.most);
  }
}

TEST(TargetReport, CountsAnEvaluationInTheOrderOfTheFile) {
  plan::Batch batch = batchOf(2, 1);
  batch.set_max_eval_target_tokens(10);
  const BatchShape shape = *BatchShape::from(batch);
  const auto file = fileWith(shape, {9, 3, 1, 1, 4});
  std::vector<uint64_t> rows; // packing without several documents keeps each in a row of its own
  for (uint64_t r = 0; r < file->rows(); ++r)
    rows.push_back(file->row(r).targets);
  const MicroBatchTargets found = evaluationTargets(*file, shape, batch, 1);
  EXPECT_EQ(found.count, 3u);
  EXPECT_EQ(found.most, std::max({rows[0] + rows[1], rows[2] + rows[3], rows[4]}));
  EXPECT_EQ(found.anyOrder, found.most);
}

TEST(TargetReport, SaysWhatABoundWouldTake) {
  MicroBatchTargets targets{4, 1024, 200, 310.4, 420, 512, 640, 0, 0};
  EXPECT_EQ(
      formatTargets(targets, "max_target_tokens"),
      "  targets of a micro-batch of 4 rows (1024 tokens): 310 on average, at most 420 in nine of ten, at most 512 "
      "in all 200; in another order 640 at most\n"
      "  max_target_tokens: 512 bounds all of them, 420 nine of ten\n");
  targets.bound = 448, targets.within = 190;
  EXPECT_NE(formatTargets(targets, "max_target_tokens")
                .find("  the plan's bound of 448 holds for 190 of 200 micro-batches (95.0 %)\n"),
            std::string::npos);
  targets.most = 1024;
  EXPECT_NE(formatTargets(targets, "max_target_tokens").find("cannot bound all of them"), std::string::npos);
  EXPECT_EQ(formatTargets({}, "max_target_tokens"), "");
}

} // namespace
