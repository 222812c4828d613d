#include "runtime/Tokenizer/Tokenizer.h"

#include "runtime/Support/Strings.h"
#include "runtime/Tokenizer/Decoder.h"
#include "runtime/Tokenizer/Utf8.h"

#include <algorithm>
#include <fmt/format.h>

namespace ft::rt {

namespace {
constexpr std::string_view Space = "\u2581";

Status checkIds(const char *what, std::span<const uint32_t> ids, size_t vocabulary) {
  for (uint32_t id : ids)
    if (id >= vocabulary)
      return badInput(fmt::format("{} is {}; must be below the vocabulary's {} tokens", what, id, vocabulary));
  return {};
}

Status checkSpecials(const TokenizerSpec &spec, size_t vocabulary) {
  if (spec.bos)
    FT_RETURN_IF_ERROR(checkIds("the beginning-of-text id", std::span(&*spec.bos, 1), vocabulary));
  if (spec.eos)
    FT_RETURN_IF_ERROR(checkIds("the end-of-text id", std::span(&*spec.eos, 1), vocabulary));
  FT_RETURN_IF_ERROR(checkIds("an id in front of every text", spec.prefix, vocabulary));
  return checkIds("an id behind every text", spec.suffix, vocabulary);
}
} // namespace

Expected<Tokenizer> Tokenizer::create(TokenizerSpec spec) {
  auto named = [&](const Status &status) {
    return Status(status.code(), fmt::format("{}: {}", spec.source, status.message()));
  };
  auto normalizer = Normalizer::create(spec.normalizer);
  if (!normalizer)
    return named(normalizer.status());
  auto pre = PreTokenizer::create(spec.preTokenizer);
  if (!pre)
    return named(pre.status());
  auto model = makeModel(spec, pre->byteLevel());
  if (!model)
    return named(model.status());
  Tokenizer result(std::move(*normalizer), std::move(*pre), std::move(*model));
  result.cutsWords = mayCutWords(spec, result.pre.byteLevel());
  result.identity = digestOf(spec);
  if (Status status = result.takeTokens(spec); !status.ok())
    return named(status);
  result.decoder = std::move(spec.decoder);
  result.before = std::move(spec.prefix);
  result.behind = std::move(spec.suffix);
  result.bosId = spec.bos;
  result.eosId = spec.eos;
  result.sourceName = std::move(spec.source);
  return result;
}

Status Tokenizer::takeTokens(const TokenizerSpec &spec) {
  texts = spec.tokens;
  for (const AddedToken &token : spec.added)
    texts.resize(std::max<size_t>(texts.size(), size_t(token.id) + 1));
  control.resize(texts.size());
  if (texts.empty())
    return badInput("the vocabulary has no tokens; at least one is needed");
  FT_RETURN_IF_ERROR(checkSpecials(spec, texts.size()));
  // By whether they are normalised: the tokens, and what each is looked for as.
  std::array<std::vector<AddedToken>, 2> tokens;
  std::array<std::vector<std::string>, 2> patterns;
  Regex::Work work;
  for (const AddedToken &token : spec.added) {
    std::string pattern = token.content;
    if (token.normalized)
      FT_RETURN_IF_ERROR(normalizer.apply(pattern, work));
    if (pattern.empty() && !token.content.empty())
      return badInput(fmt::format("added token {} (\"{}\") is empty once it is normalised, and would be found "
                                  "everywhere; set its \"normalized\" to false",
                                  token.id, shown(token.content)));
    texts[token.id] = pattern;
    control[token.id] = token.special;
    specials[token.content] = token.id;
    tokens[token.normalized].push_back(token);
    patterns[token.normalized].push_back(std::move(pattern));
  }
  FT_ASSIGN_OR_RETURN(addedRaw, AddedTokens::create(tokens[0], patterns[0]));
  FT_ASSIGN_OR_RETURN(addedNormalized, AddedTokens::create(tokens[1], patterns[1]));
  return {};
}

std::optional<uint32_t> Tokenizer::special(std::string_view text) const {
  auto found = specials.find(std::string(text));
  return found == specials.end() ? std::nullopt : std::optional(found->second);
}

void Tokenizer::encodePiece(std::string_view piece, Scratch &scratch, std::vector<uint32_t> &ids) const {
  if (const auto *unigram = std::get_if<UnigramModel>(&model))
    return unigram->encode(piece, scratch.unigram, ids);
  if (scratch.cache.find(piece, ids))
    return;
  const size_t before = ids.size();
  if (const auto *unigram = std::get_if<JsonUnigramModel>(&model))
    unigram->encode(piece, scratch.jsonUnigram, ids);
  else if (const auto *bytePair = std::get_if<BytePairModel>(&model))
    bytePair->encode(piece, scratch.bytePair, ids);
  else
    std::get<PieceBpeModel>(model).encode(piece, scratch.pieceBpe, ids);
  scratch.cache.insert(piece, std::span(ids).subspan(before));
}

Status Tokenizer::encodeNormalized(std::string_view text, bool first, Scratch &scratch,
                                   std::vector<uint32_t> &ids) const {
  FT_RETURN_IF_ERROR(pre.split(text, first, scratch.pre));
  for (const PreTokenizer::Piece &piece : scratch.pre.pieces) {
    std::string_view rest = piece.text;
    for (size_t at = 0; cutsWords && at < rest.size();) {
      // Over the run of spaces that the word starts with, and to the next.
      while (rest.substr(at).starts_with(Space))
        at += Space.size();
      at = std::min(rest.find(Space, at), rest.size());
      encodePiece(rest.substr(0, at), scratch, ids);
      rest.remove_prefix(at);
      at = 0;
    }
    if (!rest.empty())
      encodePiece(rest, scratch, ids);
  }
  return {};
}

Status Tokenizer::encodeText(std::string_view text, bool first, Specials matched, Scratch &scratch,
                             std::vector<uint32_t> &ids) const {
  if (!normalizer.empty()) {
    scratch.normalized = text;
    FT_RETURN_IF_ERROR(pre.asksForFirst() ? normalizer.apply(scratch.normalized, scratch.pre.work, first)
                                          : normalizer.apply(scratch.normalized, scratch.pre.work));
    text = scratch.normalized;
  }
  scratch.normalizedParts.clear();
  addedNormalized.find(text, matched == Specials::Matched, scratch.normalizedParts);
  for (const AddedTokens::Part &part : scratch.normalizedParts)
    if (part.token)
      ids.push_back(part.token->id);
    else
      FT_RETURN_IF_ERROR(encodeNormalized(part.text, first && part.text.data() == text.data(), scratch, ids));
  return {};
}

/// Cuts `text` at its added tokens into scratch.parts; it is well-formed then where that is needed.
Status Tokenizer::startEncoding(std::string_view &text, Specials matched, Scratch &scratch) const {
  if (text.size() >= UINT32_MAX / 4)
    return badInput(fmt::format("a text of {} bytes is too long for the tokenizer; at most 1 GiB", text.size()));
  if (scratch.owner != identity) {
    scratch.cache = PieceCache();
    scratch.owner = identity;
  }
  if (!normalizer.readsBytes() && !isWellFormedUtf8(text))
    text = scratch.wellFormed = replaceIllFormedUtf8(text);
  scratch.parts.clear();
  addedRaw.find(text, matched == Specials::Matched, scratch.parts);
  return {};
}

Status Tokenizer::encode(std::string_view text, std::vector<uint32_t> &ids, Scratch &scratch, Specials matched) const {
  FT_RETURN_IF_ERROR(startEncoding(text, matched, scratch));
  for (const AddedTokens::Part &part : scratch.parts)
    if (part.token)
      ids.push_back(part.token->id);
    else
      FT_RETURN_IF_ERROR(encodeText(part.text, part.text.data() == text.data(), matched, scratch, ids));
  return {};
}

Status Tokenizer::encode(std::string_view text, std::span<const size_t> marks, std::vector<uint32_t> &ids,
                         std::vector<uint32_t> &at, Scratch &scratch) const {
  FT_RETURN_IF_ERROR(startEncoding(text, Specials::Matched, scratch));
  std::vector<uint32_t> front;
  for (const AddedTokens::Part &part : scratch.parts) {
    const auto begin = size_t(part.text.data() - text.data()), end = begin + part.text.size();
    const auto before = uint32_t(ids.size());
    const bool first = begin == 0;
    if (part.token)
      ids.push_back(part.token->id);
    else
      FT_RETURN_IF_ERROR(encodeText(part.text, first, Specials::Matched, scratch, ids));
    for (; !marks.empty() && marks[0] < end; marks = marks.subspan(1)) {
      front.clear();
      if (!part.token && marks[0] > begin)
        FT_RETURN_IF_ERROR(encodeText(part.text.substr(0, marks[0] - begin), first, Specials::Matched, scratch, front));
      // What the front alone becomes may differ in its last tokens from what it becomes with the rest behind it.
      uint32_t count = before;
      while (count < ids.size() && count - before < front.size() && ids[count] == front[count - before])
        ++count;
      at.push_back(count);
    }
  }
  at.insert(at.end(), marks.size(), uint32_t(ids.size()));
  return {};
}

Status Tokenizer::encode(std::string_view text, std::vector<uint32_t> &ids, Specials matched) const {
  Scratch scratch;
  return encode(text, ids, scratch, matched);
}

std::string Tokenizer::decode(std::span<const uint32_t> ids, bool skipControl) const {
  std::vector<std::string> tokens;
  for (uint32_t id : ids)
    if (id < texts.size() && !texts[id].empty() && !(skipControl && control[id]))
      tokens.push_back(texts[id]);
  return decodeTokens(std::move(tokens), decoder);
}

} // namespace ft::rt
