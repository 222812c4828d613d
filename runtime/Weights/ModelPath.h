// What --model names: a path, a seed, or a model of the Hub's cache.
#pragma once

#include "runtime/Config/HubCache.h"

namespace ft::rt {

struct ModelPath {
  std::string path;           ///< a folder with safetensors, a file, or "seeded:SEED"
  std::optional<HubName> hub; ///< of a model in the Hub's cache

  /// What is there is taken as it is; else a name of the Hub as the folder of its snapshot. A folder without
  /// safetensors stands for the one GGUF model in it, by its first part where it is split. BadInput where nothing is
  /// there, or several are.
  static Expected<ModelPath> find(const std::string &named);

  /// `status`, and where the model is the Hub's, the line that fetches what may be missing.
  Status withWayOut(const Status &status) const;
};

/// The number of a part, from 1, and how many there are: of "x-00002-of-00003.gguf" {2, 3}. Nothing for other names.
struct PartNumber {
  uint32_t part = 0, count = 0;
};
std::optional<PartNumber> partNumber(std::string_view path, std::string_view extension);

} // namespace ft::rt
