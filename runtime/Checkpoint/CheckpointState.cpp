#include "runtime/Checkpoint/CheckpointState.h"

#include "runtime/Support/Json.h"
#include "runtime/Support/Strings.h"

#include <fmt/format.h>

#include <charconv>

using namespace ft;
using namespace ft::rt;

namespace {
constexpr uint64_t version = 1;

std::string hexOf(uint64_t value) { return fmt::format("{:016x}", value); }

nlohmann::ordered_json evaluationJson(const EvaluationMetrics &m) {
  return {{"step", m.step}, {"eval_loss", m.loss}, {"target_tokens", m.targetTokens}, {"seconds", m.seconds}};
}

constexpr std::string_view wayOut = "no ftrun of this version wrote that; resume another checkpoint with --resume "
                                    "PATH, or start anew with another --out";

/// Reads members of one object; the first that is not as it must be is told in the end.
class Reader {
public:
  Reader(const Json &object, std::string place) : object(object), place(std::move(place)) {}

  template <typename T> void read(const char *name, T &value) {
    const Json *member = find(name);
    if (!member)
      return;
    if constexpr (std::is_same_v<T, bool>) {
      if (!member->is_boolean())
        return refuse(name, "true or false");
    } else if constexpr (std::is_same_v<T, uint64_t>) {
      if (!member->is_number_unsigned())
        return refuse(name, "an integer from 0 on");
    } else if constexpr (std::is_same_v<T, double>) {
      if (!member->is_number())
        return refuse(name, "a number");
    } else if (!member->is_string()) {
      return refuse(name, "a text");
    }
    value = member->get<T>();
  }
  void readHex(const char *name, uint64_t &value) {
    std::string digits;
    read(name, digits);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (status.ok() && (error != std::errc() || end != digits.data() + digits.size() || digits.size() != 16))
      refuse(name, "16 hexadecimal digits");
  }
  /// The member, of that kind; an empty value of it where it is another's.
  const Json &child(const char *name, Json::value_t kind) {
    static const Json noObject = Json::object(), noArray = Json::array();
    const Json *member = find(name);
    if (member && member->type() == kind)
      return *member;
    if (member)
      refuse(name, kind == Json::value_t::object ? "an object" : "an array");
    return kind == Json::value_t::object ? noObject : noArray;
  }
  bool has(const char *name) const { return findMember(object, name) != nullptr; }
  void refuse(const char *name, std::string_view legal) {
    if (status.ok())
      status = badInput(fmt::format("{}: {} is {}; must be {}: {}", place, name,
                                    has(name) ? shownJson(*findMember(object, name)) : "missing", legal, wayOut));
  }

  Status status;

private:
  const Json *find(const char *name) {
    const Json *member = findMember(object, name);
    if (!member)
      refuse(name, "there");
    return member;
  }

  const Json &object;
  const std::string place;
};

Status readPosition(const Json &object, const std::string &place, RunPosition &position) {
  Reader reader(object, place);
  reader.read("step", position.step);
  reader.read("next_row", position.nextRow);
  reader.read("evaluated", position.evaluated);
  reader.read("loss_sum", position.lossSum);
  reader.read("train_seconds", position.seconds);
  reader.read("tokens", position.tokens);
  reader.read("target_tokens", position.targetTokens);
  return reader.status;
}

Status readEvaluation(const Json &object, const std::string &place, EvaluationMetrics &metrics) {
  Reader reader(object, place);
  reader.read("step", metrics.step);
  reader.read("eval_loss", metrics.loss);
  reader.read("target_tokens", metrics.targetTokens);
  reader.read("seconds", metrics.seconds);
  return reader.status;
}

Status readLists(Reader &root, const std::string &place, CheckpointState &state) {
  for (const auto &[name, value] : root.child("facts", Json::value_t::object).items()) {
    if (!value.is_string())
      return badInput(
          fmt::format("{}: facts.{} is {}; must be a text: {}", place, shown(name), shownJson(value), wayOut));
    state.facts.push_back({name, value.get<std::string>()});
  }
  for (const Json &product : root.child("products", Json::value_t::array)) {
    if (!product.is_string())
      return badInput(fmt::format("{}: products has {}; must be texts: {}", place, shownJson(product), wayOut));
    state.products.push_back(product.get<std::string>());
  }
  for (const auto &[name, value] : root.child("files", Json::value_t::object).items()) {
    Reader file(value, fmt::format("{}: files.{}", place, name));
    WrittenFile written{name, 0, 0};
    file.read("bytes", written.bytes);
    file.readHex("xxh3", written.checksum);
    FT_RETURN_IF_ERROR(file.status);
    state.files.push_back(std::move(written));
  }
  return root.status;
}
} // namespace

