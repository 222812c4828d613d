#include "runtime/Template/Template.h"

#include <gtest/gtest.h>

using namespace ft::rt;

namespace {

std::string refusal(const std::string &text, uint64_t work = 0) {
  auto parsed = Template::parse(text, "t");
  if (!parsed.ok()) {
    EXPECT_EQ(parsed.status().code(), Code::BadInput);
    return parsed.status().message();
  }
  auto rendered = parsed->render({{"n", jinja::Value(int64_t(7))}}, std::nullopt, work);
  EXPECT_FALSE(rendered.ok()) << text << " gives " << *rendered;
  return rendered.ok() ? "" : rendered.status().message();
}

std::string repeated(std::string_view text, size_t times) {
  std::string out;
  for (size_t i = 0; i < times; ++i)
    out += text;
  return out;
}

TEST(Template, ErrorsNameLineAndColumn) {
  EXPECT_EQ(refusal("{{ 1 +"), "t:1:1: the tag has no end; \"}}\" is missing");
  EXPECT_EQ(refusal("a\n  {{ 1 + }}"), "t:2:10: '}}' where an expression is expected");
  EXPECT_EQ(refusal("ü\nü{{ n !}}"), "t:2:7: unexpected character '!'");
  EXPECT_EQ(refusal("{% if n %}\n{% for x in n %}{% endif %}"), "t:2:20: there is no statement endif");
  EXPECT_EQ(refusal("{% if n %}x"), "t:1:12: the end of the template where '{% endif %}' is expected");
  EXPECT_EQ(refusal("x{% include 'a' %}"), "t:1:5: the statement include is not supported; no chat template needs it");
  EXPECT_EQ(refusal("{{ n | truncate }}"), "t:1:8: the filter truncate is not supported");
  EXPECT_EQ(refusal("{{ n | trimm }}"), "t:1:8: there is no filter trimm; did you mean \"trim\"?");
  EXPECT_EQ(refusal("{{ n is defnied }}"), "t:1:9: there is no test defnied; did you mean \"defined\"?");
  EXPECT_EQ(refusal("a\n{{ n }}{{ missing.x }}"), "t:2:18: 'missing' is undefined");
  EXPECT_EQ(refusal("{{ n.x.y }}"), "t:1:7: attribute 'x' of a int is undefined");
  EXPECT_EQ(refusal("{{ 'a' + n }}"),
            "t:1:8: '+' has no meaning for values of type str and int; '~' joins texts of any values");
  EXPECT_EQ(refusal("{{ raise_exception('no') }}"), "t:1:19: the template refuses this chat: no");
  EXPECT_EQ(refusal("{% for x in [1] %}{% macro f() %}{% endmacro %}{% endfor %}"),
            "t:1:22: a macro inside of a loop, a macro or another block is not supported; move it to the template's "
            "start");
  EXPECT_EQ(refusal("\xff"), "t: is not UTF-8; save the template as UTF-8");
}

TEST(Template, TodayIsAskedForByName) {
  EXPECT_EQ(refusal("{{ strftime_now('%d') }}"),
            "t:1:16: the template asks for today's date (strftime_now), which would make a run depend on the day; say "
            "which it shall be with template_variables: \"strftime_now=2025-01-31\"");
}

/// A template is a stranger's program.
TEST(Template, WorkDepthAndSizeAreBounded) {
  const std::string work = "takes too much work";
  EXPECT_NE(
      refusal("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", 1u << 20).find(work),
      std::string::npos);
  EXPECT_NE(refusal("{{ 'a' * 1000000000000 }}").find(work), std::string::npos);
  EXPECT_NE(refusal("{{ ['abc'] * 9223372036854775807 }}").find(work), std::string::npos);
  EXPECT_NE(refusal("{% set ns = namespace(x='ab') %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}")
                .find(work),
            std::string::npos);
  // Shared parts: small to hold, endless to walk over.
  const std::string doubled = "{% set ns = namespace(x=[1]) %}{% for i in range(90) %}{% set ns.x = [ns.x, ns.x] %}"
                              "{% endfor %}";
  EXPECT_NE(refusal(doubled + "{{ ns.x == ns.x }}").find(work), std::string::npos);
  EXPECT_NE(refusal(doubled + "{{ ns.x }}").find(work), std::string::npos);
  EXPECT_NE(refusal(doubled + "{{ ns.x|tojson }}").find(work), std::string::npos);
  EXPECT_NE(refusal("{{ 'ab'.replace('', 'x' * 1000000)|replace('x', 'y' * 1000000) }}").find(work), std::string::npos);
  EXPECT_NE(refusal("{% set ns = namespace(x=1) %}{% for i in range(999) %}{% set ns.x = [ns.x] %}{% endfor %}")
                .find("nested more than 128 deep"),
            std::string::npos);
  // Each form holds other frames of the stack while a macro calls itself.
  for (const std::string form :
       {"{{ f() }}", "{{ f([f()|length], x=1) }}", "{% for i in [1] %}{{ 'a' ~ [{'b': f()}] }}{% endfor %}",
        "{% for i in [1] if f() == 1 %}{% endfor %}", "{% filter upper %}{{ f()|trim|upper }}{% endfilter %}",
        "{% set x %}{{ 'a'.strip(f())[f():] }}{% endset %}", "{% if 1 is divisibleby(f()) %}{% endif %}",
        "{% call f() %}{% endcall %}", "{% call f() %}{{ f() }}{% endcall %}{{ caller() }}",
        "{% call f(f()) %}{% endcall %}", "{% with y = 1 %}{{ '%s' % f() }}{% endwith %}",
        "{% with y = f() %}{% endwith %}"})
    EXPECT_NE(refusal("{% macro f(x=1) %}" + form + "{% endmacro %}{{ f() }}").find("nested more than 400 levels deep"),
              std::string::npos)
        << form;
  // What holds values without being a list: methods of a dict, loops over loops.
  for (const std::string chain :
       {"{% set ns.x = {'a': ns.x}.get %}", "{% for y in [ns.x] %}{% set ns.x = loop %}{% endfor %}",
        "{% for y in [ns.x] %}{% set ns.x = loop.cycle %}{% endfor %}"})
    EXPECT_NE(refusal("{% set ns = namespace(x=1) %}{% for i in range(99999) %}" + chain + "{% endfor %}")
                  .find("nested more than 128 deep"),
              std::string::npos)
        << chain;
  EXPECT_NE(refusal("{{ range(1000000) }}").find("more than 100000 items"), std::string::npos);
  EXPECT_NE(refusal("{{ 9223372036854775807 + 1 }}").find("beyond 64 bits"), std::string::npos);
  for (const std::string &deep :
       {"{{ " + repeated("(", 100000) + "1" + repeated(")", 100000) + " }}", "{{ " + repeated("not ", 100000) + "1 }}",
        "{{ 1" + repeated(" + 1", 100000) + " }}", "{{ n" + repeated(".x", 100000) + " }}",
        "{{ n" + repeated("|trim", 100000) + " }}", repeated("{% if n %}", 50000),
        "{{ " + repeated("-", 90000) + "1 }}", "{% for " + repeated("(", 100000) + repeated(")", 100000) + "%}"})
    EXPECT_NE(refusal(deep).find("deep"), std::string::npos);
  EXPECT_NE(refusal(repeated("x", Template::MaxBytes + 1)).find("at most 1048576"), std::string::npos);
}

/// What a template holds of itself is let go of, one by one however long the chain is.
TEST(Template, WhatChangesMayHoldEachOther) {
  for (const std::string text :
       {"{% set a = namespace() %}{% set b = namespace(x=a) %}{% set a.x = [b, loop] %}"
        "{% for i in [1] %}{% set a.loop = loop %}{% endfor %}{{ a.loop.last }}",
        "{% for i in [1] %}{{ loop.changed(loop) }}{% endfor %}",
        "{% set ns = namespace() %}{% for i in range(99999) %}{% set ns.x = namespace(x=ns.x) %}{% endfor %}{{ true }}",
        "{% set ns = namespace() %}{% for i in range(99999) %}{% for y in [1] %}"
        "{% if loop.changed(ns.x) %}{% set ns.x = loop %}{% endif %}{% endfor %}{% endfor %}{{ true }}"}) {
    auto parsed = Template::parse(text, "t");
    ASSERT_TRUE(parsed.ok()) << parsed.status().message();
    auto rendered = parsed->render({});
    ASSERT_TRUE(rendered.ok()) << rendered.status().message();
    EXPECT_EQ(*rendered, "True") << text;
  }
}

} // namespace
