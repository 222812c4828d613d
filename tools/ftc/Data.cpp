#include "runtime/Metrics/ProgressLine.h"
#include "runtime/Plan/Mesh.h"
#include "runtime/Text/DataCommand.h"
#include "tools/ftc/Commands.h"

#include <fmt/format.h>

using namespace ft;

rt::Status ft::dataCommand(const CompileRequest &request, const std::string &model, const std::string &output) {
  if (!output.empty())
    FT_RETURN_IF_ERROR(checkOutput(output, tokensBegin));
  FT_ASSIGN_OR_RETURN(const Inputs inputs, loadInputs(request));
  FT_ASSIGN_OR_RETURN(const Compilation c, planFrom(inputs, choose(inputs), request.dumpDir));
  rt::DataCommand command;
  command.run = c.plan.run();
  command.batch = c.plan.batch();
  command.modelPath = model;
  command.baseFolder = request.planFolder;
  command.outputFile = output;
  rt::Console console(2); // the report alone goes to standard output
  rt::ProgressLine progress(console);
  command.progress = &progress;
  command.world = plan::Mesh(c.plan).ranks();
  std::string text;
  rt::Status status = rt::runDataCommand(command, text);
  fmt::print("{}", text);
  return status;
}
