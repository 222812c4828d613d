#include "test/goldens/gradients/Golden.h"

#include "runtime/Weights/Safetensors.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>

namespace ft {

namespace {

[[noreturn]] void stop(const std::string &message) {
  std::fprintf(stderr, "%s\n", message.c_str());
  std::abort();
}

rt::SafetensorsFile open(const std::string &path) {
  auto file = rt::SafetensorsFile::open(path);
  if (!file)
    stop(file.status().message());
  return *file;
}

double readNumber(rt::Encoding encoding, const std::byte *bytes, const std::string &what) {
  double number;
  float single;
  uint16_t half;
  switch (encoding) {
  case rt::Encoding::F64:
    std::memcpy(&number, bytes, sizeof number);
    return number;
  case rt::Encoding::F32:
    std::memcpy(&single, bytes, sizeof single);
    return single;
  case rt::Encoding::BF16:
    std::memcpy(&half, bytes, sizeof half);
    return std::bit_cast<float>(uint32_t(half) << 16);
  default:
    stop(what + " is " + std::string(rt::encodingName(encoding)) + "; must be F64, F32 or BF16");
  }
}

Golden readGolden(const std::filesystem::path &path) {
  const rt::SafetensorsFile file = open(path.string());
  const auto &metadata = file.metadata();
  const nlohmann::json json = nlohmann::json::parse(metadata.at("case"), nullptr, false);
  if (json.is_discarded())
    stop(path.string() + ": its metadata holds no case");
  Golden golden;
  golden.name = path.stem().string();
  golden.model = json.at("model");
  golden.rows = json.at("rows");
  golden.sequenceLen = json.at("sequence_len");
  golden.maxDocumentLen = json.at("max_document_len");
  golden.maxDocumentsPerRow = json.at("max_documents_per_row");
  golden.accumulation = json.at("accumulation");
  golden.modelSeed = std::stoull(metadata.at("model_seed"));
  golden.dataSeed = std::stoull(metadata.at("data_seed"));
  golden.runSeed = std::stoull(metadata.at("run_seed"));
  if (json.contains("lora")) {
    const auto &lora = json.at("lora");
    golden.lora = GoldenLora{lora.at("r"), lora.at("alpha"), lora.at("dropout"), lora.at("targets")};
  }
  golden.gradients = readDoubles(path.string());
  golden.loss = golden.gradients.at("loss").at(0);
  golden.gradients.erase("loss");
  if (auto logits = golden.gradients.extract("logits"))
    golden.logits = std::move(logits.mapped());
  return golden;
}

} // namespace

std::map<std::string, std::vector<double>> readDoubles(const std::string &path) {
  std::map<std::string, std::vector<double>> tensors;
  const rt::SafetensorsFile file = open(path);
  for (const rt::TensorView &view : file.tensors()) {
    std::vector<double> &numbers = tensors[view.name];
    const uint64_t size = rt::blockBytes(view.encoding);
    numbers.resize(view.bytes.size() / size);
    for (size_t n = 0; n < numbers.size(); ++n)
      numbers[n] = readNumber(view.encoding, view.bytes.data() + n * size, path + ": " + view.name);
  }
  return tensors;
}

std::vector<Golden> readGoldens() {
  std::vector<Golden> goldens;
  std::error_code error;
  for (const auto &entry : std::filesystem::directory_iterator("test/goldens/gradients", error))
    if (entry.path().extension() == ".safetensors")
      goldens.push_back(readGolden(entry.path()));
  if (error)
    stop("test/goldens/gradients: " + error.message() + "; run from the source tree's root");
  std::sort(goldens.begin(), goldens.end(), [](const Golden &a, const Golden &b) { return a.name < b.name; });
  return goldens;
}

double relativeError(const std::vector<double> &actual, const std::vector<double> &expected) {
  if (actual.size() != expected.size())
    return std::numeric_limits<double>::infinity();
  double difference = 0, norm = 0;
  for (size_t n = 0; n < actual.size(); ++n) {
    difference += (actual[n] - expected[n]) * (actual[n] - expected[n]);
    norm += expected[n] * expected[n];
  }
  const double error = std::sqrt(difference / norm);
  return std::isfinite(error) ? error : std::numeric_limits<double>::infinity();
}

} // namespace ft
