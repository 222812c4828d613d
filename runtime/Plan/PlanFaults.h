// Faults planted in a plan, and the messages that they must have.
#pragma once

#include "runtime/Plan/CheckPlan.h"
#include "runtime/Plan/TestPlan.h"

#include <functional>
#include <gtest/gtest.h>

namespace ft::rt::test {

struct Fault {
  std::function<void(plan::Plan &)> plant;
  std::string message;
  Code code = Code::BadInput;
};

inline void expectEach(const std::vector<Fault> &faults, const std::function<plan::Plan()> &sample = samplePlan) {
  const SampleSections sections;
  const Status untouched = checkPlan(sample(), sections.all());
  ASSERT_TRUE(untouched.ok()) << untouched.message();
  for (const Fault &fault : faults) {
    plan::Plan plan = sample();
    fault.plant(plan);
    const Status status = checkPlan(plan, sections.all());
    EXPECT_FALSE(status.ok()) << "accepted: " << fault.message;
    EXPECT_EQ(status.code(), fault.code) << status.message();
    EXPECT_NE(status.message().find(fault.message), std::string::npos)
        << "wanted: " << fault.message << "\n   got: " << status.message();
  }
}

inline Step &step(plan::Plan &plan, int segment, int index) {
  return *plan.mutable_segments(segment)->mutable_steps(index);
}

inline constexpr uint64_t huge = ~uint64_t(0);

} // namespace ft::rt::test
