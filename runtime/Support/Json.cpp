#include "runtime/Support/Json.h"

#include "runtime/Support/FileKind.h"
#include "runtime/Support/MappedFile.h"
#include "runtime/Support/Strings.h"

#include <cmath>
#include <fmt/format.h>
#include <vector>

namespace ft::rt {

namespace {

constexpr size_t maxNesting = 64;          // whatever walks or frees a value recurses
constexpr uint64_t maxBytes = 100'000'000; // as of a safetensors header; indices of the largest models have a few MB
constexpr size_t shownReason = 300;        // the parser quotes what it read last, which may be all of it
constexpr int numberOutOfRange = 406;      // the parser's id of that error

/// The parser's events, made into a value. The parser's own builder looks through the parent at the end of each child
/// where a callback may drop children: quadratic in them.
class Builder final : public nlohmann::json_sax<Json> {
public:
  explicit Builder(const std::string &place) : place(place) {}

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(int64_t value) override { return add(value); }
  bool number_unsigned(uint64_t value) override { return add(value); }
  bool number_float(double value, const std::string &) override { return add(value); }
  bool string(std::string &value) override { return add(std::move(value)); }
  bool binary(Json::binary_t &) override { return false; } // no JSON text holds any
  bool start_object(size_t) override { return open(Json::object()); }
  bool start_array(size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(std::string &name) override {
    auto [it, isNew] = containers.back()->get_ref<Json::object_t &>().emplace(name, nullptr);
    if (!isNew)
      return fail(fmt::format("the key \"{}\" appears twice in one object", shown(name)));
    lastKey = std::move(name);
    member = &it->second;
    return true;
  }

  bool parse_error(size_t, const std::string &token, const Json::exception &error) override {
    if (error.id == numberOutOfRange)
      return fail(fmt::format("{}{} is {}; must be a number that a double holds, at most 1.8e308",
                              lastKey.empty() ? "" : shown(lastKey) + ": ", "a value", shown(token)));
    std::string_view reason = error.what(); // "[json.exception.parse_error.101] parse error at line 1, …"
    reason.remove_prefix(std::min(reason.find("] ") + 2, reason.size()));
    return fail("not valid JSON: " + shown(reason, shownReason));
  }

  Json root;
  Status status;

private:
  bool fail(const std::string &what) {
    status = badInput(fmt::format("{}: {}", place, what));
    return false;
  }

  Json *put(Json value) {
    if (containers.empty())
      return &(root = std::move(value));
    if (containers.back()->is_array())
      return &containers.back()->get_ref<Json::array_t &>().emplace_back(std::move(value));
    return &(*member = std::move(value));
  }

  bool add(Json value) {
    put(std::move(value));
    return true;
  }

  bool open(Json container) {
    if (containers.size() == maxNesting)
      return fail(fmt::format("nests deeper than {} levels; no file of a model does", maxNesting));
    containers.push_back(put(std::move(container)));
    return true;
  }

  bool close() {
    containers.pop_back();
    return true;
  }

  const std::string &place;
  std::vector<Json *> containers; ///< open ones; a container does not move while one of its children is open
  Json *member = nullptr;         ///< of the innermost object, what the next value fills
  std::string lastKey;
};

} // namespace

Expected<Json> parseJson(std::string_view text, const std::string &place) {
  Builder builder(place);
  if (!Json::sax_parse(text.begin(), text.end(), &builder))
    return builder.status;
  return std::move(builder.root);
}

Expected<Json> readJsonObject(const std::string &path) {
  FT_ASSIGN_OR_RETURN(MappedFile file, MappedFile::open(path));
  if (file.size() > maxBytes)
    return badInput(fmt::format("{}: has {} bytes; {} is the most that is read", path, file.size(), maxBytes));
  if (const std::string kind = foreignKind(file.bytes()); !kind.empty())
    return badInput(fmt::format("{}: must be JSON, and is {}", path, kind));
  FT_ASSIGN_OR_RETURN(Json json, parseJson({reinterpret_cast<const char *>(file.bytes().data()), file.size()}, path));
  if (!json.is_object())
    return badInput(fmt::format("{}: the root is a JSON {}; must be an object", path, json.type_name()));
  return json;
}

const Json *findMember(const Json &object, std::string_view key) {
  auto it = object.find(key);
  return it == object.end() || it->is_null() ? nullptr : &*it;
}

std::optional<int64_t> integerIn(const Json &value, int64_t least, int64_t most) {
  int64_t integer = 0;
  if (value.is_number_unsigned()) {
    if (value.get<uint64_t>() > uint64_t(INT64_MAX))
      return std::nullopt;
    integer = int64_t(value.get<uint64_t>());
  } else if (value.is_number_integer()) {
    integer = value.get<int64_t>();
  } else if (value.is_number_float()) {
    const double real = value.get<double>();
    if (std::fabs(real) > 0x1p53 || real != std::trunc(real))
      return std::nullopt;
    integer = int64_t(real);
  } else {
    return std::nullopt;
  }
  return integer < least || integer > most ? std::nullopt : std::optional(integer);
}

std::optional<double> realOf(const Json &value) {
  return value.is_number() ? std::optional(value.get<double>()) : std::nullopt;
}

std::string shownJson(const Json &value) {
  return shown(value.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace));
}

} // namespace ft::rt
