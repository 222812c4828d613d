// A tokenizer with a template: samples and prompts to token ids, and answers back to text.
#pragma once

#include "runtime/Text/PromptTemplate.h"
#include "runtime/Text/Samples.h"
#include "runtime/Tokenizer/Tokenizer.h"

namespace ft::rt {

/// A stretch of a document's ids.
struct IdSpan {
  uint32_t begin = 0, end = 0;
  bool operator==(const IdSpan &) const = default;
};

/// A tokenised sample. ids[0, prompt) are the prompt (BOS included), the others are trained but for `untrained`: turns
/// of others behind the first answer.
struct Document {
  std::vector<uint32_t> ids;
  uint32_t prompt = 0;
  bool truncated = false;        ///< cut to the longest allowed length: then its end of turn is missing
  std::vector<IdSpan> untrained; ///< in order, apart from each other, behind the prompt

  /// The stretches of ids that are trained: behind the first id, which nothing predicts.
  std::vector<IdSpan> targets(bool trainOnPrompt) const;
};

/// Immutable; every function may run on several threads.
class TextCodec {
public:
  /// Refuses a template that ends a turn of the assistant with no control token of the tokenizer.
  static Expected<TextCodec> create(Tokenizer tokenizer, const TextOptions &options, const ModelTemplate &model = {});
  /// The same from the model's files (see loadTokenizer and readModelTemplate).
  static Expected<TextCodec> load(const std::string &named, const TextOptions &options);

  /// A sample as documents of at most `maxTokens`. Chats are tokenised as a whole, as transformers does, without what
  /// the tokenizer puts around a text; what is trained ends with each turn's control token. Prompt and response of the
  /// other forms are tokenised apart and joined, with what the tokenizer puts in front, and the end of turn behind. A
  /// sample that is longer is cut there and loses its end; a plain document becomes several, with the end of text
  /// behind the last.
  Status encode(const Sample &sample, uint64_t maxTokens, Tokenizer::Scratch &scratch,
                std::vector<Document> &documents) const;
  /// Of a sample that is no plain document.
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
  TextCodec(std::shared_ptr<const Tokenizer> tokens, PromptTemplate prompts)
      : tokens(std::move(tokens)), prompts(std::move(prompts)) {}
  Status findEndOfTurn();
  Status appendPrompt(std::string_view prompt, Tokenizer::Scratch &scratch, std::vector<uint32_t> &ids) const;
  Expected<Document> encodePair(const Sample &sample, Tokenizer::Scratch &scratch) const;
  Expected<Document> encodeChat(const Sample &sample, Tokenizer::Scratch &scratch) const;
  Status encodeText(const Sample &sample, uint64_t maxTokens, Tokenizer::Scratch &scratch,
                    std::vector<Document> &documents) const;
  /// Without the white space that a template puts behind an end of turn.
  uint32_t trimmedEnd(std::span<const uint32_t> ids, IdSpan span) const;

  std::shared_ptr<const Tokenizer> tokens;
  PromptTemplate prompts;
  uint32_t end = 0;
};

} // namespace ft::rt
