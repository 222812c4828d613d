#include "runtime/Support/MappedFile.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace ft::rt {

static Status mapFailure(const std::string &path, const char *what, int error) {
  return badInput(fmt::format("{}: cannot {}: {}", path, what, std::strerror(error)));
}

namespace {
/// Closed where it goes out of scope.
struct Descriptor {
  explicit Descriptor(int fd) : fd(fd) {}
  Descriptor(Descriptor &&other) noexcept : fd(std::exchange(other.fd, -1)) {}
  ~Descriptor() {
    if (fd >= 0)
      ::close(fd);
  }
  int fd;
};
} // namespace

static Expected<Descriptor> openRegular(const std::string &path, size_t &size) {
  // O_NONBLOCK: opening a FIFO must fail below rather than wait for a writer.
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.fd < 0)
    return mapFailure(path, "open", errno);
  struct stat info {};
  if (::fstat(file.fd, &info) != 0)
    return mapFailure(path, "stat", errno);
  if (!S_ISREG(info.st_mode))
    return badInput(fmt::format("{}: is {}; must be a regular file", path,
                                S_ISDIR(info.st_mode) ? "a directory" : "a device, pipe or socket"));
  size = size_t(info.st_size);
  return file;
}

static Expected<std::span<const std::byte>> mapped(int fd, size_t size, const std::string &path) {
  if (size == 0)
    return std::span<const std::byte>();
  void *base = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  if (base == MAP_FAILED)
    return mapFailure(path, "map", errno);
  return std::span(static_cast<const std::byte *>(base), size);
}

/// Copies all of `from`, which may shrink meanwhile; errno's value, 0 where it went well.
static int copyAll(int from, int to, size_t &size) {
  std::vector<std::byte> buffer(size_t(1) << 20);
  for (size = 0;;) {
    const ssize_t got = ::pread(from, buffer.data(), buffer.size(), off_t(size));
    if (got == 0)
      return 0;
    if (got < 0)
      return errno;
    for (ssize_t done = 0; done < got;) {
      const ssize_t put = ::pwrite(to, buffer.data() + done, size_t(got - done), off_t(size) + done);
      if (put < 0)
        return errno;
      done += put;
    }
    size += size_t(got);
  }
}

Expected<MappedFile> MappedFile::open(const std::string &path) {
  size_t size = 0;
  FT_ASSIGN_OR_RETURN(const Descriptor file, openRegular(path, size));
  FT_ASSIGN_OR_RETURN(const std::span<const std::byte> view, mapped(file.fd, size, path));
  return MappedFile(view, path);
}

Expected<MappedFile> MappedFile::openCopy(const std::string &path) {
  size_t size = 0;
  FT_ASSIGN_OR_RETURN(const Descriptor file, openRegular(path, size));
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  int error = 0;
  for (bool memory : {false, true}) {
    const Descriptor copy(memory ? ::memfd_create("copy", MFD_CLOEXEC)
                                 : ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    error = copy.fd < 0 ? errno : copyAll(file.fd, copy.fd, size);
    if (error)
      continue; // a folder that is full, or not ours to write
    FT_ASSIGN_OR_RETURN(const std::span<const std::byte> view, mapped(copy.fd, size, path));
    return MappedFile(view, path);
  }
  return mapFailure(path, "copy", error);
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
