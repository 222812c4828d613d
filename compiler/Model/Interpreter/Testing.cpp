#include "compiler/Model/Interpreter/Testing.h"

#include "compiler/Model/Accumulate.h"
#include "compiler/Model/AddOptimizer.h"
#include "compiler/Model/ApplyPrecision.h"
#include "compiler/Model/Differentiate.h"
#include "compiler/Model/InsertAdapters.h"
#include "compiler/Model/Recompute.h"
#include "compiler/Model/SelectTargets.h"
#include "compiler/Model/TrainingModule.h"

#include "runtime/Support/Philox.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

using namespace mlir;
using namespace ft;
using namespace ft::model;

namespace {

[[noreturn]] void stop(const std::string &message) { llvm::report_fatal_error(llvm::StringRef(message)); }
void require(LogicalResult result, const char *what) {
  if (failed(result))
    stop(std::string(what) + " failed");
}

/// Numbers in N(0, 1) that depend on the name alone.
class Random {
public:
  explicit Random(llvm::StringRef name) : key(rt::philoxKey(7, "test", std::string_view(name.data(), name.size()))) {}
  double normal() { return rt::philoxNormals(next())[0]; }
  uint32_t below(uint32_t bound) { return next()[0] % bound; }

private:
  rt::PhiloxBlock next() { return rt::philox4x32({counter++, 0, 0, 0}, key); }
  rt::PhiloxKey key;
  uint32_t counter = 0;
};

} // namespace

TrainingSetup::TrainingSetup(StringRef text, const SetupOptions &options) : kind(options.batch) {
  DialectRegistry registry;
  registerModel(registry);
  context.appendDialectRegistry(registry);
  context.loadAllAvailableDialects();
  auto parsed = parseModelConfig("config.json", text);
  if (!parsed)
    stop(llvm::toString(parsed.takeError()));
  config = *parsed;
  shape = {2, 8, 6, false};
  shape.targetRows = options.maxTargets;
  before = buildModel(&context, config, shape);
  if (!before)
    stop("buildModel failed");
  if (options.lora)
    require(insertAdapters(*before, *options.lora), "insertAdapters");
  require(applyPrecision(*before, options.precision, options.steps > 1), "applyPrecision");
  after = OwningOpRef<ModuleOp>(before->clone());
  require(selectTargets(*after, {options.maxTargets, options.maxTargets}), "selectTargets");
  require(differentiate(*after), "differentiate");
  if (options.recompute.rest != Recompute::Nothing || options.recompute.park != Park::Nothing)
    require(recompute(*after, options.recompute), "recompute");
  require(accumulate(*after, options.steps), "accumulate");
  require(addOptimizer(*after, options.optimizer), "addOptimizer");
}

int TrainingSetup::trainedCount() {
  return int(llvm::count_if(before->getOps<VariableOp>(), [](VariableOp variable) { return variable.isTrained(); }));
}

void TrainingSetup::fill(Interpreter &interpreter, int batch) const {
  for (auto variable : (*before)->getRegion(0).front().getOps<VariableOp>()) {
    ReferenceTensor &tensor = interpreter[variable.getSymName()];
    Random random(variable.getSymName());
    switch (variable.getRole()) {
    case Role::Frozen:
    case Role::Trainable:
    case Role::Adapter:
      for (double &number : tensor.numbers)
        number = (tensor.shape.size() == 1 ? 1.0 : 0.0) + 0.3 * random.normal();
      break;
    case Role::ConstantTable:
      fillRope(variable.getInitAttr(), tensor);
      break;
    case Role::RandomKeys:
      for (auto [site, name] : llvm::enumerate(variable.getInitAttr().getAs<ArrayAttr>("names"))) {
        StringRef text = cast<StringAttr>(name).getValue();
        tensor.integers[site] = int64_t(rt::philoxKey64(42, "dropout", std::string_view(text.data(), text.size())));
      }
      break;
    default:
      break;
    }
  }
  fillBatch(interpreter, batch);
}

