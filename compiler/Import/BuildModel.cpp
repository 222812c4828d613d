#include "compiler/Import/BuildModel.h"

#include "compiler/Import/Declarations.h"
#include "runtime/Plan/Kinds.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"

#include "llvm/Support/FormatVariadic.h"

#include <cmath>

using namespace mlir;
using namespace ft;
using namespace ft::model;

namespace {

constexpr llvm::StringLiteral projections[] = {"q_proj", "k_proj", "v_proj"}, headNorms[] = {"q_norm", "k_norm"};

/// Builds one function over `tokens` tokens.
class FunctionBuilder {
public:
  FunctionBuilder(ModuleOp module, const ModelConfig &config, const BatchShape &shape, StringRef name, int64_t rows)
      : module(module), symbols(module), builder(module.getBodyRegion()), config(config), family(familyOf(config)),
        shape(shape), tokens(rows * shape.sequenceLen), lanes(headLanes(config, shape)) {
    builder.setInsertionPointToEnd(module.getBody());
    auto function = func::FuncOp::create(builder, nameLoc(name), name, builder.getFunctionType({}, {}));
    builder.setInsertionPointToStart(function.addEntryBlock());
  }

  void buildLoss() {
    Value x = norm("norm", "model.norm", layers());
    Value head = read(headKey()), labels = read("labels", tokens), scalars = read("scalars");
    auto loss = HeadLossOp::create(builder, nameLoc("head_loss"), RankedTensorType::get({1}, builder.getF64Type()), x,
                                   head, labels, scalars);
    write("loss", loss.getLoss());
  }

  void buildLogits() {
    Value x = layers();
    Value index = read("row_index");
    Value row = GatherRowOp::create(builder, nameLoc("generate.row"), matrix(1, config.hiddenSize), x, index);
    row = norm("norm", "model.norm", row);
    write("logits", linear("lm_head", row, {headKey().str()})[0]);
  }

  void finish() { func::ReturnOp::create(builder, nameLoc("return")); }

private:
  StringRef headKey() const { return config.tiedHead ? "model.embed_tokens.weight" : "lm_head.weight"; }
  Location nameLoc(const Twine &name) { return NameLoc::get(builder.getStringAttr(name)); }
  RankedTensorType matrix(int64_t rows, int64_t columns) {
    return RankedTensorType::get({rows, columns}, builder.getF32Type());
  }

  /// The variable, or its first `leading` rows, read once per function.
  Value read(const Twine &name, int64_t leading = 0) {
    const std::string symbol = name.str();
    Value &value = reads[symbol];
    if (value)
      return value;
    RankedTensorType type = symbols.lookup<VariableOp>(symbol).getTensorType();
    SmallVector<int64_t> dims(type.getShape());
    if (leading)
      dims[0] = leading;
    value = ReadOp::create(builder, nameLoc(symbol), type.clone(dims), symbol);
    return value;
  }

  void write(StringRef variable, Value value) { WriteOp::create(builder, nameLoc(variable), variable, value); }

  /// Over whole rows, or over each of their heads, as the weight is long. `features`: where lanes of it are padding.
  Value norm(const Twine &name, const Twine &weight, Value x, IntegerAttr features = {}) {
    Value w = read(weight + ".weight");
    auto type = cast<RankedTensorType>(x.getType());
    const int64_t run = cast<RankedTensorType>(w.getType()).getDimSize(0), runs = type.getDimSize(1) / run;
    SmallVector<int64_t> statistics{type.getDimSize(0)};
    if (runs > 1)
      statistics.push_back(runs);
    auto rstd = RankedTensorType::get(statistics, builder.getF32Type());
    return RmsNormOp::create(builder, nameLoc(name), TypeRange{type, rstd}, x, w,
                             builder.getF64FloatAttr(config.rmsNormEps), builder.getF64FloatAttr(family.normOffset),
                             features)
        .getY();
  }

