// What several tests of this folder share.
#pragma once

#include "runtime/Text/PreparedData.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <unistd.h>

namespace ft::rt {

/// A folder of its own for each test, and a cache inside it.
class FolderTest : public testing::Test {
protected:
  void SetUp() override {
    const auto *info = testing::UnitTest::GetInstance()->current_test_info();
    folder = std::filesystem::temp_directory_path() /
             ("ftc-text-" + std::to_string(getpid()) + "-" + info->test_suite_name() + "-" + info->name());
    std::filesystem::create_directories(folder);
    setenv("XDG_CACHE_HOME", (folder / "cache").c_str(), 1);
  }
  void TearDown() override {
    unsetenv("XDG_CACHE_HOME");
    std::filesystem::remove_all(folder);
  }
  std::string write(const std::string &name, const std::string &content) {
    std::ofstream(folder / name, std::ios::binary) << content;
    return (folder / name).string();
  }
  std::filesystem::path folder;
};

struct SampleFile {
  bool lines = false;
  std::vector<Sample> samples;
};

/// All samples of a file.
inline Expected<SampleFile> readSamples(const std::string &path, const ColumnNames &columns = {}) {
  FT_ASSIGN_OR_RETURN(const SampleSource source, SampleSource::open(path, columns));
  SampleFile file{source.lines(), {}};
  SampleSource::Reader records(source);
  for (Record record;;) {
    FT_ASSIGN_OR_RETURN(const bool more, records.next(record));
    if (!more)
      return file;
    FT_ASSIGN_OR_RETURN(Sample sample, source.sample(record));
    file.samples.push_back(std::move(sample));
  }
}

inline TextCodec testCodec(std::string_view name = "chatml") {
  auto codec = TextCodec::load("test/goldens/text/digits", {std::string(name), "", {}, false, ""});
  EXPECT_TRUE(codec.ok()) << codec.status().message();
  return *codec;
}

inline plan::Batch testBatch(uint64_t rows, uint64_t sequenceLen, uint64_t vocabulary, bool packing = true) {
  plan::Batch batch;
  batch.set_micro_batch_size(rows);
  batch.set_sequence_len(sequenceLen);
  batch.set_vocab_size(vocabulary);
  batch.set_gradient_accumulation_steps(1);
  batch.set_max_document_len(sequenceLen);
  batch.set_max_documents_per_row(packing ? 8 : 1);
  batch.set_max_documents((rows * batch.max_documents_per_row() + 63) / 64 * 64);
  batch.set_max_segments(std::min(rows * sequenceLen, vocabulary));
  batch.set_packing(packing);
  return batch;
}

} // namespace ft::rt
