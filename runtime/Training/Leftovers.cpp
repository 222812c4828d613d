#include "runtime/Training/Leftovers.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <unistd.h>

using namespace ft::rt;
namespace fs = std::filesystem;

namespace {
constexpr std::string_view mark = ".tmp.";

/// Whether it is one of the names, the mark, and two numbers with a dot between.
bool isLeftover(std::string_view file, std::span<const std::string> names) {
  const size_t at = file.rfind(mark);
  if (at == std::string_view::npos || std::find(names.begin(), names.end(), file.substr(0, at)) == names.end())
    return false;
  const std::string_view numbers = file.substr(at + mark.size());
  const size_t dot = numbers.find('.');
  auto isNumber = [](std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
  };
  return dot != std::string_view::npos && isNumber(numbers.substr(0, dot)) && isNumber(numbers.substr(dot + 1));
}
} // namespace

void ft::rt::removeUnfinishedFiles(const std::string &folder) {
  const std::string own = fmt::format("{}{}.", mark, getpid());
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    if (it->path().filename().string().find(own) != std::string::npos) {
      std::error_code ignored;
      it.disable_recursion_pending(); // it may be a checkpoint's folder
      fs::remove_all(it->path(), ignored);
    }
}

void ft::rt::removeLeftovers(const std::string &folder, std::span<const std::string> names) {
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    if (isLeftover(it->path().filename().string(), names)) {
      std::error_code ignored;
      fs::remove(it->path(), ignored);
    }
}
