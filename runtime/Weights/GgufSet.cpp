#include "runtime/Weights/GgufSet.h"

#include "runtime/Support/Strings.h"
#include "runtime/Weights/ModelPath.h"

#include <fmt/format.h>

namespace ft::rt {

namespace {

constexpr std::string_view extension = ".gguf", countKey = "split.count", numberKey = "split.no",
                           tensorsKey = "split.tensors.count";

/// −1 where it is no count.
int64_t integerOf(const GgufFile &file, std::string_view key, int64_t absent) {
  const GgufValue *value = file.find(key);
  const int64_t number = value ? value->integer().value_or(-1) : absent;
  return number >= 0 && number <= INT32_MAX ? number : -1;
}

/// "x-00002-of-00003.gguf" for the name of another part of the same model.
std::string nameOfPart(const std::string &path, int64_t part, int64_t count) {
  const std::string ending = fmt::format("-{:05}-of-{:05}{}", part, count, extension);
  return path.substr(0, path.size() - ending.size()) + ending;
}

} // namespace

Expected<GgufSet> GgufSet::open(const std::string &path) {
  GgufSet set;
  FT_ASSIGN_OR_RETURN(GgufFile file, GgufFile::open(path));
  const int64_t count = integerOf(file, countKey, 1);
  set.parts.push_back(std::move(file));
  if (count != 0 && count != 1) // some writers say of a whole file that it has no parts
    FT_RETURN_IF_ERROR(set.addParts(count));
  FT_RETURN_IF_ERROR(set.collect());
  return set;
}

Status GgufSet::addParts(int64_t count) {
  const std::string path = first().path();
  const auto named = partNumber(path, extension);
  const int64_t number = integerOf(first(), numberKey, 0);
  if (!named || named->count != count || named->part != number + 1)
    return badInput(fmt::format("{}: is part {} of {} of a model, which its name must say: …-{:05}-of-{:05}{}", path,
                                number + 1, count, number + 1, count, extension));
  if (number != 0)
    return badInput(fmt::format("{}: is part {} of {} of a model; name the first, {}", path, number + 1, count,
                                nameOfPart(path, 1, count)));
  for (int64_t part = 2; part <= count; ++part) {
    const std::string next = nameOfPart(path, part, count);
    auto opened = GgufFile::open(next);
    if (!opened.ok())
      return badInput(
          fmt::format("{}: is the first of {} parts of a model, and another cannot be read: {}; put all of them "
                      "into its folder",
                      path, count, opened.status().message()));
    GgufFile file = std::move(*opened);
    if (integerOf(file, numberKey, -1) != part - 1 || integerOf(file, countKey, -1) != count)
      return badInput(fmt::format("{}: {} is {} and {} is {}; must be {} and {}", next, numberKey,
                                  integerOf(file, numberKey, -1), countKey, integerOf(file, countKey, -1), part - 1,
                                  count));
    parts.push_back(std::move(file));
  }
  return {};
}

Status GgufSet::collect() {
  for (const GgufFile &file : parts)
    for (const TensorView &view : file.tensors()) {
      auto [it, isNew] = index.emplace(view.name, TensorInFile{&view, file.path()});
      if (!isNew)
        return badInput(
            fmt::format("tensor \"{}\" is in both {} and {}", shown(view.name), it->second.file, file.path()));
    }
  const auto all = static_cast<int64_t>(index.size());
  if (const int64_t claimed = integerOf(first(), tensorsKey, all); parts.size() > 1 && claimed != all)
    return badInput(fmt::format("{}: {} is {}, and the {} parts hold {} tensors; copy or download them again",
                                first().path(), tensorsKey, claimed, parts.size(), all));
  return {};
}

} // namespace ft::rt
