#include "compiler/Report/Report.h"
#include "runtime/Plan/PrintPlan.h"
#include "tools/ftc/Commands.h"

#include <fmt/format.h>

using namespace ft;

rt::Status ft::explainCommand(const std::string &path) {
  FT_ASSIGN_OR_RETURN(rt::PlanFile file, rt::readPlanFile(path));
  fmt::print("{}\nsha256 {}\n{}{}\n{}", path, file.digest, describe(file.plan), verdict(file.plan),
             rt::printPlan(file.plan));
  return rt::Status();
}
