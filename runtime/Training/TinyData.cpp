#include "runtime/Training/TinyData.h"

#include "runtime/Program/TinyPlan.h"
#include "runtime/Text/TextCodec.h"

#include <gtest/gtest.h>

using namespace ft::rt;

std::shared_ptr<const TokenFile> ft::rt::tinyData(uint32_t count) {
  TokenFileIdentity identity;
  identity.shape = {TinyPlan::sequenceLen, TinyPlan::sequenceLen, 1, true};
  identity.vocabSize = TinyPlan::vocab;
  std::vector<Document> documents(count);
  PackedRows packed;
  for (uint32_t r = 0; r < count; ++r) {
    uint32_t token = r % TinyPlan::vocab;
    for (uint32_t t = 0; t < TinyPlan::sequenceLen - r % 3; ++t, token = (3 * token + 1) % TinyPlan::vocab)
      documents[r].ids.push_back(token);
    documents[r].prompt = 1;
    packed.add({&r, 1});
  }
  auto file = TokenFile::fromImage(buildTokenFile(identity, {}, documents, packed), "cycle");
  EXPECT_TRUE(file.ok()) << file.status().message();
  return std::make_shared<const TokenFile>(std::move(*file));
}
