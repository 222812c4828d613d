// The simulator's collectives on modules that are written out, so that what Partition makes is not judged by itself.
#include "compiler/Sharding/RankSimulator.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"

#include "llvm/Support/FormatVariadic.h"

#include <gtest/gtest.h>

using namespace mlir;
using namespace ft;

namespace {

using Numbers = std::vector<double>;

constexpr const char *three = R"(axes ["dp"] sizes [3])";
constexpr const char *square = R"(axes ["replicate", "shard"] sizes [2, 2])";

struct Collective {
  const char *mesh;
  const char *op; ///< "all_gather" …, with its reduction
  const char *dim;
  const char *axes;
  const char *from, *to; ///< types
};

/// Element i of rank r's operand is 10 r + i + 1. What each rank has afterwards.
std::vector<Numbers> run(const Collective &c) {
  MLIRContext context;
  context.loadDialect<dist::DistDialect, model::FtDialect, func::FuncDialect>();
  const std::string types = llvm::formatv("({0}) -> ", c.from).str();
  const std::string operands = llvm::formatv("{0} %x {1} over {2} on @mesh : ", c.op, c.dim, c.axes).str();
  const std::string move = StringRef(c.op) == "slice"
                               ? "%y = dist." + operands + types + c.to
                               : "%p = dist.start_" + operands + types + "!dist.pending<" + c.to +
                                     ">\n%y = dist.done %p : (!dist.pending<" + c.to + ">) -> " + c.to;
  const std::string text = llvm::formatv("dist.mesh @mesh {0}\n"
                                         "ft.variable output @x : {1} {{io = \"LOGITS\"}\n"
                                         "ft.variable output @y : {2} {{io = \"LOGITS\"}\n"
                                         "func.func @evaluate() {{\n"
                                         "%x = ft.read @x : {1}\n{3}\nft.write @y, %y : {2}\nreturn\n}",
                                         c.mesh, c.from, c.to, move);
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, &context);
  if (!module || failed(verify(*module)))
    return {};
  RankSimulator simulator(*module);
  for (int64_t rank = 0; rank < simulator.size(); ++rank)
    for (auto [i, number] : llvm::enumerate(simulator[rank]["x"].numbers))
      number = double(10 * rank + i + 1);
  std::vector<Numbers> results;
  if (succeeded(simulator.run("evaluate")))
    for (int64_t rank = 0; rank < simulator.size(); ++rank)
      results.push_back(simulator[rank]["y"].numbers);
  return results;
}

using Expected = std::vector<Numbers>;

TEST(RankSimulator, KnowsThreeRanks) {
  EXPECT_EQ(run({three, "all_gather", "dim 0", "[\"dp\"]", "tensor<2xf64>", "tensor<6xf64>"}),
            Expected(3, {1, 2, 11, 12, 21, 22}));
  EXPECT_EQ(run({three, "all_gather", "dim 1", "[\"dp\"]", "tensor<2x1xf64>", "tensor<2x3xf64>"}),
            Expected(3, {1, 11, 21, 2, 12, 22}));
  EXPECT_EQ(run({three, "all_reduce sum", "", "[\"dp\"]", "tensor<2xf64>", "tensor<2xf64>"}), Expected(3, {33, 36}));
  EXPECT_EQ(run({three, "all_reduce max", "", "[\"dp\"]", "tensor<2xf64>", "tensor<2xf64>"}), Expected(3, {21, 22}));
  EXPECT_DOUBLE_EQ(run({three, "all_reduce norm2", "", "[\"dp\"]", "tensor<1xf64>", "tensor<1xf64>"}).at(2).at(0),
                   std::sqrt(1.0 + 121 + 441));
  // [[1, 2, 3], [4, 5, 6]], and the same with tens.
  EXPECT_EQ(run({three, "reduce_scatter sum", "dim 1", "[\"dp\"]", "tensor<2x3xf64>", "tensor<2x1xf64>"}),
            (Expected{{33, 42}, {36, 45}, {39, 48}}));
  EXPECT_EQ(run({three, "reduce_scatter max", "dim 0", "[\"dp\"]", "tensor<3x1xf64>", "tensor<1x1xf64>"}),
            (Expected{{21}, {22}, {23}}));
  EXPECT_EQ(run({three, "slice", "dim 1", "[\"dp\"]", "tensor<2x3xf64>", "tensor<2x1xf64>"}),
            (Expected{{1, 4}, {12, 15}, {23, 26}}));
}

TEST(RankSimulator, KnowsAxes) {
  // Ranks (replicate, shard): 0 is (0, 0), 1 is (0, 1), 2 is (1, 0), 3 is (1, 1).
  const char *one = "tensor<1xf64>", *two = "tensor<2xf64>", *four = "tensor<4xf64>";
  EXPECT_EQ(run({square, "all_gather", "dim 0", "[\"shard\"]", one, two}),
            (Expected{{1, 11}, {1, 11}, {21, 31}, {21, 31}}));
  EXPECT_EQ(run({square, "all_gather", "dim 0", "[\"replicate\"]", one, two}),
            (Expected{{1, 21}, {11, 31}, {1, 21}, {11, 31}}));
  EXPECT_EQ(run({square, "all_gather", "dim 0", "[\"replicate\", \"shard\"]", one, four}),
            Expected(4, {1, 11, 21, 31}));
  EXPECT_EQ(run({square, "all_gather", "dim 0", "[\"shard\", \"replicate\"]", one, four}),
            Expected(4, {1, 21, 11, 31}));
  EXPECT_EQ(run({square, "all_reduce sum", "", "[\"replicate\"]", one, one}), (Expected{{22}, {42}, {22}, {42}}));
  EXPECT_EQ(run({square, "reduce_scatter sum", "dim 0", "[\"shard\"]", two, one}), (Expected{{12}, {14}, {52}, {54}}));
  EXPECT_EQ(run({square, "slice", "dim 0", "[\"shard\", \"replicate\"]", four, one}),
            (Expected{{1}, {13}, {22}, {34}}));
  // A mesh of one rank exchanges nothing.
  EXPECT_EQ(run({R"(axes ["dp"] sizes [1])", "all_reduce sum", "", "[\"dp\"]", two, two}), (Expected{{1, 2}}));
}

TEST(RankSimulator, RefusesIntegers) {
  EXPECT_EQ(run({three, "all_gather", "dim 0", "[\"dp\"]", "tensor<2xi32>", "tensor<6xi32>"}), Expected());
}

} // namespace
