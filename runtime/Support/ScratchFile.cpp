#include "runtime/Support/ScratchFile.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

namespace ft::rt {

static Status scratchFailure(const std::string &place, const char *what, int error) {
  return failed(fmt::format("a scratch file in {} cannot be {}: {}{}", place, what, std::strerror(error),
                            error == ENOSPC ? "; make room there" : ""));
}

Expected<ScratchFile> ScratchFile::create(const std::string &folder) {
  const std::string place = folder.empty() ? "." : folder;
  const int fd = ::open(place.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0)
    return inMemory();
  return ScratchFile(fd, place);
}

Expected<ScratchFile> ScratchFile::inMemory() {
  const int fd = ::memfd_create("scratch", MFD_CLOEXEC);
  if (fd < 0)
    return scratchFailure("memory", "made", errno);
  return ScratchFile(fd, "memory");
}

ScratchFile::ScratchFile(ScratchFile &&other) noexcept
    : fd(std::exchange(other.fd, -1)), appended(std::exchange(other.appended, 0)), place(std::move(other.place)) {}

ScratchFile &ScratchFile::operator=(ScratchFile &&other) noexcept {
  std::swap(fd, other.fd);
  std::swap(appended, other.appended);
  std::swap(place, other.place);
  return *this;
}

ScratchFile::~ScratchFile() {
  if (fd >= 0)
    ::close(fd);
}

Status ScratchFile::append(std::span<const std::byte> bytes) {
  FT_RETURN_IF_ERROR(writeAt(appended, bytes));
  appended += bytes.size();
  return {};
}

Status ScratchFile::writeAt(uint64_t offset, std::span<const std::byte> bytes) const {
  while (!bytes.empty()) {
    const ssize_t put = ::pwrite(fd, bytes.data(), bytes.size(), off_t(offset));
    if (put < 0 && errno == EINTR)
      continue;
    if (put <= 0)
      return scratchFailure(place, "written", put < 0 ? errno : ENOSPC);
    offset += uint64_t(put);
    bytes = bytes.subspan(size_t(put));
  }
  return {};
}

Status ScratchFile::readAt(uint64_t offset, std::span<std::byte> out) const {
  while (!out.empty()) {
    const ssize_t got = ::pread(fd, out.data(), out.size(), off_t(offset));
    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0)
      return scratchFailure(place, "read", got < 0 ? errno : ENODATA);
    offset += uint64_t(got);
    out = out.subspan(size_t(got));
  }
  return {};
}

Expected<MappedFile> ScratchFile::map(const std::string &name) const { return MappedFile::ofDescriptor(fd, name); }

} // namespace ft::rt
