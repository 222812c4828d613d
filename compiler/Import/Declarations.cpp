#include "compiler/Import/Declarations.h"

#include "runtime/Plan/Kinds.h"

#include "mlir/IR/Builders.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace ft;
using namespace ft::model;

int64_t ft::headLanes(const ModelConfig &config, const BatchShape &shape) {
  return shape.headLanes ? shape.headLanes : config.headDim;
}

std::string ft::ropeTable(const LayerConfig &layer, StringRef kind) {
  return (Twine(layer.local ? "rope_local." : "rope.") + kind).str();
}

namespace {

/// Seeded weights: N(0, 0.02), the initializer_range of every model of the family.
constexpr double initScale = 0.02;

class Declarations {
public:
  Declarations(ModuleOp module, const ModelConfig &config, const BatchShape &shape)
      : builder(module.getBodyRegion()), config(config), family(familyOf(config)), shape(shape),
        lanes(headLanes(config, shape)) {
    builder.setInsertionPointToEnd(module.getBody());
  }

  void declareAll() {
    declareInputs();
    declareOutputs();
    declareRopes();
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
    if (shape.targetRows) {
      declareInput("target_rows", plan::BatchInput::TARGET_ROWS, shape.targetRows, i32);
      declareInput("target_labels", plan::BatchInput::TARGET_LABELS, shape.targetRows, i32);
      declareInput("target_slots", plan::BatchInput::TARGET_SLOTS, tokens, i32);
    }
    declareInput("scalars", plan::BatchInput::SCALARS, plan::SCALAR_COUNT, builder.getF64Type());
    if (shape.generate)
      declareInput("row_index", plan::BatchInput::ROW_INDEX, 1, i32);
  }

  void declareOutputs() {
    declareOutput("loss", plan::Output::LOSS, {1}, builder.getF64Type());
    if (shape.generate)
      declareOutput("logits", plan::Output::LOGITS, {1, config.vocabSize}, builder.getF32Type());
  }

  /// One pair of tables for each rope that a layer is rotated by.
  void declareRopes() {
    for (bool local : {false, true}) {
      LayerConfig like;
      like.local = local;
      if (llvm::any_of(config.perLayer, [&](const LayerConfig &l) { return l.rotated && l.local == local; }))
        for (StringRef kind : {"cos", "sin"})
          declareRope(ropeTable(like, kind), kind, local ? config.localRope : config.rope);
    }
  }

  void declareRope(StringRef name, StringRef kind, const rt::Rope &rope) {
    auto table = declare(Role::ConstantTable, name, {shape.sequenceLen, lanes / 2}, builder.getF32Type());
    pad(table, 1, config.headDim / 2, lanes / 2);
    SmallVector<NamedAttribute> init{
        builder.getNamedAttr("kind", builder.getStringAttr("rope_" + kind)),
        builder.getNamedAttr("frequencies", builder.getDenseF64ArrayAttr(ropeFrequencies(rope, config.headDim)))};
    if (rope.amplitude != 1)
      init.push_back(builder.getNamedAttr("amplitude", builder.getF64FloatAttr(rope.amplitude)));
    table.setInitAttr(builder.getDictionaryAttr(init));
  }

  /// Of dimension `dim` of the variable, `used` elements of each `block` are the model's.
  static void pad(VariableOp variable, int64_t dim, int64_t used, int64_t block) {
    if (used < block)
      variable.setPaddingAttr(PaddingAttr::get(variable.getContext(), dim, used, block));
  }

  VariableOp declareParameter(const Twine &key, const Twine &ggufKey, ArrayRef<int64_t> dims, StringRef init) {
    VariableOp parameter = declare(Role::Trainable, key, dims, builder.getF32Type());
    parameter.setKey(key.str());
    parameter.setGgufKey(ggufKey.str());
    SmallVector<NamedAttribute> attributes{builder.getNamedAttr("kind", builder.getStringAttr(init))};
    if (init == "normal")
      attributes.push_back(builder.getNamedAttr("scale", builder.getF64FloatAttr(initScale)));
    parameter.setInitAttr(builder.getDictionaryAttr(attributes));
    return parameter;
  }

