// A tokenizer with a prompt template: samples and prompts to token ids, and answers back to text.
#pragma once

#include "runtime/Text/PromptTemplate.h"
#include "runtime/Text/Samples.h"
#include "runtime/Tokenizer/Tokenizer.h"

namespace ft::rt {

/// A tokenised sample. ids[0, prompt) are the prompt (BOS included), the others the response with its end.
struct Document {
  std::vector<uint32_t> ids;
  uint32_t prompt = 0;
  bool truncated = false; ///< cut to the longest allowed length: then its end of turn is missing
};

/// Immutable; every function may run on several threads.
class TextCodec {
public:
  /// Refuses a template whose end of turn the tokenizer does not have.
  static Expected<TextCodec> create(Tokenizer tokenizer, std::string_view templateName,
                                    std::string_view systemPrompt = "");
  /// The same from the model's files (see loadTokenizer).
  static Expected<TextCodec> load(const std::string &modelPath, std::string_view templateName,
                                  std::string_view systemPrompt);

  /// Prompt and response are tokenised apart and joined, with what the tokenizer puts in front of every text; the end
  /// of turn follows unless the sample is longer than `maxTokens`, which cuts it there.
  Expected<Document> encodeSample(const Sample &sample, uint64_t maxTokens, Tokenizer::Scratch &scratch) const;
  Expected<Document> encodeSample(const Sample &sample, uint64_t maxTokens) const;
  /// What generation starts from: the same prompt as in training.
  Expected<std::vector<uint32_t>> encodePrompt(std::string_view instruction, std::string_view input) const;
  /// Text without control tokens.
  std::string decode(std::span<const uint32_t> ids) const { return tokenizer().decode(ids, true); }
  /// The template's end of turn or the tokenizer's end of text: generation stops at either.
  bool isEndOfTurn(uint32_t id) const { return id == end || (tokenizer().eos() && id == *tokenizer().eos()); }
  uint32_t endOfTurn() const { return end; }

  const Tokenizer &tokenizer() const { return *tokens; }
  const PromptTemplate &promptTemplate() const { return prompts; }

private:
  Status appendPrompt(std::string_view prompt, Tokenizer::Scratch &scratch, std::vector<uint32_t> &ids) const;
  TextCodec(std::shared_ptr<const Tokenizer> tokens, PromptTemplate prompts, uint32_t end)
      : tokens(std::move(tokens)), prompts(prompts), end(end) {}
  std::shared_ptr<const Tokenizer> tokens;
  PromptTemplate prompts;
  uint32_t end;
};

} // namespace ft::rt
