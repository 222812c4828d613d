#include "runtime/Support/FileKind.h"
#include "runtime/Tokenizer/Tokenizer.h"
#include "runtime/Weights/Gguf.h"
#include "runtime/Weights/ModelPath.h"

#include <filesystem>
#include <fmt/format.h>

namespace ft::rt {

namespace {
namespace fs = std::filesystem;

Expected<TokenizerSpec> readSpec(const std::string &modelPath) {
  std::error_code ignored;
  fs::path folder(modelPath);
  if (folder.extension() == ".safetensors") {
    folder = folder.has_parent_path() ? folder.parent_path() : ".";
  } else if (!fs::is_directory(folder, ignored)) {
    FT_ASSIGN_OR_RETURN(const GgufFile file, GgufFile::open(modelPath));
    return readGgufTokenizer(file);
  }
  if (isNamed(folder / "tokenizer.json"))
    return readJsonTokenizer(folder.string());
  if (isNamed(folder / "tokenizer.model"))
    return readSentencePieceTokenizer(folder.string());
  if (isNamed(folder / "tekken.json"))
    return readTekkenTokenizer(folder.string());
  return badInput(fmt::format("{}: holds no tokenizer.json, tokenizer.model or tekken.json; put the model's tokenizer "
                              "files there",
                              folder.string()));
}
} // namespace

Expected<Tokenizer> loadTokenizer(const std::string &model) {
  FT_ASSIGN_OR_RETURN(const ModelPath found, ModelPath::find(model));
  auto spec = readSpec(found.path);
  if (!spec.ok())
    return found.withWayOut(spec.status());
  return Tokenizer::create(std::move(*spec));
}

} // namespace ft::rt
