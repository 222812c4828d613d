// Quantised tensors: against an oracle of bitsandbytes' rules (test/goldens/nf4/make.py), and what is refused.
#include "runtime/Weights/Load.h"
#include "runtime/Weights/Nf4.h"
#include "runtime/Weights/SafetensorsWriter.h"
#include "runtime/Weights/WeightsTesting.h"

#include <cmath>

namespace ft::rt {
namespace {

using namespace testing;

const std::string golden = "test/goldens/nf4/nf4.safetensors";
constexpr uint64_t rows = 266, columns = 63, elements = rows * columns;

SafetensorsFile openGolden() {
  auto file = SafetensorsFile::open(golden);
  EXPECT_TRUE(file.ok()) << file.status().message();
  return std::move(*file);
}

/// One frozen tensor "w.weight" of the golden's shape in NF4, 48 bytes into its buffer.
plan::Plan makePlan(bool doubleQuant) {
  plan::Plan plan;
  const uint32_t buffer = addBuffer(plan, 48 + plan::Nf4Layout(elements, doubleQuant).bytes);
  auto *w = addTensor(plan, "w.weight", plan::Tensor::FROZEN, plan::U4, {rows, columns}, buffer, 48);
  setLayout(*w, {elements}, {1});
  w->mutable_quantization()->set_kind(plan::Quantization::NF4);
  w->mutable_quantization()->set_double_quant(doubleQuant);
  w->mutable_init()->set_kind(plan::Init::NORMAL);
  w->mutable_init()->set_scale(0.02);
  return plan;
}

using Parts = std::map<std::string, TensorView>;

/// The golden's parts of "plain.weight", "nested.weight" or "numbers", under the names of "w.weight".
Parts partsOf(const SafetensorsFile &file, const std::string &form) {
  Parts parts;
  for (const TensorView &view : file.tensors())
    if (view.name == form || view.name.starts_with(form + ".weight"))
      parts.emplace("w.weight" + (view.name == form ? "" : view.name.substr(form.size() + 7)), view);
  return parts;
}

std::string writeModel(const ScratchFolder &scratch, const Parts &parts) {
  std::vector<SafetensorsEntry> entries;
  for (const auto &[name, view] : parts)
    entries.push_back({name,
                       view.encoding == Encoding::U8    ? plan::U8
                       : view.encoding == Encoding::F64 ? plan::F64
                                                        : plan::F32,
                       view.shape});
  auto writer = SafetensorsWriter::create(scratch.path("model.safetensors"), entries);
  for (const auto &[name, view] : parts)
    FT_EXPECT_OK(writer->write(view.bytes));
  FT_EXPECT_OK(writer->finish());
  return scratch.path("model.safetensors");
}

struct Loaded {
  Bytes bytes; ///< from the tensor's offset on
  Status status;
};

Loaded load(const plan::Plan &plan, const std::string &path, bool direct = true, uint32_t threads = 3) {
  auto model = ModelSource::open(path);
  EXPECT_TRUE(model.ok()) << model.status().message();
  Bytes buffer(plan.buffers(0).size());
  LoadTarget target;
  if (direct)
    target.hostBuffer = [&](uint32_t) { return buffer.data(); };
  target.sink = [&](uint32_t, uint64_t offset, std::span<const std::byte> bytes) {
    std::copy(bytes.begin(), bytes.end(), buffer.begin() + int64_t(offset));
    return Status();
  };
  LoadOptions options;
  options.threads = threads;
  const Status status = loadModel(plan, *model, options, target);
  EXPECT_TRUE(std::all_of(buffer.begin(), buffer.begin() + 48, [](std::byte b) { return b == std::byte(0); }));
  return {Bytes(buffer.begin() + 48, buffer.end()), status};
}

void expectPart(const Bytes &image, uint64_t offset, std::span<const std::byte> expected, const std::string &what) {
  ASSERT_LE(offset + expected.size(), image.size());
  for (uint64_t i = 0; i < expected.size(); ++i)
    ASSERT_EQ(image[offset + i], expected[i]) << what << ", byte " << i;
}

void expectGolden(const Bytes &image, const SafetensorsFile &file, bool doubleQuant) {
  const plan::Nf4Layout layout(elements, doubleQuant);
  const std::string name = doubleQuant ? "nested.weight" : "plain.weight";
  expectPart(image, 0, file.tensor(name)->bytes, "codes");
  expectPart(image, layout.scales, file.tensor(name + ".absmax")->bytes, "scales");
  for (uint64_t i = (elements + 1) / 2; i < layout.scales; ++i)
    EXPECT_EQ(image[i], std::byte(0)) << "behind the codes, byte " << i;
  if (!doubleQuant)
    return;
  expectPart(image, layout.nestedScales, file.tensor(name + ".nested_absmax")->bytes, "scales of scales");
  expectPart(image, layout.nestedValues, file.tensor(name + ".nested_quant_map")->bytes, "values");
}

TEST(Quantized, NumbersBecomeTheOraclesCodesAndScales) {
  const SafetensorsFile file = openGolden();
  const ScratchFolder scratch;
  const std::string path = writeModel(scratch, partsOf(file, "numbers"));
  for (bool doubleQuant : {false, true})
    for (bool direct : {true, false})
      for (uint32_t threads : {1u, 3u}) {
        const Loaded loaded = load(makePlan(doubleQuant), path, direct, threads);
        FT_EXPECT_OK(loaded.status);
        expectGolden(loaded.bytes, file, doubleQuant);
      }
}

TEST(Quantized, PublishedCheckpointsLoadAsTheyAre) {
  const SafetensorsFile file = openGolden();
  for (bool doubleQuant : {false, true}) {
    const ScratchFolder scratch;
    const std::string path = writeModel(scratch, partsOf(file, doubleQuant ? "nested" : "plain"));
    const Loaded loaded = load(makePlan(doubleQuant), path, !doubleQuant);
    FT_EXPECT_OK(loaded.status);
    expectGolden(loaded.bytes, file, doubleQuant);
  }
}

// A plan with f32 scales takes those that quantised scales mean, and a plan with quantised ones quantises f32 scales.
TEST(Quantized, ScalesBecomeWhatThePlanHas) {
  const SafetensorsFile file = openGolden();
  const ScratchFolder plain, nested;
  const Loaded again = load(makePlan(true), writeModel(plain, partsOf(file, "plain")));
  FT_EXPECT_OK(again.status);
  expectGolden(again.bytes, file, true);
  const Loaded wide = load(makePlan(false), writeModel(nested, partsOf(file, "nested")));
  FT_EXPECT_OK(wide.status);
  const plan::Nf4Layout from(elements, true), to(elements, false);
  const float *scales = reinterpret_cast<const float *>(wide.bytes.data() + to.scales);
  const float *values = reinterpret_cast<const float *>(again.bytes.data() + from.nestedValues);
  const float *outer = reinterpret_cast<const float *>(again.bytes.data() + from.nestedScales);
  const float mean = *reinterpret_cast<const float *>(again.bytes.data() + from.mean);
  for (uint64_t i = 0; i < to.blocks; ++i) {
    const float product = values[size_t(again.bytes[from.scales + i])] * outer[i / 256];
    ASSERT_EQ(scales[i], product + mean) << i;
  }
}

TEST(Quantized, TheMapOfACheckpointIsTakenAsItIs) {
  const SafetensorsFile file = openGolden();
  const ScratchFolder scratch;
  Parts parts = partsOf(file, "nested");
  TensorView &map = parts["w.weight.nested_quant_map"];
  Bytes other(map.bytes.begin(), map.bytes.end());
  other[4] ^= std::byte(1); // the last bit of one value, as builds of bitsandbytes differ
  map.bytes = other;
  const Loaded loaded = load(makePlan(true), writeModel(scratch, parts));
  FT_EXPECT_OK(loaded.status);
  expectPart(loaded.bytes, plan::Nf4Layout(elements, true).nestedValues, other, "values");
}

TEST(Quantized, ASeededBaseIsQuantised) {
  const Loaded loaded = load(makePlan(false), "seeded:3"), again = load(makePlan(false), "seeded:3", false);
  FT_EXPECT_OK(loaded.status);
  EXPECT_EQ(loaded.bytes, again.bytes);
  EXPECT_NE(loaded.bytes, load(makePlan(false), "seeded:4").bytes);
}

TEST(Quantized, NumbersThatAreNotFiniteAreNamed) {
  const SafetensorsFile file = openGolden();
  for (float bad : {INFINITY, -INFINITY, NAN}) {
    const ScratchFolder scratch;
    Parts parts = partsOf(file, "numbers");
    TensorView &numbers = parts["w.weight"];
    Bytes changed(numbers.bytes.begin(), numbers.bytes.end());
    std::memcpy(changed.data() + 4 * 12345, &bad, 4);
    numbers.bytes = changed;
    expectError(load(makePlan(true), writeModel(scratch, parts)).status,
                "model.safetensors: tensor \"w.weight\": element 12345 of 16758 is not finite (NaN or infinity)");
  }
}

/// What load() says of the nested checkpoint with one part changed, or left out where `change` empties it.
std::string problemWith(const std::string &part, const std::function<void(TensorView &, Bytes &)> &change) {
  const SafetensorsFile file = openGolden();
  const ScratchFolder scratch;
  Parts parts = partsOf(file, "nested");
  TensorView &view = parts.at("w.weight" + part);
  Bytes bytes(view.bytes.begin(), view.bytes.end());
  change(view, bytes);
  view.bytes = bytes;
  if (bytes.empty())
    parts.erase("w.weight" + part);
  return load(makePlan(true), writeModel(scratch, parts)).status.message();
}

/// The JSON of the quant_state with `from` replaced.
std::string problemWithState(const std::string &from, const std::string &to) {
  return problemWith(".quant_state.bitsandbytes__nf4", [&](TensorView &view, Bytes &bytes) {
    std::string text(reinterpret_cast<const char *>(bytes.data()), bytes.size());
    EXPECT_NE(text.find(from), std::string::npos);
    text.replace(text.find(from), from.size(), to);
    bytes.assign(reinterpret_cast<const std::byte *>(text.data()),
                 reinterpret_cast<const std::byte *>(text.data() + text.size()));
    view.shape = {bytes.size()};
  });
}

TEST(Quantized, OtherFormatsAreRefusedByName) {
  auto part = [](const std::string &text, const std::string &expected) {
    EXPECT_NE(text.find(expected), std::string::npos) << text << "\nexpected in it: " << expected;
  };
  part(problemWithState("\"nf4\"", "\"fp4\""), "quant_type of its quant_state is \"fp4\"; must be \"nf4\"");
  part(problemWithState("\"blocksize\": 64", "\"blocksize\": 128"), "blocksize of its quant_state is 128; must be 64");
  part(problemWithState("\"nested_blocksize\": 256", "\"nested_blocksize\": 512"),
       "nested_blocksize of its quant_state");
  part(problemWithState("[266, 63]", "[63, 266]"), "shape of its quant_state is [63,266]; the plan needs [266, 63]");
  part(problemWithState("\"nested_offset\"", "\"nested_offest\""), "no number nested_offset");
  part(problemWithState("{", "["), "quant_state");
  part(problemWith(".quant_map", [](TensorView &, Bytes &bytes) { bytes[9] ^= std::byte(1); }),
       "has a quant_map that is not NF4's");
  part(problemWith(".nested_absmax",
                   [](TensorView &, Bytes &bytes) {
                     const float infinity = INFINITY;
                     std::memcpy(bytes.data() + 4, &infinity, 4);
                   }),
       "the scale of block 256 is not finite");
  part(problemWith(".absmax", [](TensorView &, Bytes &bytes) { bytes.clear(); }), "lacks its \"w.weight.absmax\"");
  part(problemWith(".absmax",
                   [](TensorView &view, Bytes &bytes) {
                     bytes.pop_back();
                     view.shape = {261};
                   }),
       "\"w.weight.absmax\" is U8 [261]; must be U8 [262]");
  part(problemWith("",
                   [](TensorView &view, Bytes &bytes) {
                     bytes.pop_back();
                     view.shape = {bytes.size(), 1};
                   }),
       "has 8378 bytes of codes; 16758 elements need 8379");
}

TEST(Quantized, APlanThatIsNotSaysWhatToDo) {
  const SafetensorsFile file = openGolden();
  const ScratchFolder scratch;
  plan::Plan plan;
  addTensor(plan, "w.weight", plan::Tensor::FROZEN, plan::BF16, {rows, columns}, addBuffer(plan, 48 + elements * 2),
            48);
  expectError(load(plan, writeModel(scratch, partsOf(file, "plain"))).status,
              "compile the recipe with quantization.type=NF4");
}

// The wrong half of a byte, a scale of a neighbour, or a threshold that a tie crosses would not pass the oracle: what
// the codes mean is near what was there.
TEST(Quantized, CodesMeanTheNumbers) {
  const SafetensorsFile file = openGolden();
  const auto *numbers = reinterpret_cast<const float *>(file.tensor("numbers")->bytes.data());
  const auto *means = reinterpret_cast<const float *>(file.tensor("plain.numbers")->bytes.data());
  const auto *scales = reinterpret_cast<const float *>(file.tensor("plain.weight.absmax")->bytes.data());
  for (uint64_t i = 0; i < elements; ++i)
    EXPECT_LE(std::fabs(numbers[i] - means[i]), 0.153f * scales[i / 64] + 1e-38f) << i; // half the widest step
}

} // namespace
} // namespace ft::rt
