// Reader of GGUF files, version 3, little-endian (ggml's docs/gguf.md is the specification).
#pragma once

#include "runtime/Support/Status.h"
#include "runtime/Weights/TensorView.h"

#include <map>
#include <memory>
#include <optional>
#include <variant>

namespace ft::rt {

class MappedFile;

/// One metadata value. Integers of every width, and bool arrays, are held as i64 (u64 above 2⁶³−1 is refused when
/// the file is opened); f32 and f64 as double. Each accessor returns nothing where the value is of another kind.
class GgufValue {
public:
  using Integers = std::vector<int64_t>;
  using Reals = std::vector<double>;
  using Texts = std::vector<std::string>;
  using Payload = std::variant<int64_t, double, bool, std::string, Integers, Reals, Texts>;

  explicit GgufValue(Payload v) : payload(std::move(v)) {}

  std::optional<int64_t> integer() const { return scalar<int64_t>(); }
  /// A float, or an integer as a double.
  std::optional<double> real() const {
    if (auto i = scalar<int64_t>())
      return double(*i);
    return scalar<double>();
  }
  std::optional<bool> flag() const { return scalar<bool>(); }
  const std::string *text() const { return std::get_if<std::string>(&payload); }
  const Integers *integers() const { return std::get_if<Integers>(&payload); }
  const Reals *reals() const { return std::get_if<Reals>(&payload); }
  const Texts *texts() const { return std::get_if<Texts>(&payload); }
  /// "integer", "array of strings", …: for messages.
  std::string_view kind() const;

private:
  template <typename T> std::optional<T> scalar() const {
    const T *held = std::get_if<T>(&payload);
    return held ? std::optional<T>(*held) : std::nullopt;
  }
  Payload payload;
};

/// An open GGUF file: metadata copied, tensors viewed in the mapping. Immutable; readable from several threads.
/// open() refuses with BadInput, naming file, place and value, everything that is not a well-formed version 3 file
/// or that holds a tensor type that no Encoding names; nothing outside the file is ever read, and no count of the file
/// is believed before the bytes behind it are known to exist.
class GgufFile {
public:
  static Expected<GgufFile> open(const std::string &path);

  const std::string &path() const { return filePath; }
  uint64_t sizeBytes() const { return fileSize; }
  /// Null where the file has no such key. Keys: "general.architecture", "tokenizer.ggml.tokens", …
  const GgufValue *find(std::string_view key) const;
  const std::map<std::string, GgufValue, std::less<>> &metadata() const { return values; }
  /// Sorted by name. Shapes are row-major, that is ggml's dimensions reversed.
  const std::vector<TensorView> &tensors() const { return views; }
  const TensorView *tensor(std::string_view name) const;
  /// Everything in front of the tensor data.
  std::span<const std::byte> header() const { return headerBytes; }

private:
  std::string filePath;
  uint64_t fileSize = 0;
  std::shared_ptr<const MappedFile> mapping;
  std::span<const std::byte> headerBytes;
  std::map<std::string, GgufValue, std::less<>> values;
  std::vector<TensorView> views;
};

} // namespace ft::rt
