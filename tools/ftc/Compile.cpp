#include "compiler/Report/Report.h"
#include "compiler/Report/WaysOut.h"
#include "runtime/Plan/Memory.h"
#include "runtime/Support/AtomicFile.h"
#include "tools/ftc/Commands.h"

#include <cstdio>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <unistd.h>

using namespace ft;
namespace fs = std::filesystem;

/// The message of a plan that does not fit: by how much, where the peak is, what would fit.
static rt::Status doesNotFit(const plan::Plan &plan, const Inputs &inputs) {
  return rt::cannotRun(verdict(plan) + "\n" + waysOut(plan, inputs));
}

/// Ok as well for an empty file, which scripts make to have a name.
static bool isReplaceable(const std::string &path, std::string_view begin) {
  std::ifstream file(path, std::ios::binary);
  std::string found(begin.size(), '\0');
  file.read(found.data(), static_cast<std::streamsize>(found.size()));
  return file.gcount() == 0 || found == begin;
}

rt::Status ft::checkOutput(const std::string &path, std::string_view begin) {
  fs::path folder = fs::path(path).parent_path();
  if (folder.empty())
    folder = ".";
  std::error_code ignored;
  if (path.empty())
    return rt::badInput("-o is empty; name the file to write");
  if (const rt::Status status = rt::checkReplaceable(path); !status.ok())
    return rt::badInput("-o " + status.message());
  if (!fs::is_directory(folder, ignored))
    return rt::badInput(fmt::format("-o {}: there is no folder {}; make it, or name another", path, folder.string()));
  if (access(folder.c_str(), W_OK | X_OK) != 0)
    return rt::badInput(fmt::format("-o {}: folder {} is not writable; name another", path, folder.string()));
  if (!isReplaceable(path, begin))
    return rt::badInput(fmt::format("-o {}: holds something else than {}; name another, or remove it", path,
                                    begin == planBegin ? "a plan" : "packed tokens"));
  return rt::Status();
}

rt::Status ft::compileCommand(CompileRequest request, const std::string &output, ProcessorCode code) {
  FT_RETURN_IF_ERROR(checkOutput(output, planBegin));
  fs::path folder = fs::path(output).parent_path();
  request.planFolder = folder.empty() ? "." : folder.string();
  FT_ASSIGN_OR_RETURN(const Inputs inputs, loadInputs(request));
  FT_ASSIGN_OR_RETURN(Compilation c, planFrom(inputs, choose(inputs), request.dumpDir));
  fmt::print("{}", describe(c.plan));
  if (!rt::fitOf(c.plan).fits())
    return doesNotFit(c.plan, inputs);
  if (!inputs.target.plans())
    return rt::cannotRun(fmt::format("{}\nftc: no plan can be made for {}: {}", verdict(c.plan), inputs.target.name(),
                                     inputs.target.plans_reason()));
  FT_RETURN_IF_ERROR(generateCode(c, request.dumpDir, code));
  FT_RETURN_IF_ERROR(writePlan(c, output));
  fmt::print("{}\nwrote {} ({} bytes, {} kernels)\n", verdict(c.plan), output, fs::file_size(output),
             c.plan.kernels_size());
  return rt::Status();
}

rt::Status ft::checkCommand(const CompileRequest &request) {
  FT_ASSIGN_OR_RETURN(const Inputs inputs, loadInputs(request));
  FT_ASSIGN_OR_RETURN(const Compilation c, planFrom(inputs, choose(inputs), request.dumpDir));
  fmt::print("{}", describe(c.plan));
  if (!rt::fitOf(c.plan).fits())
    return doesNotFit(c.plan, inputs);
  fmt::print("{}\n", verdict(c.plan));
  if (!inputs.target.plans())
    fmt::print("verdict only: {}\n", inputs.target.plans_reason());
  return rt::Status();
}
