// checkPlan: renames of versions.
#include "runtime/Plan/CheckParts.h"
#include "runtime/Plan/Kinds.h"

#include <set>

namespace ft::rt::check {

namespace {

using Value = std::pair<uint32_t, uint32_t>; // buffer, version

/// Values that outlast segments, and that what runs between steps does not write: what EVALUATE finds is then the same
/// after every step.
bool mayRename(plan::Buffer::Class c) {
  return c == plan::Buffer::WEIGHT || c == plan::Buffer::OPTIMIZER_STATE || c == plan::Buffer::GRADIENT;
}

Status rename(const plan::Plan &plan, const plan::Rename &x) {
  FT_RETURN_IF_ERROR(index("buffer", x.buffer(), plan.buffers_size(), "buffers"));
  const plan::Buffer &buffer = plan.buffers(int(x.buffer()));
  if (!mayRename(buffer.class_()))
    return bad("buffer \"{}\" is of class {}; must be WEIGHT, OPTIMIZER_STATE or GRADIENT", buffer.name(),
               plan::Buffer::Class_Name(buffer.class_()));
  if (x.from() == 0 || x.to() == 0 || x.from() == x.to())
    return bad("from is {} and to is {}; must be two versions, neither 0", x.from(), x.to());
  return {};
}

} // namespace

/// No version of a buffer is renamed to one that is renamed in its turn, here or in another segment: then however often
/// segments run, a value that nobody writes changes its meaning once.
Status renames(const plan::Plan &plan) {
  std::set<Value> from, to;
  for (const plan::Segment &segment : plan.segments()) {
    std::set<Value> here;
    for (int i = 0; i < segment.renames_size(); ++i) {
      const plan::Rename &x = segment.renames(i);
      auto place = [&] { return fmt::format("{} renames[{}]", plan::Segment::Kind_Name(segment.kind()), i); };
      FT_RETURN_IF_ERROR(at(rename(plan, x), place));
      if (!plan::accumulates(segment.kind()) && segment.kind() != plan::Segment::UPDATE)
        return at(bad("must be in ACCUMULATE_FIRST, ACCUMULATE_NEXT, ACCUMULATE_LAST or UPDATE"), place);
      if (!here.emplace(x.buffer(), x.from()).second)
        return at(bad("renames version {} of buffer \"{}\" twice", x.from(), plan.buffers(int(x.buffer())).name()),
                  place);
      from.emplace(x.buffer(), x.from());
      to.emplace(x.buffer(), x.to());
    }
  }
  for (const auto &[buffer, version] : to)
    if (from.contains({buffer, version}))
      return bad("version {} of buffer \"{}\" is renamed, and another is renamed to it; must be one of the two",
                 version, plan.buffers(int(buffer)).name());
  return {};
}

} // namespace ft::rt::check
