#include "runtime/Text/Tokenizer.h"

#include "runtime/Text/Utf8.h"

#include <algorithm>
#include <fmt/format.h>

namespace ft::rt {

namespace {

/// GPT-2's alphabet: printable Latin-1 bytes are themselves, the 68 others follow from U+0100 on.
struct ByteAlphabet {
  std::array<char32_t, 256> character{};
  std::unordered_map<char32_t, uint8_t> byte;

  ByteAlphabet() {
    char32_t next = 0x100;
    for (int b = 0; b < 256; ++b) {
      const bool printable = (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
      character[b] = printable ? char32_t(b) : next++;
      byte[character[b]] = uint8_t(b);
    }
  }

  /// A token's bytes; a token with a character outside the alphabet (an added one) stands for itself.
  std::string bytesOf(const std::string &token) const {
    std::string out;
    for (size_t offset = 0; offset < token.size();) {
      bool wellFormed;
      auto it = byte.find(decodeUtf8(token, offset, wellFormed));
      if (!wellFormed || it == byte.end())
        return token;
      out += char(it->second);
    }
    return out;
  }
};

using Vocabulary = std::unordered_map<std::string_view, uint32_t>;

Expected<std::vector<BytePairEncoder::Merge>> resolveMerges(const TokenizerSpec &spec, const Vocabulary &ids) {
  std::vector<BytePairEncoder::Merge> merges;
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
        return badInput(
            fmt::format("{}: merge {} (\"{} {}\") needs the token \"{}\", which the vocabulary of {} tokens "
                        "does not have",
                        spec.source, rank, left, right, names[i], spec.tokens.size()));
      found[i] = it->second;
    }
    merges.push_back({found[0], found[1], found[2]});
  }
  return merges;
}

Sha256Digest digestOf(const TokenizerSpec &spec) {
  Sha256 hash;
  auto number = [&](uint64_t value) { hash.update(std::as_bytes(std::span(&value, 1))); };
  auto text = [&](std::string_view value) {
    number(value.size());
    hash.update(value);
  };
  text("byte-level BPE, 1");
  text(spec.pre);
  number(spec.ignoreMerges | spec.addBos << 1);
  number(spec.bos.value_or(UINT32_MAX));
  number(spec.eos.value_or(UINT32_MAX));
  number(spec.tokens.size());
  for (size_t id = 0; id < spec.tokens.size(); ++id) {
    text(spec.tokens[id]);
    number(uint64_t(spec.kinds[id]) | spec.normalized.count(id) << 8);
  }
  number(spec.merges.size());
  for (const auto &[left, right] : spec.merges) {
    text(left);
    text(right);
  }
  return hash.finish();
}

Status checkSpecial(const TokenizerSpec &spec, const char *what, std::optional<uint32_t> id) {
  if (id && *id >= spec.tokens.size())
    return badInput(fmt::format("{}: {} is {}; must be below the vocabulary's {} tokens", spec.source, what, *id,
                                spec.tokens.size()));
  return {};
}

} // namespace

Expected<Tokenizer> Tokenizer::create(TokenizerSpec spec) {
  if (spec.tokens.empty() || spec.kinds.size() != spec.tokens.size())
    return badInput(fmt::format("{}: the vocabulary has {} tokens and {} token types; one type for each token is "
                                "needed, and at least one token",
                                spec.source, spec.tokens.size(), spec.kinds.size()));
  FT_RETURN_IF_ERROR(checkSpecial(spec, "the beginning-of-text id", spec.bos));
  FT_RETURN_IF_ERROR(checkSpecial(spec, "the end-of-text id", spec.eos));
  if (spec.addBos && !spec.bos)
    return badInput(
        fmt::format("{}: texts shall start with a beginning-of-text token, but none is named", spec.source));
  auto pre = PreTokenizer::named(spec.pre);
  if (!pre)
    return badInput(fmt::format("{}: {}", spec.source, pre.status().message()));

  const ByteAlphabet alphabet;
  Vocabulary ids;
  for (uint32_t id = 0; id < spec.tokens.size(); ++id)
    if (!spec.tokens[id].empty())
      ids[spec.tokens[id]] = id; // of two equal tokens the later one counts, as in a Python dict
  FT_ASSIGN_OR_RETURN(const auto merges, resolveMerges(spec, ids));
  std::array<uint32_t, 256> byteTokens;
  for (int b = 0; b < 256; ++b) {
    std::string character;
    appendUtf8(character, alphabet.character[b]);
    auto it = ids.find(character);
    byteTokens[b] = it == ids.end() ? BytePairEncoder::NoToken : it->second;
  }

  Tokenizer result(std::move(*pre), BytePairEncoder(byteTokens, merges));
  result.identity = digestOf(spec);
  result.tokenBytes.reserve(spec.tokens.size());
  for (const std::string &token : spec.tokens)
    result.tokenBytes.push_back(alphabet.bytesOf(token));
  result.indexAdded(spec);
  if (spec.ignoreMerges)
    for (uint32_t id = 0; id < spec.tokens.size(); ++id)
      if (!spec.tokens[id].empty() && spec.kinds[id] == TokenizerSpec::Kind::Normal)
        result.wholePieces[result.tokenBytes[id]] = id;
  result.startsWithBos = spec.addBos;
  result.bosId = spec.bos;
  result.eosId = spec.eos;
  result.kinds = std::move(spec.kinds);
  result.sourceName = std::move(spec.source);
  return result;
}

