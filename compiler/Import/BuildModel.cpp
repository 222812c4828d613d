#include "compiler/Import/BuildModel.h"

#include "dialects/Ft/Ft.h"
#include "runtime/Plan/Kinds.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"

#include "llvm/Support/FormatVariadic.h"

#include <cmath>

using namespace mlir;
using namespace ft;
using namespace ft::model;

namespace {

/// Seeded weights: N(0, 0.02), the initializer_range of every model of the family.
constexpr double initScale = 0.02;

int64_t headLanes(const ModelConfig &config, const BatchShape &shape) {
  return shape.headLanes ? shape.headLanes : config.headDim;
}

/// Declares variables at the end of the module.
class Declarations {
public:
  Declarations(ModuleOp module, const ModelConfig &config, const BatchShape &shape)
      : builder(module.getBodyRegion()), config(config), shape(shape), lanes(headLanes(config, shape)) {
    builder.setInsertionPointToEnd(module.getBody());
  }

  void declareAll() {
    declareInputs();
    declareOutputs();
    for (StringRef kind : {"cos", "sin"})
      declareRope(kind);
    declareParameters();
  }

private:
  VariableOp declare(Role role, const Twine &name, ArrayRef<int64_t> dims, Type element) {
    auto type = RankedTensorType::get(dims, element);
    return VariableOp::create(builder, NameLoc::get(builder.getStringAttr(name)), name.str(), type, role);
  }

  void declareInput(StringRef name, plan::BatchInput::Kind kind, int64_t length, Type element) {
    declare(Role::Input, name, {length}, element).setIo(plan::BatchInput::Kind_Name(kind));
  }
  void declareOutput(StringRef name, plan::Output::Kind kind, ArrayRef<int64_t> dims, Type element) {
    declare(Role::Output, name, dims, element).setIo(plan::Output::Kind_Name(kind));
  }

  void declareInputs() {
    const int64_t tokens = shape.tokens(), segments = std::min(tokens, config.vocabSize);
    Type i32 = builder.getI32Type();
    declareInput("tokens", plan::BatchInput::TOKENS, tokens, i32);
    declareInput("labels", plan::BatchInput::LABELS, tokens, i32);
    declareInput("positions", plan::BatchInput::POSITIONS, tokens, i32);
    declareInput("document_start", plan::BatchInput::DOCUMENT_START, tokens, i32);
    declareInput("document_offsets", plan::BatchInput::DOCUMENT_OFFSETS, shape.maxDocuments + 1, i32);
    declareInput("document_lens", plan::BatchInput::DOCUMENT_LENS, shape.maxDocuments, i32);
    declareInput("sorted_positions", plan::BatchInput::SORTED_POSITIONS, tokens, i32);
    declareInput("segment_starts", plan::BatchInput::SEGMENT_STARTS, segments + 1, i32);
    declareInput("segment_ids", plan::BatchInput::SEGMENT_IDS, segments, i32);
    declareInput("scalars", plan::BatchInput::SCALARS, plan::SCALAR_COUNT, builder.getF64Type());
    if (shape.generate)
      declareInput("row_index", plan::BatchInput::ROW_INDEX, 1, i32);
  }

  void declareOutputs() {
    declareOutput("loss", plan::Output::LOSS, {1}, builder.getF64Type());
    if (shape.generate)
      declareOutput("logits", plan::Output::LOGITS, {1, config.vocabSize}, builder.getF32Type());
  }

  void declareRope(StringRef kind) {
    auto table = declare(Role::ConstantTable, "rope." + kind, {shape.sequenceLen, lanes / 2}, builder.getF32Type());
    pad(table, 1, config.headDim / 2, lanes / 2);
    table.setInitAttr(
        builder.getDictionaryAttr({builder.getNamedAttr("kind", builder.getStringAttr("rope_" + kind)),
                                   builder.getNamedAttr("theta", builder.getF64FloatAttr(config.ropeTheta))}));
  }

  /// Of dimension `dim` of the variable, `used` elements of each `block` are the model's.
  static void pad(VariableOp variable, int64_t dim, int64_t used, int64_t block) {
    if (used < block)
      variable.setPaddingAttr(PaddingAttr::get(variable.getContext(), dim, used, block));
  }

