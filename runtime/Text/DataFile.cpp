#include "runtime/Text/DataFile.h"

#include "runtime/Text/Unpack.h"

#include <algorithm>
#include <fmt/format.h>

namespace ft::rt {

namespace {
using namespace std::string_view_literals;

struct Foreign {
  std::string_view start, what;
};
/// Files that people have, by their first bytes, and the way out.
constexpr Foreign Known[] = {
    {"\xFF\xFE"sv, "is text in UTF-16; save it as UTF-8 (iconv -f UTF-16 -t UTF-8)"sv},
    {"\xFE\xFF"sv, "is text in UTF-16; save it as UTF-8 (iconv -f UTF-16 -t UTF-8)"sv},
    {"PAR1"sv, "is Parquet; convert it: python3 -c \"import pandas; pandas.read_parquet('in.parquet')"
               ".to_json('out.jsonl', orient='records', lines=True)\""sv},
    {"ARROW1"sv, "is Arrow; convert it to JSONL, as datasets' to_json() does"sv},
    {"PK\x03\x04"sv, "is a zip archive; unpack it (unzip) and name the file in it"sv},
    {"BZh"sv, "is packed with bzip2; unpack it (bunzip2), or pack it with gzip or zstd"sv},
    {"\xFD"
     "7zXZ"sv,
     "is packed with xz; unpack it (unxz), or pack it with gzip or zstd"sv},
    {"version https://git-lfs"sv, "is a pointer of a large-file store, not the file; fetch it (git lfs pull)"sv},
    {"<!DOCTYPE"sv, "is a web page, not data; download the file itself"sv},
    {"<html"sv, "is a web page, not data; download the file itself"sv},
};

std::string_view foreign(std::string_view text) {
  for (const Foreign &known : Known)
    if (text.starts_with(known.start))
      return known.what;
  // Every other byte of Latin text in UTF-16 is zero, and no text in UTF-8 has any.
  if (text.substr(0, 256).find('\0') != text.npos)
    return text.size() > 1 && (text[0] == 0) != (text[1] == 0)
               ? "is text in UTF-16; save it as UTF-8 (iconv -f UTF-16 -t UTF-8)"sv
               : "holds zero bytes, so it is no text; name JSON or JSONL"sv;
  return {};
}
} // namespace

Expected<DataFile> DataFile::open(const std::string &path) {
  FT_ASSIGN_OR_RETURN(MappedFile file, MappedFile::openCopy(path));
  DataFile result;
  result.hash = sha256(file.bytes());
  result.mapped = std::make_shared<const MappedFile>(std::move(file));
  result.view = {reinterpret_cast<const char *>(result.mapped->bytes().data()), result.mapped->size()};
  auto named = [&](std::string_view what) { return badInput(fmt::format("{}: {}", path, what)); };
  const bool gzip = result.view.starts_with("\x1F\x8B"), zstandard = result.view.starts_with("\x28\xB5\x2F\xFD");
  if (gzip || zstandard) {
    auto text = gzip ? unpackGzip(result.view, MaxUnpacked) : unpackZstandard(result.view, MaxUnpacked);
    if (!text)
      return named(text.status().message());
    result.unpacked = std::make_shared<const std::string>(std::move(*text));
    result.mapped.reset();
    result.view = *result.unpacked;
  }
  if (const std::string_view what = foreign(result.view); !what.empty())
    return named(what);
  if (result.view.starts_with("\xEF\xBB\xBF")) // a byte order mark, as some editors write it
    result.view.remove_prefix(3);
  return result;
}

} // namespace ft::rt
