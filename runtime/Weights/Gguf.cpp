#include "runtime/Weights/Gguf.h"

#include "runtime/Support/FileKind.h"
#include "runtime/Support/MappedFile.h"
#include "runtime/Support/Strings.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <fmt/format.h>

namespace ft::rt {

namespace {

enum ValueType : uint32_t { U8, I8, U16, I16, U32, I32, F32, Bool, String, Array, U64, I64, F64 };

/// Most bytes of a string, and elements of an array, that are read: vocabularies and chat templates are far smaller,
/// and a damaged count must not make the reader copy the tensors behind it.
constexpr uint64_t maxLength = 1 << 24;

/// ggml's type ids, for the types that are read and for the names of those that are not.
constexpr std::string_view ggmlNames[] = {"F32",     "F16",    "Q4_0",    "Q4_1",  "Q4_2",   "Q4_3",  "Q5_0",  "Q5_1",
                                          "Q8_0",    "Q8_1",   "Q2_K",    "Q3_K",  "Q4_K",   "Q5_K",  "Q6_K",  "Q8_K",
                                          "IQ2_XXS", "IQ2_XS", "IQ3_XXS", "IQ1_S", "IQ4_NL", "IQ3_S", "IQ2_S", "IQ4_XS",
                                          "I8",      "I16",    "I32",     "I64",   "F64",    "IQ1_M", "BF16"};

std::optional<Encoding> encodingOfGgml(uint32_t type) {
  return type < std::size(ggmlNames) ? encodingNamed(ggmlNames[type]) : std::nullopt;
}

std::string supportedTypes() {
  std::string names;
  for (std::string_view name : ggmlNames)
    if (encodingNamed(name))
      names += (names.empty() ? "" : ", ") + std::string(name);
  return names;
}

/// Bytes that a value of `type` takes at least: bounds what a count may claim. 0: no such type.
uint64_t leastBytes(uint32_t type) {
  constexpr uint8_t table[] = {1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8};
  return type < std::size(table) ? table[type] : 0;
}

/// Reads forward through the mapping; the first failure sticks as `problem`.
class Parser {
public:
  Parser(std::span<const std::byte> bytes, const std::string &path) : bytes(bytes), path(path) {}

  Status fail(std::string_view what) const { return badInput(fmt::format("{}: at byte {}: {}", path, at, what)); }

  template <typename T> Status read(T &value, std::string_view what) {
    if (left() < sizeof(T))
      return fail(fmt::format("the file ends inside {}; copy or download it again", what));
    std::memcpy(&value, bytes.data() + at, sizeof(T));
    at += sizeof(T);
    return {};
  }

  Status readString(std::string &text, std::string_view what) {
    uint64_t length = 0;
    FT_RETURN_IF_ERROR(read(length, what));
    if (length > left())
      return fail(fmt::format("{} claims {} bytes; the file has {} left", what, length, left()));
    if (length > maxLength)
      return fail(fmt::format("{} has {} bytes; {} are the most that is read", what, length, maxLength));
    text.assign(reinterpret_cast<const char *>(bytes.data() + at), length);
    at += length;
    return {};
  }

  /// `least`: bytes that each of the counted things takes at least.
  Status readCount(uint64_t &count, uint64_t least, std::string_view what) {
    FT_RETURN_IF_ERROR(read(count, what));
    if (count > left() / least)
      return fail(fmt::format("the file claims {} {}; its remaining {} bytes cannot hold them", count, what, left()));
    return {};
  }

  /// "; it is …" of a file that is known to be something else.
  std::string isInstead() const {
    const std::string kind = foreignKind(bytes);
    return kind.empty() ? "" : "; it is " + kind;
  }