  VariableOp declareParameter(const Twine &key, const Twine &ggufKey, ArrayRef<int64_t> dims) {
    VariableOp parameter = declare(Role::Trainable, key, dims, builder.getF32Type());
    parameter.setKey(key.str());
    parameter.setGgufKey(ggufKey.str());
    SmallVector<NamedAttribute> init;
    init.push_back(builder.getNamedAttr("kind", builder.getStringAttr(dims.size() == 1 ? "ones" : "normal")));
    if (dims.size() > 1)
      init.push_back(builder.getNamedAttr("scale", builder.getF64FloatAttr(initScale)));
    parameter.setInitAttr(builder.getDictionaryAttr(init));
    return parameter;
  }

  /// The projection to `heads` heads; where rope pairs the halves of a head, each half is padded by itself.
  VariableOp declareHeads(const Twine &key, const Twine &ggufKey, int64_t heads, bool rotated) {
    VariableOp weight = declareParameter(key, ggufKey, {heads * lanes, config.hiddenSize});
    const int64_t parts = rotated ? 2 : 1;
    pad(weight, 0, config.headDim / parts, lanes / parts);
    if (rotated)
      weight.setGgufRopeHeads(heads);
    return weight;
  }

  void declareParameters() {
    const int64_t hidden = config.hiddenSize, inter = config.intermediateSize;
    declareParameter("model.embed_tokens.weight", "token_embd.weight", {config.vocabSize, hidden});
    for (int64_t layer = 0; layer < config.layers; ++layer) {
      const std::string at = llvm::formatv("model.layers.{0}.", layer), blk = llvm::formatv("blk.{0}.", layer);
      declareParameter(at + "input_layernorm.weight", blk + "attn_norm.weight", {hidden});
      declareHeads(at + "self_attn.q_proj.weight", blk + "attn_q.weight", config.heads, true);
      declareHeads(at + "self_attn.k_proj.weight", blk + "attn_k.weight", config.kvHeads, true);
      declareHeads(at + "self_attn.v_proj.weight", blk + "attn_v.weight", config.kvHeads, false);
      pad(declareParameter(at + "self_attn.o_proj.weight", blk + "attn_output.weight", {hidden, config.heads * lanes}),
          1, config.headDim, lanes);
      declareParameter(at + "post_attention_layernorm.weight", blk + "ffn_norm.weight", {hidden});
      declareParameter(at + "mlp.gate_proj.weight", blk + "ffn_gate.weight", {inter, hidden});
      declareParameter(at + "mlp.up_proj.weight", blk + "ffn_up.weight", {inter, hidden});
      declareParameter(at + "mlp.down_proj.weight", blk + "ffn_down.weight", {hidden, inter});
    }
    declareParameter("model.norm.weight", "output_norm.weight", {hidden});
    if (!config.tiedHead)
      declareParameter("lm_head.weight", "output.weight", {config.vocabSize, hidden});
  }

  OpBuilder builder;
  const ModelConfig &config;
  const BatchShape &shape;
  const int64_t lanes;
};

/// Builds one function over `tokens` tokens.
class FunctionBuilder {
public:
  FunctionBuilder(ModuleOp module, const ModelConfig &config, const BatchShape &shape, StringRef name, int64_t rows)
      : module(module), symbols(module), builder(module.getBodyRegion()), config(config), shape(shape),
        tokens(rows * shape.sequenceLen), lanes(headLanes(config, shape)) {
    builder.setInsertionPointToEnd(module.getBody());
    auto function = func::FuncOp::create(builder, nameLoc(name), name, builder.getFunctionType({}, {}));
    builder.setInsertionPointToStart(function.addEntryBlock());
  }

  void buildLoss() {
    Value x = norm("norm", "model.norm.weight", layers());
    Value head = read(headKey()), labels = read("labels", tokens), scalars = read("scalars");
    auto loss = HeadLossOp::create(builder, nameLoc("head_loss"), RankedTensorType::get({1}, builder.getF64Type()), x,
                                   head, labels, scalars);
    write("loss", loss.getLoss());
  }

