#include "runtime/Support/MappedFile.h"

#include "runtime/Support/FileKind.h"
#include "runtime/Support/Files.h"
#include "runtime/Support/ScratchFile.h"

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
  if (file.fd < 0) {
    const int error = errno;
    if (const std::string target = lostTarget(path); !target.empty())
      return badInput(fmt::format("{}: is a link to {}, where nothing is; copy or download it again", path, target));
    return mapFailure(path, "open", error);
  }
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

/// All of `from`, which may shrink meanwhile.
static Status copyAll(int from, ScratchFile &to) {
  std::vector<std::byte> buffer(size_t(1) << 20);
  while (true) {
    const ssize_t got = ::pread(from, buffer.data(), buffer.size(), off_t(to.size()));
    if (got == 0)
      return {};
    if (got < 0)
      return failed(fmt::format("cannot be read: {}", std::strerror(errno)));
    FT_RETURN_IF_ERROR(to.append(std::span(buffer).first(size_t(got))));
  }
}

Expected<MappedFile> MappedFile::open(const std::string &path) {
  size_t size = 0;
  FT_ASSIGN_OR_RETURN(const Descriptor file, openRegular(path, size));
  FT_ASSIGN_OR_RETURN(const std::span<const std::byte> view, mapped(file.fd, size, path));
  return MappedFile(view, path);
}

Expected<MappedFile> MappedFile::ofDescriptor(int fd, const std::string &name) {
  struct stat info {};
  if (::fstat(fd, &info) != 0)
    return mapFailure(name, "stat", errno);
  FT_ASSIGN_OR_RETURN(const std::span<const std::byte> view, mapped(fd, size_t(info.st_size), name));
  return MappedFile(view, name);
}

Expected<MappedFile> MappedFile::openCopy(const std::string &path) {
  size_t size = 0;
  FT_ASSIGN_OR_RETURN(const Descriptor file, openRegular(path, size));
  FT_ASSIGN_OR_RETURN(ScratchFile copy, ScratchFile::create(folderOf(path)));
  Status status = copyAll(file.fd, copy);
  if (!status.ok()) { // the folder may be full
    FT_ASSIGN_OR_RETURN(copy, ScratchFile::inMemory());
    status = copyAll(file.fd, copy);
  }
  if (!status.ok())
    return badInput(fmt::format("{}: cannot copy: {}", path, status.message()));
  return copy.map(path);
}

void MappedFile::release(std::span<const std::byte> part) const {
  const auto page = uintptr_t(::sysconf(_SC_PAGESIZE)), begin = uintptr_t(part.data());
  const uintptr_t first = (begin + page - 1) / page * page, end = (begin + part.size()) / page * page;
  if (first < end) // of a shared mapping the content stays, in the file
    ::madvise(reinterpret_cast<void *>(first), end - first, MADV_DONTNEED);
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
