#include "runtime/Tokenizer/TokenizerFiles.h"

#include "runtime/Support/FileKind.h"
#include "runtime/Support/MappedFile.h"
#include "runtime/Tokenizer/JsonSteps.h"
#include "runtime/Tokenizer/sentencepiece.pb.h"
#include "runtime/Weights/Gguf.h"

#include <filesystem>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace ft::rt {

namespace {
using nlohmann::json;
namespace fs = std::filesystem;

/// What stands around every text.
json templateJson(const TokenizerSpec &spec) {
  json single = json::array(), pair = json::array(), table = json::object();
  auto special = [&](uint32_t id, json &form, int type) {
    form.push_back({{"SpecialToken", {{"id", spec.tokens[id]}, {"type_id", type}}}});
    table[spec.tokens[id]] = {{"id", spec.tokens[id]}, {"ids", {id}}, {"tokens", {spec.tokens[id]}}};
  };
  auto text = [&](const char *which, json &form, int type) {
    for (uint32_t id : spec.prefix)
      special(id, form, type);
    form.push_back({{"Sequence", {{"id", which}, {"type_id", type}}}});
    for (uint32_t id : spec.suffix)
      special(id, form, type);
  };
  text("A", single, 0);
  text("A", pair, 0);
  text("B", pair, 1);
  return {{"type", "TemplateProcessing"}, {"single", single}, {"pair", pair}, {"special_tokens", table}};
}

std::string written(const json &value) { return value.dump(2, ' ', false, json::error_handler_t::replace) + "\n"; }

constexpr uint64_t maxFileBytes = 100'000'000; // each is held in memory; the largest have a third of that

Expected<std::vector<NamedFile>> filesOf(const std::string &folder) {
  std::vector<NamedFile> files;
  std::error_code ignored;
  for (const char *name :
       {"tokenizer.json", "tokenizer_config.json", "tokenizer.model", "tekken.json", "special_tokens_map.json",
        "added_tokens.json", "vocab.json", "merges.txt", "chat_template.jinja", "generation_config.json"}) {
    const fs::path path = fs::path(folder) / name;
    if (!isNamed(path) || fs::is_directory(path, ignored))
      continue;
    FT_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::open(path.string()));
    if (file.size() > maxFileBytes)
      return badInput(
          fmt::format("{}: has {} bytes; {} are the most that is kept", path.string(), file.size(), maxFileBytes));
    files.push_back({name, std::string(reinterpret_cast<const char *>(file.bytes().data()), file.size())});
  }
  return files;
}
} // namespace

std::string tokenizerJson(const TokenizerSpec &spec) {
  const auto &model = std::get<BytePairSpec>(spec.model);
  json vocabulary = json::object(), merges = json::array(), added = json::array();
  for (uint32_t id = 0; id < spec.tokens.size(); ++id)
    if (!spec.tokens[id].empty())
      vocabulary[spec.tokens[id]] = id;
  for (const AddedToken &token : spec.added)
    added.push_back({{"id", token.id},
                     {"content", token.content},
                     {"single_word", token.singleWord},
                     {"lstrip", token.leftSpace},
                     {"rstrip", token.rightSpace},
                     {"normalized", token.normalized},
                     {"special", token.special}});
  for (const auto &[left, right] : model.merges)
    merges.push_back({left, right});
  const bool bare = spec.prefix.empty() && spec.suffix.empty();
  return written({{"version", "1.0"},
                  {"truncation", nullptr},
                  {"padding", nullptr},
                  {"added_tokens", added},
                  {"normalizer", toJson(spec.normalizer)},
                  {"pre_tokenizer", toJson(spec.preTokenizer)},
                  {"post_processor", bare ? json() : templateJson(spec)},
                  {"decoder", toJson(spec.decoder)},
                  {"model",
                   {{"type", "BPE"},
                    {"dropout", nullptr},
                    {"unk_token", model.unknown ? json(*model.unknown) : json()},
                    {"continuing_subword_prefix", nullptr},
                    {"end_of_word_suffix", nullptr},
                    {"fuse_unk", model.fuseUnknown},
                    {"byte_fallback", model.byteFallback},
                    {"ignore_merges", model.ignoreMerges},
                    {"vocab", vocabulary},
                    {"merges", merges}}}});
}

std::string sentencePieceModel(const TokenizerSpec &spec) {
  const auto &pieces = std::get<PieceSpec>(spec.model);
  sentencepiece::ModelProto model;
  for (uint32_t id = 0; id < spec.tokens.size(); ++id) {
    auto *piece = model.add_pieces();
    piece->set_piece(spec.tokens[id]);
    piece->set_score(pieces.scores[id]);
    piece->set_type(int32_t(pieces.types[id]));
  }
  auto *trainer = model.mutable_trainer_spec();
  trainer->set_model_type(pieces.kind == PieceSpec::Kind::Unigram ? sentencepiece::TrainerSpec::UNIGRAM
                                                                  : sentencepiece::TrainerSpec::BPE);
  trainer->set_byte_fallback(pieces.byteFallback);
  if (spec.bos && *spec.bos < spec.tokens.size())
    trainer->set_bos_piece(spec.tokens[*spec.bos]);
  if (spec.eos && *spec.eos < spec.tokens.size())
    trainer->set_eos_piece(spec.tokens[*spec.eos]);
  for (const NormalizerStep &any : spec.normalizer)
    if (const auto *step = std::get_if<SentencePieceStep>(&any)) {
      auto *rules = model.mutable_normalizer_spec();
      rules->set_precompiled_charsmap(step->charsMap);
      rules->set_add_dummy_prefix(step->addDummyPrefix);
      rules->set_remove_extra_whitespaces(step->removeExtraSpaces);
      rules->set_escape_whitespaces(step->escapeSpaces);
      trainer->set_treat_whitespace_as_suffix(step->spaceAsSuffix);
    }
  return model.SerializeAsString();
}

std::string tokenizerConfigJson(const TokenizerSpec &spec, const std::string &chatTemplate) {
  const bool pieces = std::holds_alternative<PieceSpec>(spec.model);
  json config = {{"tokenizer_class", pieces ? "LlamaTokenizer" : "PreTrainedTokenizerFast"},
                 {"clean_up_tokenization_spaces", false}};
  for (const auto &[name, id] : {std::pair("bos_token", spec.bos), {"eos_token", spec.eos}})
    if (id && *id < spec.tokens.size())
      config[name] = spec.tokens[*id];
  if (pieces) {
    config["add_bos_token"] = !spec.prefix.empty();
    config["add_eos_token"] = !spec.suffix.empty();
  }
  if (!chatTemplate.empty())
    config["chat_template"] = chatTemplate;
  return written(config);
}

Expected<std::vector<NamedFile>> tokenizerFiles(const ModelSource &model) {
  if (!model.gguf())
    return model.isSeeded() ? std::vector<NamedFile>() : filesOf(model.folder());
  FT_ASSIGN_OR_RETURN(const TokenizerSpec spec, readGgufTokenizer(*model.gguf()));
  const GgufValue *chatTemplate = model.gguf()->find("tokenizer.chat_template");
  const std::string *text = chatTemplate ? chatTemplate->text() : nullptr;
  NamedFile tokenizer = std::holds_alternative<PieceSpec>(spec.model)
                            ? NamedFile{"tokenizer.model", sentencePieceModel(spec)}
                            : NamedFile{"tokenizer.json", tokenizerJson(spec)};
  return std::vector<NamedFile>{std::move(tokenizer),
                                {"tokenizer_config.json", tokenizerConfigJson(spec, text ? *text : "")}};
}

} // namespace ft::rt
