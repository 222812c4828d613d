#include "runtime/Text/TokenizerFiles.h"

#include "runtime/Support/MappedFile.h"

#include <filesystem>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace ft::rt {

namespace {
using nlohmann::json;
namespace fs = std::filesystem;

json byteLevel(bool prefixSpace, bool regex) {
  return {{"type", "ByteLevel"}, {"add_prefix_space", prefixSpace}, {"trim_offsets", true}, {"use_regex", regex}};
}

json sequence(json first, json second) {
  return {{"type", "Sequence"}, {"pretokenizers", json::array({std::move(first), std::move(second)})}};
}

/// As the tokenizer.json of the family has it; the inverse of what readJsonTokenizer() recognises.
Expected<json> preTokenizerJson(const std::string &name) {
  if (name == "gpt-2")
    return byteLevel(false, true);
  if (name == "smollm" || name == "starcoder")
    return sequence({{"type", "Digits"}, {"individual_digits", true}}, byteLevel(false, true));
  const std::string_view pattern = PreTokenizer::patternOf(name);
  if (pattern.empty())
    return PreTokenizer::named(name).status();
  return sequence({{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}},
                  byteLevel(false, false));
}

/// Every text starts with BOS.
json startingWith(const std::string &token, uint32_t id) {
  const json bos = {{"SpecialToken", {{"id", token}, {"type_id", 0}}}};
  auto text = [](const char *which, int type) { return json{{"Sequence", {{"id", which}, {"type_id", type}}}}; };
  return {{"type", "TemplateProcessing"},
          {"single", json::array({bos, text("A", 0)})},
          {"pair", json::array({bos, text("A", 0), bos, text("B", 1)})},
          {"special_tokens", {{token, {{"id", token}, {"ids", {id}}, {"tokens", {token}}}}}}};
}

std::string written(const json &value) { return value.dump(2, ' ', false, json::error_handler_t::replace) + "\n"; }

Expected<std::vector<NamedFile>> filesOf(const std::string &folder) {
  std::vector<NamedFile> files;
  std::error_code ignored;
  for (const char *name :
       {"tokenizer.json", "tokenizer_config.json", "tokenizer.model", "special_tokens_map.json", "added_tokens.json",
        "vocab.json", "merges.txt", "chat_template.jinja", "generation_config.json"}) {
    const fs::path path = fs::path(folder) / name;
    if (!fs::is_regular_file(path, ignored))
      continue;
    FT_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::open(path.string()));
    files.push_back({name, std::string(reinterpret_cast<const char *>(file.bytes().data()), file.size())});
  }
  return files;
}
} // namespace

Expected<std::string> tokenizerJson(const TokenizerSpec &spec) {
  FT_ASSIGN_OR_RETURN(const json pre, preTokenizerJson(spec.pre));
  json vocabulary = json::object(), merges = json::array(), added = json::array();
  for (uint32_t id = 0; id < spec.tokens.size(); ++id) {
    if (spec.tokens[id].empty())
      continue;
    vocabulary[spec.tokens[id]] = id;
    if (spec.kinds[id] != TokenizerSpec::Kind::Normal)
      added.push_back({{"id", id},
                       {"content", spec.tokens[id]},
                       {"single_word", false},
                       {"lstrip", false},
                       {"rstrip", false},
                       {"normalized", spec.normalized.count(id) > 0},
                       {"special", spec.kinds[id] == TokenizerSpec::Kind::Control}});
  }
  for (const auto &[left, right] : spec.merges)
    merges.push_back({left, right});
  const bool startsWithBos = spec.addBos && spec.bos && *spec.bos < spec.tokens.size();
  return written({{"version", "1.0"},
                  {"truncation", nullptr},
                  {"padding", nullptr},
                  {"added_tokens", added},
                  {"normalizer", nullptr},
                  {"pre_tokenizer", pre},
                  {"post_processor", startsWithBos ? startingWith(spec.tokens[*spec.bos], *spec.bos) : json()},
                  {"decoder", byteLevel(true, true)},
                  {"model",
                   {{"type", "BPE"},
                    {"dropout", nullptr},
                    {"unk_token", nullptr},
                    {"continuing_subword_prefix", nullptr},
                    {"end_of_word_suffix", nullptr},
                    {"fuse_unk", false},
                    {"byte_fallback", false},
                    {"ignore_merges", spec.ignoreMerges},
                    {"vocab", vocabulary},
                    {"merges", merges}}}});
}

std::string tokenizerConfigJson(const TokenizerSpec &spec, const std::string &chatTemplate) {
  json config = {{"tokenizer_class", "PreTrainedTokenizerFast"}, {"clean_up_tokenization_spaces", false}};
  for (const auto &[name, id] : {std::pair("bos_token", spec.bos), {"eos_token", spec.eos}})
    if (id && *id < spec.tokens.size())
      config[name] = spec.tokens[*id];
  if (!chatTemplate.empty())
    config["chat_template"] = chatTemplate;
  return written(config);
}

Expected<std::vector<NamedFile>> tokenizerFiles(const ModelSource &model) {
  if (!model.gguf())
    return model.isSeeded() ? std::vector<NamedFile>() : filesOf(model.folder());
  FT_ASSIGN_OR_RETURN(const TokenizerSpec spec, readGgufTokenizer(*model.gguf()));
  FT_ASSIGN_OR_RETURN(std::string tokenizer, tokenizerJson(spec));
  const GgufValue *chatTemplate = model.gguf()->find("tokenizer.chat_template");
  const std::string *text = chatTemplate ? chatTemplate->text() : nullptr;
  return std::vector<NamedFile>{{"tokenizer.json", std::move(tokenizer)},
                                {"tokenizer_config.json", tokenizerConfigJson(spec, text ? *text : "")}};
}

} // namespace ft::rt