  uint64_t left() const { return bytes.size() - at; }
  uint64_t position() const { return at; }

private:
  std::span<const std::byte> bytes;
  const std::string &path;
  uint64_t at = 0;
};

template <typename Stored, typename Held> Status readScalar(Parser &parser, Held &value, const std::string &key) {
  Stored stored{};
  FT_RETURN_IF_ERROR(parser.read(stored, key));
  if constexpr (std::is_same_v<Stored, uint64_t>)
    if (stored > uint64_t(INT64_MAX))
      return parser.fail(fmt::format("{} is {}; integers above 2^63-1 are not supported", key, stored));
  value = Held(stored);
  return {};
}

Status readInteger(Parser &parser, uint32_t type, int64_t &value, const std::string &key) {
  switch (type) {
  case U8:
    return readScalar<uint8_t>(parser, value, key);
  case I8:
    return readScalar<int8_t>(parser, value, key);
  case U16:
    return readScalar<uint16_t>(parser, value, key);
  case I16:
    return readScalar<int16_t>(parser, value, key);
  case U32:
    return readScalar<uint32_t>(parser, value, key);
  case I32:
    return readScalar<int32_t>(parser, value, key);
  case U64:
    return readScalar<uint64_t>(parser, value, key);
  case I64:
    return readScalar<int64_t>(parser, value, key);
  default: { // Bool
    FT_RETURN_IF_ERROR(readScalar<uint8_t>(parser, value, key));
    return value > 1 ? parser.fail(fmt::format("{} is a bool of value {}; must be 0 or 1", key, value)) : Status();
  }
  }
}

Status readReal(Parser &parser, uint32_t type, double &value, const std::string &key) {
  return type == F32 ? readScalar<float>(parser, value, key) : readScalar<double>(parser, value, key);
}

Status readArray(Parser &parser, GgufValue::Payload &payload, const std::string &key) {
  uint32_t type = 0;
  FT_RETURN_IF_ERROR(parser.read(type, key));
  if (leastBytes(type) == 0 || type == Array)
    return parser.fail(fmt::format("{} is an array of value type {}; must be 0..12 and not 9, an array", key, type));
  uint64_t count = 0;
  FT_RETURN_IF_ERROR(parser.readCount(count, leastBytes(type), "elements of " + key));
  if (count > maxLength)
    return parser.fail(fmt::format("{} has {} elements; {} are the most that is read", key, count, maxLength));
  if (type == String) {
    GgufValue::Texts texts(count);
    for (std::string &text : texts)
      FT_RETURN_IF_ERROR(parser.readString(text, key));
    payload = std::move(texts);
  } else if (type == F32 || type == F64) {
    GgufValue::Reals reals(count);
    for (double &real : reals)
      FT_RETURN_IF_ERROR(readReal(parser, type, real, key));
    payload = std::move(reals);
  } else {
    GgufValue::Integers integers(count);
    for (int64_t &integer : integers)
      FT_RETURN_IF_ERROR(readInteger(parser, type, integer, key));
    payload = std::move(integers);
  }
  return {};
}

Status readValue(Parser &parser, GgufValue::Payload &payload, const std::string &key) {
  uint32_t type = 0;
  FT_RETURN_IF_ERROR(parser.read(type, key));
  if (leastBytes(type) == 0)
    return parser.fail(fmt::format("{} has value type {}; must be 0..12", key, type));
  if (type == Array)
    return readArray(parser, payload, key);
  if (type == String)
    return parser.readString(payload.emplace<std::string>(), key);
  if (type == F32 || type == F64)
    return readReal(parser, type, payload.emplace<double>(), key);
  int64_t integer = 0;
  FT_RETURN_IF_ERROR(readInteger(parser, type, integer, key));
  if (type == Bool)
    payload = integer != 0;
  else
    payload = integer;
  return {};
}

struct TensorInfo {
  TensorView view;
  uint64_t offset = 0, sizeBytes = 0;
};

Status readShape(Parser &parser, TensorView &view) {
  uint32_t rank = 0;
  FT_RETURN_IF_ERROR(parser.read(rank, "the rank of " + shown(view.name)));
  if (rank > 4)
    return parser.fail(fmt::format("tensor \"{}\" has {} dimensions; ggml has at most 4", shown(view.name), rank));
  view.shape.resize(rank);
  for (uint64_t &size : view.shape) {
    FT_RETURN_IF_ERROR(parser.read(size, "the shape of " + shown(view.name)));
    if (size == 0 || size > uint64_t(INT64_MAX))
      return parser.fail(
          fmt::format("tensor \"{}\" has a dimension of {}; must be in 1..2^63-1", shown(view.name), size));
  }
  return {};
}

Status readTensorInfo(Parser &parser, TensorInfo &info) {
  TensorView &view = info.view;
  FT_RETURN_IF_ERROR(parser.readString(view.name, "a tensor's name"));
  FT_RETURN_IF_ERROR(readShape(parser, view));
  uint32_t type = 0;
  FT_RETURN_IF_ERROR(parser.read(type, "the type of " + shown(view.name)));
  std::optional<Encoding> encoding = encodingOfGgml(type);
  if (!encoding)
    return parser.fail(fmt::format("tensor \"{}\" has ggml type {} ({}); supported are {}: use a file in one of them",
                                   shown(view.name), type, type < std::size(ggmlNames) ? ggmlNames[type] : "unknown",
                                   supportedTypes()));
  view.encoding = *encoding;
  uint64_t block = blockElements(*encoding);
  if (block > 1 && (view.shape.empty() || view.shape[0] % block != 0))
    return parser.fail(fmt::format("tensor \"{}\" of type {} has rows that are no multiple of {} elements",
                                   shown(view.name), encodingName(*encoding), block));
  std::reverse(view.shape.begin(), view.shape.end());
  uint64_t count = elementCount(view.shape);
  if (count == UINT64_MAX || __builtin_mul_overflow(count / block, blockBytes(*encoding), &info.sizeBytes))
    return parser.fail(
        fmt::format("tensor \"{}\": the size of {} exceeds 64 bits", shown(view.name), shapeText(view.shape)));
  return parser.read(info.offset, "the offset of " + shown(view.name));
}

Status readHeader(Parser &parser, uint64_t &tensorCount, uint64_t &valueCount) {
  char magic[4];
  FT_RETURN_IF_ERROR(parser.read(magic, "the magic number"));
  if (std::memcmp(magic, "GGUF", 4) != 0)
    return parser.fail("this is no GGUF file: it does not start with \"GGUF\"" + parser.isInstead());
  uint32_t version = 0;
  FT_RETURN_IF_ERROR(parser.read(version, "the version"));
  if (version != 3)
    return parser.fail(fmt::format("GGUF version {}{}; only version 3, little-endian, is supported", version,
                                   version == 0x03000000 ? " (big-endian 3)" : ""));
  FT_RETURN_IF_ERROR(parser.readCount(tensorCount, 24, "tensors"));
  return parser.readCount(valueCount, 13, "metadata values");
}

Expected<uint64_t> alignmentOf(const GgufValue *value, const std::string &path) {
  if (!value)
    return uint64_t(32);
  int64_t alignment = value->integer().value_or(0);
  if (alignment < 8 || alignment > (int64_t(1) << 30) || !std::has_single_bit(uint64_t(alignment)))
    return badInput(fmt::format("{}: general.alignment is {}; must be a power of two in 8..2^30", path, alignment));
  return uint64_t(alignment);
}

/// Checks offsets against the data section and each other, and points the views into it.
Status placeTensors(std::vector<TensorInfo> &infos, std::span<const std::byte> data, uint64_t alignment,
                    const std::string &path) {
  std::sort(infos.begin(), infos.end(), [](const auto &a, const auto &b) { return a.offset < b.offset; });
  uint64_t end = 0;
  for (TensorInfo &info : infos) {
    auto problem = [&](std::string_view what) {
      return badInput(fmt::format("{}: tensor \"{}\" at data offset {} with {} bytes {}", path, shown(info.view.name),
                                  info.offset, info.sizeBytes, what));
    };
    if (info.offset % alignment != 0)
      return problem(fmt::format("is not aligned to {}", alignment));
    if (info.offset > data.size() || info.sizeBytes > data.size() - info.offset)
      return problem(
          fmt::format("does not fit into the data section of {} bytes; the file is cut or damaged", data.size()));
    if (info.offset < end)
      return problem("overlaps the tensor before it");
    end = info.offset + info.sizeBytes;
    info.view.bytes = data.subspan(info.offset, info.sizeBytes);
  }
  return {};
}

} // namespace

std::string_view GgufValue::kind() const {
  constexpr std::string_view names[] = {
      "integer", "real", "bool", "string", "array of integers", "array of reals", "array of strings"};
  return names[payload.index()];
}

Expected<GgufFile> GgufFile::open(const std::string &path) {
  FT_ASSIGN_OR_RETURN(MappedFile mapped, MappedFile::open(path));
  GgufFile file;
  file.filePath = path;
  file.mapping = std::make_shared<const MappedFile>(std::move(mapped));
  std::span<const std::byte> bytes = file.mapping->bytes();
  file.fileSize = bytes.size();

  Parser parser(bytes, path);
  uint64_t tensorCount = 0, valueCount = 0;
  FT_RETURN_IF_ERROR(readHeader(parser, tensorCount, valueCount));
  for (uint64_t i = 0; i < valueCount; ++i) {
    std::string key;
    FT_RETURN_IF_ERROR(parser.readString(key, "a metadata key"));
    GgufValue::Payload payload;
    FT_RETURN_IF_ERROR(readValue(parser, payload, shown(key)));
    if (!file.values.emplace(key, GgufValue(std::move(payload))).second)
      return parser.fail(fmt::format("the metadata key \"{}\" appears twice", shown(key)));
  }
  std::vector<TensorInfo> infos;
  for (uint64_t i = 0; i < tensorCount; ++i)
    FT_RETURN_IF_ERROR(readTensorInfo(parser, infos.emplace_back()));

  FT_ASSIGN_OR_RETURN(uint64_t alignment, alignmentOf(file.find("general.alignment"), path));
  uint64_t dataStart = std::min<uint64_t>((parser.position() + alignment - 1) / alignment * alignment, bytes.size());
  file.headerBytes = bytes.first(parser.position());
  FT_RETURN_IF_ERROR(placeTensors(infos, bytes.subspan(dataStart), alignment, path));

  for (TensorInfo &info : infos)
    file.views.push_back(std::move(info.view));
  std::sort(file.views.begin(), file.views.end(), [](const auto &a, const auto &b) { return a.name < b.name; });
  for (size_t i = 1; i < file.views.size(); ++i)
    if (file.views[i].name == file.views[i - 1].name)
      return badInput(fmt::format("{}: tensor \"{}\" appears twice", path, shown(file.views[i].name)));
  return file;
}

const GgufValue *GgufFile::find(std::string_view key) const {
  auto it = values.find(key);
  return it == values.end() ? nullptr : &it->second;
}

const TensorView *GgufFile::tensor(std::string_view name) const {
  auto it = std::lower_bound(views.begin(), views.end(), name,
                             [](const TensorView &view, std::string_view n) { return view.name < n; });
  return it != views.end() && it->name == name ? &*it : nullptr;
}

} // namespace ft::rt
