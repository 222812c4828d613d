// The reader of all JSON: takes what nlohmann's own parser takes, but for its stated limits.
#include "runtime/Support/Json.h"

using namespace ft::rt;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const std::string_view text(reinterpret_cast<const char *>(data), size);
  const auto json = parseJson(text, "input");
  const Json reference = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.ok() && *json != reference)
    std::abort();
  const std::string message = json.ok() ? "" : json.status().message();
  const bool isLimit =
      message.find("appears twice") != std::string::npos || message.find("nests deeper") != std::string::npos;
  if (!json.ok() && !isLimit && !reference.is_discarded())
    std::abort();
  if (message.size() > 2000)
    std::abort();
  return 0;
}
