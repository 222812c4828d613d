// From a file and overrides to a Recipe message: syntax, field names, types; no values.
#include "compiler/Recipe/LegalValues.h"
#include "compiler/Recipe/Recipe.h"

#include "runtime/Support/FileKind.h"
#include "runtime/Support/MappedFile.h"
#include "runtime/Support/Strings.h"

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/stubs/strutil.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/unknown_field_set.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <optional>
#include <sstream>

using namespace ft;
using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::TextFormat;
using rt::badInput;
using rt::Status;

namespace {

constexpr uint64_t maxRecipeBytes = 1 << 20; // those that people write have a kilobyte

/// Names that other tools use for our fields.
struct Alias {
  std::string_view theirs, ours;
  bool sameValues = false; ///< then it is taken, with a note; else it is named in the refusal
};
constexpr Alias aliases[] = {
    {"lora_r", "lora.r", true},
    {"lora_alpha", "lora.lora_alpha", true},
    {"lora_dropout", "lora.lora_dropout", true},
    {"lora_target_modules", "lora.target_modules", true},
    {"alpha", "lora.lora_alpha"},
    {"rank", "r"},
    {"cutoff_len", "sequence_len", true},
    {"max_seq_length", "sequence_len", true},
    {"max_length", "sequence_len"},
    {"per_device_train_batch_size", "micro_batch_size", true},
    {"batch_size", "micro_batch_size"},
    {"model_name_or_path", "base_model", true},
    {"model", "base_model"},
    {"lr", "learning_rate"},
    {"epochs", "num_epochs"},
    {"num_train_epochs", "num_epochs", true},
    {"optimizer", "optim"},
    {"lr_scheduler", "lr_scheduler_type"},
    {"load_in_4bit", "quantization"},
    {"use_gradient_checkpointing", "gradient_checkpointing", true},
    {"enable_activation_checkpointing", "gradient_checkpointing", true},
    {"activation_offloading", "activation_offload", true},
    {"enable_activation_offloading", "activation_offload", true},
    {"max_memory", "memory_budget"},
    {"max_grad_norm_clip", "max_grad_norm"},
    {"dataset", "data"},
};

/// Values that other tools have for our fields, taken with a note.
struct ValueAlias {
  std::string_view field, theirs, ours;
};
constexpr ValueAlias valueAliases[] = {
    {"gradient_checkpointing", "true", "FULL"},
    {"gradient_checkpointing", "false", "NONE"},
    {"activation_offload", "true", "TRUE"},
    {"activation_offload", "false", "FALSE"},
};

/// Null where our field has no other name for `value`.
const ValueAlias *takenValue(std::string_view field, std::string_view value) {
  const ValueAlias *found =
      std::find_if(std::begin(valueAliases), std::end(valueAliases),
                   [&](const ValueAlias &alias) { return alias.field == field && alias.theirs == value; });
  return found == std::end(valueAliases) ? nullptr : found;
}

std::string noteOf(const ValueAlias &alias) {
  return fmt::format("{} {} is taken as {}", alias.field, alias.theirs, alias.ours);
}

/// Null where `name` is none, or one whose values mean something else.
const Alias *takenAlias(std::string_view name) {
  const Alias *found = std::find_if(std::begin(aliases), std::end(aliases),
                                    [&](const Alias &alias) { return alias.sameValues && alias.theirs == name; });
  return found == std::end(aliases) ? nullptr : found;
}

std::string hintFor(const Descriptor &message, std::string_view name) {
  for (const Alias &alias : aliases)
    if (alias.theirs == name)
      return fmt::format("; it is called {} here", alias.ours);
  std::vector<std::string> names;
  for (int i = 0; i < message.field_count(); ++i)
    names.push_back(message.field(i)->name());
  return rt::suggestion(name, std::span<const std::string>(names));
}

/// "ft.recipe.Lora" → its descriptor, for messages of the parser.
const Descriptor *messageNamed(std::string_view fullName) {
  return recipe::Recipe::descriptor()->file()->pool()->FindMessageTypeByName(std::string(fullName));
}

std::string between(const std::string &text, std::string_view before, std::string_view after) {
  size_t begin = text.find(before);
  if (begin == std::string::npos)
    return {};
  begin += before.size();
  return text.substr(begin, text.find(after, begin) - begin);
}

const FieldDescriptor *fieldAnywhere(const Descriptor &message, const std::string &name) {
  if (const FieldDescriptor *field = message.FindFieldByName(name))
    return field;
  for (int i = 0; i < message.field_count(); ++i)
    if (const Descriptor *inner = message.field(i)->message_type())
      if (const FieldDescriptor *field = fieldAnywhere(*inner, name))
        return field;
  return nullptr;
}

/// Byte `column` of a line as the tokenizer counts, for which a tab reaches to the next multiple of 8.
size_t byteAt(std::string_view line, int column) {
  size_t byte = 0;
  for (int reached = 0; byte < line.size() && reached < column; ++byte)
    reached += line[byte] == '\t' ? 8 - reached % 8 : 1;
  return byte;
}

struct FieldValue {
  std::string field, value;
};

/// Of the two sentences that name both, and that come with the place of the token behind the value.
std::optional<FieldValue> lateFieldValue(const std::string &message) {
  if (message.find("Unknown enumeration value") != std::string::npos)
    return FieldValue{between(message, "for field \"", "\""), between(message, "value of \"", "\"")};
  if (message.find("Invalid value for boolean field") != std::string::npos)
    return FieldValue{between(message, "field \"", "\""), between(message, "Value: \"", "\"")};
  return std::nullopt;
}

/// "rank: 1x" at the column of "1x" → field rank, value 1x. An empty name where none stands on this line.
FieldValue fieldValueAt(std::string_view line, int column) {
  const size_t at = byteAt(line, column);
  size_t end = line.find_last_not_of(" \t:[-", at ? at - 1 : 0);
  if (at == 0 || end == std::string_view::npos)
    return {};
  size_t begin = end + 1;
  while (begin > 0 && (std::isalnum(static_cast<unsigned char>(line[begin - 1])) || line[begin - 1] == '_'))
    --begin;
  size_t from = line.find_first_not_of(" \t:[", end + 1), to = from;
  if (from == std::string_view::npos)
    return {};
  if (line[from] == '"')
    to = std::min(line.find('"', from + 1), line.size() - 1) + 1;
  else
    to = std::min(line.find_first_of(" \t,;{}]#\r", from), line.size());
  return {std::string(line.substr(begin, end + 1 - begin)), std::string(line.substr(from, to - from))};
}

/// What somebody wrote, on one line, also where that is nothing.
std::string shownValue(std::string_view value) {
  const bool blank = value.find_first_not_of(" \t\n") == std::string_view::npos;
  return blank ? fmt::format("\"{}\"", rt::shown(value)) : rt::shown(value);
}

/// "r, lora_alpha, …": what may stand behind the name of a message.
std::string fieldNames(const Descriptor &message) {
  std::string names;
  for (int i = 0; i < message.field_count(); ++i)
    names += (i ? ", " : "") + message.field(i)->name();
  return names;
}

/// Turns the parser's sentences into ours; `line` is where it stopped, at `column`.
std::string explain(const std::string &message, std::string_view line, int column) {
  if (message.find("has no field named") != std::string::npos) {
    std::string type = between(message, "Message type \"", "\""), name = between(message, "no field named \"", "\"");
    const Descriptor *descriptor = messageNamed(type);
    std::string owner = descriptor == recipe::Recipe::descriptor() ? "a recipe" : type.substr(type.rfind('.') + 1);
    return fmt::format("{} has no field {}{}", owner, name, descriptor ? hintFor(*descriptor, name) : "");
  }
  if (message == "Expected identifier, got: ")
    return "the file ends within { …; a } is missing";
  if (message.find("multiple times") != std::string::npos)
    return fmt::format("{} is set twice; leave one out", between(message, "field \"", "\""));
  if (message.find("control characters") != std::string::npos)
    return "holds control characters, which no text does; a recipe in text has a field a line, NAME: VALUE, and one in "
           "binary is called .pb";
  if (message.find("end of string") != std::string::npos || message.find("cross line") != std::string::npos)
    return "a text has no end: the quote behind it is missing";
  constexpr std::string_view noName = "Expected identifier, got: ";
  if (message.starts_with(noName))
    return fmt::format("has {} where the name of a field should be; a recipe has a field a line, NAME: VALUE (no JSON, "
                       "no YAML)",
                       shownValue(std::string_view(message).substr(noName.size())));
  const FieldValue at = lateFieldValue(message).value_or(fieldValueAt(line, column));
  const FieldDescriptor *field = at.field.empty() ? nullptr : fieldAnywhere(*recipe::Recipe::descriptor(), at.field);
  return field ? fmt::format("{} is {}; must be {}", at.field, shownValue(at.value), legalValues(*field)) : message;
}

class Errors : public google::protobuf::io::ErrorCollector {
public:
  Errors(std::string f, std::string_view s) : file(std::move(f)), source(s) {}
  void AddError(int at, int column, const std::string &sentence) override {
    if (!text.empty())
      return;
    line = at, message = sentence;
    if (const auto late = lateFieldValue(message))
      while (line > 0 && lineOf(line).find(late->value) == std::string_view::npos)
        --line;
    text = line >= 0 ? fmt::format("{}:{}: {}", file, line + 1, explain(message, lineOf(line), column))
                     : fmt::format("{}: {}", file, explain(message, {}, 0));
  }
  std::string file, text; ///< where, and the first error in our words
  std::string message;    ///< the same in the parser's
  int line = -1;

private:
  std::string_view lineOf(int line) const {
    std::string_view rest = source;
    for (; line > 0 && !rest.empty(); --line)
      rest.remove_prefix(std::min(rest.find('\n'), rest.size() - 1) + 1);
    return rest.substr(0, rest.find('\n'));
  }
  std::string_view source;
};

void collectPlaces(const google::protobuf::Message &message, TextFormat::ParseInfoTree *tree, const std::string &prefix,
                   const std::string &file, FieldPlaces &places) {
  std::vector<const FieldDescriptor *> set;
  message.GetReflection()->ListFields(message, &set);
  for (const FieldDescriptor *field : set) {
    int index = field->is_repeated() ? 0 : -1;
    TextFormat::ParseLocation location = tree->GetLocation(field, index);
    std::string path = prefix + field->name();
    if (location.line >= 0)
      places[path] = fmt::format("{}:{}", file, location.line + 1);
    if (field->message_type() && !field->is_repeated())
      if (TextFormat::ParseInfoTree *inner = tree->GetTreeForNested(field, -1))
        collectPlaces(message.GetReflection()->GetMessage(message, field), inner, path + ".", file, places);
  }
}

/// The number of a field that the schema does not know, at any depth; 0 where there is none.
int unknownField(const google::protobuf::Message &message) {
  const google::protobuf::Reflection &reflection = *message.GetReflection();
  if (reflection.GetUnknownFields(message).field_count() > 0)
    return reflection.GetUnknownFields(message).field(0).number();
  std::vector<const FieldDescriptor *> set;
  reflection.ListFields(message, &set);
  for (const FieldDescriptor *field : set)
    if (field->message_type() && !field->is_repeated())
      if (int number = unknownField(reflection.GetMessage(message, field)))
        return number;
  return 0;
}

/// One assignment, "lora.r=16", and where it stands.
struct Override {
  std::string assignment, place;
};

/// "a.b" = "v" as text proto: `a { b: v }`, strings quoted.
Status overrideText(const Override &item, std::string &text, std::string &path) {
  const std::string &override = item.assignment;
  size_t equals = override.find('=');
  if (equals == std::string::npos || equals == 0)
    return badInput(fmt::format("{}: must be FIELD=VALUE, for example lora.r=16", item.place));
  path = override.substr(0, equals);
  std::string value = override.substr(equals + 1), closing;
  const Descriptor *message = recipe::Recipe::descriptor();
  std::stringstream parts(path);
  for (std::string part; std::getline(parts, part, '.');) {
    const FieldDescriptor *field = message ? message->FindFieldByName(part) : nullptr;
    if (!field)
      return badInput(fmt::format("{}: there is no field {}{}", item.place, shownValue(part),
                                  message ? hintFor(*message, part) : ""));
    message = field->message_type();
    if (message) {
      text += part + " { ";
      closing += " }";
      continue;
    }
    const bool string = field->type() == FieldDescriptor::TYPE_STRING, list = field->is_repeated();
    if (!string && (value.empty() ||
                    value.find_first_of(" \t\n:{},;#[]\"'") != std::string::npos)) // a value, not a piece of a recipe
      return badInput(
          fmt::format("{}: {} is {}; must be {}", item.place, part, shownValue(value), legalValues(*field)));
    const bool asIs = !string || value.rfind('"', 0) == 0 || (list && value.rfind('[', 0) == 0);
    text += fmt::format("{}: {}", part, asIs ? value : fmt::format("\"{}\"", google::protobuf::CEscape(value)));
  }
  if (message)
    return badInput(fmt::format("{}: {} has fields of its own, {}; name one of them: {}.{}=VALUE", item.place, path,
                                fieldNames(*message), path, message->field(0)->name()));
  text += closing;
  return Status();
}

/// A list that is set replaces the one before.
void clearLists(const google::protobuf::Message &patch, google::protobuf::Message &fields) {
  std::vector<const FieldDescriptor *> set;
  patch.GetReflection()->ListFields(patch, &set);
  for (const FieldDescriptor *field : set)
    if (field->is_repeated())
      fields.GetReflection()->ClearField(&fields, field);
    else if (field->message_type() && fields.GetReflection()->HasField(fields, field))
      clearLists(patch.GetReflection()->GetMessage(patch, field),
                 *fields.GetReflection()->MutableMessage(&fields, field));
}

Status applyOverride(const Override &item, recipe::Recipe &fields, FieldPlaces &places) {
  std::string text, path;
  FT_RETURN_IF_ERROR(overrideText(item, text, path));
  recipe::Recipe patch;
  Errors errors("", text);
  TextFormat::Parser parser;
  parser.RecordErrorsTo(&errors);
  if (!parser.ParseFromString(text, &patch)) {
    const std::string_view value = std::string_view(item.assignment).substr(path.size() + 1);
    if (value.starts_with('"') || value.starts_with('['))
      return badInput(fmt::format("{}: {} is {}; must be text with quotes at both ends or at none, or a list of such "
                                  "in [ ]",
                                  item.place, path, shownValue(value)));
    // ":1: …", which is no line of a file
    return badInput(item.place + errors.text.substr(std::min<size_t>(2, errors.text.size())));
  }
  clearLists(patch, fields);
  fields.MergeFrom(patch);
  places[path] = item.place;
  return Status();
}

/// Takes an alias that stopped the parser out of a text, on one line at the top level: `lora_r: 8` → lora.r=8.
std::optional<Override> takeAlias(const Errors &errors, std::string &text, std::vector<std::string> &notes) {
  const std::string name = between(errors.message, "no field named \"", "\"");
  const Alias *alias = takenAlias(name);
  if (!alias || errors.message.find("Message type \"ft.recipe.Recipe\"") == std::string::npos)
    return std::nullopt;
  size_t begin = 0;
  for (int line = 0; line < errors.line; ++line)
    begin = text.find('\n', begin) + 1;
  const std::string_view line = std::string_view(text).substr(begin, text.find('\n', begin) - begin);
  const size_t at = line.find(name), from = line.find_first_not_of(" \t:", at + name.size());
  if (at == std::string_view::npos || from == std::string_view::npos)
    return std::nullopt;
  const size_t to = line[from] == '"'   ? line.find('"', from + 1) + 1
                    : line[from] == '[' ? line.find(']', from) + 1
                                        : std::min(line.find_first_of(" \t,;{}#\r", from), line.size());
  if (to <= from)
    return std::nullopt;
  Override taken{fmt::format("{}={}", alias->ours, line.substr(from, to - from)),
                 fmt::format("{}:{}", errors.file, errors.line + 1)};
  const size_t end = to < line.size() && (line[to] == ',' || line[to] == ';') ? to + 1 : to;
  text.replace(begin + at, end - at, end - at, ' '); // places of what follows stay
  notes.push_back(fmt::format("{} is taken as {}", name, alias->ours));
  return taken;
}

/// Takes a value that stopped the parser as ours, in place: `gradient_checkpointing: true` → FULL.
bool takeValue(const Errors &errors, std::string &text, std::vector<std::string> &notes) {
  const std::optional<FieldValue> late = lateFieldValue(errors.message);
  const ValueAlias *alias = late ? takenValue(late->field, late->value) : nullptr;
  if (!alias)
    return false;
  size_t begin = 0;
  for (int line = 0; line < errors.line; ++line)
    begin = text.find('\n', begin) + 1;
  const size_t end = std::min(text.find('\n', begin), text.size()), field = text.find(alias->field, begin);
  const size_t value = field < end ? text.find(alias->theirs, field + alias->field.size()) : end;
  if (value >= end)
    return false;
  text.replace(value, alias->theirs.size(), alias->ours);
  notes.push_back(noteOf(*alias));
  return true;
}

/// The same of an assignment.
void takeValue(Override &item, std::vector<std::string> &notes) {
  const size_t equals = std::min(item.assignment.find('='), item.assignment.size() - 1);
  const std::string_view all = item.assignment;
  const ValueAlias *alias = takenValue(all.substr(0, equals), all.substr(equals + 1));
  if (!alias)
    return;
  item.assignment.replace(equals + 1, std::string::npos, alias->ours);
  notes.push_back(noteOf(*alias));
}

std::string fieldOf(const Override &item) { return item.assignment.substr(0, item.assignment.find('=')); }

Status setTwice(const std::string &place, const std::string &field, const std::string &first) {
  return badInput(fmt::format("{}: {} is set in {} already; leave one out", place, field, first));
}

/// The text's own fields, then its aliases.
Status parseText(std::string text, const std::string &path, recipe::Recipe &fields, FieldPlaces &places,
                 std::vector<std::string> &notes) {
  std::vector<Override> taken; // their notes name no file: a plan keeps them, and its bytes do not depend on places
  while (true) {
    Errors errors(path, text);
    TextFormat::ParseInfoTree tree;
    TextFormat::Parser parser;
    parser.RecordErrorsTo(&errors);
    parser.WriteLocationsTo(&tree);
    if (parser.ParseFromString(text, &fields)) {
      collectPlaces(fields, &tree, "", path, places);
      break;
    }
    if (takeValue(errors, text, notes))
      continue;
    std::optional<Override> alias = takeAlias(errors, text, notes);
    if (!alias)
      return badInput(errors.text);
    for (const Override &before : taken) // at once: each alias costs a pass over the text
      if (fieldOf(before) == fieldOf(*alias))
        return setTwice(alias->place, fieldOf(before), before.place);
    taken.push_back(std::move(*alias));
  }
  for (Override &alias : taken) {
    if (const auto place = places.find(fieldOf(alias)); place != places.end())
      return setTwice(alias.place, place->first, place->second);
    takeValue(alias, notes);
    FT_RETURN_IF_ERROR(applyOverride(alias, fields, places));
  }
  return Status();
}

/// --set takes aliases as a text does.
Override setOption(const std::string &argument, std::vector<std::string> &notes) {
  Override item{argument, "--set " + rt::shown(argument)};
  const size_t equals = std::min(argument.find('='), argument.size());
  if (const Alias *alias = takenAlias(std::string_view(argument).substr(0, equals))) {
    notes.push_back(fmt::format("{} is taken as {}", alias->theirs, alias->ours));
    item.assignment = std::string(alias->ours) + argument.substr(equals);
  }
  takeValue(item, notes);
  return item;
}

} // namespace

