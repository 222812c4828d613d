// The boxing table, entry by entry, on a mesh of two axes.
#include "compiler/Sharding/Boxing.h"

#include "mlir/AsmParser/AsmParser.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/Diagnostics.h"

#include <gtest/gtest.h>

using namespace mlir;
using namespace ft;
using namespace ft::dist;

namespace {

class Boxing : public testing::Test {
protected:
  Boxing() {
    context.loadDialect<DistDialect>();
    module = ModuleOp::create(UnknownLoc::get(&context));
    OpBuilder builder(module->getBodyRegion());
    mesh = MeshOp::create(builder, module->getLoc(), "mesh", builder.getStrArrayAttr({"dp", "tp", "one"}),
                          ArrayRef<int64_t>{2, 3, 1});
  }

  ShardingAttr sharding(StringRef text) {
    return cast<ShardingAttr>(parseAttribute(("#dist.sharding<@mesh, " + text + ">").str(), &context));
  }

  /// The steps as text: "all_reduce(dp) all_gather[0](dp,tp)".
  std::string steps(StringRef from, StringRef to) {
    FailureOr<SmallVector<BoxingStep>> list = box(module->getLoc(), sharding(from), sharding(to), mesh);
    if (failed(list))
      return "refused";
    std::string text;
    for (const BoxingStep &step : *list) {
      static constexpr const char *names[] = {"all_reduce", "reduce_scatter", "all_gather", "slice"};
      text += (text.empty() ? "" : " ") + std::string(names[int(step.kind)]);
      if (step.kind != BoxingStep::Kind::AllReduce)
        text += "[" + std::to_string(step.dim) + "]";
      text += "(";
      for (StringAttr axis : step.axes)
        text += (text.back() == '(' ? "" : ",") + axis.str();
      text += ")";
    }
    return text;
  }

  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  MeshOp mesh;
};

TEST_F(Boxing, OneAxis) {
  EXPECT_EQ(steps("[[], []]", "[[], []]"), "");
  EXPECT_EQ(steps(R"([[], []], partial sum ["dp"])", "[[], []]"), "all_reduce(dp)");
  EXPECT_EQ(steps(R"([[], []], partial sum ["dp"])", R"([["dp"], []])"), "reduce_scatter[0](dp)");
  EXPECT_EQ(steps(R"([[], []], partial sum ["dp"])", R"([[], ["dp"]])"), "reduce_scatter[1](dp)");
  EXPECT_EQ(steps(R"([["dp"], []])", "[[], []]"), "all_gather[0](dp)");
  EXPECT_EQ(steps("[[], []]", R"([[], ["dp"]])"), "slice[1](dp)");
  EXPECT_EQ(steps(R"([["dp"], []])", R"([[], ["dp"]])"), "all_gather[0](dp) slice[1](dp)");
}

TEST_F(Boxing, SeveralAxes) {
  EXPECT_EQ(steps(R"([[]], partial sum ["dp", "tp"])", "[[]]"), "all_reduce(dp,tp)");
  EXPECT_EQ(steps(R"([["tp"]], partial sum ["dp"])", "[[]]"), "all_reduce(dp) all_gather[0](tp)");
  EXPECT_EQ(steps(R"([["tp"]], partial sum ["dp"])", R"([["tp", "dp"]])"), "reduce_scatter[0](dp)");
  // The part along dp would lie outside of tp's: it cannot be scattered into place.
  EXPECT_EQ(steps(R"([["tp"]], partial sum ["dp"])", R"([["dp", "tp"]])"),
            "all_reduce(dp) all_gather[0](tp) slice[0](dp,tp)");
  EXPECT_EQ(steps(R"([["dp", "tp"]])", R"([["dp"]])"), "all_gather[0](tp)");
  EXPECT_EQ(steps(R"([["dp", "tp"]])", R"([["tp"]])"), "all_gather[0](dp,tp) slice[0](tp)");
}

TEST_F(Boxing, NormsAreReducedWhole) {
  EXPECT_EQ(steps(R"([[]], partial norm2 ["dp"])", R"([["dp"]])"), "all_reduce(dp) slice[0](dp)");
}

TEST_F(Boxing, NothingBecomesPartial) {
  std::string message;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) { message = diagnostic.str(); });
  EXPECT_EQ(steps("[[]]", R"([[]], partial sum ["dp"])"), "refused");
  EXPECT_NE(message.find("would count once per rank"), std::string::npos) << message;
  // Over an axis of one rank all states are the same.
  EXPECT_EQ(steps("[[]]", R"([[]], partial sum ["one"])"), "");
}

TEST_F(Boxing, AnOwnTableStaysAsItIs) {
  EXPECT_EQ(steps(R"([["dp"] own 4])", R"([["dp"] own 4])"), "");
  std::string message;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) { message = diagnostic.str(); });
  EXPECT_EQ(steps(R"([["dp"] own 4])", "[[]]"), "refused");
  EXPECT_NE(message.find("no part of a global one"), std::string::npos) << message;
}

TEST_F(Boxing, LocalTypes) {
  auto type = RankedTensorType::get({12, 6}, Float32Type::get(&context));
  EXPECT_EQ(localType(type, sharding(R"([["dp", "tp"], []])"), mesh).getShape(), (ArrayRef<int64_t>{2, 6}));
  EXPECT_EQ(localType(type, sharding(R"([["tp"], ["dp"]])"), mesh).getShape(), (ArrayRef<int64_t>{4, 3}));
  EXPECT_EQ(localType(type, sharding(R"([[], []], partial sum ["dp"])"), mesh), type);
  auto table = RankedTensorType::get({9}, IntegerType::get(&context, 32));
  EXPECT_EQ(localType(table, sharding(R"([["dp"] own 5])"), mesh).getShape(), (ArrayRef<int64_t>{5}));
}

} // namespace
