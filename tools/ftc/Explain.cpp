#include "runtime/Plan/PrintPlan.h"
#include "tools/ftc/Commands.h"

#include <fmt/format.h>

using namespace ft;

rt::Status ft::explainCommand(const std::string &path) {
  FT_ASSIGN_OR_RETURN(rt::PlanFile file, rt::readPlanFile(path));
  fmt::print("{}\nsha256 {}\n{}", path, file.digest, rt::printPlan(file.plan));
  return rt::Status();
}
