#include "runtime/Support/AtomicFile.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <memory>
#include <sys/stat.h>
#include <unistd.h>

namespace ft::rt {

static Status writeFailure(const std::string &path, const char *what, int error) {
  return failed(fmt::format("{}: cannot {}: {}", path, what, std::strerror(error)));
}

static std::string folderOf(const std::string &path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos)
    return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Status checkReplaceable(const std::string &path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0 || S_ISREG(info.st_mode)) // what cannot be looked at cannot be written either
    return {};
  return badInput(fmt::format("{}: is {}; must be a file or a new name", path,
                              S_ISDIR(info.st_mode) ? "a folder" : "a device, pipe or socket"));
}

/// Where a rename must go to: a link is not what is to be replaced.
static std::string behindLinks(const std::string &path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0 || !S_ISLNK(info.st_mode))
    return path;
  const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr), std::free);
  return real ? real.get() : path; // one that leads nowhere is replaced
}

Expected<AtomicFile> AtomicFile::create(const std::string &named) {
  FT_RETURN_IF_ERROR(checkReplaceable(named));
  const std::string path = behindLinks(named);
  // O_EXCL with a counter rather than mkstemp: the file gets the mode that the user's umask asks for.
  for (int n = 0; n < 100; ++n) {
    std::string aside = fmt::format("{}.tmp.{}.{}", path, ::getpid(), n);
    const int fd = ::open(aside.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0)
      return AtomicFile(fd, path, std::move(aside));
    if (errno != EEXIST)
      return writeFailure(path, "create", errno);
  }
  return failed(fmt::format("{}: 100 files \"{}.tmp.*\" of unfinished writes are in the way; remove them", path, path));
}

AtomicFile::AtomicFile(AtomicFile &&other) noexcept
    : fd(std::exchange(other.fd, -1)), appended(other.appended), path(std::move(other.path)),
      aside(std::move(other.aside)) {}

AtomicFile &AtomicFile::operator=(AtomicFile &&other) noexcept {
  std::swap(fd, other.fd);
  std::swap(appended, other.appended);
  std::swap(path, other.path);
  std::swap(aside, other.aside);
  return *this;
}

void AtomicFile::discard() {
  if (fd < 0)
    return;
  ::close(std::exchange(fd, -1));
  ::unlink(aside.c_str());
}

AtomicFile::~AtomicFile() { discard(); }

Status AtomicFile::write(std::span<const std::byte> bytes) {
  FT_RETURN_IF_ERROR(writeAt(appended, bytes));
  appended += bytes.size();
  return {};
}

Status AtomicFile::writeAt(uint64_t offset, std::span<const std::byte> bytes) {
  if (fd < 0)
    return failed(fmt::format("{}: written after commit", path));
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd, bytes.data(), bytes.size(), off_t(offset));
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return writeFailure(path, "write", errno);
    bytes = bytes.subspan(size_t(n));
    offset += uint64_t(n);
  }
  return {};
}

Status AtomicFile::commit() {
  if (fd < 0)
    return failed(fmt::format("{}: committed twice", path));
  if (::fsync(fd) != 0) {
    const int error = errno;
    discard();
    return writeFailure(path, "write to disk", error);
  }
  if (::rename(aside.c_str(), path.c_str()) != 0) {
    const int error = errno;
    discard();
    return writeFailure(path, "rename into place", error);
  }
  ::close(std::exchange(fd, -1));
  // The rename itself must survive a power cut. Some file systems refuse fsync on folders: not a failure of ours.
  const int folder = ::open(folderOf(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder >= 0) {
    ::fsync(folder);
    ::close(folder);
  }
  return {};
}

Status writeFileAtomically(const std::string &path, std::span<const std::byte> bytes) {
  FT_ASSIGN_OR_RETURN(AtomicFile file, AtomicFile::create(path));
  FT_RETURN_IF_ERROR(file.write(bytes));
  return file.commit();
}

Status writeFileAtomically(const std::string &path, std::string_view text) {
  return writeFileAtomically(path, std::as_bytes(std::span(text)));
}

} // namespace ft::rt
