#include "runtime/Plan/PlanFile.h"

#include "runtime/Plan/CheckPlan.h"
#include "runtime/Support/AtomicFile.h"
#include "runtime/Support/Sha256.h"
#include "runtime/Support/Strings.h"

#include <bit>
#include <cstring>
#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/stubs/logging.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace ft::rt {

static_assert(std::endian::native == std::endian::little, "the container is little-endian and read in place");

namespace {

struct Header {
  char magic[8];
  uint32_t version;
  uint32_t flags;
  uint64_t fileSize;
  uint32_t sectionCount;
  uint32_t reserved;
};
static_assert(sizeof(Header) == 32);

struct TableEntry {
  uint32_t kind;
  uint32_t flags;
  uint64_t offset;
  uint64_t size;
  uint64_t checksum;
};
static_assert(sizeof(TableEntry) == 32);

constexpr char magic[8] = {'F', 'T', 'P', 'L', 'A', 'N', '\0', '\1'};
constexpr uint64_t sectionAlignment = 4096;
constexpr uint64_t digestBytes = 32;
constexpr uint32_t maxSections = 4096;
constexpr uint64_t maxMessageBytes = uint64_t(1) << 30; // protobuf's own limit is 2 GiB

constexpr uint64_t alignToSection(uint64_t offset) {
  return (offset + sectionAlignment - 1) / sectionAlignment * sectionAlignment;
}

const char *sectionKindName(uint32_t kind) {
  switch (SectionKind(kind)) {
  case SectionKind::Plan:
    return "PLAN";
  case SectionKind::Image:
    return "IMAGE";
  case SectionKind::Constants:
    return "CONSTANTS";
  }
  return nullptr;
}

std::string compilerHint() { return "compile the recipe again"; }

/// Reads the parts of a container in order; every message starts with the path.
class ContainerReader {
public:
  explicit ContainerReader(const MappedFile &file) : file(file), bytes(file.bytes()) {}

  Status read(std::vector<Section> &sections, std::string &digest) {
    FT_RETURN_IF_ERROR(readHeader());
    FT_RETURN_IF_ERROR(readTable(sections));
    return checkDigest(digest);
  }

private:
  template <typename... Args> Status bad(fmt::format_string<Args...> format, Args &&...args) const {
    return badInput(fmt::format("{}: {}", file.path(), fmt::format(format, std::forward<Args>(args)...)));
  }

  Status readHeader() {
    if (bytes.size() < sizeof(magic) || std::memcmp(bytes.data(), magic, sizeof(magic)) != 0)
      return bad("is not a plan file: it does not start with \"FTPLAN\\0\\1\"");
    if (bytes.size() < sizeof(Header) + digestBytes)
      return bad("is cut off: has {} bytes, a header alone needs {}; {}", bytes.size(), sizeof(Header) + digestBytes,
                 compilerHint());
    std::memcpy(&header, bytes.data(), sizeof(Header));
    if (header.version != planContainerVersion)
      return cannotRun(fmt::format("{}: has container version {}; this program reads version {}; {} with an ftc of "
                                   "the same version",
                                   file.path(), header.version, planContainerVersion, compilerHint()));
    if (header.flags != 0 || header.reserved != 0)
      return cannotRun(fmt::format("{}: has container flags {:#x}; this program knows none", file.path(),
                                   header.flags | header.reserved));
    if (header.fileSize != bytes.size())
      return bad("is {}: has {} bytes, its header says {}; copy it again",
                 header.fileSize > bytes.size() ? "cut off" : "too long", bytes.size(), header.fileSize);
    if (header.sectionCount == 0 || header.sectionCount > maxSections)
      return bad("has {} sections; must be in [1, {}]", header.sectionCount, maxSections);
    return {};
  }

  Status readTable(std::vector<Section> &sections) {
    uint64_t end = sizeof(Header) + uint64_t(header.sectionCount) * sizeof(TableEntry);
    const uint64_t limit = bytes.size() - digestBytes;
    if (end > limit)
      return bad("the table of {} sections ends behind the file", header.sectionCount);
    for (uint32_t i = 0; i < header.sectionCount; ++i) {
      TableEntry entry;
      std::memcpy(&entry, bytes.data() + sizeof(Header) + i * sizeof(TableEntry), sizeof(TableEntry));
      FT_RETURN_IF_ERROR(checkEntry(i, entry, alignToSection(end), limit));
      end = entry.offset + entry.size;
      sections.push_back({SectionKind(entry.kind), bytes.subspan(entry.offset, entry.size)});
    }
    if (end != limit)
      return bad("{} bytes lie between the last section and the digest; must be none", limit - end);
    return {};
  }

