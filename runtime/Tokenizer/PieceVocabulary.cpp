#include "runtime/Tokenizer/PieceVocabulary.h"

#include <fmt/format.h>

namespace ft::rt {

Expected<PieceVocabulary> PieceVocabulary::create(std::vector<std::string> pieces, std::vector<PieceType> types,
                                                  std::vector<float> scores, bool byteFallback) {
  PieceVocabulary result;
  result.pieces = std::move(pieces);
  result.types = std::move(types);
  result.scores = std::move(scores);
  result.byteFallback = byteFallback;
  result.unknownId = None;
  for (uint32_t id = 0; id < result.pieces.size(); ++id) {
    const std::string &piece = result.pieces[id];
    const PieceType type = result.types[id];
    if (piece.empty() || piece.size() > MaxPieceBytes)
      return badInput(fmt::format("piece {} has {} bytes; must have 1 to {}", id, piece.size(), MaxPieceBytes));
    const bool isPlain = type == PieceType::Normal || type == PieceType::UserDefined || type == PieceType::Unused;
    if (auto [at, added] = (isPlain ? result.plain : result.reserved).emplace(piece, id); !added)
      return badInput(fmt::format("pieces {} and {} are both \"{}\"; must differ", at->second, id, piece));
    if (type == PieceType::UserDefined)
      result.fixed.insert(piece, id);
    if (type != PieceType::Unknown)
      continue;
    if (result.unknownId != None)
      return badInput(fmt::format("pieces {} and {} are both the unknown one; must be one", result.unknownId, id));
    result.unknownId = id;
  }
  if (result.unknownId == None)
    return badInput(fmt::format("none of {} pieces is the unknown one; must be one", result.pieces.size()));
  for (int byte = 0; byteFallback && byte < 256; ++byte) {
    const std::string name = fmt::format("<0x{:02X}>", byte);
    auto found = result.reserved.find(name);
    if (found == result.reserved.end() || result.types[found->second] != PieceType::Byte)
      return badInput(fmt::format("byte_fallback is true, but there is no piece \"{}\" of type byte", name));
    result.bytes[byte] = found->second;
  }
  return result;
}

uint32_t PieceVocabulary::find(std::string_view piece) const {
  auto found = plain.find(piece);
  return found == plain.end() ? None : found->second;
}

uint32_t PieceVocabulary::idOf(std::string_view piece) const {
  if (auto found = reserved.find(piece); found != reserved.end())
    return found->second;
  const uint32_t id = find(piece);
  return id == None ? unknownId : id;
}

void PieceVocabulary::append(std::string_view piece, uint32_t id, bool &behindUnknown,
                             std::vector<uint32_t> &ids) const {
  const bool isUnknown = types[id] == PieceType::Unknown;
  if (isUnknown && byteFallback)
    for (char byte : piece)
      ids.push_back(bytes[uint8_t(byte)]);
  else if (!(isUnknown && behindUnknown))
    ids.push_back(id);
  behindUnknown = isUnknown;
}

} // namespace ft::rt
