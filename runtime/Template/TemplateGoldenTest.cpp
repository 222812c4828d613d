// What Jinja renders, in the environment that transformers sets up (test/goldens/templates/make_goldens.py).
#include "runtime/Template/Template.h"

#include <fstream>
#include <gtest/gtest.h>

using namespace ft::rt;
using nlohmann::ordered_json;

namespace {

const std::string Folder = "test/goldens/templates/";

std::string contentOf(const std::string &name) {
  std::ifstream file(Folder + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The day that the goldens were made for.
std::tm day() {
  std::tm time{};
  time.tm_year = 125;
  time.tm_mday = 31;
  time.tm_wday = 5;
  time.tm_yday = 30;
  return time;
}

Expected<std::string> rendered(const std::string &text, const std::vector<ordered_json> &all) {
  FT_ASSIGN_OR_RETURN(const Template parsed, Template::parse(text, "t"));
  jinja::Variables variables;
  for (const ordered_json &some : all)
    for (const auto &[name, json] : some.items()) {
      FT_ASSIGN_OR_RETURN(jinja::Value value, templateValue(json));
      variables.emplace_back(name, std::move(value));
    }
  return parsed.render(variables, day());
}

/// Both give the same text, or both fail.
void check(const ordered_json &wanted, const Expected<std::string> &text, const std::string &what) {
  if (wanted.is_null())
    EXPECT_FALSE(text.ok()) << what << " gives " << *text;
  else if (text.ok())
    EXPECT_EQ(*text, wanted.get<std::string>()) << what;
  else
    ADD_FAILURE() << what << ": " << text.status().message();
}

TEST(TemplateGolden, LanguageIsJinjas) {
  const auto goldens = ordered_json::parse(contentOf("language.json"));
  ASSERT_GT(goldens["cases"].size(), 120u);
  for (const auto &item : goldens["cases"]) {
    const auto text = item["template"].get<std::string>();
    check(item["text"], rendered(text, {goldens["variables"]}), text);
  }
}

TEST(TemplateGolden, TemplatesOfModelsAreTransformers) {
  const auto goldens = ordered_json::parse(contentOf("models.json"));
  ASSERT_GT(goldens["cases"].size(), 800u);
  size_t texts = 0;
  for (const auto &item : goldens["cases"]) {
    const auto name = item["template"].get<std::string>();
    const size_t chat = item["chat"], more = item["more"];
    const ordered_json given = {{"messages", goldens["chats"][chat]}, {"bos_token", "<s>"}, {"eos_token", "</s>"}};
    check(item["text"], rendered(contentOf(name), {given, goldens["more"][more]}),
          name + ", chat " + std::to_string(chat) + ", variables " + std::to_string(more));
    texts += !item["text"].is_null();
  }
  EXPECT_GT(texts, 400u); // that all fail is no agreement
}

} // namespace
