// Mistral's tekken.json. The 256 tokens that are the bytes, which every such file has, are put where the input has "#":
// so that small inputs are whole files.
#include "test/fuzz/FuzzFile.h"
#include "test/fuzz/UseTokenizer.h"

using namespace ft;

namespace {
std::string byteTokens() {
  constexpr char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (int byte = 0; byte < 256; ++byte)
    text += (byte ? "," : "") + std::string("{\"rank\":") + std::to_string(byte) + ",\"token_bytes\":\"" +
            letters[byte >> 2] + letters[(byte & 3) << 4] + "==\"}";
  return text;
}
} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const fuzz::Folder folder;
  static const std::string bytes = byteTokens();
  std::string text(fuzz::textOf(data, size));
  if (const size_t at = text.find('#'); at != text.npos)
    text.replace(at, 1, bytes);
  folder.write("tekken.json", text);
  const auto tokenizer = rt::loadTokenizer(folder.path);
  if (tokenizer.ok())
    fuzz::useTokenizer(*tokenizer);
  return 0;
}
