// Readers of the safetensors format: one file, and a folder of shards.
#pragma once

#include "runtime/Support/Status.h"
#include "runtime/Weights/TensorView.h"

#include <map>
#include <memory>

namespace ft::rt {

class MappedFile;

/// One .safetensors file: u64 header length, JSON header, data. Immutable; readable from several threads.
/// open() refuses with BadInput, naming file, tensor and value: a header that is longer than the file or than
/// 100 MB, invalid or duplicate JSON, dtypes outside F64 F32 F16 BF16 F8_E4M3 F8_E5M2 I32 I64 U8, offsets that leave
/// the file, overlap, leave holes, or do not match dtype and shape.
class SafetensorsFile {
public:
  static Expected<SafetensorsFile> open(const std::string &path);

  const std::string &path() const { return filePath; }
  uint64_t sizeBytes() const { return fileSize; }
  /// Sorted by name.
  const std::vector<TensorView> &tensors() const { return views; }
  const TensorView *tensor(std::string_view name) const;
  const std::map<std::string, std::string> &metadata() const { return texts; }
  /// The length and the JSON: everything in front of the data.
  std::span<const std::byte> header() const { return headerBytes; }

private:
  std::string filePath;
  uint64_t fileSize = 0;
  std::shared_ptr<const MappedFile> mapping;
  std::span<const std::byte> headerBytes;
  std::vector<TensorView> views;
  std::map<std::string, std::string> texts;
};

/// The tensors of one file, or of a folder with `model.safetensors` or with `model.safetensors.index.json` and its
/// shards. A name in two shards, a shard that is missing or outside the folder, and an index that does not say where
/// its tensors are, are refused.
class SafetensorsSet {
public:
  SafetensorsSet() = default;
  SafetensorsSet(SafetensorsSet &&) = default;
  SafetensorsSet &operator=(SafetensorsSet &&) = default;

  static Expected<SafetensorsSet> open(const std::string &path);

  const std::vector<SafetensorsFile> &files() const { return shards; }
  const TensorIndex &tensors() const { return entries; }

private:
  Status add(const std::string &path);
  Status addIndexed(const std::string &folder, const std::string &indexPath);
  Status collect();

  std::vector<SafetensorsFile> shards;
  TensorIndex entries;
};

} // namespace ft::rt
