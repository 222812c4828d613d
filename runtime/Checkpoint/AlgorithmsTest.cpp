// algorithms.json: what is written is read, and what is not right is named.
#include "runtime/Checkpoint/Algorithms.h"

#include <gtest/gtest.h>

using namespace ft::rt;

namespace {
const Algorithms sample = {"NVIDIA H200", {"cuBLASLt 13.1.0", "cuDNN 9.19.0"}, {"gemm 1x2x3: algorithm 66", "é\n"}};

std::string refusal(std::string_view text) {
  const auto read = parseAlgorithms(text, "a.json");
  return read.ok() ? "" : read.status().message();
}
} // namespace

TEST(AlgorithmsTest, ComesBackAsItWasWritten) {
  const auto read = parseAlgorithms(toJson(sample), "a.json");
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(read->device, sample.device);
  EXPECT_EQ(read->libraries, sample.libraries);
  EXPECT_EQ(read->products, sample.products);
  EXPECT_EQ(toJson(*read), toJson(sample));
}

TEST(AlgorithmsTest, NamesWhatIsWrong) {
  const std::string again = ": make it again with ftrun PLAN --tune FILE";
  EXPECT_EQ(refusal("[]"), "a.json: is []; must be an object" + again);
  EXPECT_EQ(refusal("{}"), "a.json: version is missing; must be 1" + again);
  EXPECT_EQ(refusal(R"({"version": 2})"), "a.json: version is 2; must be 1" + again);
  EXPECT_EQ(refusal(R"({"version": 1, "device": 7})"), "a.json: device is 7; must be a text" + again);
  EXPECT_EQ(refusal(R"({"version": 1, "device": "x", "libraries": {}})"),
            "a.json: libraries is {}; must be an array of texts" + again);
  EXPECT_EQ(refusal(R"({"version": 1, "device": "x", "libraries": [], "products": ["a", 3]})"),
            "a.json: products has 3; must be texts" + again);
  EXPECT_NE(refusal("{"), "");
}
