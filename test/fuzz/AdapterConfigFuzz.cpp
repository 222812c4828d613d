// adapter_config.json beside the one of a plan: only what means the same is taken.
#include "runtime/Config/AdapterConfig.h"

using namespace ft::rt;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const Json planned = {{"peft_type", "LORA"}, {"r", 8}, {"lora_alpha", 16}, {"bias", "none"}};
  const auto config = parseJson({reinterpret_cast<const char *>(data), size}, "input");
  if (!config.ok() || !config->is_object())
    return 0;
  std::vector<std::string> problems;
  compareAdapterPlaces("input", *config, planned, problems);
  problems.clear();
  compareAdapterConfigs("input", *config, planned, problems);
  if (problems.empty() && !((*config)["r"] == 8 && (*config)["lora_alpha"] == 16))
    std::abort();
  return 0;
}
