#include "runtime/Weights/Gguf.h"
#include "runtime/Weights/Convert.h"
#include "runtime/Weights/Fill.h"
#include "runtime/Weights/Safetensors.h"
#include "runtime/Weights/WeightsTesting.h"

namespace ft::rt {
namespace {

using namespace testing;

TEST(Gguf, ReadsEveryMetadataType) {
  auto file = GgufFile::open(goldens + "types.gguf");
  ASSERT_TRUE(file.ok()) << file.status().message();
  auto integer = [&](const char *key) { return file->find(key)->integer().value(); };
  EXPECT_EQ(integer("test.u8"), 200);
  EXPECT_EQ(integer("test.i8"), -100);
  EXPECT_EQ(integer("test.u16"), 60000);
  EXPECT_EQ(integer("test.i16"), -30000);
  EXPECT_EQ(integer("test.u32"), 4000000000);
  EXPECT_EQ(integer("test.i32"), -2000000000);
  EXPECT_EQ(integer("test.u64"), INT64_MAX);
  EXPECT_EQ(integer("test.i64"), INT64_MIN);
  EXPECT_EQ(file->find("test.f32")->real(), double(1e-5f));
  EXPECT_EQ(file->find("test.f64")->real(), 1e-5);
  EXPECT_EQ(file->find("test.bool")->flag(), true);
  EXPECT_EQ(*file->find("test.string")->text(), "grüße");
  EXPECT_EQ(*file->find("test.ints")->integers(), (std::vector<int64_t>{1, -2, 3}));
  EXPECT_EQ(*file->find("test.reals")->reals(), (std::vector<double>{0.5, -0.25}));
  EXPECT_EQ(*file->find("test.strings")->texts(), (std::vector<std::string>{"a", "", "Ġthe"}));
  EXPECT_EQ(*file->find("test.bools")->integers(), (std::vector<int64_t>{1, 0}));
  EXPECT_EQ(*file->find("general.architecture")->text(), "llama");
  EXPECT_EQ(file->find("test.absent"), nullptr);
  EXPECT_EQ(file->find("test.string")->integers(), nullptr);
  EXPECT_EQ(file->find("test.bool")->integer(), std::nullopt);
  EXPECT_EQ(file->find("test.strings")->kind(), "array of strings");
}

class GgufTypes : public ::testing::TestWithParam<const char *> {};
INSTANTIATE_TEST_SUITE_P(, GgufTypes, ::testing::Values("types", "blocks"));

TEST_P(GgufTypes, DequantiseAsGgmlDoes) {
  const std::string base = goldens + GetParam();
  auto file = GgufFile::open(base + ".gguf");
  auto expected = SafetensorsFile::open(base + ".expected.safetensors");
  ASSERT_TRUE(file.ok() && expected.ok());
  ASSERT_EQ(file->tensors().size(), expected->tensors().size());
  for (const TensorView &view : file->tensors()) {
    const TensorView *want = expected->tensor(view.name);
    ASSERT_TRUE(want) << view.name;
    EXPECT_EQ(view.shape, want->shape) << view.name;
    uint32_t heads = view.name.starts_with("blk.0.attn_q") ? 3 : 0;
    uint64_t count = elementCount(view.shape);
    std::vector<float> got(count);
    // Odd cuts, so that pieces start and end inside blocks.
    auto produce = fileProducer(view, plan::F32, heads);
    for (uint64_t first = 0; first < count; first += 37)
      produce(first, std::min<uint64_t>(37, count - first), reinterpret_cast<std::byte *>(&got[first]));
    EXPECT_EQ(std::memcmp(got.data(), want->bytes.data(), count * 4), 0) << view.name;
  }
}

Status openText(const std::string &text) {
  ScratchFolder scratch;
  return GgufFile::open(scratch.write("m.gguf", text)).status();
}

TEST(Gguf, RefusesWhatIsNotWellFormed) {
  FT_EXPECT_OK(openText(GgufDraft().header(1, 0).tensor("a", 4, 0).data(16).text));
  expectError(openText("GGML"), "does not start with \"GGUF\"");
  expectError(openText("version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 98\n"),
              "a pointer of Git LFS that stands for the 98 bytes");
  expectError(openText(GgufDraft().add<uint32_t>(2).text), "GGUF version 2");
  expectError(openText(GgufDraft().add<uint32_t>(0x03000000).text), "big-endian");
  expectError(openText(GgufDraft().header(UINT64_MAX, 0).text), "claims 18446744073709551615 tensors");
  expectError(openText(GgufDraft().header(0, 1ull << 60).text), "metadata values; its remaining");
  expectError(openText(GgufDraft().header(0, 1).name("k").add<uint32_t>(13).data(64).text), "value type 13");
  expectError(openText(GgufDraft().header(0, 1).name("k").add<uint32_t>(8).add<uint64_t>(UINT64_MAX).data(64).text),
              "claims 18446744073709551615 bytes");
  expectError(
      openText(GgufDraft().header(0, 1).name("k").add<uint32_t>(9).add<uint32_t>(4).add<uint64_t>(1ull << 62).text),
      "elements of k");
  expectError(openText(GgufDraft().header(0, 1).name("k").add<uint32_t>(9).add<uint32_t>(9).data(64).text),
              "array of value type 9");
  expectError(openText(GgufDraft().header(0, 1).name("k").add<uint32_t>(7).add<uint8_t>(2).data(64).text),
              "bool of value 2");
  expectError(openText(GgufDraft().header(0, 1).name("k").add<uint32_t>(10).add<uint64_t>(1ull << 63).data(64).text),
              "above 2^63-1");
  expectError(openText(GgufDraft()
                           .header(0, 2)
                           .name("k")
                           .add<uint32_t>(0)
                           .add<uint8_t>(1)
                           .name("k")
                           .add<uint32_t>(0)
                           .add<uint8_t>(1)
                           .data(64)
                           .text),
              "key \"k\" appears twice");
  constexpr uint64_t tooLong = (1 << 24) + 1; // the bytes are there, but in the tensors
  const std::string zeros(tooLong, '\0');
  expectError(openText(GgufDraft().header(0, 1).name("k").add<uint32_t>(9).add<uint32_t>(0).add(tooLong).text + zeros),
              "k has 16777217 elements; 16777216 are the most that is read");
  expectError(openText(GgufDraft().header(0, 1).add(tooLong).text + zeros), "a metadata key has 16777217 bytes");
  for (uint32_t alignment : {0u, 4u, 48u, 1u << 31})
    expectError(openText(GgufDraft().header(0, 1).name("general.alignment").add<uint32_t>(4).add(alignment).text),
                "must be a power of two");
}

TEST(Gguf, RefusesTensorsThatDoNotFit) {
  expectError(openText(GgufDraft().header(1, 0).tensor("a", 4, 0).data(15).text), "does not fit into the data section");
  expectError(openText(GgufDraft().header(1, 0).tensor("a", 4, 1ull << 63).data(16).text), "does not fit");
  expectError(openText(GgufDraft().header(1, 0).tensor("a", 4, 8).data(64).text), "not aligned to 32");
  expectError(openText(GgufDraft().header(2, 0).tensor("a", 16, 0).tensor("b", 4, 32).data(96).text),
              "overlaps the tensor before it");
  expectError(openText(GgufDraft().header(2, 0).tensor("a", 4, 0).tensor("a", 4, 32).data(96).text),
              "\"a\" appears twice");
  expectError(openText(GgufDraft().header(1, 0).tensor("a", 0, 0).data(64).text), "dimension of 0");
  expectError(openText(GgufDraft().header(1, 0).tensor("a", 1ull << 62, 0).data(64).text), "exceeds 64 bits");
  expectError(openText(GgufDraft().header(1, 0).tensor("a", 33, 0, 8).data(64).text), "no multiple of 32");
  expectError(openText(GgufDraft().header(1, 0).tensor("a", 96, 0, 12).data(640).text), "no multiple of 256");
  expectError(openText(GgufDraft().header(1, 0).tensor("a", 256, 0, 16).data(640).text), "ggml type 16 (IQ2_XXS)");
  expectError(openText(GgufDraft().header(1, 0).tensor("a", 256, 0, 999).data(640).text), "ggml type 999 (unknown)");
  expectError(openText(GgufDraft().header(1, 0).name("a").add<uint32_t>(5).data(640).text), "has 5 dimensions");
  expectError(GgufFile::open("no/such.gguf").status(), "no/such.gguf");
}

TEST(Gguf, AlignmentOfTheFileIsObeyed) {
  GgufDraft draft;
  draft.header(1, 1).name("general.alignment").add<uint32_t>(4).add<uint32_t>(256).tensor("a", 2, 256);
  draft.text.resize(256 + 256 + 8, '\1');
  ScratchFolder scratch;
  auto file = GgufFile::open(scratch.write("m.gguf", draft.text));
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(file->tensor("a")->bytes.size(), 8u);
}

/// Prefixes, and many files with a few random bytes changed: no crash, and a prefix never opens.
TEST(Gguf, SurvivesCutAndDamagedFiles) {
  std::string whole = readAll(goldens + "types.gguf");
  ScratchFolder scratch;
  for (size_t size = 0; size < whole.size(); size += size < 3000 ? 7 : 97)
    EXPECT_FALSE(GgufFile::open(scratch.write("cut.gguf", whole.data(), size)).ok()) << size;
  std::mt19937 random(4);
  int opened = 0;
  for (int i = 0; i < 1000; ++i) {
    std::string damaged = whole;
    for (int k = 0; k < 3; ++k)
      damaged[random() % 2500] = char(random());
    auto file = GgufFile::open(scratch.write("damaged.gguf", damaged));
    if (!file.ok())
      continue;
    ++opened;
    for (const TensorView &view : file->tensors()) {
      std::vector<std::byte> out(elementCount(view.shape) * 8);
      if (isConvertible(view.encoding, plan::F64))
        convertElements(view, 0, elementCount(view.shape), plan::F64, out.data());
    }
  }
  EXPECT_GT(opened, 0);
}

} // namespace
} // namespace ft::rt
