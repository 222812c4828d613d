#include "runtime/Tokenizer/JsonSteps.h"
#include "runtime/Tokenizer/TokenizerSpec.h"

#include <nlohmann/json.hpp>
#include <span>

namespace ft::rt {

namespace {
/// Lengths in front of texts, so that no two specifications hash the same bytes.
class Digester {
public:
  void number(uint64_t value) { hash.update(std::as_bytes(std::span(&value, 1))); }
  void text(std::string_view value) {
    number(value.size());
    hash.update(value);
  }
  void id(std::optional<uint32_t> value) { number(value ? *value : UINT64_MAX); }
  template <typename T> void array(const std::vector<T> &values) {
    number(values.size());
    hash.update(std::as_bytes(std::span(values)));
  }
  Sha256Digest finish() { return hash.finish(); }

private:
  Sha256 hash;
};

void addModel(Digester &digest, const TokenizerSpec &spec) {
  if (const auto *pieces = std::get_if<PieceSpec>(&spec.model)) {
    digest.number(2 + uint64_t(pieces->kind));
    digest.number(pieces->byteFallback);
    digest.array(pieces->types);
    digest.array(pieces->scores);
    return;
  }
  if (const auto *unigram = std::get_if<UnigramSpec>(&spec.model)) {
    digest.number(4);
    digest.number(unigram->byteFallback);
    digest.number(unigram->unknown);
    digest.array(unigram->scores);
    return;
  }
  const auto &pairs = std::get<BytePairSpec>(spec.model);
  digest.number(1);
  digest.number(uint64_t(pairs.ignoreMerges) | pairs.byteFallback << 1 | pairs.fuseUnknown << 2 |
                pairs.unknown.has_value() << 3 | pairs.rankByProduct << 4);
  digest.text(pairs.unknown.value_or(""));
  digest.number(pairs.merges.size());
  for (const auto &[left, right] : pairs.merges) {
    digest.text(left);
    digest.text(right);
  }
}
} // namespace

Sha256Digest digestOf(const TokenizerSpec &spec) {
  Digester digest;
  const auto written = [](const nlohmann::json &value) {
    return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  };
  digest.text("tokenizer, 2");
  digest.text(written(toJson(spec.normalizer)));
  digest.text(written(toJson(spec.preTokenizer)));
  digest.number(spec.tokens.size());
  for (const std::string &token : spec.tokens)
    digest.text(token);
  addModel(digest, spec);
  digest.number(spec.added.size());
  for (const AddedToken &token : spec.added) {
    digest.text(token.content);
    digest.number(token.id);
    digest.number(uint64_t(token.special) | token.normalized << 1 | token.singleWord << 2 | token.leftSpace << 3 |
                  token.rightSpace << 4);
  }
  digest.array(spec.prefix);
  digest.array(spec.suffix);
  digest.id(spec.bos);
  digest.id(spec.eos);
  return digest.finish();
}

} // namespace ft::rt
