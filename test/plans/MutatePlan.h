// Structural changes of a plan: each leaves a message that parses, most of them one that lies.
#pragma once

#include "runtime/Plan/plan.pb.h"

#include <cstdint>
#include <functional>
#include <memory>

namespace ft::rt::test {

/// Gives numbers below its argument, which is not 0.
using Choose = std::function<uint64_t(uint64_t below)>;

/// Knows the fields of plan.proto from its schema, as the messages of the runtime are without reflection.
class PlanMutator {
public:
  PlanMutator();
  ~PlanMutator();

  /// A copy with `changes` things changed, each somewhere: a number to another that its type holds, a text, a presence;
  /// or in a repeated field it removes, doubles, swaps or copies an element.
  plan::Plan mutated(const plan::Plan &plan, uint64_t changes, const Choose &choose) const;

private:
  struct Schema;
  std::unique_ptr<Schema> schema;
};

} // namespace ft::rt::test