  /// A norm that only some families have.
  Value normIfAny(const NormKeys &keys, const std::string &at, const std::string &place, Value x) {
    return keys ? norm(place + keys.key, at + keys.key, x) : x;
  }

  SmallVector<Value> linear(const Twine &name, Value x, ArrayRef<std::string> keys) {
    SmallVector<Value> weights;
    SmallVector<Type> types;
    for (const std::string &key : keys) {
      weights.push_back(read(key));
      types.push_back(matrix(cast<RankedTensorType>(x.getType()).getDimSize(0),
                             cast<RankedTensorType>(weights.back().getType()).getDimSize(0)));
    }
    auto op = LinearOp::create(builder, nameLoc(name), types, x, weights);
    return SmallVector<Value>(op.getResults());
  }

  Value residual(const Twine &name, Value x, Value y) {
    return AddOp::create(builder, nameLoc(name), x.getType(), x, y);
  }

  Value biased(const Twine &name, const Twine &bias, Value x) {
    Value b = read(bias);
    return AddBiasOp::create(builder, nameLoc(name), x.getType(), x, b);
  }

  /// Rotates q and k by their tokens' positions.
  void rotate(const LayerConfig &layer, const std::string &place, Value &q, Value &k) {
    // One statement each: the order of reads must not depend on how a compiler evaluates arguments.
    Value positions = read("positions", tokens), cos = read(ropeTable(layer, "cos")),
          sin = read(ropeTable(layer, "sin"));
    auto rope = RopeOp::create(builder, nameLoc(place + "rope"), TypeRange{q.getType(), k.getType()}, q, k, positions,
                               cos, sin, lanes, /*inverse=*/false);
    q = rope.getQOut(), k = rope.getKOut();
  }

  Value attention(const LayerConfig &layer, const std::string &at, const std::string &place, Value x) {
    SmallVector<Value> qkv =
        linear(place + "qkv_proj", x, {at + "q_proj.weight", at + "k_proj.weight", at + "v_proj.weight"});
    if (family.queryBias)
      for (auto [value, name] : llvm::zip(qkv, projections))
        value = biased(place + name + ".bias", at + name + ".bias", value);
    if (family.queryNorm)
      for (auto [value, name] : llvm::zip(MutableArrayRef(qkv).take_front(2), headNorms))
        value = norm(place + name, at + name, value,
                     config.headDim < lanes ? builder.getI64IntegerAttr(config.headDim) : IntegerAttr());
    if (layer.rotated)
      rotate(layer, place, qkv[0], qkv[1]);
    Value start = read("document_start", tokens), offsets = read("document_offsets"), lens = read("document_lens");
    auto lse = RankedTensorType::get({tokens, config.heads}, builder.getF32Type());
    const double divisor = config.queryScalar > 0 ? config.queryScalar : double(config.headDim);
    auto attention = AttentionOp::create(builder, nameLoc(place + "attention"), TypeRange{qkv[0].getType(), lse},
                                         qkv[0], qkv[1], qkv[2], start, offsets, lens, config.heads, config.kvHeads,
                                         lanes, shape.sequenceLen, APFloat(1 / std::sqrt(divisor)), windowOf(layer));
    return linear(place + "o_proj", attention.getO(), {at + "o_proj.weight"})[0];
  }

  /// A window as long as a row hides nothing.
  IntegerAttr windowOf(const LayerConfig &layer) {
    return layer.hidesIn(shape.sequenceLen) ? builder.getI64IntegerAttr(layer.window) : IntegerAttr();
  }

  Value mlp(const std::string &at, const std::string &place, Value x) {
    SmallVector<Value> gateUp = linear(place + "gate_up_proj", x, {at + "gate_proj.weight", at + "up_proj.weight"});
    Value product = SwigluOp::create(builder, nameLoc(place + "swiglu"), gateUp[0].getType(), gateUp[0], gateUp[1],
                                     family.activation);
    return linear(place + "down_proj", product, {at + "down_proj.weight"})[0];
  }

