#include "runtime/Support/FileKind.h"

#include "runtime/Support/Strings.h"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <string_view>

namespace ft::rt {

namespace {

struct Kind {
  std::string_view start, text;
};

using namespace std::string_view_literals;

constexpr std::string_view utf16 = "text in UTF-16; convert it to UTF-8 (iconv -f UTF-16 -t UTF-8)"sv,
                           utf32 = "text in UTF-32; convert it to UTF-8 (iconv -f UTF-32 -t UTF-8)"sv,
                           webPage = "a web page, perhaps of a download that was refused; download the file itself"sv;

constexpr Kind kinds[] = {
    {"/annex/objects/"sv, "a pointer of git-annex, not the file itself; fetch it with git annex get"sv},
    {"\x1f\x8b"sv, "compressed by gzip; unpack it with gunzip"sv},
    {"\x28\xb5\x2f\xfd"sv, "compressed by Zstandard; unpack it with unzstd"sv},
    {"BZh"sv, "compressed by bzip2; unpack it with bunzip2"sv},
    {"\xfd"
     "7zXZ"sv,
     "compressed by xz; unpack it with unxz"sv},
    {"PK\x03\x04"sv,
     "a zip archive; unpack it, or where torch.save wrote it, convert it to safetensors with the library "
     "that wrote it"sv},
    {"\x80\x02"sv, "a pickle of Python; convert it to safetensors with the library that wrote it"sv},
    {"PAR1"sv, "Parquet; convert it: python3 -c \"import pandas; pandas.read_parquet('in.parquet')"
               ".to_json('out.jsonl', orient='records', lines=True)\""sv},
    {"ARROW1"sv, "Arrow; convert it to JSONL, as datasets' to_json() does"sv},
    {"<!DOCTYPE"sv, webPage},
    {"<!doctype"sv, webPage},
    {"<html"sv, webPage},
    {"\xff\xfe\0\0"sv, utf32},
    {"\0\0\xfe\xff"sv, utf32},
    {"\xff\xfe"sv, utf16},
    {"\xfe\xff"sv, utf16},
    {"GGUF"sv, "a GGUF file; as a model its name must end in .gguf"sv},
};

/// Git LFS puts this text where the file would be, and the size into its third line.
std::string largeFilePointer(std::string_view text) {
  if (!text.starts_with("version https://git-lfs.github.com/spec/"))
    return "";
  constexpr std::string_view sizeKey = "\nsize ";
  const size_t at = text.find(sizeKey);
  std::string size = "the file itself";
  if (at != std::string_view::npos)
    size = fmt::format("the {} bytes of the file itself",
                       shown(text.substr(at + sizeKey.size(), text.find('\n', at + 1) - at - sizeKey.size()), 20));
  return fmt::format("a pointer of Git LFS that stands for {}; fetch it with git lfs pull, or download it", size);
}

} // namespace

std::string foreignKind(std::span<const std::byte> bytes) {
  constexpr size_t longest = 1024; // the most that a pointer has
  const std::string_view text(reinterpret_cast<const char *>(bytes.data()), std::min(bytes.size(), longest));
  if (std::string pointer = largeFilePointer(text); !pointer.empty())
    return pointer;
  for (const Kind &kind : kinds)
    if (text.starts_with(kind.start))
      return std::string(kind.text);
  return "";
}

bool isNamed(const std::string &path) {
  std::error_code error;
  const std::filesystem::file_type type = std::filesystem::symlink_status(path, error).type();
  return type != std::filesystem::file_type::not_found && error != std::errc::filename_too_long;
}

std::string lostTarget(const std::string &path) {
  std::error_code error, none;
  const bool lost = std::filesystem::status(path, error).type() == std::filesystem::file_type::not_found;
  const std::filesystem::path target = std::filesystem::read_symlink(path, none);
  return lost && !none ? shown(target.string()) : "";
}

} // namespace ft::rt
