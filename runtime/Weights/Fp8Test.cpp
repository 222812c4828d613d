// FP8: against ml_dtypes' table and rounding (test/goldens/fp8/make.py), into every layout, and what is refused.
#include "runtime/Plan/Fp8.h"
#include "runtime/Weights/FillFp8.h"
#include "runtime/Weights/Load.h"
#include "runtime/Weights/SafetensorsWriter.h"
#include "runtime/Weights/WeightsTesting.h"

#include <cmath>

namespace ft::rt {
namespace {

using namespace testing;

const std::string golden = "test/goldens/fp8/fp8.safetensors";
constexpr uint64_t rows = 48, columns = 80;

SafetensorsFile openGolden() {
  auto file = SafetensorsFile::open(golden);
  EXPECT_TRUE(file.ok()) << file.status().message();
  return std::move(*file);
}
const float *floatsOf(const SafetensorsFile &file, const std::string &name) {
  return reinterpret_cast<const float *>(file.tensor(name)->bytes.data());
}

/// One frozen tensor "w.weight" of the golden's shape: its codes from byte 48 on, its scales behind.
plan::Plan makePlan(std::vector<uint64_t> sizes, std::vector<uint64_t> strides, uint64_t rowPitch) {
  uint64_t last = 0, lastRow = 0, left = rows;
  for (size_t i = 0; i < sizes.size(); ++i) {
    last += (sizes[i] - 1) * strides[i];
    lastRow += left > 1 ? (sizes[i] - 1) * strides[i] / rowPitch : 0;
    left /= sizes[i];
  }
  const uint64_t scales = (48 + last + 1 + 15) / 16 * 16;
  plan::Plan plan;
  auto *w = addTensor(plan, "w.weight", plan::Tensor::FROZEN, plan::F8E4M3, {rows, columns},
                      addBuffer(plan, scales + 4 * (lastRow + 1)), 48);
  setLayout(*w, sizes, strides);
  w->mutable_quantization()->set_kind(plan::Quantization::FP8);
  w->mutable_quantization()->set_scales_offset(scales);
  w->mutable_quantization()->set_row_pitch(rowPitch);
  w->mutable_init()->set_kind(plan::Init::NORMAL);
  w->mutable_init()->set_scale(0.02);
  return plan;
}
plan::Plan densePlan() { return makePlan({rows, columns}, {columns, 1}, columns); }

std::string writeModel(const ScratchFolder &scratch, std::span<const std::byte> numbers) {
  auto writer =
      SafetensorsWriter::create(scratch.path("model.safetensors"), {{"w.weight", plan::F32, {rows, columns}}});
  FT_EXPECT_OK(writer->write(numbers));
  FT_EXPECT_OK(writer->finish());
  return scratch.path("model.safetensors");
}

struct Loaded {
  Bytes bytes;
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
    EXPECT_LE(offset + bytes.size(), buffer.size());
    std::copy(bytes.begin(), bytes.end(), buffer.begin() + int64_t(offset));
    return Status();
  };
  LoadOptions options;
  options.threads = threads;
  const Status status = loadModel(plan, *model, options, target);
  return {std::move(buffer), status};
}

} // namespace

TEST(Fp8, CodesStandForWhatMlDtypesSays) {
  const SafetensorsFile file = openGolden();
  const float *values = floatsOf(file, "values");
  for (int code = 0; code < 256; ++code) {
    const float value = plan::e4m3Value(uint8_t(code));
    if (std::isnan(values[code])) {
      EXPECT_TRUE(std::isnan(value)) << code;
      continue;
    }
    EXPECT_EQ(std::memcmp(&value, &values[code], 4), 0) << code << ": " << value << ", " << values[code];
    EXPECT_EQ(plan::e4m3Code(value), code);
  }
}

TEST(Fp8, RoundsToTheNearestCodeAndTiesToTheEvenOne) {
  for (int code = 0; code < 0x7e; ++code) {
    const float low = plan::e4m3Value(uint8_t(code)), high = plan::e4m3Value(uint8_t(code + 1));
    const float tie = (low + high) / 2;
    EXPECT_EQ(plan::e4m3Code(tie), code + code % 2) << tie;
    EXPECT_EQ(plan::e4m3Code(std::nextafter(tie, 0.0f)), code) << tie;
    EXPECT_EQ(plan::e4m3Code(std::nextafter(tie, 1e9f)), code + 1) << tie;
    EXPECT_EQ(plan::e4m3Code(-tie), (code + code % 2) | 0x80) << tie;
  }
  EXPECT_EQ(plan::e4m3Code(1e30f), 0x7e);
  EXPECT_EQ(plan::e4m3Code(-INFINITY), 0xfe);
  EXPECT_EQ(plan::e4m3Code(NAN) & 0x7f, 0x7f);
  EXPECT_EQ(plan::e4m3Code(1e-45f), 0);
}

