#include "runtime/Text/EncodedDocuments.h"

#include <algorithm>

namespace ft::rt {

namespace {
/// A document in the file: these words, the untrained spans, the ids.
struct Head {
  uint32_t prompt, truncated, untrained, ids;
};
constexpr size_t HeadWords = sizeof(Head) / 4, PendingWords = size_t(1) << 18;
} // namespace

Expected<EncodedDocuments> EncodedDocuments::create(const std::string &folder) {
  FT_ASSIGN_OR_RETURN(ScratchFile file, ScratchFile::create(folder));
  return EncodedDocuments(std::move(file));
}

Status EncodedDocuments::append(const Document &document) {
  places.push_back(words + pending.size());
  lens.push_back(uint32_t(document.ids.size()));
  pending.insert(pending.end(), {document.prompt, document.truncated, uint32_t(document.untrained.size()),
                                 uint32_t(document.ids.size())});
  for (const IdSpan &span : document.untrained)
    pending.insert(pending.end(), {span.begin, span.end});
  pending.insert(pending.end(), document.ids.begin(), document.ids.end());
  return pending.size() < PendingWords ? Status() : flush();
}

Status EncodedDocuments::flush() {
  FT_RETURN_IF_ERROR(file.append(std::as_bytes(std::span(pending))));
  words += pending.size();
  pending.clear();
  return {};
}

Status EncodedDocuments::read(uint32_t index, Document &out) const {
  // Most documents have few untrained spans: one read takes all of it.
  constexpr size_t guess = HeadWords + 16;
  const uint64_t place = places[index];
  std::vector<uint32_t> &ids = out.ids;
  ids.resize(std::min<uint64_t>(guess + lens[index], words - place));
  FT_RETURN_IF_ERROR(file.readAt(place * 4, std::as_writable_bytes(std::span(ids))));
  const Head head{ids[0], ids[1], ids[2], ids[3]};
  const size_t size = HeadWords + size_t(head.untrained) * 2 + head.ids;
  if (size > ids.size()) {
    ids.resize(size);
    FT_RETURN_IF_ERROR(file.readAt(place * 4, std::as_writable_bytes(std::span(ids))));
  }
  out.prompt = head.prompt;
  out.truncated = head.truncated != 0;
  out.untrained.clear();
  for (size_t i = 0; i < head.untrained; ++i)
    out.untrained.push_back({ids[HeadWords + 2 * i], ids[HeadWords + 2 * i + 1]});
  ids.resize(size);
  ids.erase(ids.begin(), ids.end() - ptrdiff_t(head.ids));
  return {};
}

} // namespace ft::rt