void Tokenizer::indexAdded(const TokenizerSpec &spec) {
  for (uint32_t id = 0; id < spec.tokens.size(); ++id)
    if (spec.kinds[id] != TokenizerSpec::Kind::Normal && !spec.tokens[id].empty()) {
      added[spec.normalized.count(id)][uint8_t(spec.tokens[id][0])].push_back(id);
      tokenBytes[id] = spec.tokens[id]; // matched as it is written, it stands for its own bytes
    }
  for (AddedIndex &index : added)
    for (auto &bucket : index)
      std::stable_sort(bucket.begin(), bucket.end(),
                       [&](uint32_t a, uint32_t b) { return tokenBytes[a].size() > tokenBytes[b].size(); });
}

std::optional<uint32_t> Tokenizer::matchAdded(const AddedIndex &index, std::string_view text) const {
  for (uint32_t id : index[uint8_t(text[0])])
    if (text.starts_with(tokenBytes[id]))
      return id;
  return std::nullopt;
}

std::optional<uint32_t> Tokenizer::special(std::string_view text) const {
  if (text.empty())
    return std::nullopt;
  for (const AddedIndex &index : added)
    for (uint32_t id : index[uint8_t(text[0])])
      if (tokenBytes[id] == text)
        return id;
  return std::nullopt;
}

Status Tokenizer::encodePlain(std::string_view text, BytePairEncoder::Scratch &scratch,
                              std::vector<uint32_t> &ids) const {
  std::vector<std::string_view> pieces;
  FT_RETURN_IF_ERROR(pre.split(text, pieces));
  for (std::string_view piece : pieces) {
    if (auto whole = wholePieces.find(piece); whole != wholePieces.end())
      ids.push_back(whole->second);
    else
      encoder.encode(piece, scratch, ids);
  }
  return {};
}

Status Tokenizer::encode(std::string_view bytes, std::vector<uint32_t> &ids) const {
  if (bytes.size() >= UINT32_MAX / 4)
    return badInput(fmt::format("a text of {} bytes is too long for the tokenizer; at most 1 GiB", bytes.size()));
  std::string replaced;
  std::string_view text = bytes;
  if (!isWellFormedUtf8(bytes))
    text = replaced = replaceIllFormedUtf8(bytes);
  BytePairEncoder::Scratch scratch;
  return encodeFrom(0, text, scratch, ids);
}

Status Tokenizer::encodeFrom(size_t index, std::string_view text, BytePairEncoder::Scratch &scratch,
                             std::vector<uint32_t> &ids) const {
  if (index == added.size())
    return encodePlain(text, scratch, ids);
  size_t plain = 0;
  for (size_t at = 0; at < text.size();) {
    const auto token = matchAdded(added[index], text.substr(at));
    if (!token) {
      ++at;
      continue;
    }
    FT_RETURN_IF_ERROR(encodeFrom(index + 1, text.substr(plain, at - plain), scratch, ids));
    ids.push_back(*token);
    at += tokenBytes[*token].size();
    plain = at;
  }
  return encodeFrom(index + 1, text.substr(plain), scratch, ids);
}

std::string Tokenizer::decode(std::span<const uint32_t> ids, bool skipControl) const {
  std::string bytes;
  for (uint32_t id : ids)
    if (id < tokenBytes.size() && !(skipControl && kinds[id] == TokenizerSpec::Kind::Control))
      bytes += tokenBytes[id];
  return replaceIllFormedUtf8(bytes);
}

} // namespace ft::rt
