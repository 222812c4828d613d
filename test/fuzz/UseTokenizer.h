// What a tokenizer that could be read is asked for.
#pragma once

#include "runtime/Tokenizer/Tokenizer.h"

#include <cstdlib>

namespace ft::fuzz {

/// Encodes texts of every kind, and decodes the ids: each is the vocabulary's.
inline void useTokenizer(const rt::Tokenizer &tokenizer) {
  for (const char *text :
       {"", "a", "Hello  world\n", "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa9", "e\xcc\x81 12345 <s></s>", "   ",
        "\xe4\xbd\xa0\xe5\xa5\xbd", "aaaaaaaaaaaaaaaaaaaaaaaaaaaa"}) {
    std::vector<uint32_t> ids;
    if (!tokenizer.encode(text, ids).ok())
      continue;
    for (const uint32_t id : ids)
      if (id >= tokenizer.vocabSize())
        std::abort();
    tokenizer.decode(ids, /*skipControl=*/false);
  }
}

} // namespace ft::fuzz
