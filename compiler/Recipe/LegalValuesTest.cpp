#include "compiler/Recipe/LegalValues.h"

#include "compiler/Recipe/Recipe.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <unistd.h>

using namespace ft;
using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
namespace fs = std::filesystem;

namespace {

/// What a field needs beside it, so that its own range is what is asked.
const std::map<std::string, std::vector<std::string>> beside = {
    {"sgd_momentum", {"optim=SGD"}},
    {"save_total_limit", {"save_steps=1"}},
    {"offload_optimizer.fraction", {"offload_optimizer.device=CPU"}},
    {"parallelism.dp_shard_size", {"parallelism.strategy=FSDP"}},
    {"generate.max_new_tokens", {"generate.instruction=a"}},
};

/// Every number of a message is refused, as a number that is too large and as a word, with the same range.
void compareRanges(const Descriptor &message, const std::string &prefix, const std::string &recipe) {
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor &field = *message.field(i);
    const std::string path = prefix + field.name();
    if (const Descriptor *inner = field.message_type()) {
      compareRanges(*inner, path + ".", recipe);
      continue;
    }
    const bool integer = field.cpp_type() == FieldDescriptor::CPPTYPE_UINT64;
    if ((!integer && field.cpp_type() != FieldDescriptor::CPPTYPE_DOUBLE) || path == "seed" ||
        path == "global_batch_size") // any, and one whose range is another field's
      continue;
    std::vector<std::string> overrides;
    if (const auto found = beside.find(path); found != beside.end())
      overrides = found->second;
    auto errorWith = [&](const std::string &value) {
      std::vector<std::string> all = overrides;
      all.push_back(path + "=" + value);
      const auto loaded = loadRecipe(recipe, all);
      return loaded.ok() ? "accepted" : loaded.status().message();
    };
    const std::string legal = legalValues(field), word = errorWith("many"), large = errorWith("9e18");
    EXPECT_NE(word.find("is many; must be " + legal), std::string::npos) << word;
    const size_t from = legal.find_first_of("[("), to = legal.find_first_of("])", from);
    ASSERT_NE(from, std::string::npos) << path << " has no range: " << legal;
    std::string range = legal.substr(from, to + 1 - from);
    if (const size_t at = range.find("sequence_len"); at != std::string::npos)
      range.replace(at, 12, "256");
    const std::string refused = integer ? errorWith("18446744073709551615") : large;
    EXPECT_NE(refused.find("must be in " + range), std::string::npos) << path << ": " << refused;
  }
}

TEST(LegalValues, AreThoseThatAreChecked) {
  const fs::path file = fs::temp_directory_path() / ("ftc-legal-" + std::to_string(::getpid()) + ".textproto");
  std::ofstream(file) << "base_model: \"smollm2-135m\" precision: FP32_TRUE sequence_len: 256 micro_batch_size: 4 "
                         "learning_rate: 1e-3 lora { r: 4 }\n";
  compareRanges(*recipe::Recipe::descriptor(), "", file.string());
  fs::remove(file);
}

} // namespace
