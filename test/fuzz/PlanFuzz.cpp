// A plan's container as it lies in a file, and the changes of a plan that the input chooses, through all that judges
// one.
#include "runtime/Plan/PrintPlan.h"
#include "runtime/Plan/TestPlan.h"
#include "runtime/Plan/Verify.h"
#include "test/fuzz/FuzzFile.h"
#include "test/plans/MutatePlan.h"

#include <cstring>

using namespace ft;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  (void)rt::readPlanFile(fuzz::fileWith(data, size));
  size_t at = 0;
  const auto choose = [&](uint64_t below) {
    uint32_t number = 0;
    const size_t n = std::min(sizeof number, size - at);
    std::memcpy(&number, data + at, n);
    at += n;
    return number % below;
  };
  static const rt::test::PlanMutator mutator;
  static const plan::Plan sample = rt::test::samplePlan();
  static const rt::test::SampleSections sections;
  const plan::Plan plan = mutator.mutated(sample, 1 + choose(4), choose);
  if (!rt::checkPlan(plan, sections.all()).ok())
    return 0;
  (void)rt::verifyPlan(plan);
  (void)rt::printPlan(plan);
  return 0;
}
