#include "runtime/Weights/StreamCopy.h"

#include "runtime/Weights/Convert.h"
#include "runtime/Weights/WeightsTesting.h"

#include <limits>

namespace ft::rt {
namespace {

using namespace testing;

/// Elements whose bits are drawn, finite all; of integers, also such as would not be.
Bytes drawn(plan::DType dtype, uint64_t count) {
  std::mt19937_64 random(count);
  Bytes bytes(count * dtypeBytes(dtype));
  for (std::byte &byte : bytes)
    byte = std::byte(random());
  const uint64_t width = dtypeBytes(dtype);
  for (uint64_t i = 0; i < count; ++i)
    if (firstNotFinite(dtype, bytes.data() + i * width, 1) == 0)
      bytes[(i + 1) * width - 1] = std::byte(0); // the sign and what is largest in the exponent
  return bytes;
}

/// Infinity, or a NaN with one bit.
void spoil(plan::DType dtype, std::byte *element, bool isNan) {
  const uint64_t infinity = dtype == plan::BF16  ? 0x7f80
                            : dtype == plan::F16 ? 0xfc00
                            : dtype == plan::F32 ? 0xff800000
                                                 : 0x7ff0000000000000;
  const uint64_t bits = infinity | uint64_t(isNan);
  std::memcpy(element, &bits, dtypeBytes(dtype));
}

TEST(StreamCopy, CopiesAnyNumberOfElementsToAnyPlace) {
  for (const plan::DType dtype :
       {plan::BF16, plan::F16, plan::F32, plan::F64, plan::I16, plan::I32, plan::I64, plan::U8})
    for (const uint64_t count : {0, 1, 3, 31, 32, 64, 65, 100, 1000})
      for (const uint64_t shift : {0, 1, 8, 24, 62}) {
        const Bytes from = drawn(dtype, count);
        for (const auto copy : {streamCopy, cachedCopy}) {
          Bytes to(from.size() + 192, std::byte(0xa5));
          std::byte *const place = to.data() + 64 + shift;
          EXPECT_FALSE(copy(dtype, from.data(), count, place)) << dtypeName(dtype) << " × " << count;
          EXPECT_TRUE(std::equal(from.begin(), from.end(), place));
          EXPECT_EQ(std::count(to.data(), place, std::byte(0xa5)), place - to.data());
          EXPECT_EQ(std::count(place + from.size(), to.data() + to.size(), std::byte(0xa5)),
                    to.data() + to.size() - place - ptrdiff_t(from.size()));
        }
      }
}

TEST(StreamCopy, SeesEachElementThatIsNotFinite) {
  constexpr uint64_t count = 150;
  for (const plan::DType dtype : {plan::BF16, plan::F16, plan::F32, plan::F64})
    for (uint64_t at = 0; at < count; ++at)
      for (const bool isNan : {false, true}) {
        Bytes from = drawn(dtype, count), to(from.size() + 64);
        spoil(dtype, from.data() + at * dtypeBytes(dtype), isNan);
        for (const auto copy : {streamCopy, cachedCopy})
          EXPECT_TRUE(copy(dtype, from.data(), count, to.data() + at % 8 * 8)) << dtypeName(dtype) << " at " << at;
      }
}

} // namespace
} // namespace ft::rt
