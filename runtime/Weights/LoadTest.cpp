#include "runtime/Weights/Load.h"
#include "runtime/Support/Philox.h"
#include "runtime/Weights/Convert.h"
#include "runtime/Weights/SafetensorsWriter.h"
#include "runtime/Weights/Seeded.h"
#include "runtime/Weights/WeightsTesting.h"

namespace ft::rt {
namespace {

using namespace testing;

constexpr uint64_t rows = 300, columns = 1200, rank = 4, pitch = columns + 16;

std::vector<float> randomFloats(uint64_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float &x : values)
    x = normal(random);
  return values;
}

/// A bordered weight [[W, B], [A, 0]] in bf16, a norm, a head in f32, keys and a table.
plan::Plan makePlan() {
  plan::Plan plan;
  uint32_t bordered = addBuffer(plan, (rows + rank) * pitch * 2), small = addBuffer(plan, 1 << 20);
  auto *w = addTensor(plan, "model.w.weight", plan::Tensor::FROZEN, plan::BF16, {rows, columns}, bordered);
  setLayout(*w, {rows, columns}, {pitch, 1});
  w->mutable_init()->set_kind(plan::Init::NORMAL);
  w->mutable_init()->set_scale(0.02);
  auto *b = addTensor(plan, "w.lora_B.weight", plan::Tensor::ADAPTER, plan::BF16, {rows, rank}, bordered, columns * 2);
  setLayout(*b, {rows, rank}, {pitch, 1});
  b->mutable_init()->set_kind(plan::Init::ZEROS);
  auto *a = addTensor(plan, "w.lora_A.weight", plan::Tensor::ADAPTER, plan::BF16, {rank, columns}, bordered,
                      rows * pitch * 2);
  setLayout(*a, {rank, columns}, {pitch, 1});
  a->mutable_init()->set_kind(plan::Init::UNIFORM);
  a->mutable_init()->set_scale(0.05);
  auto *norm = addTensor(plan, "model.norm.weight", plan::Tensor::TRAINABLE, plan::F32, {columns}, small, 64);
  norm->mutable_init()->set_kind(plan::Init::ONES);
  auto *keys = addTensor(plan, "keys", plan::Tensor::RANDOM_KEYS, plan::I64, {2}, small, 8192);
  keys->mutable_init()->set_kind(plan::Init::RANDOM_KEYS);
  keys->mutable_init()->add_key_names("model.layers.0.self_attn.input");
  keys->mutable_init()->add_key_names("model.layers.0.mlp.input");
  auto *table = addTensor(plan, "rope.cos", plan::Tensor::CONSTANT_TABLE, plan::F32, {3}, small, 8256);
  table->mutable_init()->set_kind(plan::Init::CONSTANT);
  table->mutable_init()->set_section(5);
  table->mutable_init()->set_section_offset(4);
  addTensor(plan, "model.norm.weight", plan::Tensor::GRADIENT, plan::F32, {columns}, small, 16384);
  addTensor(plan, "model.norm.weight", plan::Tensor::EXP_AVG, plan::F32, {columns}, small, 32768);
  // Beside the bordered weight, this is more than the staging of the tests holds.
  auto *wide =
      addTensor(plan, "wide.lora_A.weight", plan::Tensor::ADAPTER, plan::F32, {150, 1000}, addBuffer(plan, 600'000));
  wide->mutable_init()->set_kind(plan::Init::NORMAL);
  wide->mutable_init()->set_scale(1);
  return plan;
}

const std::vector<float> tableValues{9, 1, 2, 3};

LoadOptions makeOptions(uint32_t threads) {
  LoadOptions options;
  options.seed = 7;
  options.threads = threads;
  options.section = [](uint32_t section) {
    return section == 5 ? std::as_bytes(std::span(tableValues)) : std::span<const std::byte>();
  };
  return options;
}

struct Loaded {
  std::vector<Bytes> buffers;
  Status status;
};

enum class Way { Direct, Sink, StagedSink, TinyStagedSink };

Loaded load(const plan::Plan &plan, const ModelSource &model, const LoadOptions &options, Way way = Way::Direct) {
  Loaded loaded;
  for (const plan::Buffer &buffer : plan.buffers())
    loaded.buffers.emplace_back(buffer.size());
  LoadTarget target;
  Bytes staging(way == Way::StagedSink ? 1 << 20 : 4096);
  if (way == Way::Direct)
    target.hostBuffer = [&](uint32_t buffer) { return loaded.buffers[buffer].data(); };
  if (way == Way::StagedSink || way == Way::TinyStagedSink)
    target.staging = staging;
  target.sink = [&](uint32_t buffer, uint64_t offset, std::span<const std::byte> bytes) {
    bool isStaged = bytes.data() >= staging.data() && bytes.data() < staging.data() + staging.size();
    EXPECT_EQ(isStaged, way == Way::StagedSink);
    std::copy(bytes.begin(), bytes.end(), loaded.buffers[buffer].begin() + int64_t(offset));
    return Status();
  };
  loaded.status = loadModel(plan, model, options, target);
  return loaded;
}

uint16_t bf16At(const Bytes &buffer, uint64_t element) {
  uint16_t bits;
  std::memcpy(&bits, buffer.data() + element * 2, 2);
  return bits;
}

/// Writes model.safetensors with W (f64) and the norm (f32).
struct ModelFolder {
  ScratchFolder scratch;
  std::vector<float> w = randomFloats(rows * columns, 1), norm = randomFloats(columns, 2);
  using Extra = std::pair<std::string, std::vector<float>>;

  explicit ModelFolder(std::vector<Extra> extras = {}, bool withNorm = true, uint64_t normSize = columns) {
    std::vector<SafetensorsEntry> entries{{"model.w.weight", plan::F64, {rows, columns}}};
    if (withNorm)
      entries.push_back({"model.norm.weight", plan::F32, {normSize}});
    for (const auto &[name, values] : extras)
      entries.push_back({name, plan::F32, {values.size()}});
    auto writer = SafetensorsWriter::create(scratch.path("model.safetensors"), entries);
    std::vector<double> wide(w.begin(), w.end());
    FT_EXPECT_OK(writer->write(std::as_bytes(std::span(wide))));
    if (withNorm)
      FT_EXPECT_OK(writer->write(std::as_bytes(std::span(norm)).first(normSize * 4)));
    for (const auto &[name, values] : extras)
      FT_EXPECT_OK(writer->write(std::as_bytes(std::span(values))));
    FT_EXPECT_OK(writer->finish());
  }
  ModelSource open() const {
    auto source = ModelSource::open(scratch.path());
    EXPECT_TRUE(source.ok()) << source.status().message();
    return std::move(*source);
  }
};

TEST(Load, SplitsMastersThatHaveRemainders) {
  plan::Plan plan;
  const uint32_t half = addBuffer(plan, columns * 2), rest = addBuffer(plan, columns * 2);
  addTensor(plan, "model.norm.weight", plan::Tensor::TRAINABLE, plan::BF16, {columns}, half);
  addTensor(plan, "model.norm.weight", plan::Tensor::REMAINDER, plan::I16, {columns}, rest);
  ModelFolder folder({}, true);
  // Half of the way between two numbers in bf16, one of which is even.
  folder.norm[0] = std::bit_cast<float>(0x3f808000u), folder.norm[1] = std::bit_cast<float>(0xbf818000u);
  auto writer = SafetensorsWriter::create(folder.scratch.path("model.safetensors"),
                                          {{"model.norm.weight", plan::F32, {columns}}});
  FT_EXPECT_OK(writer->write(std::as_bytes(std::span(folder.norm))));
  FT_EXPECT_OK(writer->finish());
  const Loaded loaded = load(plan, folder.open(), makeOptions(2));
  FT_EXPECT_OK(loaded.status);
  for (uint64_t i = 0; i < columns; ++i) {
    const F32Halves halves{bf16At(loaded.buffers[half], i), int16_t(bf16At(loaded.buffers[rest], i))};
    EXPECT_EQ(std::bit_cast<uint32_t>(joinF32(halves)), std::bit_cast<uint32_t>(folder.norm[i])) << i;
  }
  EXPECT_EQ(bf16At(loaded.buffers[half], 0), 0x3f81);
  EXPECT_EQ(bf16At(loaded.buffers[half], 1), 0xbf82);
}

TEST(Load, RefusesTheRemainderOfNothing) {
  plan::Plan plan;
  addTensor(plan, "model.norm.weight", plan::Tensor::REMAINDER, plan::I16, {columns}, addBuffer(plan, columns * 2));
  const Loaded loaded = load(plan, *ModelSource::open("seeded:1"), makeOptions(1));
  EXPECT_NE(loaded.status.message().find("is the remainder of no trained tensor"), std::string::npos)
      << loaded.status.message();
}

TEST(Load, FillsEveryRole) {
  plan::Plan plan = makePlan();
  ModelFolder folder;
  ModelSource model = folder.open();
  Loaded loaded = load(plan, model, makeOptions(2));
  FT_EXPECT_OK(loaded.status);
  std::vector<float> a(rank * columns);
  seededElements(plan::Init::UNIFORM, 0.05, 7, "w.lora_A.weight", 0, a.size(), plan::F32,
                 reinterpret_cast<std::byte *>(a.data()));
  for (uint64_t r = 0; r < rows + rank; ++r)
    for (uint64_t c = 0; c < pitch; ++c) {
      uint16_t expected = 0;
      if (c < columns)
        expected = f32ToBf16(r < rows ? folder.w[r * columns + c] : a[(r - rows) * columns + c]);
      ASSERT_EQ(bf16At(loaded.buffers[0], r * pitch + c), expected) << r << ", " << c;
    }
  const std::byte *small = loaded.buffers[1].data();
  EXPECT_EQ(std::memcmp(small + 64, folder.norm.data(), columns * 4), 0);
  uint64_t keys[2] = {philoxKey64(7, "dropout", "model.layers.0.self_attn.input"),
                      philoxKey64(7, "dropout", "model.layers.0.mlp.input")};
  EXPECT_EQ(std::memcmp(small + 8192, keys, 16), 0);
  EXPECT_EQ(std::memcmp(small + 8256, tableValues.data() + 1, 12), 0);
  for (uint64_t i = 16384; i < 40000; ++i)
    ASSERT_EQ(small[i], std::byte(0));
}

TEST(Load, ThreadsAndUploadsChangeNothing) {
  plan::Plan plan = makePlan();
  ModelFolder folder;
  for (const std::string &path : {folder.scratch.path(), std::string("seeded:3")}) {
    auto model = ModelSource::open(path);
    ASSERT_TRUE(model.ok());
    Loaded direct = load(plan, *model, makeOptions(1));
    FT_EXPECT_OK(direct.status);
    for (Way way : {Way::Direct, Way::Sink, Way::StagedSink, Way::TinyStagedSink}) {
      Loaded other = load(plan, *model, makeOptions(4), way);
      FT_EXPECT_OK(other.status);
      EXPECT_EQ(other.buffers, direct.buffers);
    }
  }
}

TEST(Load, TransposedAndRegroupedLayoutsFromASeed) {
  plan::Plan plan = makePlan();
  plan::Plan transposed = makePlan();
  setLayout(*transposed.mutable_tensors(0), {rows, columns}, {1, rows});
  transposed.mutable_tensors()->DeleteSubrange(1, 2);
  auto model = ModelSource::open("seeded:18446744073709551615");
  ASSERT_TRUE(model.ok());
  Loaded a = load(plan, *model, makeOptions(2)), b = load(transposed, *model, makeOptions(2));
  FT_EXPECT_OK(a.status);
  FT_EXPECT_OK(b.status);
  for (uint64_t r = 0; r < rows; ++r)
    for (uint64_t c = 0; c < columns; ++c)
      ASSERT_EQ(bf16At(a.buffers[0], r * pitch + c), bf16At(b.buffers[0], c * rows + r));
}

TEST(Load, AdaptersCanStartNormal) {
  plan::Plan plan = makePlan();
  auto model = ModelSource::open("seeded:1");
  LoadOptions options = makeOptions(1);
  options.initAdaptersNormal = true;
  Loaded loaded = load(plan, *model, options);
  FT_EXPECT_OK(loaded.status);
  std::vector<float> b(rows * rank);
  seededElements(plan::Init::NORMAL, 0.02, 7, "w.lora_B.weight", 0, b.size(), plan::F32,
                 reinterpret_cast<std::byte *>(b.data()));
  for (uint64_t r = 0; r < rows; ++r)
    for (uint64_t c = 0; c < rank; ++c)
      ASSERT_EQ(bf16At(loaded.buffers[0], r * pitch + columns + c), f32ToBf16(b[r * rank + c]));
}

TEST(Load, NamesWhatDoesNotFit) {
  plan::Plan plan = makePlan();
  auto messageFor = [&](const ModelFolder &folder) { return load(plan, folder.open(), makeOptions(1)).status; };
  expectError(messageFor(ModelFolder({}, false)), "tensor \"model.norm.weight\" [1200] is missing");
  expectError(messageFor(ModelFolder({}, true, 7)),
              "model.safetensors: tensor \"model.norm.weight\" has shape [7]; the plan needs [1200]");
  expectError(messageFor(ModelFolder({{"model.norm.bias", {1}}})), "tensor \"model.norm.bias\" [1] is not in the plan");
  expectError(messageFor(ModelFolder({{"model.norm.bias", {1}}}, false)), "2 problems");
  FT_EXPECT_OK(messageFor(ModelFolder({{"model.layers.0.self_attn.rotary_emb.inv_freq", {1}}})));
}

TEST(Load, ATiedHeadMayBeRepeatedButNotDiffer) {
  plan::Plan plan = makePlan();
  auto *embedding = addTensor(plan, "model.embed_tokens.weight", plan::Tensor::FROZEN, plan::F32, {4}, 1, 65536);
  embedding->mutable_init()->set_kind(plan::Init::NORMAL);
  auto statusFor = [&](float last) {
    ModelFolder folder({{"model.embed_tokens.weight", {1, 2, 3, 4}}, {"lm_head.weight", {1, 2, 3, last}}});
    return load(plan, folder.open(), makeOptions(1)).status;
  };
  FT_EXPECT_OK(statusFor(4));
  expectError(statusFor(5), "the plan ties the head to the embedding, and the two differ");
}

TEST(Load, NamesTheTensorThatIsNotFinite) {
  plan::Plan plan = makePlan();
  for (const float value : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()})
    for (Way way : {Way::Direct, Way::Sink, Way::StagedSink}) {
      ModelFolder folder;
      std::string text = readAll(folder.scratch.path("model.safetensors"));
      const double wide = value;
      const size_t w = text.size() - columns * 4 - rows * columns * 8;
      std::memcpy(text.data() + w + (280'000) * 8, &wide, 8);
      std::memcpy(text.data() + text.size() - 4, &value, 4);
      folder.scratch.write("model.safetensors", text);
      Status status = load(plan, folder.open(), makeOptions(2), way).status;
      expectError(status,
                  "model.safetensors: tensor \"model.w.weight\": element 280000 of 360000 is not finite (NaN or "
                  "infinity) as BF16");
    }
  ModelFolder overflowing;
  plan.mutable_tensors(0)->set_dtype(plan::F16);
  std::string text = readAll(overflowing.scratch.path("model.safetensors"));
  const double large = 1e6; // finite as F64
  std::memcpy(text.data() + text.size() - columns * 4 - 8, &large, 8);
  overflowing.scratch.write("model.safetensors", text);
  expectError(load(plan, overflowing.open(), makeOptions(1)).status, "element 359999 of 360000 is not finite");
}

TEST(Load, RefusesPlansThatLeadOutside) {
  auto model = ModelSource::open("seeded:1");
  auto statusFor = [&](auto change) {
    plan::Plan plan = makePlan();
    change(plan);
    return load(plan, *model, makeOptions(1)).status;
  };
  expectError(statusFor([](plan::Plan &p) { p.mutable_tensors(5)->mutable_init()->set_section_offset(8); }),
              "12 bytes at offset 8 leave section 5 of 16 bytes");
  expectError(statusFor([](plan::Plan &p) { p.mutable_tensors(5)->mutable_init()->set_section(6); }), "section 6 of 0");
  expectError(statusFor([](plan::Plan &p) { p.mutable_tensors(4)->mutable_init()->add_key_names("x"); }),
              "[2] with 3 names");
  expectError(statusFor([](plan::Plan &p) { p.mutable_tensors(4)->set_dtype(plan::F64); }), "must be I64");
  expectError(statusFor([](plan::Plan &p) { p.mutable_tensors(0)->clear_init(); }), "no seeded initialisation");
  expectError(statusFor([](plan::Plan &p) { p.mutable_tensors(2)->clear_init(); }), "init kind 0 is unknown");
  expectError(statusFor([](plan::Plan &p) { p.mutable_tensors(0)->set_offset(20000); }), "leave buffer \"b0\"");
  expectError(statusFor([](plan::Plan &p) { p.mutable_tensors(0)->set_role(plan::Tensor::Role(77)); }), "role 77");
  expectError(runFills(std::vector<Fill>(1), LoadTarget(), 1), "no way to upload");
}

TEST(ModelSource, TheDigestFollowsTheContent) {
  ModelFolder a, b, c({{"model.norm.bias", {1}}}), d;
  EXPECT_EQ(a.open().digest(), b.open().digest());
  EXPECT_NE(a.open().digest(), c.open().digest());
  std::string text = readAll(d.scratch.path("model.safetensors"));
  text.back() = char(text.back() ^ 1);
  d.scratch.write("model.safetensors", text);
  EXPECT_NE(a.open().digest(), d.open().digest());
  EXPECT_NE(ModelSource::open("seeded:1")->digest(), ModelSource::open("seeded:2")->digest());
}

/// Cuts through bordered rows and through a tensor that is dense.
TEST(Load, ARankGetsItsShares) {
  constexpr uint32_t ranks = 4;
  plan::Plan plan = makePlan();
  ModelFolder folder;
  ModelSource model = folder.open();
  const Loaded whole = load(plan, model, makeOptions(1));
  FT_EXPECT_OK(whole.status);
  plan.add_mesh()->set_size(ranks);
  for (const bool inPlace : {false, true}) {
    for (int buffer : {0, 2}) {
      const uint64_t bytes = whole.buffers[size_t(buffer)].size();
      plan::Shares &shares = *plan.mutable_buffers(buffer)->mutable_shares();
      shares.clear_axes(), shares.add_axes(0), shares.set_bytes(bytes);
      plan.mutable_buffers(buffer)->set_size(inPlace ? bytes : bytes / ranks);
    }
    for (const Way way : {Way::Direct, Way::Sink})
      for (uint32_t member = 0; member < ranks; ++member) {
        LoadOptions options = makeOptions(2);
        options.rank = member;
        const Loaded mine = load(plan, model, options, way);
        FT_EXPECT_OK(mine.status);
        EXPECT_EQ(mine.buffers[1], whole.buffers[1]); // has no shares
        for (size_t buffer : {0u, 2u}) {
          const Bytes &all = whole.buffers[buffer];
          const size_t share = all.size() / ranks, begin = member * share;
          Bytes expected(inPlace ? all.size() : share);
          std::copy_n(all.begin() + ptrdiff_t(begin), share, expected.begin() + ptrdiff_t(inPlace ? begin : 0));
          EXPECT_TRUE(mine.buffers[buffer] == expected) << "buffer " << buffer << " of rank " << member;
        }
      }
  }
}

} // namespace
} // namespace ft::rt
