#include "runtime/Text/TokenFile.h"

#include "runtime/Text/DataRandom.h"
#include "runtime/Text/TextTestUtils.h"

#include "runtime/Text/TokenFileLayout.h"
#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <functional>

using namespace ft::rt;

namespace {

TokenFileIdentity identityOf(bool trainOnPrompt = false) {
  TokenFileIdentity identity;
  identity.shape = {12, 8, 4, true};
  identity.vocabSize = 100;
  identity.seed = 42;
  identity.trainOnPrompt = trainOnPrompt;
  identity.tokenizer.fill(1);
  identity.promptTemplate.fill(2);
  identity.data.fill(3);
  return identity;
}

const std::vector<Document> ThreeDocuments = {
    {{9, 8, 7, 6, 5}, 2, false}, {{4, 99, 4}, 1, true}, {{50, 51, 52, 53, 54, 55, 56}, 6, false}};

std::vector<std::byte> image(bool trainOnPrompt = false) {
  PackingStats stats;
  stats.samples = 4;
  stats.truncated = stats.dropped = 1;
  stats.droppedPlaces[0] = 17;
  return buildTokenFile(identityOf(trainOnPrompt), stats, ThreeDocuments, {{0, 1}, {2}});
}

TEST(TokenFile, RoundTrips) {
  auto file = TokenFile::fromImage(image(), "m");
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(file->identity(), identityOf());
  EXPECT_EQ(file->rows(), 2u);
  EXPECT_EQ(file->documents(), 3u);
  EXPECT_EQ(file->stats().samples, 4u);
  EXPECT_EQ(file->stats().droppedPlaces[0], 17u);
  EXPECT_EQ(file->stats().tokens, 15u);
  EXPECT_EQ(file->stats().endTrained, 2u);
  const TokenRow row = file->row(0);
  EXPECT_EQ(std::vector(row.tokens.begin(), row.tokens.end()),
            (std::vector<uint32_t>{9, 8, 7, 6, 5, 4, 99, 4, 0, 0, 0, 0}));
  EXPECT_EQ(std::vector(row.sortedPositions.begin(), row.sortedPositions.end()),
            (std::vector<uint32_t>{8, 9, 10, 11, 5, 7, 4, 3, 2, 1, 0, 6}));
  EXPECT_EQ(std::vector(row.documentLens.begin(), row.documentLens.end()), (std::vector<uint32_t>{5, 3}));
}

/// Response tokens are predicted from the position before; a document's last position predicts nothing.
TEST(TokenFile, TargetsAreResponsesInsideDocuments) {
  auto targets = [](const TokenRow &row) {
    std::vector<uint32_t> positions;
    for (uint32_t t = 0; t < row.tokens.size(); ++t)
      if (row.isTarget(t))
        positions.push_back(t);
    EXPECT_EQ(positions.size(), row.targets);
    return positions;
  };
  auto responses = TokenFile::fromImage(image(), "m");
  ASSERT_TRUE(responses.ok());
  EXPECT_EQ(targets(responses->row(0)), (std::vector<uint32_t>{1, 2, 3, 5, 6}));
  EXPECT_EQ(targets(responses->row(1)), (std::vector<uint32_t>{5}));
  EXPECT_EQ(responses->stats().targets, 6u);
  auto everything = TokenFile::fromImage(image(true), "m");
  ASSERT_TRUE(everything.ok());
  EXPECT_EQ(targets(everything->row(0)), (std::vector<uint32_t>{0, 1, 2, 3, 5, 6}));
  EXPECT_EQ(targets(everything->row(1)), (std::vector<uint32_t>{0, 1, 2, 3, 4, 5}));
}

TEST(TokenFile, DifferencesNameBothValues) {
  auto difference = [](const std::function<void(TokenFileIdentity &)> &change) {
    TokenFileIdentity wanted = identityOf();
    change(wanted);
    return identityOf().difference("a.tokens", wanted);
  };
  EXPECT_EQ(difference([](auto &) {}), "");
  EXPECT_EQ(difference([](auto &w) { w.shape.sequenceLen = 16; }), "sequence_len is 12 in a.tokens, 16 in the plan");
  EXPECT_EQ(difference([](auto &w) { w.shape.maxDocumentLen = 7; }),
            "max_document_len is 8 in a.tokens, 7 in the plan");
  EXPECT_EQ(difference([](auto &w) { w.shape.maxDocumentsPerRow = 5; }),
            "max_documents_per_row is 4 in a.tokens, 5 in the plan");
  EXPECT_EQ(difference([](auto &w) { w.shape.packing = false; }), "packing is true in a.tokens, false in the plan");
  EXPECT_EQ(difference([](auto &w) { w.vocabSize = 7; }), "vocab_size is 100 in a.tokens, 7 in the plan");
  EXPECT_EQ(difference([](auto &w) { w.seed = 1; }), "seed is 42 in a.tokens, 1 in the plan");
  EXPECT_EQ(difference([](auto &w) { w.trainOnPrompt = true; }),
            "train_on_prompt is false in a.tokens, true in the plan");
  EXPECT_EQ(difference([](auto &w) { w.split = Split::Train; }), "split is whole in a.tokens, train in the plan");
  EXPECT_EQ(difference([](auto &w) { w.valSetSize = 0.5; }), "val_set_size is 0 in a.tokens, 0.5 in the plan");
  EXPECT_EQ(difference([](auto &w) { w.tokenizer.fill(9); }),
            "tokenizer digest is 0101010101010101 in a.tokens, 0909090909090909 in the loaded model");
  EXPECT_EQ(difference([](auto &w) { w.promptTemplate.fill(9); }),
            "template digest is 0202020202020202 in a.tokens, 0909090909090909 in the plan");
  EXPECT_EQ(difference([](auto &w) { w.data.fill(9); }),
            "data digest is 0303030303030303 in a.tokens, 0909090909090909 in the plan's data file");
}

constexpr const char *Advice = "; the file is damaged or was made by something else, make it again with ftc data";

TEST(TokenFile, EachDamageHasItsMessage) {
  auto refuses = [](const std::function<void(std::vector<std::byte> &, TokenFileHeader &)> &damage,
                    const std::string &expected, bool advice = true) {
    std::vector<std::byte> bytes = image();
    TokenFileHeader header;
    std::memcpy(&header, bytes.data(), sizeof header);
    damage(bytes, header);
    std::memcpy(bytes.data(), &header, std::min(bytes.size(), sizeof header));
    auto file = TokenFile::fromImage(bytes, "m");
    ASSERT_FALSE(file.ok()) << expected;
    EXPECT_EQ(file.status().code(), Code::BadInput);
    EXPECT_EQ(file.status().message(), "m: " + expected + (advice ? Advice : ""));
  };
  const TokenFileSections at(2, 3, 12, 0);
  auto u32 = [](std::vector<std::byte> &bytes, uint64_t offset, uint64_t index) -> uint32_t & {
    return reinterpret_cast<uint32_t *>(bytes.data() + offset)[index];
  };
  refuses([](auto &b, auto &) { b.resize(100); }, "has 100 bytes; a token file has at least 248");
  refuses([](auto &, auto &h) { h.magic[0] = 'X'; }, "does not start with FTCTOKEN");
  refuses([](auto &, auto &h) { h.version = 2; },
          "is a token file of version 2; must be 3, make it again with ftc data", false);
  refuses([](auto &, auto &h) { h.flags = 8; }, "flags 8, split 0, val_set_size 0 are not of version 3");
  refuses([](auto &, auto &h) { h.sequenceLen = 1u << 25; },
          "sequence_len is 33554432, vocab_size 100; at most 16777216 each");
  refuses([](auto &, auto &h) { h.maxDocumentLen = 13; }, "max_document_len is 13; must be in [1, sequence_len = 12]");
  refuses([](auto &, auto &h) { h.rows = 0; }, "has 0 rows and 3 documents");
  refuses([](auto &, auto &h) { h.rows = UINT64_MAX; }, "has 18446744073709551615 rows and 3 documents");
  refuses([](auto &, auto &h) { h.documents = UINT64_MAX; }, "has 2 rows and 18446744073709551615 documents");
  refuses([&](auto &b, auto &) { b.resize(b.size() - 1); },
          fmt::format("has {} bytes; 2 rows and 3 documents take {}", at.end - 1, at.end));
  refuses([&](auto &, auto &h) { h.rows = 4000000000; },
          fmt::format("has {} bytes; 4000000000 rows and 3 documents take {}", at.end,
                      TokenFileSections(4000000000, 3, 12, 0).end));
  refuses([](auto &, auto &h) { ++h.targets; }, "says 15 tokens and 7 targets, holds 15 and 6");
  refuses([&](auto &b, auto &) { u32(b, at.tokens, 3) = 100; },
          "row 0: token 100 at position 3; must be below vocab_size 100");
  refuses([&](auto &b, auto &) { std::swap(u32(b, at.sortedPositions, 4), u32(b, at.sortedPositions, 5)); },
          "row 0: positions 7 and 5 are not sorted by token");
  refuses([&](auto &b, auto &) { u32(b, at.sortedPositions, 5) = u32(b, at.sortedPositions, 4); },
          "row 0: positions 5 and 5 are not sorted by token");
  refuses([&](auto &b, auto &) { u32(b, at.sortedPositions, 11) = 12; }, "row 0: sorted position 12; must be below 12");
  refuses([&](auto &b, auto &) { u32(b, at.rowDocuments, 2) = 7; }, "row 0: documents 0 to 7 of 3; must be 1 to 4");
  refuses([&](auto &b, auto &) { u32(b, at.rowDocuments, 0) = 1; },
          "the document table does not start at 0 and end at the number of documents");
  refuses([&](auto &b, auto &) { u32(b, at.documentLens, 1) = 9; },
          "row 0: a document of 9 tokens at position 5; at most 8, inside 12");
  refuses([&](auto &b, auto &) { u32(b, at.documentLens, 1) = 0; },
          "row 0: a document of 0 tokens at position 5; at most 8, inside 12");
  refuses([&](auto &b, auto &) { b[at.targetMask] |= std::byte(1 << 4); },
          "row 0: 6 targets, 5 of them inside documents, 5 counted; must be equal and above 0");
  refuses([&](auto &b, auto &) { b[at.targetMask + 3] |= std::byte(0x80); },
          "row 1: 2 targets, 1 of them inside documents, 1 counted; must be equal and above 0");
  refuses([&](auto &b, auto &) { u32(b, at.rowTargets, 1) = 2; },
          "row 1: 1 targets, 1 of them inside documents, 2 counted; must be equal and above 0");
}

class TokenFileOnDisk : public FolderTest {};

/// A cached file is used for the whole run, while other runs may make it again or something may destroy it.
TEST_F(TokenFileOnDisk, WhatHappensToAnOpenFileChangesNothing) {
  const std::vector<std::byte> whole = image();
  const std::string path = write("t.tokens", std::string(reinterpret_cast<const char *>(whole.data()), whole.size()));
  auto file = TokenFile::open(path);
  ASSERT_TRUE(file.ok()) << file.status().message();
  write("t.tokens", std::string(whole.size(), '\xff'));
  EXPECT_TRUE(std::equal(whole.begin(), whole.end(), file->bytes().begin(), file->bytes().end()));
  std::filesystem::resize_file(path, 0);
  EXPECT_TRUE(std::equal(whole.begin(), whole.end(), file->bytes().begin(), file->bytes().end()));
}

/// What is well-formed and not what was written: a token that is another of the vocabulary, a digest, a counter.
TEST(TokenFile, AChecksumTellsWhatNothingElseDoes) {
  const TokenFileSections at(2, 3, 12, 0);
  const std::pair<uint64_t, uint8_t> changes[] = {{at.tokens + 6 * 4, 98}, // was 99, and is the largest still
                                                  {offsetof(TokenFileHeader, tokenizer), 7},
                                                  {offsetof(TokenFileHeader, samples), 7},
                                                  {offsetof(TokenFileHeader, checksum), 7}};
  for (const auto &[offset, value] : changes) {
    std::vector<std::byte> bytes = image();
    bytes[offset] = std::byte(value);
    const auto file = TokenFile::fromImage(bytes, "m");
    ASSERT_FALSE(file.ok()) << offset;
    EXPECT_NE(file.status().message().find("m: its checksum is "), std::string::npos) << file.status().message();
    EXPECT_NE(file.status().message().find(" when it was written; the file is damaged"), std::string::npos);
    EXPECT_TRUE(TokenFile::fromImage(TokenFile::sealed(bytes), "m").ok()) << offset;
  }
  EXPECT_EQ(TokenFile::sealed(image()), image());
  std::vector<std::byte> broken = image();
  broken[0] = std::byte();
  EXPECT_EQ(TokenFile::sealed(broken), broken);
}

/// No truncation and no flipped byte is taken, but of the bytes between sections, and none leads outside the file.
TEST_F(TokenFileOnDisk, TruncatedAndFlippedFilesAreRefused) {
  const std::vector<std::byte> whole = image();
  for (size_t size = 0; size < whole.size(); ++size) {
    auto file = TokenFile::open(write("t.tokens", std::string(reinterpret_cast<const char *>(whole.data()), size)));
    EXPECT_FALSE(file.ok()) << size;
  }
  const TokenFileSections at(2, 3, 12, 0);
  const std::pair<uint64_t, uint64_t> sections[] = {
      {0, sizeof(TokenFileHeader)}, {at.tokens, 96},    {at.sortedPositions, 96}, {at.rowDocuments, 24},
      {at.documentLens, 12},        {at.rowTargets, 8}, {at.targetMask, 4}};
  DataRandom random(3, "flips");
  for (size_t offset = 0; offset < whole.size(); ++offset) {
    std::vector<std::byte> bytes = whole;
    bytes[offset] ^= std::byte(1 + random.below(255));
    const bool between = std::none_of(std::begin(sections), std::end(sections), [&](const auto &section) {
      return offset >= section.first && offset < section.first + section.second;
    });
    EXPECT_EQ(TokenFile::fromImage(bytes, "m").ok(), between) << offset;
    // With the right checksum it may be another file, or is refused for what it is.
    if (auto file = TokenFile::fromImage(TokenFile::sealed(bytes), "m"); file.ok()) {
      for (uint64_t r = 0; r < file->rows(); ++r)
        EXPECT_GT(file->row(r).targets, 0u);
    }
  }
}

} // namespace
