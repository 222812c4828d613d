#include "runtime/Tokenizer/TokenizerModels.h"

#include "runtime/Tokenizer/ByteAlphabet.h"
#include "runtime/Tokenizer/Utf8.h"

#include <algorithm>
#include <fmt/format.h>

namespace ft::rt {

namespace {
using Vocabulary = std::unordered_map<std::string_view, uint32_t>;
constexpr std::string_view Space = "\u2581";

Vocabulary idsOf(const std::vector<std::string> &tokens) {
  Vocabulary ids;
  ids.reserve(tokens.size());
  for (uint32_t id = 0; id < tokens.size(); ++id)
    if (!tokens[id].empty())
      ids[tokens[id]] = id; // of two equal tokens the later one counts, as in a Python dict
  return ids;
}

Expected<std::vector<BytePairModel::Merge>> resolveMerges(const BytePairSpec &spec, const Vocabulary &ids) {
  std::vector<BytePairModel::Merge> merges;
  merges.reserve(spec.merges.size());
  std::string product;
  for (size_t rank = 0; rank < spec.merges.size(); ++rank) {
    const auto &[left, right] = spec.merges[rank];
    product = left + right;
    uint32_t found[3];
    const std::string_view names[3] = {left, right, product};
    for (int i = 0; i < 3; ++i) {
      auto it = ids.find(names[i]);
      if (it == ids.end())
        return badInput(fmt::format("merge {} (\"{} {}\") needs the token \"{}\", which the vocabulary of {} tokens "
                                    "does not have",
                                    rank, left, right, names[i], ids.size()));
      found[i] = it->second;
    }
    merges.push_back({found[0], found[1], found[2]});
  }
  return merges;
}

uint32_t find(const Vocabulary &ids, std::string_view token) {
  auto it = ids.find(token);
  return it == ids.end() ? BytePairModel::NoToken : it->second;
}

void addByteSymbols(const std::vector<std::string> &tokens, const Vocabulary &ids, bool ignoreMerges,
                    BytePairModel::Options &options) {
  const ByteAlphabet alphabet;
  for (int byte = 0; byte < 256; ++byte) {
    std::string character;
    appendUtf8(character, alphabet.character(uint8_t(byte)));
    options.bytes[byte] = find(ids, character);
  }
  for (uint32_t id = 0; ignoreMerges && id < tokens.size(); ++id)
    if (auto bytes = alphabet.bytesOf(tokens[id]); bytes && !bytes->empty())
      options.whole[*bytes] = id;
}

void addCharacterSymbols(const std::vector<std::string> &tokens, const Vocabulary &ids, const BytePairSpec &spec,
                         BytePairModel::Options &options) {
  for (uint32_t id = 0; id < tokens.size(); ++id) {
    if (tokens[id].empty())
      continue;
    size_t at = 0;
    bool wellFormed;
    const char32_t c = decodeUtf8(tokens[id], at, wellFormed);
    if (wellFormed && at == tokens[id].size())
      options.characters[c] = id;
    if (spec.ignoreMerges)
      options.whole[tokens[id]] = id;
  }
  for (int byte = 0; spec.byteFallback && byte < 256; ++byte)
    options.bytes[byte] = find(ids, fmt::format("<0x{:02X}>", byte));
}

Expected<TokenizerModel> makeBytePair(const TokenizerSpec &tokenizer, const BytePairSpec &spec, bool byteLevel) {
  const Vocabulary ids = idsOf(tokenizer.tokens);
  FT_ASSIGN_OR_RETURN(const auto merges, resolveMerges(spec, ids));
  BytePairModel::Options options;
  options.rankByProduct = spec.rankByProduct;
  options.byteLevel = byteLevel;
  options.fuseUnknown = spec.fuseUnknown;
  if (spec.unknown) {
    const uint32_t id = find(ids, *spec.unknown);
    if (id == BytePairModel::NoToken)
      return badInput(
          fmt::format("the unknown token \"{}\" is not in the vocabulary of {} tokens", *spec.unknown, ids.size()));
    options.unknown = id;
  }
  if (byteLevel) {
    addByteSymbols(tokenizer.tokens, ids, spec.ignoreMerges, options);
    if (spec.byteFallback && std::count(options.bytes.begin(), options.bytes.end(), BytePairModel::NoToken))
      return badInput("the model has byte_fallback behind ByteLevel, whose vocabulary lacks bytes; must have all 256");
  } else {
    options.byteFallback = spec.byteFallback;
    addCharacterSymbols(tokenizer.tokens, ids, spec, options);
  }
  return TokenizerModel(BytePairModel(std::move(options), merges));
}

Expected<TokenizerModel> makeUnigram(const TokenizerSpec &tokenizer, const UnigramSpec &spec) {
  for (uint32_t id = 0; id < tokenizer.tokens.size(); ++id)
    if (const size_t size = tokenizer.tokens[id].size(); size == 0 || size > MaxPieceBytes)
      return badInput(fmt::format("token {} has {} bytes; must have 1 to {}", id, size, MaxPieceBytes));
  if (spec.unknown >= tokenizer.tokens.size())
    return badInput(fmt::format("model.unk_id is {}; must be below {}", spec.unknown, tokenizer.tokens.size()));
  FT_ASSIGN_OR_RETURN(JsonUnigramModel model,
                      JsonUnigramModel::create(tokenizer.tokens, spec.scores, spec.unknown, spec.byteFallback));
  return TokenizerModel(std::move(model));
}
} // namespace

Expected<TokenizerModel> makeModel(const TokenizerSpec &spec, bool byteLevel) {
  if (const auto *bytePair = std::get_if<BytePairSpec>(&spec.model))
    return makeBytePair(spec, *bytePair, byteLevel);
  if (const auto *unigram = std::get_if<UnigramSpec>(&spec.model)) {
    if (byteLevel) // it would see the alphabet's characters
      return badInput("a Unigram model behind the pre-tokenizer ByteLevel is not supported; one behind Metaspace is");
    return makeUnigram(spec, *unigram);
  }
  const auto &pieces = std::get<PieceSpec>(spec.model);
  if (pieces.types.size() != spec.tokens.size() || pieces.scores.size() != spec.tokens.size())
    return badInput(fmt::format("the vocabulary has {} tokens, {} types and {} scores; one of each for each token is "
                                "needed",
                                spec.tokens.size(), pieces.types.size(), pieces.scores.size()));
  FT_ASSIGN_OR_RETURN(PieceVocabulary vocabulary,
                      PieceVocabulary::create(spec.tokens, pieces.types, pieces.scores, pieces.byteFallback));
  if (pieces.kind == PieceSpec::Kind::Unigram) {
    FT_ASSIGN_OR_RETURN(UnigramModel model, UnigramModel::create(std::move(vocabulary)));
    return TokenizerModel(std::move(model));
  }
  return TokenizerModel(PieceBpeModel(std::move(vocabulary)));
}

bool mayCutWords(const TokenizerSpec &spec, bool byteLevel) {
  const auto *bytePair = std::get_if<BytePairSpec>(&spec.model);
  const auto *pieces = std::get_if<PieceSpec>(&spec.model);
  // A piece that is a token as a whole is asked for uncut; the sums of a unigram model round by the way behind them.
  const bool unigram =
      std::holds_alternative<UnigramSpec>(spec.model) || (pieces && pieces->kind == PieceSpec::Kind::Unigram);
  if (byteLevel || (bytePair && bytePair->ignoreMerges) || unigram)
    return false;
  bool space = false;
  for (const std::string &token : spec.tokens) {
    space |= token == Space;
    size_t start = 0;
    while (std::string_view(token).substr(start).starts_with(Space))
      start += Space.size();
    if (token.find(Space, start) != std::string::npos)
      return false;
  }
  return space;
}

} // namespace ft::rt