  Value embedding() {
    Value table = read("model.embed_tokens.weight");
    Value ids = read("tokens", tokens);
    RankedTensorType type = matrix(tokens, config.hiddenSize);
    Value x = EmbeddingOp::create(builder, nameLoc("embed_tokens"), type, table, ids);
    if (!family.scalesEmbedding)
      return x;
    return ScaleOp::create(builder, nameLoc("embed_tokens.scale"), type, x,
                           APFloat(std::sqrt(double(config.hiddenSize))));
  }

  Value layers() {
    Value x = embedding();
    for (int64_t layer = 0; layer < config.layers; ++layer) {
      const std::string place = llvm::formatv("layers.{0}.", layer), at = "model." + place;
      Value y = normIfAny(family.beforeAttention, at, place, x);
      y = attention(config.perLayer[layer], at + "self_attn.", place + "self_attn.", y);
      x = residual(place + "self_attn.residual", x, normIfAny(family.behindAttention, at, place, y));
      y = mlp(at + "mlp.", place + "mlp.", normIfAny(family.beforeMlp, at, place, x));
      x = residual(place + "mlp.residual", x, normIfAny(family.behindMlp, at, place, y));
    }
    return x;
  }

  ModuleOp module;
  SymbolTable symbols;
  OpBuilder builder;
  const ModelConfig &config;
  const Family &family;
  const BatchShape &shape;
  int64_t tokens, lanes;
  llvm::StringMap<Value> reads;
};

} // namespace

std::optional<FieldError> ft::checkShape(const ModelConfig &config, const BatchShape &shape) {
  constexpr int64_t maxTokens = int64_t(1) << 30; // token indices are i32
  if (shape.sequenceLen < 1 || shape.sequenceLen > config.maxPositions)
    return FieldError{"sequence_len",
                      llvm::formatv("sequence_len is {0}; must be at most {1}, the model's max_position_embeddings",
                                    shape.sequenceLen, config.maxPositions)};
  const int64_t mostRows = maxTokens / shape.sequenceLen;
  if (shape.microBatchSize < 1 || shape.microBatchSize > mostRows)
    return FieldError{"micro_batch_size",
                      llvm::formatv("micro_batch_size is {0}; must be in [1, {1}] with sequence_len {2}",
                                    shape.microBatchSize, mostRows, shape.sequenceLen)};
  if (shape.headLanes && (shape.headLanes < config.headDim || shape.headLanes % 4))
    return FieldError{
        "", llvm::formatv("a head is stored in {0} lanes; must be a multiple of 4 and at least head_dim, which is {1}",
                          shape.headLanes, config.headDim)};
  if (shape.maxDocuments < shape.microBatchSize)
    return FieldError{"max_documents_per_row", llvm::formatv("the cap on documents of a micro-batch is {0}; must be at "
                                                             "least micro_batch_size, which is {1}",
                                                             shape.maxDocuments, shape.microBatchSize)};
  return std::nullopt;
}

OwningOpRef<ModuleOp> ft::buildModel(MLIRContext *context, const ModelConfig &config, const BatchShape &shape) {
  context->loadDialect<FtDialect, func::FuncDialect>();
  Location loc = UnknownLoc::get(context);
  if (std::optional<FieldError> error = checkShape(config, shape)) {
    emitError(loc) << error->message;
    return nullptr;
  }
  OwningOpRef<ModuleOp> module = ModuleOp::create(loc);
  declareVariables(*module, config, shape);
  for (const std::string &name : {std::string("forward"), plan::segmentName(plan::Segment::EVALUATE)}) {
    FunctionBuilder function(*module, config, shape, name, shape.microBatchSize);
    function.buildLoss();
    function.finish();
  }
  if (shape.generate) {
    FunctionBuilder function(*module, config, shape, plan::segmentName(plan::Segment::GENERATE), 1);
    function.buildLogits();
    function.finish();
  }
  return module;
}
