#include "runtime/Text/DataFile.h"

#include "runtime/Support/FileKind.h"
#include "runtime/Text/Unpack.h"

#include <algorithm>
#include <fmt/format.h>

namespace ft::rt {

namespace {
/// What the text of a file is, where it is no text in UTF-8.
std::string foreign(std::string_view text) {
  if (const std::string kind = foreignKind(std::as_bytes(std::span(text))); !kind.empty())
    return "is " + kind;
  // Every other byte of Latin text in UTF-16 is zero, and no text in UTF-8 has any.
  if (text.substr(0, 256).find('\0') != text.npos)
    return text.size() > 1 && (text[0] == 0) != (text[1] == 0)
               ? "is text in UTF-16; convert it to UTF-8 (iconv -f UTF-16 -t UTF-8)"
               : "holds zero bytes, so it is no text; name JSON or JSONL";
  return "";
}

std::string_view textOf(const MappedFile &file) {
  return {reinterpret_cast<const char *>(file.bytes().data()), file.size()};
}

/// A bound that a few bytes cannot ask much memory with: text packs to a tenth, rarely to a hundredth.
uint64_t mostUnpacked(uint64_t packed) {
  constexpr uint64_t small = 64 << 20, ratio = 200;
  return std::min(std::max(small, packed * ratio), DataFile::MaxUnpacked);
}
} // namespace

Expected<DataFile> DataFile::open(const std::string &path) {
  auto named = [&](std::string_view what) { return badInput(fmt::format("{}: {}", path, what)); };
  FT_ASSIGN_OR_RETURN(const MappedFile there, MappedFile::open(path));
  const bool gzip = textOf(there).starts_with("\x1F\x8B"), zstandard = textOf(there).starts_with("\x28\xB5\x2F\xFD");
  if (const std::string what = foreign(textOf(there)); !what.empty() && !gzip && !zstandard) // before it is copied
    return named(what);
  FT_ASSIGN_OR_RETURN(MappedFile file, MappedFile::openCopy(path));
  DataFile result;
  result.hash = sha256(file.bytes());
  result.mapped = std::make_shared<const MappedFile>(std::move(file));
  result.view = textOf(*result.mapped);
  if (gzip || zstandard) {
    const uint64_t most = mostUnpacked(result.view.size());
    auto text = gzip ? unpackGzip(result.view, most) : unpackZstandard(result.view, most);
    if (!text)
      return named(text.status().message());
    result.unpacked = std::make_shared<const std::string>(std::move(*text));
    result.mapped.reset();
    result.view = *result.unpacked;
  }
  if (const std::string what = foreign(result.view); !what.empty())
    return named(what);
  if (result.view.starts_with("\xEF\xBB\xBF")) // a byte order mark, as some editors write it
    result.view.remove_prefix(3);
  return result;
}

} // namespace ft::rt
