#include "runtime/Text/TextCodec.h"

#include <fmt/format.h>

namespace ft::rt {

Expected<TextCodec> TextCodec::create(Tokenizer tokenizer, std::string_view templateName,
                                      std::string_view systemPrompt) {
  FT_ASSIGN_OR_RETURN(const PromptTemplate prompts, PromptTemplate::named(templateName, systemPrompt));
  const std::string_view endText = prompts.endOfTurn();
  const auto end = endText.empty() ? tokenizer.eos() : tokenizer.special(endText);
  if (!end)
    return badInput(
        fmt::format("{}: template {} ends a turn with {}, which the tokenizer does not have; use a template "
                    "that fits the model",
                    tokenizer.source(), templateName, endText.empty() ? "the end-of-text token" : endText));
  if (prompts.name() == "chatml" && !tokenizer.special("<|im_start|>"))
    return badInput(fmt::format("{}: template chatml needs the token <|im_start|>, which the tokenizer does not have; "
                                "use template alpaca",
                                tokenizer.source()));
  return TextCodec(std::make_shared<const Tokenizer>(std::move(tokenizer)), prompts, *end);
}

Expected<TextCodec> TextCodec::load(const std::string &modelPath, std::string_view templateName,
                                    std::string_view systemPrompt) {
  FT_ASSIGN_OR_RETURN(Tokenizer tokenizer, loadTokenizer(modelPath));
  return create(std::move(tokenizer), templateName, systemPrompt);
}

Status TextCodec::appendPrompt(std::string_view prompt, Tokenizer::Scratch &scratch, std::vector<uint32_t> &ids) const {
  ids.assign(tokens->prefix().begin(), tokens->prefix().end());
  return tokens->encode(prompt, ids, scratch);
}

Expected<std::vector<uint32_t>> TextCodec::encodePrompt(std::string_view instruction, std::string_view input) const {
  Tokenizer::Scratch scratch;
  std::vector<uint32_t> ids;
  FT_RETURN_IF_ERROR(appendPrompt(prompts.prompt(instruction, input), scratch, ids));
  return ids;
}

Expected<Document> TextCodec::encodeSample(const Sample &sample, uint64_t maxTokens,
                                           Tokenizer::Scratch &scratch) const {
  Document document;
  FT_RETURN_IF_ERROR(appendPrompt(sample.plain ? sample.instruction : prompts.prompt(sample.instruction, sample.input),
                                  scratch, document.ids));
  document.prompt = uint32_t(document.ids.size());
  FT_RETURN_IF_ERROR(tokens->encode(sample.output, document.ids, scratch));
  document.ids.push_back(end);
  if (document.ids.size() > maxTokens) {
    document.ids.resize(maxTokens);
    document.prompt = std::min(document.prompt, uint32_t(maxTokens));
    document.truncated = true;
  }
  return document;
}

Expected<Document> TextCodec::encodeSample(const Sample &sample, uint64_t maxTokens) const {
  Tokenizer::Scratch scratch;
  return encodeSample(sample, maxTokens, scratch);
}

} // namespace ft::rt
