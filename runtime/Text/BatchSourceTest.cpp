#include "runtime/Text/BatchSource.h"

#include "runtime/Text/DataRandom.h"
#include "runtime/Text/SyntheticData.h"
#include "runtime/Text/TestHeap.h"
#include "runtime/Text/TextTestUtils.h"

#include <map>
#include <numeric>
#include <set>

using namespace ft;
using namespace ft::rt;
using plan::BatchInput;

namespace {

constexpr BatchInput::Kind Kinds[] = {
    BatchInput::TOKENS,           BatchInput::LABELS,        BatchInput::POSITIONS,        BatchInput::DOCUMENT_START,
    BatchInput::DOCUMENT_OFFSETS, BatchInput::DOCUMENT_LENS, BatchInput::SORTED_POSITIONS, BatchInput::SEGMENT_STARTS,
    BatchInput::SEGMENT_IDS,      BatchInput::ROW_INDEX,     BatchInput::TARGET_ROWS,      BatchInput::TARGET_LABELS,
    BatchInput::TARGET_SLOTS};

/// Arrays for one record, with a guard behind each.
struct Arrays {
  static constexpr int32_t Guard = 0x5A5A5A5A;
  std::map<BatchInput::Kind, std::vector<int32_t>> arrays;
  BatchRecord record;