TEST(Fp8, ScalesAreOfTheLargestMagnitude) {
  EXPECT_EQ(plan::fp8Scale(0), 1);
  EXPECT_EQ(plan::fp8Scale(448), 1);
  EXPECT_EQ(plan::fp8Scale(1e-44f), 0x1p-126f);
  EXPECT_EQ(plan::fp8Scale(INFINITY), INFINITY);
  EXPECT_TRUE(std::isfinite(1 / plan::fp8Scale(1e-44f)));
}

TEST(Fp8, RowsBecomeMlDtypesCodesAndScales) {
  const SafetensorsFile file = openGolden();
  for (uint64_t row = 0; row < rows; ++row) {
    std::vector<std::byte> codes(columns);
    const float scale = fp8Quantize({floatsOf(file, "numbers") + row * columns, columns}, codes.data());
    EXPECT_EQ(scale, floatsOf(file, "scales")[row]) << row;
    for (uint64_t c = 0; c < columns; ++c)
      ASSERT_EQ(codes[c], file.tensor("codes")->bytes[row * columns + c]) << row << ", " << c;
  }
}

// Dense; rows further apart; heads of 12 rows in 16; runs of 20 columns in 32. Bytes between them stay zero.
TEST(Fp8, ModelsLoadIntoEveryLayout) {
  const SafetensorsFile file = openGolden();
  const ScratchFolder scratch;
  const std::string path = writeModel(scratch, file.tensor("numbers")->bytes);
  const std::vector<plan::Plan> plans{densePlan(), makePlan({rows, columns}, {96, 1}, 96),
                                      makePlan({4, 12, columns}, {16 * columns, columns, 1}, columns),
                                      makePlan({rows, 4, 20}, {128, 32, 1}, 128)};
  for (size_t form = 0; form < plans.size(); ++form)
    for (bool direct : {true, false})
      for (uint32_t threads : {1u, 3u}) {
        const plan::Tensor &tensor = plans[form].tensors(0);
        const Loaded loaded = load(plans[form], path, direct, threads);
        FT_EXPECT_OK(loaded.status);
        Bytes expected(loaded.bytes.size());
        for (uint64_t row = 0; row < rows; ++row) {
          const uint64_t at = form == 2 ? row / 12 * 16 + row % 12 : row;
          std::memcpy(expected.data() + tensor.quantization().scales_offset() + 4 * at,
                      file.tensor("scales")->bytes.data() + 4 * row, 4);
          for (uint64_t c = 0; c < columns; ++c)
            expected[48 + at * tensor.quantization().row_pitch() + (form == 3 ? c / 20 * 32 + c % 20 : c)] =
                file.tensor("codes")->bytes[row * columns + c];
        }
        EXPECT_EQ(loaded.bytes, expected) << "form " << form << (direct ? "" : ", uploaded");
      }
}

TEST(Fp8, ASeededBaseIsQuantised) {
  const Loaded loaded = load(densePlan(), "seeded:3"), again = load(densePlan(), "seeded:3", false);
  FT_EXPECT_OK(loaded.status);
  EXPECT_EQ(loaded.bytes, again.bytes);
  EXPECT_NE(loaded.bytes, load(densePlan(), "seeded:4").bytes);
}

TEST(Fp8, NumbersThatAreNotFiniteAreNamed) {
  const SafetensorsFile file = openGolden();
  const std::span<const std::byte> numbers = file.tensor("numbers")->bytes;
  for (float bad : {INFINITY, -INFINITY, NAN}) {
    const ScratchFolder scratch;
    Bytes changed(numbers.begin(), numbers.end());
    std::memcpy(changed.data() + 4 * 1234, &bad, 4);
    std::memcpy(changed.data() + 4 * 3000, &bad, 4);
    expectError(load(densePlan(), writeModel(scratch, changed)).status,
                "model.safetensors: tensor \"w.weight\": element 1234 of 3840 is not finite (NaN or infinity)");
  }
}

// A wrong scale or a code of a neighbour would not pass: what codes mean is near what was there.
TEST(Fp8, CodesMeanTheNumbers) {
  const SafetensorsFile file = openGolden();
  for (uint64_t i = 0; i < rows * columns; ++i) {
    const float scale = floatsOf(file, "scales")[i / columns], number = floatsOf(file, "numbers")[i];
    const float means = plan::e4m3Value(uint8_t(file.tensor("codes")->bytes[i])) * scale;
    EXPECT_LE(std::fabs(number - means), std::max(std::fabs(number) / 16, scale * 0x1p-10f) * 1.001f) << i;
  }
}

} // namespace ft::rt
