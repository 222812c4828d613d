// The commands of ftc. Each prints to stdout and returns what the exit code is made from.
#pragma once

#include "compiler/Pipeline/Pipeline.h"

namespace ft {

/// BadInput where `path`, of -o, cannot become a file.
rt::Status checkOutput(const std::string &path);
/// Exits 2 and writes nothing where the plan does not fit.
rt::Status compileCommand(CompileRequest request, const std::string &output);
rt::Status checkCommand(const CompileRequest &request);
rt::Status explainCommand(const std::string &planPath);
rt::Status dataCommand(const CompileRequest &request, const std::string &model, const std::string &output);

/// Reads standard input.
rt::Status tokenizeCommand(const std::string &model, bool decode);

} // namespace ft
