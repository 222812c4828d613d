#include "compiler/Export/Constants.h"

#include <cmath>
#include <cstring>

using namespace mlir;
using namespace ft;

template <typename T> static void append(std::string &bytes, T value) {
  char raw[sizeof(T)];
  std::memcpy(raw, &value, sizeof(T));
  bytes.append(raw, sizeof(T));
}

static std::string ropeTable(bool cosine, DictionaryAttr init, bool wide, int64_t positions) {
  auto given = init.getAs<FloatAttr>("amplitude");
  const double amplitude = given ? given.getValueAsDouble() : 1;
  std::string bytes;
  for (int64_t p = 0; p < positions; ++p)
    for (double frequency : init.getAs<DenseF64ArrayAttr>("frequencies").asArrayRef()) {
      const double angle = p * frequency;
      const double value = amplitude * (cosine ? std::cos(angle) : std::sin(angle));
      if (wide)
        append(bytes, value);
      else
        append(bytes, static_cast<float>(value));
    }
  return bytes;
}

uint64_t ft::constantSize(StringRef kind, DictionaryAttr init, Type type, ArrayRef<int64_t> shape) {
  if (kind == "numbers")
    return init.getAs<DenseF64ArrayAttr>("numbers").size() * sizeof(double);
  if (kind == "values")
    return init.getAs<DenseI32ArrayAttr>("values").size() * sizeof(int32_t);
  const uint64_t width = type.isF64() ? sizeof(double) : sizeof(float);
  return uint64_t(shape[0]) * uint64_t(init.getAs<DenseF64ArrayAttr>("frequencies").size()) * width;
}

std::string ft::constantBytes(StringRef kind, DictionaryAttr init, Type type, ArrayRef<int64_t> shape) {
  std::string bytes;
  if (kind == "numbers") {
    for (double number : init.getAs<DenseF64ArrayAttr>("numbers").asArrayRef())
      type.isF64() ? append(bytes, number) : append(bytes, int64_t(number));
    return bytes;
  }
  if (kind != "values")
    return ropeTable(kind == "rope_cos", init, type.isF64(), shape[0]);
  for (int32_t value : init.getAs<DenseI32ArrayAttr>("values").asArrayRef())
    append(bytes, value);
  return bytes;
}
