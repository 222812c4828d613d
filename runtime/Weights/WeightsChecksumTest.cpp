#include "runtime/Weights/WeightsChecksum.h"

#include "runtime/Support/Parallel.h"
#include "runtime/Weights/WeightsTesting.h"

using namespace ft::rt;
using namespace ft::rt::testing;

namespace {

/// A model of the names, each of `each` bytes that follow from its name and the place in it.
std::string fileOf(const std::vector<std::string> &names, uint64_t each) {
  std::string header = "{", data;
  for (size_t i = 0; i < names.size(); ++i) {
    header += fmt::format(R"({}"{}":{{"dtype":"U8","shape":[{}],"data_offsets":[{},{}]}})", i ? "," : "", names[i],
                          each, i * each, (i + 1) * each);
    for (uint64_t at = 0; at < each; ++at)
      data += static_cast<char>(at * 31 + at / 1021 + uint64_t(names[i].back()));
  }
  return safetensorsText(header + "}", data);
}

uint64_t checksumOf(const std::string &path, uint32_t threads) {
  auto model = ModelSource::open(path);
  EXPECT_TRUE(model.ok()) << model.status().message();
  return WeightsChecksum().of(*model, threads);
}

constexpr uint64_t each = (17 << 20) + 5; // more than two pieces

} // namespace

TEST(WeightsChecksumTest, IsThatOfTheBytesWhoeverReadsThem) {
  const ScratchFolder folder;
  const std::string one = folder.write("one.safetensors", fileOf({"a", "b"}, each));
  const uint64_t sum = checksumOf(one, 1);
  for (const uint32_t threads : {2, 3, 16})
    EXPECT_EQ(checksumOf(one, threads), sum);
  // Another order in the file, and two files.
  EXPECT_EQ(checksumOf(folder.write("other.safetensors", fileOf({"b", "a"}, each)), 2), sum);
  std::filesystem::create_directory(folder.path("two"));
  folder.write("two/x.safetensors", fileOf({"b"}, each));
  folder.write("two/y.safetensors", fileOf({"a"}, each));
  folder.write("two/model.safetensors.index.json", R"({"weight_map":{"a":"y.safetensors","b":"x.safetensors"}})");
  EXPECT_EQ(checksumOf(folder.path("two"), 2), sum);
}

TEST(WeightsChecksumTest, SeesEachBit) {
  const ScratchFolder folder;
  const std::string bytes = fileOf({"a", "b"}, each);
  const uint64_t sum = checksumOf(folder.write("m.safetensors", bytes), 2);
  for (const uint64_t back : {uint64_t(1), each / 2, each, each + 1, 2 * each}) {
    std::string changed = bytes;
    changed[changed.size() - back] ^= 0x10;
    EXPECT_NE(checksumOf(folder.write("m.safetensors", changed), 2), sum) << back;
  }
}

TEST(WeightsChecksumTest, IsReadBesideAndOnce) {
  const ScratchFolder folder;
  const std::string path = folder.write("m.safetensors", fileOf({"a", "b", "c"}, each));
  const uint64_t sum = checksumOf(path, 1);
  auto model = ModelSource::open(path);
  ASSERT_TRUE(model.ok());
  WeightsChecksum beside;
  EXPECT_FALSE(beside.known());
  beside.begin(*model);
  beside.begin(*model);
  uint64_t others[3];
  parallelFor(3, 3, [&](uint64_t i) { others[i] = beside.of(*model, 2); });
  for (const uint64_t other : others)
    EXPECT_EQ(other, sum);
  EXPECT_EQ(beside.known(), sum);
  beside.begin(*model);
  EXPECT_EQ(beside.of(*model, 1), sum);
  WeightsChecksum left; // is left while it reads
  left.begin(*model);
}
