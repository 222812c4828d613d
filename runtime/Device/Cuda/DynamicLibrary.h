// A shared library opened at run time, with the path it was opened from.
#pragma once

#include "runtime/Support/Status.h"

#include <string>
#include <vector>

namespace ft::rt {

/// A handle that is never closed: the CUDA libraries keep threads and exit handlers of their own, and unmapping them
/// before those have run crashes at exit.
class DynamicLibrary {
public:
  DynamicLibrary() = default;

  /// Opens `name`: an absolute path, or a soname for the loader to search. CannotRun with the loader's reason.
  static Expected<DynamicLibrary> open(const std::string &name);

  /// Address of `symbol`, null where the library has none.
  void *find(const char *symbol) const;

  /// Absolute path of the file that was mapped.
  const std::string &path() const { return file; }

private:
  void *handle = nullptr;
  std::string file;
};

/// Paths of the mapped objects whose file name starts with `prefix` ("libcudnn").
std::vector<std::string> loadedObjects(const std::string &prefix);

} // namespace ft::rt
