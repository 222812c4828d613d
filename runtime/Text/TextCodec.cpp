#include "runtime/Text/TextCodec.h"

#include "runtime/Support/Strings.h"
#include "runtime/Weights/ModelPath.h"

#include <algorithm>
#include <fmt/format.h>

namespace ft::rt {

namespace {
/// Ids up to `most`, with the stretches that end there.
void cut(Document &document, uint64_t most) {
  if (document.ids.size() <= most)
    return;
  const auto length = uint32_t(most);
  document.ids.resize(length);
  document.prompt = std::min(document.prompt, length);
  document.truncated = true;
  std::erase_if(document.untrained, [&](const IdSpan &span) { return span.begin >= length; });
  if (!document.untrained.empty())
    document.untrained.back().end = std::min(document.untrained.back().end, length);
}
} // namespace

std::vector<IdSpan> Document::targets(bool trainOnPrompt) const {
  const auto length = uint32_t(ids.size());
  if (trainOnPrompt)
    return length > 1 ? std::vector<IdSpan>{{1, length}} : std::vector<IdSpan>();
  std::vector<IdSpan> spans;
  uint32_t from = std::max(prompt, 1u);
  for (const IdSpan &gap : untrained) {
    if (gap.begin > from)
      spans.push_back({from, gap.begin});
    from = std::max(from, gap.end);
  }
  if (from < length)
    spans.push_back({from, length});
  return spans;
}

Expected<TextCodec> TextCodec::create(Tokenizer tokenizer, const TextOptions &options, const ModelTemplate &model) {
  FT_ASSIGN_OR_RETURN(PromptTemplate prompts, PromptTemplate::choose(options, model));
  TextCodec codec(std::make_shared<const Tokenizer>(std::move(tokenizer)), std::move(prompts));
  FT_RETURN_IF_ERROR(codec.findEndOfTurn());
  return codec;
}

Expected<TextCodec> TextCodec::load(const std::string &named, const TextOptions &options) {
  FT_ASSIGN_OR_RETURN(const ModelPath found, ModelPath::find(named));
  FT_ASSIGN_OR_RETURN(Tokenizer tokenizer, loadTokenizer(named));
  ModelTemplate model;
  if (options.templateName != "alpaca") {
    FT_ASSIGN_OR_RETURN(model, readModelTemplate(found.path));
  }
  return create(std::move(tokenizer), options, model);
}

/// A chat template shows it in a small chat; alpaca ends with the end of text.
Status TextCodec::findEndOfTurn() {
  auto *chat = prompts.chat();
  if (!chat) {
    if (!tokens->eos())
      return badInput(
          fmt::format("{}: template alpaca ends a turn with the end-of-text token, which the tokenizer does "
                      "not have; use a template that fits the model",
                      tokens->source()));
    end = *tokens->eos();
    return {};
  }
  Sample probe;
  probe.instruction = "Hi.";
  probe.output = "Hello.";
  const std::vector<jinja::Value> messages = prompts.messagesOf(probe);
  FT_ASSIGN_OR_RETURN(const std::string text, chat->render(messages, jinja::Value::none(), false));
  std::vector<uint32_t> ids;
  FT_RETURN_IF_ERROR(tokens->encode(text, ids));
  const auto last = uint32_t(ids.size());
  const uint32_t length = trimmedEnd(ids, {0, last});
  if (length == 0 || !tokens->isControl(ids[length - 1])) {
    const size_t tail = text.rfind("Hello.");
    return badInput(
        fmt::format("{}: template {} ends a turn of the assistant with \"{}\", which is no control token of "
                    "the tokenizer; use a template that fits the model",
                    tokens->source(), prompts.name(), shown(tail == text.npos ? text : text.substr(tail + 6))));
  }
  end = ids[length - 1];
  chat->setEndOfTurn(tokens->decode(std::span(ids).subspan(length - 1, 1), /*skipControl=*/false));
  return {};
}

uint32_t TextCodec::trimmedEnd(std::span<const uint32_t> ids, IdSpan span) const {
  for (uint32_t last = span.end; last > span.begin; --last) {
    if (tokens->isControl(ids[last - 1]))
      return last;
    const std::string text = tokens->decode(ids.subspan(last - 1, 1), /*skipControl=*/false);
    if (text.find_first_not_of(" \t\r\n") != text.npos)
      break;
  }
  return span.end;
}

Status TextCodec::appendPrompt(std::string_view prompt, Tokenizer::Scratch &scratch, std::vector<uint32_t> &ids) const {
  ids.assign(tokens->prefix().begin(), tokens->prefix().end());
  return tokens->encode(prompt, ids, scratch);
}

Expected<std::vector<uint32_t>> TextCodec::encodePrompt(std::string_view instruction, std::string_view input) const {
  Tokenizer::Scratch scratch;
  std::vector<uint32_t> ids;
  if (const ChatTemplate *chat = prompts.chat()) {
    Sample sample;
    sample.instruction = instruction;
    sample.input = input;
    std::vector<jinja::Value> messages = prompts.messagesOf(sample);
    messages.pop_back();
    FT_ASSIGN_OR_RETURN(const std::string text, chat->render(messages, jinja::Value::none(), /*generates=*/true));
    FT_RETURN_IF_ERROR(tokens->encode(text, ids, scratch));
    return ids;
  }
  FT_RETURN_IF_ERROR(appendPrompt(PromptTemplate::alpaca(instruction, input), scratch, ids));
  return ids;
}

Expected<Document> TextCodec::encodePair(const Sample &sample, Tokenizer::Scratch &scratch) const {
  Document document;
  const bool plain = sample.form == Sample::Form::Plain;
  FT_RETURN_IF_ERROR(appendPrompt(plain ? sample.instruction : PromptTemplate::alpaca(sample.instruction, sample.input),
                                  scratch, document.ids));
  document.prompt = uint32_t(document.ids.size());
  FT_RETURN_IF_ERROR(tokens->encode(sample.output, document.ids, scratch));
  document.ids.push_back(end);
  return document;
}

Expected<Document> TextCodec::encodeChat(const Sample &sample, Tokenizer::Scratch &scratch) const {
  const ChatTemplate *chat = prompts.chat();
  if (!chat)
    return badInput("has turns (a chat, or an instruction with a system prompt, history or tools), and template alpaca "
                    "has none; use template model or chatml");
  if (sample.messages.empty() && sample.form == Sample::Form::Chat)
    return Document();
  const std::vector<jinja::Value> messages = prompts.messagesOf(sample);
  FT_ASSIGN_OR_RETURN(const ChatText text, chat->encode(messages, sample.tools, prompts.targetsOf(sample, messages)));
  std::vector<size_t> marks;
  for (const TextSpan &span : text.targets)
    marks.insert(marks.end(), {span.begin, span.end});
  Document document;
  std::vector<uint32_t> at;
  FT_RETURN_IF_ERROR(tokens->encode(text.text, marks, document.ids, at, scratch));
  // What lies between the trained stretches; nothing is predicted behind the last.
  uint32_t from = 0;
  for (size_t i = 0; i < at.size(); i += 2) {
    if (i == 0)
      document.prompt = at[0];
    else if (at[i] > from)
      document.untrained.push_back({from, at[i]});
    from = trimmedEnd(document.ids, {at[i], at[i + 1]});
  }
  if (at.empty())
    document.prompt = uint32_t(document.ids.size());
  else if (from < document.ids.size())
    document.untrained.push_back({from, uint32_t(document.ids.size())});
  if (!at.empty() && trimmedEnd(document.ids, {from - 1, uint32_t(document.ids.size())}) == from) {
    document.ids.resize(from); // white space behind the last end of turn
    document.untrained.erase(std::remove_if(document.untrained.begin(), document.untrained.end(),
                                            [&](const IdSpan &span) { return span.begin >= from; }),
                             document.untrained.end());
  }
  return document;
}

/// Continued pre-training: the text from its beginning to its end, in pieces that fill a document.
Status TextCodec::encodeText(const Sample &sample, uint64_t maxTokens, Tokenizer::Scratch &scratch,
                             std::vector<Document> &documents) const {
  std::vector<uint32_t> ids;
  if (sample.starts)
    ids.assign(tokens->prefix().begin(), tokens->prefix().end());
  FT_RETURN_IF_ERROR(tokens->encode(sample.output, ids, scratch));
  if (!tokens->eos())
    return badInput(
        fmt::format("plain text ends with the end-of-text token, which {} does not have", tokens->source()));
  if (sample.ends)
    ids.push_back(*tokens->eos());
  for (size_t at = 0; at < ids.size(); at += maxTokens) {
    Document piece;
    const size_t behind = std::min<size_t>(at + maxTokens, ids.size());
    piece.ids.assign(ids.begin() + ptrdiff_t(at), ids.begin() + ptrdiff_t(behind));
    piece.truncated = behind < ids.size() || !sample.ends; // its end follows in the next piece
    if (piece.ids.size() > 1 || at == 0)                   // one id alone has nothing that predicts it
      documents.push_back(std::move(piece));
  }
  return {};
}

Status TextCodec::encode(const Sample &sample, uint64_t maxTokens, Tokenizer::Scratch &scratch,
                         std::vector<Document> &documents) const {
  if (sample.form == Sample::Form::Document)
    return encodeText(sample, maxTokens, scratch, documents);
  const bool chat =
      sample.form == Sample::Form::Chat || (sample.form == Sample::Form::Instruction && prompts.chat() != nullptr);
  FT_ASSIGN_OR_RETURN(Document document, chat ? encodeChat(sample, scratch) : encodePair(sample, scratch));
  cut(document, maxTokens);
  documents.push_back(std::move(document));
  return {};
}

Expected<Document> TextCodec::encodeSample(const Sample &sample, uint64_t maxTokens) const {
  Tokenizer::Scratch scratch;
  std::vector<Document> documents;
  FT_RETURN_IF_ERROR(encode(sample, maxTokens, scratch, documents));
  return std::move(documents.at(0));
}

} // namespace ft::rt
