#include "runtime/Weights/Safetensors.h"
#include "runtime/Weights/Convert.h"
#include "runtime/Weights/SafetensorsWriter.h"
#include "runtime/Weights/WeightsTesting.h"

#include <chrono>
#include <cmath>
#include <filesystem>

namespace ft::rt {
namespace {

using namespace testing;

Status openText(const std::string &text) {
  ScratchFolder scratch;
  return SafetensorsFile::open(scratch.write("m.safetensors", text)).status();
}
Status openHeader(const std::string &header, size_t data) {
  return openText(safetensorsText(header, std::string(data, 'x')));
}

TEST(Safetensors, ReadsWhatTheReferenceWrote) {
  auto file = SafetensorsFile::open(goldens + "tiny.safetensors");
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(file->metadata().at("format"), "pt");
  EXPECT_EQ(file->tensors().size(), 12u);
  EXPECT_EQ(file->tensor("i64")->encoding, Encoding::I64);
  EXPECT_EQ(file->tensor("u8")->shape, std::vector<uint64_t>{5});
  EXPECT_TRUE(file->tensor("scalar")->shape.empty());
  EXPECT_EQ(file->tensor("empty")->bytes.size(), 0u);
  EXPECT_EQ(file->tensor("nothing"), nullptr);
  // f32 and f16 were rounded by numpy from f64.
  std::vector<std::byte> f32(15 * 4), f16(15 * 2);
  convertElements(*file->tensor("f64"), 0, 15, plan::F32, f32.data());
  convertElements(*file->tensor("f64"), 0, 15, plan::F16, f16.data());
  EXPECT_TRUE(std::ranges::equal(f32, file->tensor("f32")->bytes));
  EXPECT_TRUE(std::ranges::equal(f16, file->tensor("f16")->bytes));
  // Every pattern of eight bits, which another library widened.
  for (const std::string name : {"f8_e4m3", "f8_e5m2"}) {
    std::vector<std::byte> wide(256 * 4);
    convertElements(*file->tensor(name), 0, 256, plan::F32, wide.data());
    const auto *got = reinterpret_cast<const float *>(wide.data());
    const auto *want = reinterpret_cast<const float *>(file->tensor(name + ".f32")->bytes.data());
    for (int i = 0; i < 256; ++i)
      EXPECT_TRUE(std::isnan(want[i]) ? std::isnan(got[i]) : std::memcmp(&got[i], &want[i], 4) == 0) << name << i;
  }
}

TEST(Safetensors, ReadsShardsByTheirIndex) {
  auto set = SafetensorsSet::open(goldens + "sharded");
  ASSERT_TRUE(set.ok()) << set.status().message();
  auto whole = SafetensorsFile::open(goldens + "tiny.safetensors");
  ASSERT_EQ(set->tensors().size(), 4u);
  for (const auto &[name, entry] : set->tensors())
    EXPECT_TRUE(std::ranges::equal(entry.view->bytes, whole->tensor(name)->bytes)) << name;
}

TEST(Safetensors, RefusesWhatIsNotWellFormed) {
  const std::string a = R"("a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]})";
  FT_EXPECT_OK(openHeader("{" + a + "}", 8));
  FT_EXPECT_OK(openHeader("{}", 0));
  expectError(openText("1234567"), "too short");
  expectError(openText(std::string(8, '\xff') + "{}"), "claims 18446744073709551615 bytes");
  expectError(openText(safetensorsText("{}", "").substr(0, 9)), "the header claims 2 bytes");
  expectError(openHeader("[1]", 0), "no JSON object");
  expectError(openHeader("{" + a, 8), "not valid JSON");
  expectError(openHeader("{\"\xff\":" + a.substr(4) + "}", 8), "not valid JSON");
  expectError(openHeader("{" + a + "," + a + "}", 8), "\"a\" appears twice");
  expectError(openHeader("{" + a + "}", 7), "ends at data offset 8, the file has 7 bytes");
  expectError(openHeader("{" + a + "}", 9), "1 bytes of data belong to no tensor");
  expectError(openHeader(R"({"a":[]})", 8), "must be an object with dtype");
  expectError(openHeader(R"({"a":{"dtype":"F8_E8M0","shape":[8],"data_offsets":[0,8]}})", 8), "has dtype F8_E8M0");
  expectError(openHeader(R"({"a":{"dtype":"Q8_0","shape":[32],"data_offsets":[0,34]}})", 34), "has dtype Q8_0");
  expectError(openHeader(R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", 8), "do not span the 12 bytes");
  expectError(openHeader(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", 8), "do not span");
  expectError(openHeader(R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", 8), "unsigned integers");
  expectError(openHeader(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,16]}})", 8), "data_offsets two");
  expectError(openHeader(R"({"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}})", 0),
              "exceeds 64 bits");
  expectError(openHeader("{" + a + R"(,"b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})", 8), "must be 8, where");
  expectError(openHeader("{" + a + R"(,"b":{"dtype":"U8","shape":[4],"data_offsets":[12,16]}})", 16),
              "must be 8, where");
  expectError(openHeader(R"({"__metadata__":{"format":1}})", 0), "\"format\" must be a string");
  expectError(openHeader("{\"a\":" + std::string(100000, '['), 0), "nests deeper than 64 levels");
  FT_EXPECT_OK(openHeader(R"({"__metadata__":null})", 0));
}

TEST(Safetensors, RefusesBadFolders) {
  ScratchFolder scratch;
  expectError(SafetensorsSet::open(scratch.path()).status(), "neither model.safetensors nor");
  auto index = [&](const std::string &text) {
    scratch.write("model.safetensors.index.json", text);
    return SafetensorsSet::open(scratch.path()).status();
  };
  expectError(index("{}"), "weight_map must be an object");
  expectError(index("[]"), "must be an object");
  expectError(index(R"({"weight_map":{"a":"../a.safetensors"}})"), "must be the name of a file in the same folder");
  expectError(index(R"({"weight_map":{"a":".."}})"), "must be the name of a file in the same folder");
  expectError(index(R"({"weight_map":{"a":"a.safetensors\u0000x"}})"), "must be the name of a file in the same folder");
  expectError(index(R"({"weight_map":{"a":"a.safetensors","b":"a.safetensors"}})"),
              "model.safetensors.index.json: a.safetensors, which it names for 2 tensors, is not there");
  std::filesystem::create_symlink("blob", scratch.path() + "/a.safetensors"); // as in a cache that lost its files
  expectError(index(R"({"weight_map":{"a":"a.safetensors"}})"),
              "is a link to blob, where nothing is; copy or download it again");
  std::filesystem::remove(scratch.path() + "/a.safetensors");
  const std::string one = safetensorsText(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "x");
  scratch.write("a.safetensors", one);
  scratch.write("b.safetensors", one);
  FT_EXPECT_OK(index(R"({"weight_map":{"a":"a.safetensors"}})"));
  expectError(index(R"({"weight_map":{"b":"a.safetensors"}})"), "which does not hold it");
  scratch.write("b.safetensors", safetensorsText(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                                                 R"("b":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
                                                 "xy"));
  expectError(index(R"({"weight_map":{"a":"a.safetensors","b":"b.safetensors"}})"), "tensor \"a\" is in both");
  std::filesystem::remove(scratch.path() + "/model.safetensors.index.json");
  expectError(SafetensorsSet::open(scratch.path()).status(),
              "holds a.safetensors, and no model.safetensors.index.json, which says what lies in which file");
}

TEST(Safetensors, SurvivesCutAndDamagedFiles) {
  std::string whole = readAll(goldens + "tiny.safetensors");
  ScratchFolder scratch;
  for (size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(SafetensorsFile::open(scratch.write("cut", whole.data(), size)).ok()) << size;
  std::mt19937 random(5);
  int refused = 0;
  for (int i = 0; i < 1000; ++i) {
    std::string damaged = whole;
    damaged[random() % 600] = char(random());
    auto file = SafetensorsFile::open(scratch.write("damaged", damaged));
    refused += !file.ok();
    if (file.ok()) {
      for (const TensorView &view : file->tensors())
        EXPECT_EQ(view.bytes.size(), elementCount(view.shape) * blockBytes(view.encoding));
    }
  }
  EXPECT_GT(refused, 300);
}

TEST(Safetensors, ReadsManyTensorsInLinearTime) {
  std::string header = "{\"__metadata__\":null";
  for (int i = 0; i < 100'000; ++i)
    header += fmt::format(R"(,"{}":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}})", i);
  const auto start = std::chrono::steady_clock::now();
  FT_EXPECT_OK(openHeader(header + "}", 0));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20)); // minutes where it is quadratic
}

TEST(Safetensors, NamesWhatLiesThereInstead) {
  expectError(openText("version https://git-lfs.github.com/spec/v1\noid sha256:4665\nsize 269060552\n"),
              "must be a safetensors file, and is a pointer of Git LFS that stands for the 269060552 bytes");
  expectError(openText("PK\x03\x04" + std::string(100, 'x')), "a zip archive; unpack it, or where torch.save wrote it");
  // The length of this header, 640, is how a pickle starts.
  const std::string one = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  FT_EXPECT_OK(openHeader(one + std::string(640 - one.size(), ' '), 8));
  ScratchFolder scratch;
  scratch.write("pytorch_model.bin", "x");
  expectError(SafetensorsSet::open(scratch.path()).status(), "holds pytorch_model.bin, a pickle of Python");
}

TEST(Safetensors, EscapesAndBoundsNames) {
  const std::string name = "\\u001b[2J\\u202e" + std::string(100'000, 'x');
  const Status status = openHeader("{\"" + name + R"(":{"dtype":"F8","shape":[0],"data_offsets":[0,0]}})", 0);
  expectError(status, "\\x1b[2J\\u202exxx");
  EXPECT_LT(status.message().size(), 600u);
}

TEST(SafetensorsWriter, WritesWhatTheReaderReads) {
  ScratchFolder scratch;
  auto write = [&](const std::string &name) {
    auto writer = SafetensorsWriter::create(scratch.path(name), {{"z", plan::F32, {2, 3}}, {"a", plan::BF16, {}}});
    ASSERT_TRUE(writer.ok()) << writer.status().message();
    FT_EXPECT_OK(writer->write(std::as_bytes(std::span("0123456789", 10))));
    FT_EXPECT_OK(writer->write(std::as_bytes(std::span("abcdefghijklmnop", 16))));
    EXPECT_FALSE(std::filesystem::exists(scratch.path(name)));
    FT_EXPECT_OK(writer->finish());
  };
  write("x");
  write("y");
  EXPECT_EQ(readAll(scratch.path("x")), readAll(scratch.path("y")));
  auto file = SafetensorsFile::open(scratch.path("x"));
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(file->header().size() % 8, 0u);
  EXPECT_EQ(file->metadata().at("format"), "pt");
  EXPECT_EQ(file->tensor("z")->shape, (std::vector<uint64_t>{2, 3}));
  EXPECT_EQ(std::memcmp(file->tensor("z")->bytes.data(), "0123456789abcdefghijklmn", 24), 0);
  EXPECT_EQ(std::memcmp(file->tensor("a")->bytes.data(), "op", 2), 0);
}

TEST(SafetensorsWriter, RefusesMistakes) {
  ScratchFolder scratch;
  std::string path = scratch.path("x");
  auto create = [&](std::vector<SafetensorsEntry> entries) {
    return SafetensorsWriter::create(path, entries).status();
  };
  expectError(create({{"a", plan::F32, {1}}, {"a", plan::F32, {1}}}), "used twice");
  expectError(create({{"__metadata__", plan::F32, {1}}}), "reserved");
  expectError(create({{"\xff", plan::F32, {1}}}), "not UTF-8");
  expectError(create({{"a", plan::F32, {1ull << 40, 1ull << 40}}}), "exceeds 64 bits");
  auto writer = SafetensorsWriter::create(path, {{"a", plan::F32, {1}}});
  ASSERT_TRUE(writer.ok());
  expectError(writer->finish(), "announced");
  EXPECT_FALSE(std::filesystem::exists(path));
}

} // namespace
} // namespace ft::rt
