// What the tests of whole runs share: a folder with a tiny plan, options to run it with, and what a run has left.
#pragma once

#include "runtime/Program/TinyPlan.h"
#include "runtime/Training/Run.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace ft::rt {

/// `options` train the plan `folder`/plan.bin, with 2 micro-batches a step, for 30 steps into `folder`/out.
class RunFixture : public testing::Test {
protected:
  explicit RunFixture(const std::string &name) : folder(testing::TempDir() + name) {}

  void SetUp() override {
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
    ASSERT_TRUE(TinyPlan::write(TinyPlan::make(2), folder + "/plan.bin"));
    options.plan = folder + "/plan.bin";
    options.model = "seeded:7";
    options.out = folder + "/out";
    options.settings = {"val_set_size=0.1", "max_steps=30"};
  }

  std::string text(const std::string &name) const {
    std::ostringstream stream;
    stream << std::ifstream(folder + "/" + name).rdbuf();
    return stream.str();
  }
  std::vector<nlohmann::json> jsonLines(const std::string &name) const {
    std::vector<nlohmann::json> lines;
    std::istringstream stream(text(name));
    for (std::string line; std::getline(stream, line);)
      lines.push_back(nlohmann::json::parse(line));
    return lines;
  }

  const std::string folder;
  RunOptions options;
};

} // namespace ft::rt
