#include "runtime/Weights/GgufSet.h"
#include "runtime/Weights/WeightsTesting.h"

namespace ft::rt {
namespace {

using namespace testing;

const std::string firstName = "split-00001-of-00002.gguf", secondName = "split-00002-of-00002.gguf";

TEST(GgufSet, JoinsThePartsOfAnotherProgram) {
  auto set = GgufSet::open(goldens + firstName);
  ASSERT_TRUE(set.ok()) << set.status().message();
  EXPECT_EQ(set->files().size(), 2u);
  EXPECT_EQ(set->first().find("llama.block_count")->integer(), 1);
  ASSERT_EQ(set->tensors().size(), 3u);
  for (const auto &[name, where] : set->tensors()) {
    float value;
    std::memcpy(&value, where.view->bytes.data() + 28, 4);
    EXPECT_EQ(value, float(name[0] - 'a')) << name;
    EXPECT_EQ(where.file, goldens + (name == "c" ? secondName : firstName));
  }
}

TEST(GgufSet, AWholeFileHasOnePart) {
  auto set = GgufSet::open(goldens + "types.gguf");
  ASSERT_TRUE(set.ok());
  EXPECT_EQ(set->files().size(), 1u);
  EXPECT_EQ(set->tensors().size(), set->first().tensors().size());
}

/// The status of opening the first of both parts, written under these names.
Status openParts(const std::string &first, const std::string &second, const std::string &named = firstName) {
  ScratchFolder scratch;
  scratch.write(firstName, first);
  if (!second.empty())
    scratch.write(secondName, second);
  return GgufSet::open(scratch.path(named)).status();
}

std::string part(uint16_t number, uint16_t count, const char *tensor, uint16_t tensors = 2) {
  GgufDraft draft;
  draft.header(1, 3).name("split.no").add<uint32_t>(2).add(number).name("split.count").add<uint32_t>(2).add(count);
  draft.name("split.tensors.count").add<uint32_t>(2).add(tensors);
  return draft.tensor(tensor, 4, 0).data(16).text;
}

TEST(GgufSet, RefusesPartsThatAreNotAModel) {
  const std::string first = part(0, 2, "a"), second = part(1, 2, "b");
  FT_EXPECT_OK(openParts(first, second));
  expectError(openParts(first, second, secondName), "is part 2 of 2 of a model; name the first, ");
  expectError(openParts(first, ""), secondName + ": cannot open");
  expectError(openParts(first, ""), "is the first of 2 parts of a model, and another cannot be read: ");
  expectError(openParts(first, ""), "; put all of them into its folder");
  expectError(openParts(first, second.substr(0, 60)), secondName + ": at byte");
  expectError(openParts(first, first), "split.no is 0 and split.count is 2; must be 1 and 2");
  expectError(openParts(first, part(1, 3, "b")), "split.count is 3; must be 1 and 2");
  expectError(openParts(first, part(1, 2, "a")), "tensor \"a\" is in both ");
  expectError(openParts(part(0, 2, "a", 3), second), "split.tensors.count is 3, and the 2 parts hold 2 tensors");
  expectError(openParts(part(0, 65535, "a"), second), "is part 1 of 65535 of a model, which its name must say");
  expectError(openParts(part(4, 2, "a"), second), "is part 5 of 2");
  const std::string negative = GgufDraft().header(0, 1).name("split.count").add<uint32_t>(5).add<int32_t>(-7).text;
  expectError(openParts(negative, second), "is part 1 of -1");
}

} // namespace
} // namespace ft::rt
