// The enumerations of the dialects are plan.proto's, which dialects/ must not include.
#include "dialects/Ft/Ft.h"
#include "dialects/Plan/PlanDialect.h"
#include "runtime/Plan/Kinds.h"

#include "llvm/ADT/StringExtras.h"

#include <gtest/gtest.h>

using namespace ft;

namespace {

/// Each enumerator of the message from 1 on has its number and name in the dialect, and the dialect has no others.
template <typename Theirs>
void expectSame(int last, const std::string &(*nameOf)(Theirs), llvm::function_ref<std::string(uint32_t)> ours) {
  for (int i = 1; i <= last; ++i)
    EXPECT_EQ(llvm::StringRef(ours(i)).upper(), nameOf(Theirs(i))) << i;
  EXPECT_EQ(ours(last + 1), "");
}

TEST(Enums, OfTheDialectsAreThoseOfTheMessage) {
  using namespace plan;
  expectSame<Segment::Kind>(Segment::Kind_MAX, &Segment::Kind_Name, [](uint32_t i) {
    auto kind = symbolizeSegmentKind(i);
    return kind ? stringifySegmentKind(*kind).str() : "";
  });
  expectSame<Collective::Kind>(Collective::Kind_MAX, &Collective::Kind_Name, [](uint32_t i) {
    auto kind = symbolizeCollectiveKind(i);
    return kind ? stringifyCollectiveKind(*kind).str() : "";
  });
  expectSame<Collective::Reduction>(Collective::Reduction_MAX, &Collective::Reduction_Name, [](uint32_t i) {
    auto reduction = symbolizeReduction(i);
    return reduction ? stringifyReduction(*reduction).str() : "";
  });
  expectSame<Arena::Space>(Arena::Space_MAX, &Arena::Space_Name, [](uint32_t i) {
    auto space = symbolizeSpace(i);
    return space ? stringifySpace(*space).str() : "";
  });
  expectSame<Buffer::Class>(Buffer::Class_MAX, &Buffer::Class_Name, [](uint32_t i) {
    auto kind = symbolizeBufferClass(i);
    return kind ? stringifyBufferClass(*kind).str() : "";
  });
  expectSame<BatchInput::Kind>(BatchInput::Kind_MAX, &BatchInput::Kind_Name, [](uint32_t i) {
    auto kind = model::symbolizeInputKind(i);
    return kind ? model::stringifyInputKind(*kind).str() : "";
  });
  expectSame<Output::Kind>(Output::Kind_MAX, &Output::Kind_Name, [](uint32_t i) {
    auto kind = model::symbolizeOutputKind(i);
    return kind ? model::stringifyOutputKind(*kind).str() : "";
  });
}

TEST(Enums, NamesOfTheDialectsAreNamesOfTheMessage) {
  for (auto kind : {plan::SegmentKind::Initialize, plan::SegmentKind::AccumulateNext, plan::SegmentKind::Save})
    EXPECT_EQ(int(plan::segmentKind(plan::stringifySegmentKind(kind))), int(kind));
  // Exported by name: the roles of tensors that a plan maps.
  for (int i = 1; i <= plan::Tensor::Role_MAX; ++i)
    EXPECT_TRUE(model::symbolizeRole(llvm::StringRef(plan::Tensor::Role_Name(plan::Tensor::Role(i))).lower())) << i;
}

} // namespace
