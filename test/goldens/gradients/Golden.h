// Reads what make_goldens.py and make_family_goldens.py wrote.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace ft {

struct GoldenLora {
  int64_t r = 0;
  double alpha = 0, dropout = 0;
  std::vector<std::string> targets;
};

struct Golden {
  std::string name, model; ///< of the file; under recipes/models
  uint32_t rows = 0, sequenceLen = 0, maxDocumentLen = 0, maxDocumentsPerRow = 0, accumulation = 0;
  uint64_t modelSeed = 0, dataSeed = 0, runSeed = 0;
  std::optional<GoldenLora> lora;
  double loss = 0;
  std::map<std::string, std::vector<double>> gradients; ///< by parameter key
  std::vector<double> logits; ///< of the last token of the last micro-batch's first row; empty: the file has none

  uint32_t documents() const { return rows * maxDocumentsPerRow; }
};

/// The goldens of this folder by file name; stops the program where one cannot be read.
std::vector<Golden> readGoldens();

/// The tensors of a safetensors file, of type F64, F32 or BF16.
std::map<std::string, std::vector<double>> readDoubles(const std::string &path);

/// |actual − expected| / |expected|, 2-norms; infinite where that is no number.
double relativeError(const std::vector<double> &actual, const std::vector<double> &expected);

} // namespace ft
