#include "runtime/Text/TokenizeCommand.h"
#include "tools/ftc/Commands.h"

#include <cstdio>
#include <fmt/format.h>

using namespace ft;

rt::Status ft::tokenizeCommand(const std::string &model, bool decode) {
  std::string input;
  char buffer[1 << 16];
  for (size_t read; (read = std::fread(buffer, 1, sizeof buffer, stdin)) > 0;)
    input.append(buffer, read);
  if (std::ferror(stdin))
    return rt::badInput("standard input cannot be read; it must hold the text, or with --decode the ids");
  FT_ASSIGN_OR_RETURN(const std::string output,
                      decode ? rt::decodedIds(model, input) : rt::tokenizedText(model, input));
  fmt::print("{}", output);
  return rt::Status();
}