  explicit Arrays(const BatchShape &shape) {
    for (auto kind : Kinds) {
      arrays[kind].assign(shape.elements(kind) + 1, Guard);
      *record.of(kind) = arrays[kind].data();
    }
  }
  std::vector<int32_t> at(BatchInput::Kind kind) const {
    const auto &array = arrays.at(kind);
    EXPECT_EQ(array.back(), Guard) << "written behind kind " << kind;
    return {array.begin(), array.end() - 1};
  }
};

BatchShape shapeOf(const plan::Batch &batch) {
  auto shape = BatchShape::from(batch);
  EXPECT_TRUE(shape.ok()) << shape.status().message();
  return *shape;
}

/// Random documents with few ids, so that segments are long.
std::shared_ptr<const TokenFile> randomFile(const BatchShape &shape, uint32_t documents) {
  DataRandom random(9, "documents");
  std::vector<Document> all(documents);
  std::vector<uint32_t> lengths, order;
  for (uint32_t d = 0; d < documents; ++d) {
    all[d].ids.resize(2 + random.below(shape.row.maxDocumentLen - 1));
    for (uint32_t &id : all[d].ids)
      id = random.below(shape.vocabSize);
    all[d].prompt = 1 + random.below(uint32_t(all[d].ids.size()) - 1);
    lengths.push_back(uint32_t(all[d].ids.size()));
    order.push_back(d);
  }
  TokenFileIdentity identity;
  identity.shape = shape.row;
  identity.vocabSize = shape.vocabSize;
  auto file = TokenFile::fromImage(buildTokenFile(identity, {}, all, packRows(shape.row, lengths, order)), "random");
  EXPECT_TRUE(file.ok()) << file.status().message();
  return std::make_shared<const TokenFile>(std::move(*file));
}

/// Everything that plan.proto says of a record, against the rows it was made of.
void checkRecord(const Arrays &got, const BatchShape &shape, const TokenFile &file,
                 const std::vector<uint64_t> &indices) {
  const auto tokens = got.at(BatchInput::TOKENS), labels = got.at(BatchInput::LABELS);
  const auto positions = got.at(BatchInput::POSITIONS), starts = got.at(BatchInput::DOCUMENT_START);
  const auto offsets = got.at(BatchInput::DOCUMENT_OFFSETS), lens = got.at(BatchInput::DOCUMENT_LENS);
  const int32_t total = int32_t(shape.tokens()), length = int32_t(shape.row.sequenceLen);

  // Documents tile the batch, stay in their rows and within the caps; positions and starts follow from them.
  int32_t token = 0;
  size_t d = 0;
  for (; token < total; ++d) {
    ASSERT_LT(d, lens.size());
    ASSERT_EQ(offsets[d], token);
    ASSERT_GT(lens[d], 0);
    ASSERT_LE(lens[d], int32_t(shape.row.maxDocumentLen));
    ASSERT_EQ(token / length, (token + lens[d] - 1) / length);
    for (int32_t p = 0; p < lens[d]; ++p, ++token) {
      ASSERT_EQ(positions[token], p);
      ASSERT_EQ(starts[token], (token - p) % length);
    }
  }
  for (; d < lens.size(); ++d) {
    EXPECT_EQ(lens[d], 0);
    EXPECT_EQ(offsets[d], total);
  }
  EXPECT_EQ(offsets.back(), total);

  for (size_t r = 0; r < indices.size(); ++r) {
    const bool padding = indices[r] == BatchFiller::PaddingRow;
    const TokenRow row = padding ? TokenRow{} : file.row(indices[r]);
    for (int32_t t = 0; t < length; ++t) {
      const auto at = r * length + t;
      ASSERT_EQ(tokens[at], padding ? 0 : int32_t(row.tokens[t]));
      ASSERT_EQ(labels[at], !padding && row.isTarget(t) ? int32_t(row.tokens[t + 1]) : -100);
      if (labels[at] != -100) { // a target is the next token of the same document
        ASSERT_EQ(labels[at], tokens[at + 1]);
        ASSERT_EQ(positions[at + 1], positions[at] + 1);
      }
    }
  }

  // Targets in their order, as many as the record names; who has none, or is not named, has no place there.
  std::vector<int32_t> named, namedLabels, slots(total, int32_t(shape.targetRows));
  for (int32_t at = 0; at < total; ++at)
    if (labels[at] != -100 && named.size() < shape.targetRows) {
      slots[at] = int32_t(named.size());
      named.push_back(at);
      namedLabels.push_back(labels[at]);
    }
  named.resize(shape.targetRows, 0);
  namedLabels.resize(shape.targetRows, -100);
  EXPECT_EQ(got.at(BatchInput::TARGET_ROWS), named);
  EXPECT_EQ(got.at(BatchInput::TARGET_LABELS), namedLabels);
  EXPECT_EQ(got.at(BatchInput::TARGET_SLOTS), slots);

  // Segments: a stable sort of all tokens by id.
  std::vector<int32_t> sorted(total);
  std::iota(sorted.begin(), sorted.end(), 0);
  std::stable_sort(sorted.begin(), sorted.end(), [&](int32_t a, int32_t b) { return tokens[a] < tokens[b]; });
  EXPECT_EQ(got.at(BatchInput::SORTED_POSITIONS), sorted);
  std::vector<int32_t> segmentStarts, segmentIds;
  for (int32_t i = 0; i < total; ++i)
    if (i == 0 || tokens[sorted[i]] != tokens[sorted[i - 1]]) {
      segmentStarts.push_back(i);
      segmentIds.push_back(tokens[sorted[i]]);
    }
  segmentStarts.resize(shape.maxSegments + 1, total);
  segmentIds.resize(shape.maxSegments, 0);
  EXPECT_EQ(got.at(BatchInput::SEGMENT_STARTS), segmentStarts);
  EXPECT_EQ(got.at(BatchInput::SEGMENT_IDS), segmentIds);
}

TEST(BatchFiller, FillsWhatThePlanSays) {
  DataRandom random(4, "batches");
  auto capped = testBatch(3, 64, 2000);
  capped.set_max_document_len(20);
  capped.set_max_documents_per_row(5);
  capped.set_max_documents(15);
  capped.set_max_target_tokens(50), capped.set_max_eval_target_tokens(90);
  plan::Batch few = testBatch(2, 32, 500), roomy = testBatch(4, 48, 30, false);
  few.set_max_target_tokens(5); // less than there are
  roomy.set_max_eval_target_tokens(4 * 48 - 1);
  for (const plan::Batch &batch : {testBatch(3, 64, 7), few, roomy, capped, testBatch(1, 64, 1)}) {
    const BatchShape shape = shapeOf(batch);
    const auto file = randomFile(shape, 40);
    BatchFiller filler(shape);
    Arrays arrays(shape);
    for (int repeat = 0; repeat < 20; ++repeat) {
      std::vector<uint64_t> indices(shape.rows);
      for (uint64_t &index : indices)
        index = random.below(5) == 0 ? BatchFiller::PaddingRow : random.below(uint32_t(file->rows()));
      filler.fill(*file, indices, arrays.record);
      checkRecord(arrays, shape, *file, indices);
    }
  }
}

TEST(BatchFiller, SkipsWhatThePlanDoesNotHave) {
  const BatchShape shape = shapeOf(testBatch(2, 32, 50));
  const auto file = randomFile(shape, 10);
  BatchFiller filler(shape);
  Arrays arrays(shape);
  BatchRecord few;
  few.tokens = arrays.record.tokens;
  const std::vector<uint64_t> indices = {0, 1};
  filler.fill(*file, indices, few);
  EXPECT_EQ(arrays.at(BatchInput::TOKENS)[0], int32_t(file->row(0).tokens[0]));
  EXPECT_EQ(arrays.at(BatchInput::LABELS)[0], Arrays::Guard);
}

TEST(BatchFiller, PromptIsOneDocumentOfRowZero) {
  plan::Batch batch = testBatch(2, 8, 50);
  batch.set_max_target_tokens(3);
  const BatchShape shape = shapeOf(batch);
  BatchFiller filler(shape);
  Arrays arrays(shape);
  const std::vector<uint32_t> ids = {7, 3, 7};
  ASSERT_TRUE(filler.fillPrompt(ids, arrays.record).ok());
  EXPECT_EQ(arrays.at(BatchInput::TOKENS), (std::vector<int32_t>{7, 3, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(arrays.at(BatchInput::POSITIONS), (std::vector<int32_t>{0, 1, 2, 0, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0}));
  const auto offsets = arrays.at(BatchInput::DOCUMENT_OFFSETS), lens = arrays.at(BatchInput::DOCUMENT_LENS);
  EXPECT_EQ(std::vector<int32_t>(offsets.begin(), offsets.begin() + 2), (std::vector<int32_t>{0, 3}));
  EXPECT_EQ(std::vector<int32_t>(lens.begin(), lens.begin() + 2), (std::vector<int32_t>{3, 5}));
  for (size_t d = 2; d < lens.size(); ++d) // none behind row 0, where GENERATE has no memory
    EXPECT_EQ(std::pair(offsets[d], lens[d]), std::pair(8, 0));
  EXPECT_EQ(arrays.at(BatchInput::LABELS), std::vector<int32_t>(16, -100));
  EXPECT_EQ(arrays.at(BatchInput::TARGET_LABELS), std::vector<int32_t>(3, -100));
  EXPECT_EQ(arrays.at(BatchInput::TARGET_SLOTS), std::vector<int32_t>(16, 3));
  EXPECT_EQ(arrays.at(BatchInput::ROW_INDEX), std::vector<int32_t>{2});
  const auto ids2 = arrays.at(BatchInput::SEGMENT_IDS);
  EXPECT_EQ(std::vector<int32_t>(ids2.begin(), ids2.begin() + 4), (std::vector<int32_t>{0, 3, 7, 0}));
  EXPECT_EQ(filler.fillPrompt({}, arrays.record).message(), "a prompt of 0 tokens; must be 1 to max_document_len 8");
  const std::vector<uint32_t> outside = {50};
  EXPECT_EQ(filler.fillPrompt(outside, arrays.record).message(),
            "a prompt holds token 50; must be below vocab_size 50");
}

TEST(BatchShape, RefusesPlansThatDoNotHoldTogether) {
  auto refusal = [](auto change) {
    plan::Batch batch = testBatch(2, 32, 50);
    change(batch);
    auto shape = BatchShape::from(batch);
    EXPECT_FALSE(shape.ok());
    return shape.status().message();
  };
  EXPECT_EQ(refusal([](auto &b) { b.set_micro_batch_size(0); }),
            "the plan's batch.micro_batch_size is 0; must be in [1, 1048576]");
  EXPECT_EQ(refusal([](auto &b) { b.set_max_documents(15); }),
            "the plan's batch.max_documents is 15; must be at least micro_batch_size x max_documents_per_row = 16");
  EXPECT_EQ(refusal([](auto &b) { b.set_max_segments(49); }),
            "the plan's batch.max_segments is 49; must be at least min(tokens, vocab_size) = 50");
  EXPECT_EQ(refusal([](auto &b) { b.set_max_eval_target_tokens(64); }),
            "the plan's batch names 64 tokens with a target; must be below the 64 of a micro-batch");
  EXPECT_EQ(refusal([](auto &b) {
              b.set_micro_batch_size(1 << 20);
              b.set_sequence_len(1 << 20);
              b.set_max_document_len(1 << 20);
            }),
            "the plan's micro-batch has 1099511627776 tokens; at most 1073741824");
  EXPECT_EQ(refusal([](auto &b) {
              b.set_micro_batch_size(64), b.set_max_documents(1 << 20);
              b.set_gradient_accumulation_steps(1 << 20);
            }),
            "the plan's step has 67108864 rows, micro_batch_size x gradient_accumulation_steps; at most 16777216");
}

/// Trains over three epochs and looks at every micro-batch: coverage, N, order, prefetching into two records.
TEST(BatchSource, TrainsOverEveryRowInEveryEpoch) {
  plan::Batch batch = testBatch(2, 64, 40);
  batch.set_gradient_accumulation_steps(3);
  const BatchShape shape = shapeOf(batch);
  const auto file = randomFile(shape, 40);
  const uint64_t rows = file->rows();
  ASSERT_NE(rows % shape.rowsPerStep(), 0u) << "an epoch's end shall fall into a step";
  std::map<std::vector<int32_t>, uint64_t> rowOf;
  for (uint64_t r = 0; r < rows; ++r)
    rowOf[{file->row(r).tokens.begin(), file->row(r).tokens.end()}] = r;
  ASSERT_EQ(rowOf.size(), rows);

  Arrays slots[2] = {Arrays(shape), Arrays(shape)};
  auto source = BatchSource::training(file, shape, {slots[0].record, slots[1].record}, 42);
  ASSERT_TRUE(source.ok()) << source.status().message();
  std::vector<uint64_t> served, stepTargets, targets;
  for (uint64_t i = 0; served.size() < 3 * rows; ++i) {
    const Batch *taken = (*source)->take();
    ASSERT_NE(taken, nullptr);
    EXPECT_EQ(taken->info.step, i / 3);
    EXPECT_EQ(taken->info.microBatch, i % 3);
    EXPECT_EQ(taken->info.firstRow, i % 3 * 2);
    EXPECT_EQ(taken->info.last, i % 3 == 2);
    EXPECT_DOUBLE_EQ(taken->info.epoch, double(2 * (i + 1)) / double(rows));
    if (i % 3 == 0) {
      stepTargets.push_back(taken->info.stepTargets);
      targets.push_back(0);
    }
    EXPECT_EQ(taken->info.stepTargets, stepTargets.back());
    targets.back() += taken->info.targets;
    const Arrays &arrays = slots[taken->slot];
    const auto tokens = arrays.at(BatchInput::TOKENS), labels = arrays.at(BatchInput::LABELS);
    EXPECT_EQ(uint64_t(std::count_if(labels.begin(), labels.end(), [](int32_t l) { return l >= 0; })),
              taken->info.targets);
    EXPECT_EQ(taken->info.mostTargets, taken->info.targets);
    std::vector<uint64_t> indices;
    for (uint32_t r = 0; r < shape.rows; ++r)
      indices.push_back(rowOf.at({tokens.begin() + r * 64, tokens.begin() + (r + 1) * 64}));
    checkRecord(arrays, shape, *file, indices);
    served.insert(served.end(), indices.begin(), indices.end());
    (*source)->release();
  }
  targets.pop_back();
  stepTargets.pop_back();
  EXPECT_EQ(targets, stepTargets);
  std::vector<uint64_t> epochs[3];
  for (int e = 0; e < 3; ++e) {
    epochs[e] = {served.begin() + e * rows, served.begin() + (e + 1) * rows};
    EXPECT_EQ(std::set<uint64_t>(epochs[e].begin(), epochs[e].end()).size(), rows);
  }
  EXPECT_NE(epochs[0], epochs[1]);
  EXPECT_NE(epochs[1], epochs[2]);
}

std::vector<int32_t> firstTokens(BatchSource &source, const Arrays *slots, int batches) {
  std::vector<int32_t> result;
  for (int i = 0; i < batches; ++i) {
    const Batch *taken = source.take();
    const auto tokens = slots[taken->slot].at(BatchInput::TOKENS);
    result.insert(result.end(), tokens.begin(), tokens.end());
    source.release();
  }
  return result;
}

TEST(BatchSource, AnyStepCanBeStartedFrom) {
  plan::Batch batch = testBatch(2, 64, 4000);
  batch.set_gradient_accumulation_steps(2);
  const BatchShape shape = shapeOf(batch);
  const auto file = randomFile(shape, 30);
  Arrays a[2] = {Arrays(shape), Arrays(shape)}, b[1] = {Arrays(shape)}, c[1] = {Arrays(shape)};
  auto whole = BatchSource::training(file, shape, {a[0].record, a[1].record}, 7);
  auto later = BatchSource::training(file, shape, {b[0].record}, 7, {}, 9);
  auto other = BatchSource::training(file, shape, {c[0].record}, 8);
  ASSERT_TRUE(whole.ok() && later.ok() && other.ok());
  const auto all = firstTokens(**whole, a, 24);
  const auto tail = firstTokens(**later, b, 6);
  EXPECT_TRUE(std::equal(tail.begin(), tail.end(), all.begin() + 18 * shape.tokens()));
  EXPECT_NE(firstTokens(**other, c, 24), all);
}

/// A run that continues with steps of another size goes on with the row behind the last.
TEST(BatchSource, AnyRowCanBeStartedFrom) {
  const BatchShape shape = shapeOf(testBatch(2, 64, 4000));
  const auto file = randomFile(shape, 30);
  Arrays a[1] = {Arrays(shape)}, b[1] = {Arrays(shape)};
  auto whole = BatchSource::training(file, shape, {a[0].record}, 7);
  auto later = BatchSource::training(file, shape, {b[0].record}, 7, {}, 2, 14);
  ASSERT_TRUE(whole.ok() && later.ok());
  const auto all = firstTokens(**whole, a, 24), tail = firstTokens(**later, b, 17);
  EXPECT_TRUE(std::equal(tail.begin(), tail.end(), all.begin() + 7 * shape.tokens()));
}

TEST(BatchSource, EvaluationServesEachRowOnceAndPads) {
  const BatchShape shape = shapeOf(testBatch(4, 64, 40));
  const auto file = randomFile(shape, 41);
  ASSERT_NE(file->rows() % 4, 0u);
  Arrays slots[2] = {Arrays(shape), Arrays(shape)};
  auto source = BatchSource::evaluation(file, shape, {slots[0].record, slots[1].record});
  ASSERT_TRUE(source.ok());
  EXPECT_EQ((*source)->microBatches(), (file->rows() + 3) / 4);
  for (int pass = 0; pass < 3; ++pass) {
    uint64_t row = 0, targets = 0;
    while (const Batch *taken = (*source)->take()) {
      std::vector<uint64_t> indices;
      for (int i = 0; i < 4; ++i, ++row)
        indices.push_back(row < file->rows() ? row : BatchFiller::PaddingRow);
      checkRecord(slots[taken->slot], shape, *file, indices);
      EXPECT_EQ(taken->info.stepTargets, file->stats().targets);
      EXPECT_EQ(taken->info.last, row >= file->rows());
      targets += taken->info.targets;
      (*source)->release();
    }
    EXPECT_EQ((*source)->take(), nullptr);
    EXPECT_EQ(row, 4 * (*source)->microBatches());
    EXPECT_EQ(targets, file->stats().targets);
    (*source)->rewind();
  }
  // Rewinding in the middle starts over as well.
  ASSERT_NE((*source)->take(), nullptr);
  (*source)->release();
  (*source)->rewind();
  const Batch *first = (*source)->take();
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(first->info.firstRow, 0u);
}

/// One rank of `shape`, and as many ranks of `part` as together have its rows.
struct World {
  World(const BatchShape &shape, const BatchShape &part) : whole(shape), part(part), wholeArrays(shape) {
    arrays.reserve(size());
    for (uint32_t rank = 0; rank < size(); ++rank)
      arrays.emplace_back(part);
  }
  uint32_t size() const { return whole.rows / part.rows; }

  /// Takes a micro-batch of each: the ranks' rows one behind the other are the rank's alone. False at the end.
  bool takeEqual() {
    const Batch *one = alone->take();
    std::map<BatchInput::Kind, std::vector<int32_t>> joined;
    int64_t targets = 0, most = 0;
    std::vector<uint64_t> told; // by each rank: what the rank has that has most
    for (uint32_t rank = 0; rank < size(); ++rank) {
      const Batch *taken = ranks[rank]->take();
      EXPECT_EQ(taken != nullptr, one != nullptr);
      if (!taken || !one)
        return false;
      for (auto kind : {BatchInput::TOKENS, BatchInput::LABELS, BatchInput::POSITIONS, BatchInput::DOCUMENT_START}) {
        const auto own = arrays[rank].at(kind);
        joined[kind].insert(joined[kind].end(), own.begin(), own.end());
      }
      const auto labels = arrays[rank].at(BatchInput::LABELS);
      lastTargets = std::count_if(labels.begin(), labels.end(), [](int32_t label) { return label >= 0; });
      targets += lastTargets, most = std::max(most, int64_t(lastTargets));
      told.push_back(taken->info.mostTargets);
      EXPECT_EQ(taken->info.firstRow, one->info.firstRow + rank * part.rows);
      BatchInfo info = taken->info;
      info.firstRow = one->info.firstRow;
      info.mostTargets = one->info.mostTargets; // of one rank: all
      EXPECT_EQ(info, one->info) << "rank " << rank;
      ranks[rank]->release();
    }
    for (const auto &[kind, values] : joined)
      EXPECT_EQ(values, wholeArrays.at(kind)) << "kind " << kind;
    EXPECT_EQ(targets, int64_t(one->info.targets));
    EXPECT_EQ(told, std::vector<uint64_t>(size(), uint64_t(most)));
    alone->release();
    return true;
  }

  const BatchShape whole, part;
  Arrays wholeArrays;
  std::vector<Arrays> arrays;
  std::unique_ptr<BatchSource> alone;
  std::vector<std::unique_ptr<BatchSource>> ranks;
  int64_t lastTargets = 0; ///< of the last rank's micro-batch
};

World threeRanks(uint64_t accumulation) {
  plan::Batch six = testBatch(6, 64, 40), two = testBatch(2, 64, 40);
  six.set_gradient_accumulation_steps(accumulation), two.set_gradient_accumulation_steps(accumulation);
  return {shapeOf(six), shapeOf(two)};
}

TEST(BatchSource, RanksTrainOnTheRowsOfOneInItsOrder) {
  World world = threeRanks(2);
  const auto file = randomFile(world.part, 40);
  world.alone = std::move(*BatchSource::training(file, world.whole, {world.wholeArrays.record}, 42));
  for (uint32_t rank = 0; rank < 3; ++rank)
    world.ranks.push_back(
        std::move(*BatchSource::training(file, world.part, {world.arrays[rank].record}, 42, {rank, 3})));
  for (uint64_t served = 0; served < 3 * file->rows(); served += 6)
    ASSERT_TRUE(world.takeEqual());
  EXPECT_NE(world.arrays[0].at(BatchInput::TOKENS), world.arrays[1].at(BatchInput::TOKENS));
}

TEST(BatchSource, RanksEvaluateTheRowsOfOneAndTheLastPads) {
  World world = threeRanks(1);
  uint32_t documents = 40;
  auto file = randomFile(world.part, documents);
  while (file->rows() % 6 == 0 || file->rows() % 6 > 4)
    file = randomFile(world.part, ++documents);
  ASSERT_TRUE(file->rows() % 6 > 0 && file->rows() % 6 <= 4) << "rank 2 shall have nothing but padding at the end";
  world.alone = std::move(*BatchSource::evaluation(file, world.whole, {world.wholeArrays.record}));
  for (uint32_t rank = 0; rank < 3; ++rank)
    world.ranks.push_back(
        std::move(*BatchSource::evaluation(file, world.part, {world.arrays[rank].record}, {rank, 3})));
  for (int pass = 0; pass < 2; ++pass) {
    uint64_t batches = 0;
    for (; world.takeEqual(); ++batches)
      EXPECT_EQ(world.lastTargets == 0, batches + 1 == world.alone->microBatches());
    EXPECT_EQ(batches, (file->rows() + 5) / 6);
    EXPECT_EQ(world.ranks[2]->microBatches(), batches);
    world.alone->rewind();
    for (auto &rank : world.ranks)
      rank->rewind();
  }
}

TEST(BatchSource, RefusesAShareThatIsNone) {
  plan::Batch batch = testBatch(2, 64, 40);
  batch.set_gradient_accumulation_steps(1 << 20);
  const BatchShape shape = shapeOf(batch);
  const auto file = randomFile(shape, 10);
  Arrays arrays(shape);
  EXPECT_EQ(BatchSource::evaluation(file, shape, {arrays.record}, {3, 3}).status().message(),
            "batches for rank 3 of a world of 3; must be below it");
  EXPECT_EQ(BatchSource::training(file, shape, {arrays.record}, 1, {0, 9}).status().message(),
            "the step has 18874368 rows, 2097152 on each of 9 ranks; at most 16777216");
}

/// Over several epochs, so that reshuffling is among what is counted.
TEST(BatchSource, AllocatesNothingOnceItRuns) {
  const BatchShape shape = shapeOf(testBatch(2, 64, 40));
  const auto file = randomFile(shape, 30);
  Arrays slots[2] = {Arrays(shape), Arrays(shape)};
  auto source = BatchSource::training(file, shape, {slots[0].record, slots[1].record}, 42);
  ASSERT_TRUE(source.ok());
  (*source)->take();
  (*source)->release();
  const uint64_t before = heapBlocks();
  double epoch = 0;
  for (int i = 0; i < 100; ++i) {
    epoch = (*source)->take()->info.epoch;
    (*source)->release();
  }
  EXPECT_EQ(heapBlocks(), before);
  EXPECT_GT(epoch, 3.0);
}

TEST(BatchSource, RefusesAFileOfAnotherShape) {
  const BatchShape shape = shapeOf(testBatch(2, 64, 40)), other = shapeOf(testBatch(2, 32, 40));
  const auto file = randomFile(shape, 10);
  Arrays arrays(other);
  auto source = BatchSource::training(file, other, {arrays.record}, 1);
  ASSERT_FALSE(source.ok());
  EXPECT_EQ(source.status().message(), "random: sequence_len is 64 in random, 32 in the plan");
  EXPECT_EQ(BatchSource::evaluation(file, shape, {}).status().message(),
            "a batch source needs at least one record to fill");
}

TEST(BatchSource, StepsFollowFromEpochs) {
  plan::Batch batch = testBatch(2, 64, 40);
  batch.set_gradient_accumulation_steps(2);
  const BatchShape shape = shapeOf(batch);
  plan::Run run;
  run.set_num_epochs(3);
  EXPECT_EQ(totalSteps(run, shape, 10), 8u);    // 30 rows, 4 a step
  EXPECT_EQ(totalSteps(run, shape, 10, 3), 3u); // 12 a step
  run.set_num_epochs(0.1);
  EXPECT_EQ(totalSteps(run, shape, 10), 1u);
  run.set_num_epochs(1e300);
  EXPECT_EQ(totalSteps(run, shape, 10), uint64_t(1) << 53);
  run.set_max_steps(5);
  EXPECT_EQ(totalSteps(run, shape, 10), 5u);
}

TEST(SyntheticData, FullRowsWithPackingDrawnLengthsWithout) {
  auto make = [](RowShape shape, SyntheticSource source, Split split = Split::Whole) {
    TokenFileIdentity identity;
    identity.shape = shape;
    identity.vocabSize = 1000;
    identity.split = split;
    auto file = syntheticData(identity, source);
    EXPECT_TRUE(file.ok()) << file.status().message();
    return std::make_shared<const TokenFile>(std::move(*file));
  };
  const auto packed = make({128, 128, 8, true}, {1});
  EXPECT_EQ(packed->stats().tokens, packed->rows() * 128);
  EXPECT_EQ(packed->stats().targets, packed->rows() * 127);
  EXPECT_EQ(packed->documents(), packed->rows());
  const auto capped = make({128, 50, 8, true}, {1});
  EXPECT_EQ(std::vector(capped->row(3).documentLens.begin(), capped->row(3).documentLens.end()),
            (std::vector<uint32_t>{50, 50, 28}));
  const auto single = make({128, 128, 1, false}, {1});
  std::set<uint32_t> lengths;
  for (uint64_t r = 0; r < single->rows(); ++r)
    lengths.insert(single->row(r).documentLens[0]);
  EXPECT_GT(lengths.size(), 50u);
  EXPECT_GE(*lengths.begin(), 32u);
  EXPECT_LT(*lengths.begin(), 40u);
  EXPECT_GT(*lengths.rbegin(), 120u);
  EXPECT_EQ(single->row(0).targets, single->row(0).documentLens[0] - 1);
  auto sameBytes = [](const auto &a, const auto &b) { return std::ranges::equal(a->bytes(), b->bytes()); };
  EXPECT_TRUE(sameBytes(packed, make({128, 128, 8, true}, {1})));
  EXPECT_FALSE(sameBytes(packed, make({128, 128, 8, true}, {2})));
  const auto heldOut = make({128, 128, 8, true}, {1}, Split::Evaluation);
  EXPECT_FALSE(std::ranges::equal(packed->row(0).tokens, heldOut->row(0).tokens));
  const auto half = make({128, 128, 8, true}, {1, 50, 50}), drawn = make({128, 50, 8, true}, {1, 20, 80});
  EXPECT_EQ(half->stats().targets, half->rows() * 64);
  EXPECT_TRUE(std::ranges::equal(half->row(2).tokens, packed->row(2).tokens));
  std::set<uint32_t> targets;
  for (uint64_t r = 0; r < drawn->rows(); ++r)
    targets.insert(drawn->row(r).targets);
  EXPECT_GT(targets.size(), 20u);
  EXPECT_GE(*targets.begin(), 24u); // a fifth of 128
  EXPECT_LE(*targets.rbegin(), 105u);
  EXPECT_NEAR(double(drawn->stats().targets) / double(drawn->stats().tokens), 0.5, 0.1);
}

} // namespace
