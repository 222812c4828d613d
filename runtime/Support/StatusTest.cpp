#include "runtime/Support/Status.h"

#include <gtest/gtest.h>
#include <memory>

using namespace ft::rt;

static Expected<std::unique_ptr<int>> half(int n) {
  if (n % 2 != 0)
    return badInput("odd");
  return std::make_unique<int>(n / 2);
}

static Expected<int> quarter(int n) {
  FT_ASSIGN_OR_RETURN(std::unique_ptr<int> once, half(n));
  FT_ASSIGN_OR_RETURN(std::unique_ptr<int> twice, half(*once));
  return *twice;
}

static Status check(int n, bool &reached) {
  FT_RETURN_IF_ERROR(half(n).status());
  reached = true;
  return {};
}

TEST(Status, CodesAreExitCodes) {
  EXPECT_EQ(int(Status().code()), 0);
  EXPECT_EQ(int(badInput("").code()), 1);
  EXPECT_EQ(int(cannotRun("").code()), 2);
  EXPECT_EQ(int(failed("").code()), 3);
}

TEST(Status, AssignOrReturn) {
  EXPECT_EQ(*quarter(12), 3);
  EXPECT_EQ(quarter(3).status().message(), "odd");
  EXPECT_EQ(quarter(6).status().code(), Code::BadInput);
}

TEST(Status, ReturnIfError) {
  bool reached = false;
  EXPECT_FALSE(check(1, reached).ok());
  EXPECT_FALSE(reached);
  EXPECT_TRUE(check(2, reached).ok());
  EXPECT_TRUE(reached);
}