  VariableOp declareMatrix(const Twine &key, const Twine &ggufKey, int64_t rows, int64_t columns) {
    return declareParameter(key + ".weight", ggufKey + ".weight", {rows, columns}, "normal");
  }

  /// A norm's weight; what it starts from is 1, with its offset.
  VariableOp declareNorm(const Twine &key, const Twine &ggufKey, int64_t size) {
    return declareParameter(key + ".weight", ggufKey + ".weight", {size}, family.normOffset == 0 ? "ones" : "normal");
  }

  /// The rows of `heads` heads; where rope pairs the halves of a head, each half is padded by itself.
  void padHeads(VariableOp variable, bool inHalves) {
    const int64_t parts = inHalves ? 2 : 1;
    pad(variable, 0, config.headDim / parts, lanes / parts);
  }

  /// The projection to `heads` heads, with its bias where the family has one.
  void declareHeads(const Twine &key, const Twine &ggufKey, int64_t heads, bool inHalves) {
    VariableOp weight = declareMatrix(key, ggufKey, heads * lanes, config.hiddenSize);
    padHeads(weight, inHalves);
    if (inHalves && family.ggufInterleaves)
      weight.setGgufRopeHeads(heads);
    if (family.queryBias)
      padHeads(declareParameter(key + ".bias", ggufKey + ".bias", {heads * lanes}, "normal"), inHalves);
  }

  void declareParameters() {
    declareMatrix("model.embed_tokens", "token_embd", config.vocabSize, config.hiddenSize);
    for (int64_t layer = 0; layer < config.layers; ++layer)
      declareLayer(llvm::formatv("model.layers.{0}.", layer), llvm::formatv("blk.{0}.", layer));
    declareNorm("model.norm", "output_norm", config.hiddenSize);
    if (!config.tiedHead)
      declareMatrix("lm_head", "output", config.vocabSize, config.hiddenSize);
  }

  void declareLayer(const std::string &at, const std::string &blk) {
    const int64_t hidden = config.hiddenSize, inter = config.intermediateSize;
    auto norm = [&](const NormKeys &keys) {
      if (keys)
        declareNorm(at + keys.key, blk + keys.ggufKey, hidden);
    };
    norm(family.beforeAttention);
    declareHeads(at + "self_attn.q_proj", blk + "attn_q", config.heads, true);
    declareHeads(at + "self_attn.k_proj", blk + "attn_k", config.kvHeads, true);
    declareHeads(at + "self_attn.v_proj", blk + "attn_v", config.kvHeads, false);
    if (family.queryNorm) {
      padHeads(declareNorm(at + "self_attn.q_norm", blk + "attn_q_norm", lanes), true);
      padHeads(declareNorm(at + "self_attn.k_norm", blk + "attn_k_norm", lanes), true);
    }
    pad(declareMatrix(at + "self_attn.o_proj", blk + "attn_output", hidden, config.heads * lanes), 1, config.headDim,
        lanes);
    norm(family.behindAttention);
    norm(family.beforeMlp);
    declareMatrix(at + "mlp.gate_proj", blk + "ffn_gate", inter, hidden);
    declareMatrix(at + "mlp.up_proj", blk + "ffn_up", inter, hidden);
    declareMatrix(at + "mlp.down_proj", blk + "ffn_down", hidden, inter);
    norm(family.behindMlp);
  }

  OpBuilder builder;
  const ModelConfig &config;
  const Family &family;
  const BatchShape &shape;
  const int64_t lanes;
};

} // namespace

void ft::declareVariables(ModuleOp module, const ModelConfig &config, const BatchShape &shape) {
  Declarations(module, config, shape).declareAll();
}