std::string ft::rt::toJson(const CheckpointState &state) {
  const RunPosition &p = state.position;
  nlohmann::ordered_json json;
  json["version"] = version;
  json["position"] = {{"step", p.step},
                      {"next_row", p.nextRow},
                      {"evaluated", p.evaluated},
                      {"loss_sum", p.lossSum},
                      {"train_seconds", p.seconds},
                      {"tokens", p.tokens},
                      {"target_tokens", p.targetTokens}};
  // What position says, as counters of each stream: nothing reads it back.
  json["random"] = {{"generator", "Philox4x32-10"},
                    {"seed", state.seed},
                    {"dropout", {{"next_step", p.step + 1}}},
                    {"data", {{"next_row", p.nextRow}}}};
  json["before"] = state.before ? evaluationJson(*state.before) : nullptr;
  json["answer_before"] = state.answerBefore;
  json["best"] = nullptr;
  if (state.best)
    json["best"] = {{"step", state.best->step}, {"eval_loss", state.best->loss}};
  if (state.best && !state.best->path.empty())
    json["best"]["path"] = state.best->path;
  json["facts"] = nlohmann::ordered_json::object();
  for (const RunFact &fact : state.facts)
    json["facts"][fact.name] = fact.value;
  json["products"] = state.products;
  json["files"] = nlohmann::ordered_json::object();
  for (const WrittenFile &file : state.files)
    json["files"][file.name] = {{"bytes", file.bytes}, {"xxh3", hexOf(file.checksum)}};
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

Expected<CheckpointState> ft::rt::parseCheckpointState(std::string_view text, const std::string &place) {
  FT_ASSIGN_OR_RETURN(const Json json, parseJson(text, place));
  if (!json.is_object())
    return badInput(fmt::format("{}: is a JSON {}; must be an object: {}", place, json.type_name(), wayOut));
  CheckpointState state;
  Reader root(json, place);
  uint64_t found = 0;
  root.read("version", found);
  if (root.status.ok() && found != version)
    return badInput(
        fmt::format("{}: version is {}; this program reads version {}: continue with the ftrun that made it", place,
                    found, version));
  FT_RETURN_IF_ERROR(readPosition(root.child("position", Json::value_t::object), place + ": position", state.position));
  Reader random(root.child("random", Json::value_t::object), place + ": random");
  random.read("seed", state.seed);
  FT_RETURN_IF_ERROR(random.status);
  if (root.has("before")) {
    state.before.emplace();
    FT_RETURN_IF_ERROR(readEvaluation(root.child("before", Json::value_t::object), place + ": before", *state.before));
  }
  root.read("answer_before", state.answerBefore);
  if (root.has("best")) {
    state.best.emplace();
    Reader best(root.child("best", Json::value_t::object), place + ": best");
    best.read("step", state.best->step);
    best.read("eval_loss", state.best->loss);
    if (best.has("path"))
      best.read("path", state.best->path);
    FT_RETURN_IF_ERROR(best.status);
  }
  FT_RETURN_IF_ERROR(readLists(root, place, state));
  return state;
}