void TrainingSetup::fillBatch(Interpreter &interpreter, int batch) const {
  const int64_t length = shape.sequenceLen, tokens = shape.tokens();
  Random random("batch " + std::to_string(batch));
  auto &ids = interpreter["tokens"].integers, &labels = interpreter["labels"].integers;
  auto &positions = interpreter["positions"].integers, &starts = interpreter["document_start"].integers;
  auto &offsets = interpreter["document_offsets"].integers, &lens = interpreter["document_lens"].integers;
  std::fill(offsets.begin(), offsets.end(), tokens);
  std::fill(lens.begin(), lens.end(), 0);
  int64_t document = -1;
  for (int64_t t = 0; t < tokens; ++t) {
    const bool isNew = t % length == 0 || (kind != BatchKind::Dense && (t % length == 3 || t == 6));
    if (isNew)
      offsets[++document] = t;
    ++lens[document];
    positions[t] = t - offsets[document];
    starts[t] = offsets[document] % length;
    ids[t] = kind == BatchKind::OneId ? 5 : random.below(uint32_t(config.vocabSize));
    labels[t] = t % 5 == 4 ? -100 : int64_t(random.below(uint32_t(config.vocabSize)));
  }
  auto &scalars = interpreter["scalars"].numbers;
  scalars = {1.0 / 13, 1e-2, 0.1, 0.001, 1, double(batch), double(batch * tokens), 0};
  std::vector<int64_t> order(tokens);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return ids[a] < ids[b]; });
  interpreter["sorted_positions"].integers = order;
  auto &segmentStarts = interpreter["segment_starts"].integers, &segmentIds = interpreter["segment_ids"].integers;
  std::fill(segmentStarts.begin(), segmentStarts.end(), tokens);
  std::fill(segmentIds.begin(), segmentIds.end(), 0);
  int64_t segment = -1;
  for (int64_t n = 0; n < tokens; ++n)
    if (n == 0 || ids[order[n]] != ids[order[n - 1]]) {
      segmentStarts[++segment] = n;
      segmentIds[segment] = ids[order[n]];
    }
  fillTargets(interpreter);
}

void ft::fillTargets(Interpreter &interpreter) {
  if (!interpreter.has("target_rows"))
    return;
  const auto &labels = interpreter["labels"].integers;
  auto &rows = interpreter["target_rows"].integers, &few = interpreter["target_labels"].integers;
  std::fill(rows.begin(), rows.end(), 0);
  std::fill(few.begin(), few.end(), -100);
  size_t count = 0;
  for (size_t t = 0; t < labels.size(); ++t) {
    const bool named = labels[t] >= 0 && count < rows.size();
    if (interpreter.has("target_slots"))
      interpreter["target_slots"].integers[t] = int64_t(named ? count : rows.size());
    if (named)
      rows[count] = int64_t(t), few[count++] = labels[t];
  }
}

std::vector<double> ft::finiteDifferences(Interpreter &forward, StringRef variable) {
  constexpr double h = 1e-3;
  std::vector<double> result;
  const int64_t size = forward[variable].size();
  for (int64_t n = 0; n < size; ++n) {
    double &number = forward[variable].numbers[n];
    const double centre = number;
    auto lossAt = [&](double offset) {
      number = centre + offset;
      require(forward.run("forward"), "@forward");
      return forward["loss"].numbers[0];
    };
    result.push_back((8 * (lossAt(h) - lossAt(-h)) - (lossAt(2 * h) - lossAt(-2 * h))) / (12 * h));
    number = centre;
  }
  return result;
}

double ft::relativeError(ArrayRef<double> actual, ArrayRef<double> expected, double floor) {
  double difference = 0, norm = 0;
  for (auto [a, e] : llvm::zip_equal(actual, expected)) {
    difference += (a - e) * (a - e);
    norm += e * e;
  }
  const double error = std::sqrt(difference) / std::max(std::sqrt(norm), floor);
  return std::isfinite(error) ? error : std::numeric_limits<double>::infinity();
}
