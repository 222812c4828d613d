// The commands of ftc. Each prints to stdout and returns what the exit code is made from.
#pragma once

#include "compiler/Pipeline/Pipeline.h"

#include <string_view>

namespace ft {

constexpr std::string_view planBegin = "FTPLAN", tokensBegin = "FTCTOKEN"; ///< of the files that -o makes
/// BadInput where `path`, of -o, cannot become a file, or is one that begins otherwise: it may be a recipe, or data.
rt::Status checkOutput(const std::string &path, std::string_view begin);
/// Exits 2 and writes nothing where the plan does not fit.
rt::Status compileCommand(CompileRequest request, const std::string &output, ProcessorCode code);
rt::Status checkCommand(const CompileRequest &request);
rt::Status explainCommand(const std::string &planPath);
rt::Status dataCommand(const CompileRequest &request, const std::string &model, const std::string &output);

/// Reads standard input.
rt::Status tokenizeCommand(const std::string &model, bool decode);

} // namespace ft
