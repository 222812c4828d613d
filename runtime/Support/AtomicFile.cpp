#include "runtime/Support/AtomicFile.h"

#include <cstdlib>
#include <fmt/format.h>
#include <memory>
#include <sys/stat.h>
#include <unistd.h>

namespace ft::rt {

static Status writeFailure(const std::string &path, const char *what, const std::error_code &error) {
  return failed(fmt::format("{}: cannot {}: {}", path, what, error.message()));
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

Expected<AtomicFile> AtomicFile::create(const std::string &named, Files &files) {
  FT_RETURN_IF_ERROR(checkReplaceable(named));
  const std::string path = behindLinks(named);
  for (int n = 0; n < 100; ++n) {
    std::string aside = fmt::format("{}.tmp.{}.{}", path, ::getpid(), n);
    int fd = -1;
    const std::error_code error = files.create(aside, fd);
    if (!error)
      return AtomicFile(files, fd, path, std::move(aside));
    if (error != std::errc::file_exists)
      return writeFailure(path, "create", error);
  }
  return failed(fmt::format("{}: 100 files \"{}.tmp.*\" of unfinished writes are in the way; remove them", path, path));
}

AtomicFile::AtomicFile(AtomicFile &&other) noexcept
    : files(other.files), fd(std::exchange(other.fd, -1)), appended(other.appended), path(std::move(other.path)),
      aside(std::move(other.aside)) {}

AtomicFile &AtomicFile::operator=(AtomicFile &&other) noexcept {
  std::swap(files, other.files);
  std::swap(fd, other.fd);
  std::swap(appended, other.appended);
  std::swap(path, other.path);
  std::swap(aside, other.aside);
  return *this;
}

void AtomicFile::discard() {
  if (fd < 0)
    return;
  (void)files->remove(aside); // first: the name may be another's once the file is closed
  files->close(std::exchange(fd, -1));
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
  const std::error_code error = files->write(fd, offset, bytes);
  return error ? writeFailure(path, "write", error) : Status();
}

Status AtomicFile::commit() {
  if (fd < 0)
    return failed(fmt::format("{}: committed twice", path));
  if (const std::error_code error = files->sync(fd)) {
    discard();
    return writeFailure(path, "write to disk", error);
  }
  if (const std::error_code error = files->rename(aside, path)) {
    discard();
    return writeFailure(path, "rename into place", error);
  }
  files->close(std::exchange(fd, -1));
  // The rename itself must survive a power cut.
  const std::error_code error = files->syncFolder(folderOf(path));
  return error ? writeFailure(path, "write its name to disk", error) : Status();
}

Status writeFileAtomically(const std::string &path, std::span<const std::byte> bytes, Files &files) {
  FT_ASSIGN_OR_RETURN(AtomicFile file, AtomicFile::create(path, files));
  FT_RETURN_IF_ERROR(file.write(bytes));
  return file.commit();
}

Status writeFileAtomically(const std::string &path, std::string_view text, Files &files) {
  return writeFileAtomically(path, std::as_bytes(std::span(text)), files);
}

} // namespace ft::rt
