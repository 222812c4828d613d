#include "runtime/Text/DataFile.h"

#include "runtime/Support/FileKind.h"
#include "runtime/Support/Files.h"
#include "runtime/Support/ScratchFile.h"
#include "runtime/Text/Unpack.h"

#include <algorithm>
#include <fmt/format.h>

namespace ft::rt {

namespace {
/// What the text of a file is, where it is no text in UTF-8.
std::string foreign(std::string_view text) {
  if (text.starts_with("PK\x03\x04"))
    return "is a zip archive; unpack it, or where a spreadsheet wrote it, save it there as CSV";
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

/// Of a frame, or of one that is skipped (pzstd begins with one).
bool isZstandard(std::string_view text) {
  return text.starts_with("\x28\xB5\x2F\xFD") ||
         (text.size() > 4 && (uint8_t(text[0]) & 0xF0) == 0x50 && text.substr(1).starts_with("\x2A\x4D\x18"));
}

/// A bound that a few bytes cannot ask much memory with: text packs to a tenth, rarely to a hundredth.
uint64_t mostUnpacked(uint64_t packed) {
  constexpr uint64_t small = 64 << 20, ratio = 200;
  return std::min(std::max(small, packed * ratio), DataFile::MaxUnpacked);
}
} // namespace

Sha256Digest digestOf(const MappedFile &file) {
  constexpr size_t step = size_t(16) << 20;
  Sha256 hash;
  for (auto rest = file.bytes(); !rest.empty(); rest = rest.subspan(std::min(step, rest.size()))) {
    const auto part = rest.first(std::min(step, rest.size()));
    hash.update(part);
    file.release(part);
  }
  return hash.finish();
}

Status DataFile::unpack(const std::string &path, bool gzip) {
  FT_ASSIGN_OR_RETURN(ScratchFile text, ScratchFile::create(folderOf(path)));
  size_t released = 0;
  auto sink = [&](std::string_view part, size_t packedRead) {
    mapped->release(mapped->bytes().subspan(released, packedRead - released));
    released = packedRead;
    return text.append(std::as_bytes(std::span(part)));
  };
  const std::string_view packed = textOf(*mapped);
  const uint64_t most = mostUnpacked(packed.size());
  FT_RETURN_IF_ERROR(gzip ? unpackGzip(packed, most, sink) : unpackZstandard(packed, most, sink));
  FT_ASSIGN_OR_RETURN(MappedFile unpacked, text.map(path));
  mapped = std::make_shared<const MappedFile>(std::move(unpacked));
  return {};
}

Expected<DataFile> DataFile::open(const std::string &path) {
  auto named = [&](const Status &status) {
    return Status(status.code(), fmt::format("{}: {}", path, status.message()));
  };
  FT_ASSIGN_OR_RETURN(const MappedFile there, MappedFile::open(path));
  const bool gzip = textOf(there).starts_with("\x1F\x8B"), zstandard = isZstandard(textOf(there));
  if (const std::string what = foreign(textOf(there)); !what.empty() && !gzip && !zstandard) // before it is copied
    return named(badInput(what));
  FT_ASSIGN_OR_RETURN(MappedFile file, MappedFile::openCopy(path));
  DataFile result;
  result.hash = digestOf(file);
  result.mapped = std::make_shared<const MappedFile>(std::move(file));
  if (gzip || zstandard)
    if (const Status status = result.unpack(path, gzip); !status.ok())
      return named(status);
  result.view = textOf(*result.mapped);
  if (const std::string what = foreign(result.view); !what.empty())
    return named(badInput(what));
  if (result.view.starts_with("\xEF\xBB\xBF")) // a byte order mark, as some editors write it
    result.view.remove_prefix(3);
  return result;
}

} // namespace ft::rt
