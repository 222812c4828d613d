// config.json: what is accepted is inside every range that the compiler relies on.
#include "runtime/Config/ModelConfig.h"

using namespace ft::rt;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const auto config = parseModelConfig("config.json", {reinterpret_cast<const char *>(data), size});
  if (!config.ok())
    return 0;
  const bool isSound = config->heads > 0 && config->kvHeads > 0 && config->heads % config->kvHeads == 0 &&
                       config->headDim > 0 && config->headDim % 4 == 0 && config->hiddenSize > 0 &&
                       config->layers > 0 && config->vocabSize > 0 && config->rope.theta > 0 &&
                       config->localRope.theta > 0 && config->rmsNormEps > 0;
  if (!isSound || modelFacts(*config).empty())
    std::abort();
  const auto again = parseModelConfig("config.json", config->canonicalJson);
  if (!again.ok() || again->canonicalJson != config->canonicalJson)
    std::abort();
  return 0;
}
