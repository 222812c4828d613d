#include "runtime/Training/Journal.h"

using namespace ft::rt;

Status Journal::keepMetrics(const std::string &path) {
  FT_ASSIGN_OR_RETURN(lines, JsonLines::create(path));
  return {};
}

Status Journal::step(const StepMetrics &metrics) {
  console.step(metrics, loggingSteps);
  return lines ? lines->write(toJson(metrics)) : Status();
}

Status Journal::evaluation(const EvaluationMetrics &metrics) {
  console.line(formatEvaluation(metrics));
  return lines ? lines->write(toJson(metrics)) : Status();
}