std::string ft::enumNames(const google::protobuf::EnumDescriptor &type) {
  std::string names;
  for (int i = 1; i < type.value_count(); ++i) // 0 is UNSPECIFIED
    names += (i > 1 ? ", " : "") + type.value(i)->name();
  return names;
}

rt::Expected<WrittenRecipe> ft::parseRecipe(const std::string &path) {
  auto file = rt::MappedFile::open(path);
  if (!file.ok())
    return badInput(file.status().message() + "; a recipe is a .textproto or .pb file");
  if (file->size() > maxRecipeBytes)
    return badInput(
        fmt::format("{}: has {} bytes; {} are the most that a recipe has", path, file->size(), maxRecipeBytes));
  std::string content(reinterpret_cast<const char *>(file->bytes().data()), file->size());
  const std::string extension = std::filesystem::path(path).extension().string();
  if (extension == ".yaml" || extension == ".yml" || extension == ".json")
    return badInput(
        fmt::format("{}: recipes in YAML or JSON are not supported yet; write a .textproto or .pb file", path));
  WrittenRecipe recipe;
  recipe.path = path;
  if (extension == ".pb") {
    if (!recipe.fields.ParseFromString(content))
      return badInput(
          fmt::format("{}: is not a binary recipe (message ft.recipe.Recipe); one in text is called .textproto", path));
    if (int number = unknownField(recipe.fields))
      return badInput(fmt::format("{}: holds field number {}, which no recipe has", path, number));
  } else {
    if (const std::string kind = rt::foreignKind(file->bytes()); !kind.empty())
      return badInput(fmt::format("{}: must be a recipe, and is {}", path, kind));
    if (content.rfind("\xEF\xBB\xBF", 0) == 0) // a byte order mark, as some editors write it
      content.erase(0, 3);
    FT_RETURN_IF_ERROR(parseText(std::move(content), path, recipe.fields, recipe.places, recipe.notes));
  }
  return recipe;
}

Status ft::applyOverrides(const std::vector<std::string> &overrides, WrittenRecipe &recipe) {
  for (const std::string &override : overrides)
    FT_RETURN_IF_ERROR(applyOverride(setOption(override, recipe.notes), recipe.fields, recipe.places));
  return Status();
}