  void buildLogits() {
    Value x = layers();
    Value index = read("row_index");
    Value row = GatherRowOp::create(builder, nameLoc("generate.row"), matrix(1, config.hiddenSize), x, index);
    row = norm("norm", "model.norm.weight", row);
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

  Value norm(const Twine &name, const Twine &weight, Value x) {
    auto type = cast<RankedTensorType>(x.getType());
    auto rstd = RankedTensorType::get({type.getDimSize(0)}, builder.getF32Type());
    Value w = read(weight);
    return RmsNormOp::create(builder, nameLoc(name), TypeRange{type, rstd}, x, w, APFloat(config.rmsNormEps)).getY();
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

  Value attention(const std::string &at, const std::string &place, Value x) {
    SmallVector<Value> qkv =
        linear(place + "qkv_proj", x, {at + "q_proj.weight", at + "k_proj.weight", at + "v_proj.weight"});
    // One statement each: the order of reads must not depend on how a compiler evaluates arguments.
    Value positions = read("positions", tokens), cos = read("rope.cos"), sin = read("rope.sin");
    auto rope = RopeOp::create(builder, nameLoc(place + "rope"), TypeRange{qkv[0].getType(), qkv[1].getType()}, qkv[0],
                               qkv[1], positions, cos, sin, lanes, /*inverse=*/false);
    Value start = read("document_start", tokens), offsets = read("document_offsets"), lens = read("document_lens");
    auto lse = RankedTensorType::get({tokens, config.heads}, builder.getF32Type());
    auto attention =
        AttentionOp::create(builder, nameLoc(place + "attention"), TypeRange{qkv[0].getType(), lse}, rope.getQOut(),
                            rope.getKOut(), qkv[2], start, offsets, lens, config.heads, config.kvHeads, lanes,
                            shape.sequenceLen, APFloat(1 / std::sqrt(double(config.headDim))));
    return linear(place + "o_proj", attention.getO(), {at + "o_proj.weight"})[0];
  }

  Value mlp(const std::string &at, const std::string &place, Value x) {
    SmallVector<Value> gateUp = linear(place + "gate_up_proj", x, {at + "gate_proj.weight", at + "up_proj.weight"});
    Value product = SwigluOp::create(builder, nameLoc(place + "swiglu"), gateUp[0].getType(), gateUp[0], gateUp[1]);
    return linear(place + "down_proj", product, {at + "down_proj.weight"})[0];
  }

  Value layers() {
    Value table = read("model.embed_tokens.weight");
    Value ids = read("tokens", tokens);
    Value x = EmbeddingOp::create(builder, nameLoc("embed_tokens"), matrix(tokens, config.hiddenSize), table, ids);
    for (int64_t layer = 0; layer < config.layers; ++layer) {
      const std::string place = llvm::formatv("layers.{0}.", layer), at = "model." + place;
      Value y = norm(place + "input_layernorm", at + "input_layernorm.weight", x);
      x = residual(place + "self_attn.residual", x, attention(at + "self_attn.", place + "self_attn.", y));
      y = norm(place + "post_attention_layernorm", at + "post_attention_layernorm.weight", x);
      x = residual(place + "mlp.residual", x, mlp(at + "mlp.", place + "mlp.", y));
    }
    return x;
  }

  ModuleOp module;
  SymbolTable symbols;
  OpBuilder builder;
  const ModelConfig &config;
  const BatchShape &shape;
  int64_t tokens, lanes;
  llvm::StringMap<Value> reads;
};

} // namespace

std::optional<FieldError> ft::checkShape(const ModelConfig &config, const BatchShape &shape) {
  constexpr int64_t maxTokens = int64_t(1) << 30; // token indices are i32
  if (shape.sequenceLen < 1 || shape.sequenceLen > config.maxPositions)
    return FieldError{"sequence_len",
                      llvm::formatv("sequence_len is {0}; must be in [1, {1}], the model's max_position_embeddings",
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
  Declarations(*module, config, shape).declareAll();
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
