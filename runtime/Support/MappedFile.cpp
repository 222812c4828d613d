#include "runtime/Support/MappedFile.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ft::rt {

static Expected<MappedFile> mapFailure(const std::string &path, const char *what, int error) {
  return badInput(fmt::format("{}: cannot {}: {}", path, what, std::strerror(error)));
}

Expected<MappedFile> MappedFile::open(const std::string &path) {
  // O_NONBLOCK: opening a FIFO must fail below rather than wait for a writer.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0)
    return mapFailure(path, "open", errno);
  struct stat info {};
  if (::fstat(fd, &info) != 0) {
    const int error = errno;
    ::close(fd);
    return mapFailure(path, "stat", error);
  }
  if (!S_ISREG(info.st_mode)) {
    ::close(fd);
    return badInput(fmt::format("{}: is {}; must be a regular file", path,
                                S_ISDIR(info.st_mode) ? "a directory" : "a device, pipe or socket"));
  }
  const auto size = size_t(info.st_size);
  void *base = nullptr;
  if (size > 0)
    base = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  const int error = errno;
  ::close(fd);
  if (base == MAP_FAILED)
    return mapFailure(path, "map", error);
  return MappedFile({static_cast<const std::byte *>(base), size}, path);
}

MappedFile::MappedFile(MappedFile &&other) noexcept
    : view(std::exchange(other.view, {})), name(std::move(other.name)) {}

MappedFile &MappedFile::operator=(MappedFile &&other) noexcept {
  std::swap(view, other.view);
  std::swap(name, other.name);
  return *this;
}

MappedFile::~MappedFile() {
  if (!view.empty())
    ::munmap(const_cast<std::byte *>(view.data()), view.size());
}

} // namespace ft::rt
