#include "runtime/Tokenizer/JsonUnigramModel.h"

#include <fmt/format.h>

namespace ft::rt {

Expected<JsonUnigramModel> JsonUnigramModel::create(const std::vector<std::string> &tokens, std::vector<double> scores,
                                                    uint32_t unknown, bool byteFallback) {
  JsonUnigramModel made(std::move(scores), unknown);
  constexpr double unknownPenalty = 10;
  std::vector<PrefixTrie::Entry> entries;
  for (uint32_t id = 0; id < tokens.size(); ++id) {
    made.ids[tokens[id]] = id;
    entries.emplace_back(tokens[id], id);
  }
  FT_ASSIGN_OR_RETURN(made.trie, PrefixTrie::of(std::move(entries)));
  made.unknownScore = *std::min_element(made.scores.begin(), made.scores.end()) - unknownPenalty;
  made.bytes.fill(NoToken);
  for (int byte = 0; byteFallback && byte < 256; ++byte)
    if (auto found = made.ids.find(fmt::format("<0x{:02X}>", byte)); found != made.ids.end())
      made.bytes[byte] = found->second;
  return made;
}

/// A stretch is looked up once more as a whole, then spelled where each of its bytes has a token.
void JsonUnigramModel::appendUnknown(std::string_view stretch, std::vector<uint32_t> &out) const {
  if (auto found = ids.find(std::string(stretch)); found != ids.end()) {
    out.push_back(found->second);
    return;
  }
  auto token = [this](char byte) { return bytes[uint8_t(byte)]; };
  if (std::all_of(stretch.begin(), stretch.end(), [&](char byte) { return token(byte) != NoToken; }))
    std::transform(stretch.begin(), stretch.end(), std::back_inserter(out), token);
  else
    out.push_back(unknown);
}

void JsonUnigramModel::encode(std::string_view text, Scratch &scratch, std::vector<uint32_t> &out) const {
  size_t begin = 0, end = 0; // of the unknown stretch that is open
  auto close = [&] {
    if (begin < end)
      appendUnknown(text.substr(begin, end - begin), out);
  };
  const auto &steps =
      scratch.find(text, trie, unknown, unknownScore, [this](size_t, uint32_t id) { return scores[id]; });
  for (const auto &step : steps) {
    if (step.id == unknown) {
      end = step.end;
      continue;
    }
    close();
    out.push_back(step.id);
    begin = end = step.end;
  }
  close();
}

} // namespace ft::rt