  Status checkEntry(uint32_t i, const TableEntry &entry, uint64_t offset, uint64_t limit) const {
    const char *kind = sectionKindName(entry.kind);
    if (!kind || entry.flags != 0)
      return cannotRun(fmt::format("{}: section {} has kind {} and flags {:#x}, which this program does not know",
                                   file.path(), i, entry.kind, entry.flags));
    if ((SectionKind(entry.kind) == SectionKind::Plan) != (i == 0))
      return bad("section {} has kind {}; section 0, and only that, must be PLAN", i, kind);
    if (entry.offset != offset)
      return bad("section {} ({}) starts at {}; must start at {}", i, kind, entry.offset, offset);
    if (offset > limit || entry.size > limit - offset)
      return bad("section {} ({}) of {} bytes at {} ends behind byte {}, where the digest starts", i, kind, entry.size,
                 offset, limit);
    if (XXH3_64bits(bytes.data() + offset, entry.size) != entry.checksum)
      return bad("section {} ({}) is damaged: its checksum differs; copy the file again", i, kind);
    return {};
  }

  Status checkDigest(std::string &digest) const {
    const Sha256Digest actual = sha256(bytes.first(bytes.size() - digestBytes));
    if (std::memcmp(actual.data(), bytes.data() + bytes.size() - digestBytes, digestBytes) != 0)
      return bad("is damaged: its SHA-256 differs from the one at its end; copy the file again");
    digest = toHex(actual);
    return {};
  }

  const MappedFile &file;
  std::span<const std::byte> bytes;
  Header header{};
};

Status parseMessage(const std::string &path, std::span<const std::byte> bytes, plan::Plan &plan) {
  if (bytes.size() > maxMessageBytes)
    return badInput(fmt::format("{}: its message has {}; must be at most {}", path, formatBytes(bytes.size()),
                                formatBytes(maxMessageBytes)));
  google::protobuf::LogSilencer silence; // the Status says it
  if (!plan.ParseFromArray(bytes.data(), int(bytes.size())))
    return badInput(fmt::format("{}: section 0 is no plan message; {}", path, compilerHint()));
  return {};
}

std::string serialise(const plan::Plan &plan) {
  std::string message;
  google::protobuf::io::StringOutputStream stream(&message);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  plan.SerializeToCodedStream(&coded);
  coded.Trim();
  return message;
}

/// Everything before the first section: header and table, for sections at their final offsets.
std::string makeHead(std::span<const Section> all) {
  Header header{};
  std::memcpy(header.magic, magic, sizeof(magic));
  header.version = planContainerVersion;
  header.sectionCount = uint32_t(all.size());
  std::string table;
  uint64_t end = sizeof(Header) + all.size() * sizeof(TableEntry);
  for (const Section &section : all) {
    const TableEntry entry{uint32_t(section.kind), 0, alignToSection(end), section.bytes.size(),
                           XXH3_64bits(section.bytes.data(), section.bytes.size())};
    table.append(reinterpret_cast<const char *>(&entry), sizeof(entry));
    end = entry.offset + entry.size;
  }
  header.fileSize = end + digestBytes;
  return std::string(reinterpret_cast<const char *>(&header), sizeof(header)) + table;
}

} // namespace

Expected<PlanFile> readPlanFile(const std::string &path) {
  FT_ASSIGN_OR_RETURN(MappedFile file, MappedFile::open(path));
  std::vector<Section> sections;
  std::string digest;
  FT_RETURN_IF_ERROR(ContainerReader(file).read(sections, digest));
  plan::Plan plan;
  FT_RETURN_IF_ERROR(parseMessage(path, sections[0].bytes, plan));
  Status status = checkPlan(plan, sections);
  if (!status.ok())
    return Status(status.code(), fmt::format("{}: {}", path, status.message()));
  return PlanFile{std::move(plan), std::move(digest), std::move(sections), std::move(file)};
}

Status writePlanFile(const std::string &path, const plan::Plan &plan, std::span<const Section> sections) {
  if (sections.size() >= maxSections)
    return badInput(fmt::format("{}: {} sections; must be at most {}", path, sections.size(), maxSections - 1));
  const std::string message = serialise(plan);
  std::vector<Section> all{{SectionKind::Plan, std::as_bytes(std::span(message))}};
  all.insert(all.end(), sections.begin(), sections.end());

  FT_ASSIGN_OR_RETURN(AtomicFile file, AtomicFile::create(path));
  Sha256 hash;
  auto append = [&](std::span<const std::byte> bytes) {
    hash.update(bytes);
    return file.write(bytes);
  };
  const std::string head = makeHead(all), padding(sectionAlignment, '\0');
  FT_RETURN_IF_ERROR(append(std::as_bytes(std::span(head))));
  for (const Section &section : all) {
    const uint64_t gap = alignToSection(file.size()) - file.size();
    FT_RETURN_IF_ERROR(append(std::as_bytes(std::span(padding).first(gap))));
    FT_RETURN_IF_ERROR(append(section.bytes));
  }
  const Sha256Digest digest = hash.finish();
  FT_RETURN_IF_ERROR(file.write(std::as_bytes(std::span(digest))));
  return file.commit();
}

} // namespace ft::rt
