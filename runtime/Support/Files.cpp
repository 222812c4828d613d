#include "runtime/Support/Files.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <map>
#include <mutex>
#include <sys/stat.h>
#include <unistd.h>

namespace ft::rt {

namespace {

std::error_code lastError() { return {errno, std::generic_category()}; }
std::error_code resultOf(int returned) { return returned == 0 ? std::error_code() : lastError(); }

/// Under this name a file without one can be given one.
std::string nameOf(int file) { return fmt::format("/proc/self/fd/{}", file); }

/// What it creates has no name until it is renamed, where the file system can do so: whatever ends a process leaves
/// nothing of what it had not finished.
class SystemFiles final : public Files {
public:
  std::error_code create(const std::string &path, int &file) override {
    const std::lock_guard lock(mutex);
    struct stat info {};
    if (unnamed.contains(path) || ::lstat(path.c_str(), &info) == 0)
      return std::make_error_code(std::errc::file_exists);
    file = ::open(folderOf(path).c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
    if (file >= 0 && ::access(nameOf(file).c_str(), F_OK) == 0) {
      unnamed.emplace(path, file);
      return {};
    }
    if (file >= 0)
      ::close(file);
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
  void close(int file) override {
    const std::lock_guard lock(mutex);
    std::erase_if(unnamed, [&](const auto &entry) { return entry.second == file; });
    ::close(file);
  }
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
    std::string name = from;
    if (const std::error_code error = giveName(name))
      return error;
    const std::error_code error = resultOf(::rename(name.c_str(), to.c_str()));
    if (error && name != from) // nobody else knows of it
      ::unlink(name.c_str());
    return error;
  }
  std::error_code remove(const std::string &path) override {
    {
      const std::lock_guard lock(mutex);
      if (unnamed.erase(path) > 0)
        return {};
    }
    return resultOf(std::remove(path.c_str()));
  }

  std::vector<std::string> list(const std::string &path) override {
    std::vector<std::string> names;
    std::error_code error;
    for (std::filesystem::directory_iterator it(path, error), end; !error && it != end; it.increment(error))
      names.push_back(it->path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
  }

private:
  /// `path`, or with digits behind it where another machine's or container's process of the same number has that. The
  /// file is on the disk then, so that the name that it is renamed to cannot be of one that is not.
  std::error_code giveName(std::string &path) {
    const std::lock_guard lock(mutex);
    const auto entry = unnamed.find(path);
    if (entry == unnamed.end())
      return {};
    const int file = entry->second;
    unnamed.erase(entry);
    for (int tries = 0; ::linkat(AT_FDCWD, nameOf(file).c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) != 0;
         ++tries) {
      if (errno != EEXIST || tries == 9)
        return lastError();
      path += '0';
    }
    return resultOf(::fsync(file));
  }

  std::mutex mutex;
  std::map<std::string, int> unnamed; ///< open files by the name that they will get
};

} // namespace

Files &systemFiles() {
  static SystemFiles files;
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
