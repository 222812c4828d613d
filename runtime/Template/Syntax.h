// What a template says, as a tree.
#pragma once

#include "runtime/Template/Value.h"

namespace ft::rt::jinja {

struct Expression;
using ExpressionPtr = std::unique_ptr<const Expression>;

struct Expression {
  enum class Kind : uint8_t {
    Constant,
    Name,
    List, ///< parts: items; Tuple too
    Tuple,
    Dict,      ///< parts: keys and values in turn
    Attribute, ///< parts[0].name
    Item,      ///< parts[0][parts[1]]
    Slice,     ///< parts[0][parts[1]:parts[2]:parts[3]], of which the last three may be null
    Call,      ///< parts[0](parts[1…], named…)
    Filter,    ///< parts[0]|name(parts[1…], named…); in a filter block parts[0] is null
    Test,      ///< parts[0] is name(parts[1…], named…)
    Not,
    Negative,
    Positive,
    And,
    Or,
    Conditional, ///< parts[0] if parts[1] else parts[2], which may be null
    Compare,     ///< parts[0] names[0] parts[1] names[1] parts[2] …
    Binary,      ///< parts[0] name parts[1]
    Concat       ///< parts joined by ~
  };
  Kind kind;
  uint32_t at; ///< byte of the source, for messages
  uint32_t depth = 1;
  Value constant;
  std::string name;
  std::vector<std::string> names;
  std::vector<ExpressionPtr> parts;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
};

struct Statement;
using Body = std::vector<Statement>;

/// A name, a tuple of targets, or an attribute of a namespace (name.attribute).
struct Target {
  std::string name, attribute;
  std::vector<Target> parts;
};

struct Statement {
  enum class Kind : uint8_t {
    Text,   ///< text
    Print,  ///< value
    If,     ///< conditions[i] → bodies[i]; one body more: else
    For,    ///< target, value, condition (may be null), bodies: body, else
    Set,    ///< target, value; or bodies[0] through the filter `value`, which may be null
    Macro,  ///< text (its name), parameters, bodies[0]
    Filter, ///< value (a filter without its input), bodies[0]
    Scope,  ///< bodies[0]: {% generation %}
    Call,   ///< value (a call of a macro), parameters, bodies[0], which the macro calls as caller()
    With,   ///< parameters: names and values; bodies[0]
    Break,
    Continue
  };
  Kind kind;
  uint32_t at;
  std::string text;
  Target target;
  ExpressionPtr value, condition;
  std::vector<ExpressionPtr> conditions;
  std::vector<std::pair<std::string, ExpressionPtr>> parameters; ///< default null: must be given
  std::vector<Body> bodies;
};

} // namespace ft::rt::jinja
