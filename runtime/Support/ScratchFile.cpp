#include "runtime/Support/ScratchFile.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace ft::rt {

namespace {
bool isFull(int error) { return error == ENOSPC || error == EDQUOT; }

Status scratchFailure(const std::string &place, const char *what, int error) {
  const std::string text = fmt::format("a scratch file in {} cannot be {}: {}", place, what, std::strerror(error));
  return isFull(error) ? cannotRun(text + "; make room there, or let TMPDIR name a folder that has some")
                       : failed(text);
}

/// All of the bytes; 0 or errno.
int put(int fd, uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(fd, bytes.data(), bytes.size(), off_t(offset));
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
      return written < 0 ? errno : ENOSPC;
    offset += uint64_t(written);
    bytes = bytes.subspan(size_t(written));
  }
  return 0;
}
} // namespace

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
  int error = put(fd, appended, bytes);
  std::error_code none;
  if (isFull(error) && moveTo(std::filesystem::temp_directory_path(none)))
    error = put(fd, appended, bytes);
  if (error != 0)
    return scratchFailure(place, "written", error);
  appended += bytes.size();
  return {};
}

/// Whether it is there now: not where that is the same disk, or has no room.
bool ScratchFile::moveTo(const std::string &folder) {
  struct stat here = {}, there = {};
  if (::fstat(fd, &here) != 0 || ::stat(folder.c_str(), &there) != 0 || here.st_dev == there.st_dev)
    return false;
  const int target = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (target < 0)
    return false;
  std::vector<std::byte> buffer(size_t(1) << 20);
  for (uint64_t at = 0; at < appended;) {
    const auto part = std::span(buffer).first(size_t(std::min<uint64_t>(buffer.size(), appended - at)));
    if (!readAt(at, part).ok() || put(target, at, part) != 0) {
      ::close(target);
      return false;
    }
    at += part.size();
  }
  ::close(std::exchange(fd, target));
  place = folder;
  return true;
}

Status ScratchFile::writeAt(uint64_t offset, std::span<const std::byte> bytes) const {
  const int error = put(fd, offset, bytes);
  return error == 0 ? Status() : scratchFailure(place, "written", error);
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
