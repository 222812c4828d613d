// Every operation of ft answers every question (dialects/Ft/FtInterfaces.td), or stands here with the reason why the
// question has no meaning for it. A new operation fails until it does one or the other.
#include "compiler/Fusion/Rows/Rows.h"
#include "compiler/Model/TrainingModule.h"
#include "compiler/Planning/Steps/Steps.h"
#include "compiler/Sharding/Partition.h"

#include "llvm/ADT/StringSet.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace mlir;
using namespace ft;
using namespace ft::model;

namespace {

using Ops = std::vector<std::string>;

Ops operator+(Ops left, const Ops &right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

const Ops variables{"variable", "read", "write"};
const Ops members{"view", "assemble", "insert"};
const Ops buckets = members + Ops{"accumulate"};
const Ops planned{"dequantize"};
const Ops moved{"transfer"};
const Ops ofCodes{"stored", "transpose", "scaled_linear", "scaled_linear_bwd_input"};
const Ops codes = ofCodes + Ops{"quantize_rows"};
const Ops library{"linear", "attention", "head_loss"};
const Ops rows{"embedding", "rms_norm", "rope", "swiglu", "add", "dropout", "add_bias", "scale"};
const Ops forward = library + rows + Ops{"gather_row"};
const Ops selected{"gather_rows"};
const Ops libraryBackward{"linear_bwd_input", "linear_bwd_weight", "attention_bwd", "head_loss_grad"};
const Ops rowsBackward{"rms_norm_apply", "rms_norm_bwd", "swiglu_bwd", "scatter_rows"};
const Ops sumsOfRows{"embedding_grad", "rms_norm_weight_grad", "bias_grad"};
const Ops backward = libraryBackward + rowsBackward + sumsOfRows;
const Ops scalars{"grad_norm", "check_finite", "add_scalar", "adjust_scale"};
const Ops update = Ops{"adamw", "lion", "sgd"} + scalars;
const Ops fused = rows + rowsBackward + selected + Ops{"rms_norm_weight_grad", "bias_grad", "quantize_rows"};

/// Operations for which a question has no meaning.
struct Exception {
  const char *reason;
  Ops ops;
};

struct Question {
  const char *name;
  bool (*isAnswered)(RegisteredOperationName);
  std::vector<Exception> exceptions;
};

template <typename Interface> bool has(RegisteredOperationName op) { return op.hasInterface<Interface>(); }

const std::vector<Question> questions{
    {"Accumulating",
     has<Accumulating>,
     {{"makes no gradient of a weight", variables + buckets + planned + moved + codes + forward + selected + update +
                                            rowsBackward + Ops{"linear_bwd_input", "attention_bwd", "cast"}}}},
    {"Optimizer",
     has<Optimizer>,
     {{"updates no parameter",
       variables + buckets + planned + moved + codes + forward + selected + backward + scalars + Ops{"cast"}}}},
    {"PrecisionPolicy",
     has<PrecisionPolicy>,
     {{"has the types of the variable's role", variables},
      {"is made by Planning or Fusion, of values that have theirs", planned + codes},
      {"is made after the types are known, for values that have theirs",
       buckets + backward + update + selected + moved + Ops{"cast"}}}},
    {"TokenWise",
     has<TokenWise>,
     {{"computes no tensor", variables},
      {"reads all tokens of a document", {"attention"}},
      {"looks its tokens up in an input that has one element each", {"embedding", "rope"}},
      {"is where the walk begins, or begins again", {"head_loss", "gather_rows"}},
      {"is of @generate, which works on one row there", {"gather_row"}},
      {"is made behind the walk", buckets + planned + moved + codes + backward + update}}},
    {"Derivative",
     has<Derivative>,
     {{"is where the walk ends: gradients are written for variables", variables},
      {"is of backward or of the update itself", backward + update},
      {"is made by compiler/Layout, compiler/Sharding, Fusion or Planning, behind differentiation",
       buckets + planned + codes},
      {"brings what was differentiated to the host and back", moved},
      {"is of @generate, which is not trained", {"gather_row"}}}},
    {"Remade",
     has<Remade>,
     {{"keeps its result: it is the first block's input", {"embedding"}},
      {"has no result that backward reads", {"head_loss"}},
      {"is no part of what is differentiated",
       variables + buckets + planned + moved + codes + backward + update + Ops{"gather_row"}}}},
    {"Factors", has<Factors>, {{"is made by Planning or Fusion, of one rank's values", planned + codes}}},
    {"RowWise",
     has<RowWise>,
     {{"computes no tensor", variables},
      {"works on whole matrices", library + libraryBackward + planned + ofCodes},
      {"sums rows chosen at run time, in a program of its own", {"embedding_grad"}},
      {"is split by kernel-fuse into kernel.column_partials and kernel.column_sum, which are",
       {"rms_norm_weight_grad", "bias_grad"}},
      {"computes nothing", moved},
      {"works on buckets and scalars, in programs of their own", buckets + update}}},
    {"InPlace",
     has<InPlace>,
     {{"computes no tensor", variables},
      {"lies in a bucket, or is where its members lie", members},
      {"is in a kernel.fused, which answers", fused},
      {"reads operands while it writes results",
       {"linear", "linear_bwd_input", "attention", "attention_bwd", "transpose", "scaled_linear",
        "scaled_linear_bwd_input"}},
      {"lies in a variable", {"stored"}},
      {"makes a matrix of its own, which is why it is there", planned},
      {"makes its result in another memory", moved},
      {"has no operand of a result's type", {"head_loss", "grad_norm", "gather_row", "cast"}}}},
    {"Placement",
     has<Placement>,
     {{"takes its values wherever they lie", variables + buckets + planned + moved + rows + rowsBackward + selected +
                                                 sumsOfRows + update +
                                                 Ops{"gather_row", "cast", "linear_bwd_weight", "head_loss",
                                                     "head_loss_grad", "quantize_rows", "stored", "transpose"}}}},
    {"PlanSteps",
     has<PlanSteps>,
     {{"is a border of the segment, which SegmentEmitter writes", variables},
      {"is its part of the bucket's place", {"view"}},
      {"is its parts of the variable's place", {"stored"}},
      {"is in a kernel.fused, which has steps", fused}}},
};

/// What is wrong with the answers of operation `op`, one line a question.
std::vector<std::string> complaints(const std::string &op, llvm::function_ref<bool(const Question &)> isAnswered) {
  std::vector<std::string> lines;
  for (const Question &question : questions) {
    int excused = 0;
    for (const Exception &exception : question.exceptions)
      excused += int(llvm::count(exception.ops, op));
    if (isAnswered(question) && excused)
      lines.push_back(op + " answers " + question.name + " and is listed as one that does not");
    else if (!isAnswered(question) && excused != 1)
      lines.push_back(op + (excused ? " has two reasons not to answer " : " does not answer ") + question.name);
  }
  return lines;
}

std::vector<RegisteredOperationName> operationsOf(MLIRContext &context) {
  std::vector<RegisteredOperationName> ops;
  for (RegisteredOperationName name : context.getRegisteredOperations())
    if (name.getDialectNamespace() == "ft")
      ops.push_back(name);
  return ops;
}

TEST(Questions, EveryOperationAnswersOrHasAReason) {
  DialectRegistry registry;
  registerModel(registry);
  registerSharding(registry);
  registerRowModels(registry);
  registerSteps(registry);
  MLIRContext context(registry);
  context.loadAllAvailableDialects();
  llvm::StringSet<> known;
  for (RegisteredOperationName name : operationsOf(context)) {
    known.insert(name.stripDialect());
    for (const std::string &line :
         complaints(name.stripDialect().str(), [&](const Question &question) { return question.isAnswered(name); }))
      ADD_FAILURE() << line;
  }
  for (const Question &question : questions)
    for (const Exception &exception : question.exceptions)
      for (const std::string &op : exception.ops)
        EXPECT_TRUE(known.contains(op)) << op << " is excused from " << question.name << ", but is no operation of ft";
}

TEST(Questions, ANewOperationThatAnswersNothingFailsForEachOfThem) {
  EXPECT_EQ(complaints("toy", [](const Question &) { return false; }).size(), questions.size());
  EXPECT_TRUE(complaints("toy", [](const Question &) { return true; }).empty());
}

TEST(Questions, AReasonIsNoAnswer) {
  EXPECT_THAT(complaints("embedding", [](const Question &question) { return StringRef(question.name) != "PlanSteps"; }),
              testing::Contains("embedding answers Remade and is listed as one that does not"));
}

// Without the phases the dialect has only the answers that follow from definitions.
TEST(Questions, PhasesAttachTheAnswers) {
  MLIRContext context;
  context.loadDialect<FtDialect>();
  const llvm::StringSet<> byDefinition{"Accumulating", "Optimizer"};
  for (RegisteredOperationName name : operationsOf(context))
    for (const Question &question : questions)
      EXPECT_TRUE(byDefinition.contains(question.name) || !question.isAnswered(name))
          << name.getStringRef().str() << " " << question.name;
}

} // namespace
