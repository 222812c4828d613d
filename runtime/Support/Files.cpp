#include "runtime/Support/Files.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ft::rt {

namespace {

std::error_code lastError() { return {errno, std::generic_category()}; }
std::error_code resultOf(int returned) { return returned == 0 ? std::error_code() : lastError(); }

class SystemFiles final : public Files {
public:
  std::error_code create(const std::string &path, int &file) override {
    // O_EXCL rather than mkstemp: the file gets the mode that the user's umask asks for.
    file = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    return file < 0 ? lastError() : std::error_code();
  }

  std::error_code write(int file, uint64_t offset, std::span<const std::byte> bytes) override {
    while (!bytes.empty()) {
      const ssize_t n = ::pwrite(file, bytes.data(), bytes.size(), off_t(offset));
      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return lastError();
      bytes = bytes.subspan(size_t(n));
      offset += uint64_t(n);
    }
    return {};
  }

  std::error_code sync(int file) override { return resultOf(::fsync(file)); }
  void close(int file) override { ::close(file); }
  std::error_code makeFolder(const std::string &path) override { return resultOf(::mkdir(path.c_str(), 0777)); }

  std::error_code syncFolder(const std::string &path) override {
    const int folder = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
      return errno == EACCES ? std::error_code() : lastError(); // one may write into a folder that one may not read
    std::error_code error = resultOf(::fsync(folder));
    ::close(folder);
    const bool unknown = error == std::errc::invalid_argument || error == std::errc::not_supported;
    return unknown ? std::error_code() : error;
  }

  std::error_code rename(const std::string &from, const std::string &to) override {
    return resultOf(::rename(from.c_str(), to.c_str()));
  }
  std::error_code remove(const std::string &path) override { return resultOf(std::remove(path.c_str())); }

  std::vector<std::string> list(const std::string &path) override {
    std::vector<std::string> names;
    std::error_code error;
    for (std::filesystem::directory_iterator it(path, error), end; !error && it != end; it.increment(error))
      names.push_back(it->path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
  }
};

} // namespace

Files &systemFiles() {
  static SystemFiles files; // has no state
  return files;
}

std::string folderOf(const std::string &path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos)
    return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::error_code removeFolder(Files &files, const std::string &path) {
  for (const std::string &name : files.list(path))
    if (std::error_code error = files.remove(fmt::format("{}/{}", path, name)))
      return error;
  const std::error_code error = files.remove(path);
  return error == std::errc::no_such_file_or_directory ? std::error_code() : error;
}

} // namespace ft::rt
