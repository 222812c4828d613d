#include "runtime/Weights/Convert.h"

#include "runtime/Weights/Dequantize.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace ft::rt {

float f64ToF32Odd(double value) {
  float nearest = float(value);
  if (std::isnan(value) || double(nearest) == value)
    return nearest;
  uint32_t bits = std::bit_cast<uint32_t>(nearest);
  if (std::fabs(double(nearest)) > std::fabs(value))
    --bits;
  return std::bit_cast<float>(bits | 1);
}

std::string dtypeName(plan::DType dtype) { return std::string(encodingName(encodingOf(dtype))); }

Encoding encodingOf(plan::DType dtype) {
  switch (dtype) {
  case plan::F64:
    return Encoding::F64;
  case plan::BF16:
    return Encoding::BF16;
  case plan::F16:
    return Encoding::F16;
  case plan::I16:
    return Encoding::I16;
  case plan::I32:
    return Encoding::I32;
  case plan::I64:
    return Encoding::I64;
  case plan::U8:
    return Encoding::U8;
  default:
    return Encoding::F32;
  }
}

namespace {
bool isInteger(Encoding e) {
  return e == Encoding::I16 || e == Encoding::I32 || e == Encoding::I64 || e == Encoding::U8;
}

void encodeF64(const double *values, uint64_t count, plan::DType to, std::byte *out) {
  for (uint64_t i = 0; i < count; ++i) {
    if (to == plan::F64) {
      std::memcpy(out + i * 8, &values[i], 8);
    } else if (to == plan::F32) {
      float f = float(values[i]);
      std::memcpy(out + i * 4, &f, 4);
    } else {
      float odd = f64ToF32Odd(values[i]);
      uint16_t half = to == plan::BF16 ? f32ToBf16(odd) : f32ToF16(odd);
      std::memcpy(out + i * 2, &half, 2);
    }
  }
}
} // namespace

bool isConvertible(Encoding from, plan::DType to) {
  return isInteger(from) || isInteger(encodingOf(to)) ? from == encodingOf(to) : true;
}

void encodeF32(const float *values, uint64_t count, plan::DType to, std::byte *out) {
  switch (to) {
  case plan::F64:
    for (uint64_t i = 0; i < count; ++i) {
      double wide = values[i];
      std::memcpy(out + i * 8, &wide, 8);
    }
    return;
  case plan::BF16:
    for (uint64_t i = 0; i < count; ++i) {
      uint16_t half = f32ToBf16(values[i]);
      std::memcpy(out + i * 2, &half, 2);
    }
    return;
  case plan::F16:
    for (uint64_t i = 0; i < count; ++i) {
      uint16_t half = f32ToF16(values[i]);
      std::memcpy(out + i * 2, &half, 2);
    }
    return;
  default:
    std::memcpy(out, values, count * 4);
  }
}

namespace {
/// A number is finite unless all bits of its exponent are set. Blocks without a branch inside become vector code.
template <typename Bits> uint64_t firstWithExponent(Bits exponent, const std::byte *elements, uint64_t count) {
  constexpr uint64_t block = 4096 / sizeof(Bits);
  Bits values[block];
  for (uint64_t first = 0; first < count; first += block) {
    const uint64_t n = std::min(block, count - first);
    std::memcpy(values, elements + first * sizeof(Bits), n * sizeof(Bits));
    Bits found = 0;
    for (uint64_t i = 0; i < n; ++i)
      found |= Bits((values[i] & exponent) == exponent);
    for (uint64_t i = 0; found && i < n; ++i)
      if ((values[i] & exponent) == exponent)
        return first + i;
  }
  return count;
}
} // namespace

uint64_t firstNotFinite(plan::DType dtype, const std::byte *elements, uint64_t count) {
  switch (dtype) {
  case plan::F64:
    return firstWithExponent<uint64_t>(0x7ff0000000000000, elements, count);
  case plan::F32:
    return firstWithExponent<uint32_t>(0x7f800000, elements, count);
  case plan::BF16:
    return firstWithExponent<uint16_t>(0x7f80, elements, count);
  case plan::F16:
    return firstWithExponent<uint16_t>(0x7c00, elements, count);
  default:
    return count;
  }
}

void convertElements(const TensorView &view, uint64_t first, uint64_t count, plan::DType to, std::byte *out) {
  uint64_t outBytes = dtypeBytes(to);
  if (view.encoding == encodingOf(to)) {
    if (count)
      std::memcpy(out, view.bytes.data() + first * outBytes, count * outBytes);
    return;
  }
  constexpr uint64_t chunk = 1024;
  if (view.encoding == Encoding::F64) {
    double wide[chunk];
    for (uint64_t done = 0; done < count; done += chunk) {
      uint64_t n = std::min(chunk, count - done);
      std::memcpy(wide, view.bytes.data() + (first + done) * 8, n * 8);
      encodeF64(wide, n, to, out + done * outBytes);
    }
    return;
  }
  float values[chunk];
  for (uint64_t done = 0; done < count; done += chunk) {
    uint64_t n = std::min(chunk, count - done);
    decodeToF32(view.encoding, view.bytes, first + done, n, values);
    encodeF32(values, n, to, out + done * outBytes);
  }
}

} // namespace ft::rt
