// From a file and overrides to a Recipe message: syntax, field names, types; no values.
#include "compiler/Recipe/Recipe.h"

#include "runtime/Support/Strings.h"

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/unknown_field_set.h>

#include <filesystem>
#include <fstream>
#include <sstream>

using namespace ft;
using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::TextFormat;
using rt::badInput;
using rt::Status;

namespace {

/// Names that other tools use for our fields.
struct Alias {
  std::string_view theirs, ours;
};
constexpr Alias aliases[] = {
    {"lora_r", "lora.r"},
    {"lora_alpha", "lora.lora_alpha"},
    {"lora_dropout", "lora.lora_dropout"},
    {"lora_target_modules", "lora.target_modules"},
    {"alpha", "lora.lora_alpha"},
    {"rank", "r"},
    {"cutoff_len", "sequence_len"},
    {"max_seq_length", "sequence_len"},
    {"max_length", "sequence_len"},
    {"per_device_train_batch_size", "micro_batch_size"},
    {"batch_size", "micro_batch_size"},
    {"model_name_or_path", "base_model"},
    {"model", "base_model"},
    {"lr", "learning_rate"},
    {"epochs", "num_epochs"},
    {"num_train_epochs", "num_epochs"},
    {"optimizer", "optim"},
    {"lr_scheduler", "lr_scheduler_type"},
    {"load_in_4bit", "quantization"},
    {"max_grad_norm_clip", "max_grad_norm"},
    {"dataset", "data"},
};

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

std::string legalNames(const FieldDescriptor &field) {
  std::string names;
  for (int i = 1; i < field.enum_type()->value_count(); ++i) // 0 is UNSPECIFIED
    names += (i > 1 ? ", " : "") + field.enum_type()->value(i)->name();
  return names;
}

/// Turns the parser's sentences into ours.
std::string explain(const std::string &message) {
  if (message.find("has no field named") != std::string::npos) {
    std::string type = between(message, "Message type \"", "\""), name = between(message, "no field named \"", "\"");
    const Descriptor *descriptor = messageNamed(type);
    std::string owner = descriptor == recipe::Recipe::descriptor() ? "a recipe" : type.substr(type.rfind('.') + 1);
    return fmt::format("{} has no field {}{}", owner, name, descriptor ? hintFor(*descriptor, name) : "");
  }
  if (message.find("Unknown enumeration value") != std::string::npos) {
    std::string value = between(message, "value of \"", "\""), name = between(message, "for field \"", "\"");
    const FieldDescriptor *field = fieldAnywhere(*recipe::Recipe::descriptor(), name);
    return fmt::format("{} is {}; must be one of {}", name, value, field ? legalNames(*field) : "its names");
  }
  return message;
}

class Errors : public google::protobuf::io::ErrorCollector {
public:
  explicit Errors(std::string f) : file(std::move(f)) {}
  void AddError(int line, int, const std::string &message) override {
    if (text.empty())
      text = line >= 0 ? fmt::format("{}:{}: {}", file, line + 1, explain(message))
                       : fmt::format("{}: {}", file, explain(message));
  }
  std::string file, text;
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

/// "a.b" = "v" as text proto: `a { b: v }`, strings quoted.
Status overrideText(const std::string &override, std::string &text, std::string &path) {
  size_t equals = override.find('=');
  if (equals == std::string::npos || equals == 0)
    return badInput(fmt::format("--set {}: must be FIELD=VALUE, for example lora.r=16", override));
  path = override.substr(0, equals);
  std::string value = override.substr(equals + 1), closing;
  const Descriptor *message = recipe::Recipe::descriptor();
  std::stringstream parts(path);
  for (std::string part; std::getline(parts, part, '.');) {
    const FieldDescriptor *field = message ? message->FindFieldByName(part) : nullptr;
    if (!field)
      return badInput(
          fmt::format("--set {}: there is no field {}{}", override, part, message ? hintFor(*message, part) : ""));
    message = field->message_type();
    if (message) {
      text += part + " { ";
      closing += " }";
      continue;
    }
    bool quote = field->type() == FieldDescriptor::TYPE_STRING && value.rfind('[', 0) != 0 && value.rfind('"', 0) != 0;
    text += part + ": " + (quote ? "\"" + value + "\"" : value);
  }
  if (message)
    return badInput(fmt::format("--set {}: {} has fields of its own; name one of them", override, path));
  text += closing;
  return Status();
}

Status applyOverrides(const std::vector<std::string> &overrides, recipe::Recipe &fields, FieldPlaces &places) {
  for (const std::string &override : overrides) {
    std::string text, path;
    FT_RETURN_IF_ERROR(overrideText(override, text, path));
    recipe::Recipe patch;
    Errors errors("--set " + override);
    TextFormat::Parser parser;
    parser.RecordErrorsTo(&errors);
    if (!parser.ParseFromString(text, &patch)) {
      std::string plain = errors.text;
      if (size_t line = plain.find(":1: "); line != std::string::npos)
        plain.replace(line, 4, ": ");
      return badInput(plain);
    }
    if (path == "lora.target_modules")
      fields.mutable_lora()->clear_target_modules();
    fields.MergeFrom(patch);
    places[path] = "--set " + override;
  }
  return Status();
}

} // namespace

Status ft::parseRecipe(const std::string &path, const std::vector<std::string> &overrides, recipe::Recipe &fields,
                       FieldPlaces &places) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream content;
  if (!file || !(content << file.rdbuf()))
    return badInput(fmt::format("{}: cannot be read; a recipe is a .textproto or .pb file", path));
  if (std::filesystem::path(path).extension() == ".pb") {
    if (!fields.ParseFromString(content.str()))
      return badInput(fmt::format("{}: is not a binary recipe (message ft.recipe.Recipe)", path));
    if (fields.GetReflection()->GetUnknownFields(fields).field_count() > 0)
      return badInput(fmt::format("{}: holds field number {}, which no recipe has", path,
                                  fields.GetReflection()->GetUnknownFields(fields).field(0).number()));
  } else {
    Errors errors(path);
    TextFormat::ParseInfoTree tree;
    TextFormat::Parser parser;
    parser.RecordErrorsTo(&errors);
    parser.WriteLocationsTo(&tree);
    if (!parser.ParseFromString(content.str(), &fields))
      return badInput(errors.text);
    collectPlaces(fields, &tree, "", path, places);
  }
  return applyOverrides(overrides, fields, places);
}
