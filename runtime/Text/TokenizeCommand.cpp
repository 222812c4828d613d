#include "runtime/Text/TokenizeCommand.h"

#include "runtime/Support/Strings.h"
#include "runtime/Tokenizer/Tokenizer.h"

#include <charconv>
#include <fmt/format.h>

namespace ft::rt {

namespace {
/// On one line: quotes, backslashes and line ends are spelled out, and what would steer a terminal.
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text)
    out += c == '"' || c == '\\' ? std::string{'\\', c} : c == '\n' ? "\\n" : c == '\t' ? "\\t" : std::string(1, c);
  return printable(out) + "\"";
}
} // namespace

Expected<std::string> tokenizedText(const std::string &modelPath, std::string_view text) {
  FT_ASSIGN_OR_RETURN(const Tokenizer tokenizer, loadTokenizer(modelPath));
  std::vector<uint32_t> ids(tokenizer.prefix().begin(), tokenizer.prefix().end());
  FT_RETURN_IF_ERROR(tokenizer.encode(text, ids));
  ids.insert(ids.end(), tokenizer.suffix().begin(), tokenizer.suffix().end());
  std::string out;
  for (size_t i = 0; i < ids.size(); ++i)
    out += fmt::format("{:>8} {}{}\n", ids[i], quoted(tokenizer.decode(std::span(ids).subspan(i, 1), false)),
                       tokenizer.isControl(ids[i]) ? " control" : "");
  return out + fmt::format("{} tokens of {} bytes\n", ids.size(), text.size());
}

Expected<std::string> decodedIds(const std::string &modelPath, std::string_view text) {
  FT_ASSIGN_OR_RETURN(const Tokenizer tokenizer, loadTokenizer(modelPath));
  std::vector<uint32_t> ids;
  size_t number = 0;
  for (std::string_view rest = text; !rest.empty(); ++number) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    // What `ftc tokenize` writes: one id in front of its text, and a last line that counts.
    if (line.find(" tokens of ") != line.npos)
      continue;
    line = line.substr(0, line.find('"'));
    while (true) {
      line.remove_prefix(std::min(line.find_first_not_of(" \t\r,[]"), line.size()));
      if (line.empty())
        break;
      uint32_t id = 0;
      const auto [behind, error] = std::from_chars(line.data(), line.data() + line.size(), id);
      if (error != std::errc() || id >= tokenizer.vocabSize())
        return badInput(fmt::format("line {}: \"{}\" is no token id; must be an integer below the vocabulary's {}",
                                    number + 1, shown(line.substr(0, line.find_first_of(" \t\r,")), 40),
                                    tokenizer.vocabSize()));
      ids.push_back(id);
      line.remove_prefix(size_t(behind - line.data()));
    }
  }
  return tokenizer.decode(ids, /*skipControl=*/false);
}

} // namespace ft::rt
