// A GGUF model of one file, or of the parts that llama-gguf-split makes.
#pragma once

#include "runtime/Weights/Gguf.h"

namespace ft::rt {

/// The first part has the model's metadata; each has tensors of its own.
class GgufSet {
public:
  /// `path` is the file, or the first part, "x-00001-of-00003.gguf", beside which the others lie. BadInput where it is
  /// another part, where one is missing or is not what its name says, and where tensors are missing or there twice.
  static Expected<GgufSet> open(const std::string &path);

  const GgufFile &first() const { return parts.front(); }
  const std::vector<GgufFile> &files() const { return parts; }
  const TensorIndex &tensors() const { return index; }

private:
  Status addParts(int64_t count);
  Status collect();

  std::vector<GgufFile> parts;
  TensorIndex index;
};

} // namespace ft::rt
