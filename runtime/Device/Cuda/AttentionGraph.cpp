#include "runtime/Device/Cuda/AttentionGraph.h"

#include <fmt/format.h>

#include <limits>

namespace ft::rt {

namespace {

using Tensor = AttentionTensor;
using Shape = std::vector<int64_t>;

/// Builds one direction. Tensors are [batch, heads, rows, columns]; ragged batch entries are documents, whose first
/// element the offsets give.
class Builder {
public:
  Builder(const CudnnApi &api, const plan::Attention &attention, int computeCapability)
      : plan(attention), ragged(attention.form() == plan::Attention::RAGGED),
        // cuDNN sizes ragged intermediates by tokens only where its kernels are Hopper's and heads are whole
        // 16-element groups; otherwise by documents × longest document.
        packed(ragged && computeCapability / 10 != 8 && computeCapability / 10 != 12 && attention.head_dim() % 16 == 0),
        entries(static_cast<int64_t>(ragged ? attention.max_documents() : attention.batch())),
        length(static_cast<int64_t>(ragged ? attention.max_document_len() : attention.sequence_len())),
        tokens(static_cast<int64_t>(attention.batch() * attention.sequence_len())),
        heads(static_cast<int64_t>(attention.heads())), kvHeads(static_cast<int64_t>(attention.kv_heads())),
        width(static_cast<int64_t>(attention.head_dim())),
        type(attention.dtype() == plan::F16 ? CUDNN_DATA_HALF : CUDNN_DATA_BFLOAT16) {
    result.graph = std::make_unique<CudnnGraph>(api, describeAttention(attention));
  }

  void forward();
  void backward();
  AttentionGraph take() { return std::move(result); }

private:
  CudnnGraph &graph() { return *result.graph; }
  int64_t bind(Tensor tensor) {
    result.bound.push_back(tensor);
    return static_cast<int64_t>(tensor);
  }
  int64_t piece(Tensor tensor, int64_t bytes) {
    result.pieces.push_back({tensor, static_cast<uint64_t>(bytes)});
    return static_cast<int64_t>(tensor);
  }

  /// Activations [tokens, headCount · width] at a pitch, as a graph input or output. `transposed` swaps the last two
  /// axes, as the graphs want keys (and values in backward).
  GraphTensor activation(Tensor tensor, int64_t headCount, uint64_t pitch, const GraphTensor *offsets,
                         bool transposed = false);
  GraphTensor lse();
  GraphTensor scores(cudnnDataType_t elementType = CUDNN_DATA_FLOAT) {
    return graph().tensor({{entries, heads, length, length}, scoreStrides(), elementType});
  }
  GraphTensor column() { return graph().tensor({{entries, heads, length, 1}, {heads * length, length, 1, 1}}); }
  Shape scoreStrides() const { return {heads * length * length, length * length, length, 1}; }
  Shape fullStrides() const { return {heads * length * width, length * width, width, 1}; }

  void bindDocuments();
  GraphTensor padded(const GraphTensor &x);
  GraphTensor causal(const GraphTensor &x);
  GraphTensor transposedScores(const GraphTensor &x);
  void keyGradient(const GraphTensor &weights, const GraphTensor &rows, const GraphTensor &gradient, Tensor fullHeads);
  GraphTensor softmaxSum(const GraphTensor &o, const GraphTensor &dO, const GraphTensor &statistics);
  void queryGradient(const GraphTensor &dS, const GraphTensor &k, const GraphTensor &gradient);

  const plan::Attention &plan;
  const bool ragged, packed;
  const int64_t entries, length, tokens, heads, kvHeads, width;
  const cudnnDataType_t type;
  AttentionGraph result;
  GraphTensor qkvOffsets, oOffsets, lseOffsets, queryLens, keyLens, minusInfinity;
};

GraphTensor Builder::activation(Tensor tensor, int64_t headCount, uint64_t pitch, const GraphTensor *offsets,
                                bool transposed) {
  const int64_t row = static_cast<int64_t>(pitch);
  TensorSpec spec{{entries, headCount, length, width}, {length * row, width, row, 1}, type, bind(tensor)};
  if (transposed) {
    std::swap(spec.sizes[2], spec.sizes[3]);
    std::swap(spec.strides[2], spec.strides[3]);
  }
  spec.raggedOffset = ragged ? offsets : nullptr;
  return graph().tensor(spec);
}

GraphTensor Builder::lse() {
  TensorSpec spec{{entries, heads, length, 1}, {heads * length, length, 1, 1}, CUDNN_DATA_FLOAT, bind(Tensor::Lse)};
  if (ragged) {
    spec.strides = {length * heads, 1, heads, 1};
    spec.raggedOffset = &lseOffsets;
  }
  return graph().tensor(spec);
}

void Builder::bindDocuments() {
  if (!ragged)
    return;
  auto integers = [&](Tensor tensor, int64_t count) {
    return graph().tensor({{count, 1, 1, 1}, {1, 1, 1, 1}, CUDNN_DATA_INT32, bind(tensor)});
  };
  qkvOffsets = integers(Tensor::QkvOffsets, entries + 1); // of the gradients as well: checkAttention() wants one pitch
  oOffsets = integers(Tensor::OOffsets, entries + 1);
  lseOffsets = integers(Tensor::LseOffsets, entries + 1);
  queryLens = integers(Tensor::DocumentLens, entries);
  keyLens = integers(Tensor::KeyLens, entries);
}

/// −inf outside the document: row < its length and column < its length.
GraphTensor Builder::padded(const GraphTensor &x) {
  if (!ragged)
    return x;
  const GraphTensor row = scores(CUDNN_DATA_INT32), col = scores(CUDNN_DATA_INT32);
  const GraphTensor rowInside = scores(CUDNN_DATA_BOOLEAN), colInside = scores(CUDNN_DATA_BOOLEAN);
  const GraphTensor inside = scores(CUDNN_DATA_BOOLEAN), y = scores();
  graph().index(x, 2, row, CUDNN_DATA_INT32);
  graph().index(x, 3, col, CUDNN_DATA_INT32);
  graph().pointwise(CUDNN_POINTWISE_CMP_LT, row, queryLens, rowInside, CUDNN_DATA_BOOLEAN);
  graph().pointwise(CUDNN_POINTWISE_CMP_LT, col, keyLens, colInside, CUDNN_DATA_BOOLEAN);
  graph().pointwise(CUDNN_POINTWISE_LOGICAL_AND, rowInside, colInside, inside, CUDNN_DATA_BOOLEAN);
  graph().select(x, minusInfinity, inside, y);
  return y;
}

/// −inf where the column is behind the row.
GraphTensor Builder::causal(const GraphTensor &x) {
  const GraphTensor row = scores(CUDNN_DATA_INT32), col = scores(CUDNN_DATA_INT32);
  const GraphTensor allowed = scores(CUDNN_DATA_BOOLEAN), y = scores();
  graph().index(x, 2, row, CUDNN_DATA_FLOAT);
  graph().index(x, 3, col, CUDNN_DATA_FLOAT);
  graph().pointwise(CUDNN_POINTWISE_CMP_GE, row, col, allowed, CUDNN_DATA_BOOLEAN);
  graph().select(x, minusInfinity, allowed, y);
  return y;
}

void Builder::forward() {
  CudnnGraph &g = graph();
  bindDocuments();
  const GraphTensor q = activation(Tensor::Q, heads, plan.qkv_pitch(), &qkvOffsets);
  const GraphTensor k = activation(Tensor::K, kvHeads, plan.qkv_pitch(), &qkvOffsets, true);
  const GraphTensor v = activation(Tensor::V, kvHeads, plan.qkv_pitch(), &qkvOffsets);
  const GraphTensor o = activation(Tensor::O, heads, plan.o_pitch(), &oOffsets);
  const GraphTensor statistics = lse();
  const GraphTensor scale = g.scalar(bind(Tensor::Scale));
  minusInfinity = g.scalar(bind(Tensor::MinusInfinity));
  const GraphTensor *lens = ragged ? &queryLens : nullptr, *columnLens = ragged ? &keyLens : nullptr;

  const GraphTensor raw = scores(), scaled = scores();
  g.matmul(q, k, raw, {lens, columnLens, nullptr});
  g.pointwise(CUDNN_POINTWISE_MUL, raw, scale, scaled);
  const GraphTensor masked = causal(padded(scaled));

  const GraphTensor largest = column(), shifted = scores(), exponential = scores(), sum = column(),
                    logarithm = column();
  const GraphTensor probabilities = scores(type);
  g.reduce(CUDNN_REDUCE_TENSOR_MAX, masked, largest);
  g.pointwise(CUDNN_POINTWISE_SUB, masked, largest, shifted);
  g.pointwise(CUDNN_POINTWISE_EXP, shifted, exponential);
  g.reduce(CUDNN_REDUCE_TENSOR_ADD, exponential, sum);
  g.pointwise(CUDNN_POINTWISE_LOG, sum, logarithm);
  g.pointwise(CUDNN_POINTWISE_ADD, largest, logarithm, statistics);
  g.pointwise(CUDNN_POINTWISE_DIV, exponential, sum, probabilities);
  g.matmul(probabilities, v, o, {lens, nullptr, columnLens});
}

/// Σ dO · O of each row and head, in a piece of the workspace.
GraphTensor Builder::softmaxSum(const GraphTensor &o, const GraphTensor &dO, const GraphTensor &statistics) {
  CudnnGraph &g = graph();
  const GraphTensor one = g.scalar(bind(Tensor::One));
  const GraphTensor product =
      g.tensor({{entries, heads, length, width}, {heads * length * width, length * width, heads * width, 1}});
  const GraphTensor sum = column();
  TensorSpec spec{{entries, heads, length, 1}, {heads * length, length, 1, 1}};
  spec.id = piece(Tensor::SoftmaxSum, 4 * heads * (packed ? tokens : entries * length));
  if (packed) {
    spec.strides = statistics.strides;
    spec.raggedOffset = &lseOffsets;
  }
  const GraphTensor kept = g.tensor(spec);
  g.pointwise(CUDNN_POINTWISE_MUL, dO, o, product);
  g.reduce(CUDNN_REDUCE_TENSOR_ADD, product, sum);
  g.pointwise(CUDNN_POINTWISE_MUL, sum, one, kept);
  return kept;
}

GraphTensor Builder::transposedScores(const GraphTensor &x) {
  const GraphTensor y =
      graph().tensor({{entries, heads, length, length}, {heads * length * length, length * length, 1, length}, type});
  graph().reshape(x, y);
  return y;
}

/// gradient = weightsᵀ · rows, summed over the query heads of each key head.
void Builder::keyGradient(const GraphTensor &weights, const GraphTensor &rows, const GraphTensor &gradient,
                          Tensor fullHeads) {
  const CudnnGraph::Overrides overrides{ragged ? &keyLens : nullptr, nullptr, ragged ? &queryLens : nullptr};
  const GraphTensor transposed = transposedScores(weights);
  if (heads == kvHeads)
    return graph().matmul(transposed, rows, gradient, overrides);
  TensorSpec spec{{entries, heads, length, width}, fullStrides(), type};
  if (packed) {
    // cuDNN multiplies the gradient's own offsets by heads / kvHeads here. Elements are 16-bit (its front end charges
    // 4 bytes); behind the last row one tile stays free, in case a version stores whole tiles.
    constexpr int64_t TileRows = 128;
    const int64_t group = heads / kvHeads, row = gradient.strides[2] * group;
    spec.strides = {gradient.strides[0] * group, gradient.strides[1], row, 1};
    spec.raggedOffset = &qkvOffsets;
    spec.id = piece(fullHeads, 2 * ((tokens - 1 + TileRows) * row + heads * width));
  }
  const GraphTensor full = graph().tensor(spec);
  graph().matmul(transposed, rows, full, overrides);
  graph().reduce(CUDNN_REDUCE_TENSOR_ADD, full, gradient);
}

/// gradient = dS · K. The default form adds key blocks into an f32 accumulator with atomics; the deterministic one has
/// no accumulator and keeps all of dS in cuDNN's workspace instead. The form decides: cuDNN 9.19 puts its numerical
/// note "nondeterministic" on neither.
void Builder::queryGradient(const GraphTensor &dS, const GraphTensor &k, const GraphTensor &gradient) {
  CudnnGraph &g = graph();
  TensorSpec plain{{entries, kvHeads, length, width}, {k.strides[0], k.strides[1], k.strides[3], k.strides[2]}, type};
  plain.raggedOffset = ragged ? &qkvOffsets : nullptr;
  const GraphTensor keys = g.tensor(plain);
  g.reshape(k, keys);
  const CudnnGraph::Overrides overrides{ragged ? &queryLens : nullptr, nullptr, ragged ? &keyLens : nullptr};
  if (plan.deterministic())
    return g.matmul(dS, keys, gradient, overrides);
  TensorSpec spec{{entries, heads, length, width}, fullStrides()};
  if (packed) {
    spec.strides = gradient.strides;
    spec.raggedOffset = &qkvOffsets;
    spec.id = piece(Tensor::QueryAccumulator, 4 * ((tokens - 1) * gradient.strides[2] + heads * width));
  } else {
    spec.id = piece(Tensor::QueryAccumulator, 4 * entries * heads * length * width);
  }
  const GraphTensor accumulator = g.tensor(spec);
  g.matmul(dS, keys, accumulator, overrides);
  g.pointwise(CUDNN_POINTWISE_IDENTITY, accumulator, gradient);
}

void Builder::backward() {
  CudnnGraph &g = graph();
  bindDocuments();
  const GraphTensor q = activation(Tensor::Q, heads, plan.qkv_pitch(), &qkvOffsets);
  const GraphTensor k = activation(Tensor::K, kvHeads, plan.qkv_pitch(), &qkvOffsets, true);
  const GraphTensor v = activation(Tensor::V, kvHeads, plan.qkv_pitch(), &qkvOffsets, true);
  const GraphTensor o = activation(Tensor::O, heads, plan.o_pitch(), &oOffsets);
  const GraphTensor dO = activation(Tensor::DO, heads, plan.o_pitch(), &oOffsets);
  const GraphTensor statistics = lse();
  const GraphTensor dQ = activation(Tensor::DQ, heads, plan.d_qkv_pitch(), &qkvOffsets);
  const GraphTensor dK = activation(Tensor::DK, kvHeads, plan.d_qkv_pitch(), &qkvOffsets);
  const GraphTensor dV = activation(Tensor::DV, kvHeads, plan.d_qkv_pitch(), &qkvOffsets);
  const GraphTensor scale = g.scalar(bind(Tensor::Scale));
  minusInfinity = g.scalar(bind(Tensor::MinusInfinity));
  const CudnnGraph::Overrides overrides{ragged ? &queryLens : nullptr, ragged ? &keyLens : nullptr, nullptr};

  const GraphTensor rowSums = softmaxSum(o, dO, statistics);
  const GraphTensor raw = scores(), scaled = scores(), shifted = scores(), p = scores();
  g.matmul(q, k, raw, overrides);
  g.pointwise(CUDNN_POINTWISE_MUL, raw, scale, scaled);
  g.pointwise(CUDNN_POINTWISE_SUB, scaled, statistics, shifted);
  g.pointwise(CUDNN_POINTWISE_EXP, causal(padded(shifted)), p);
  keyGradient(p, dO, dV, Tensor::ValueFullHeads);

  const GraphTensor dP = scores(), centred = scores(), weighted = scores(), dS = scores(type);
  g.matmul(dO, v, dP, overrides);
  g.pointwise(CUDNN_POINTWISE_SUB, dP, rowSums, centred);
  g.pointwise(CUDNN_POINTWISE_MUL, centred, p, weighted);
  g.pointwise(CUDNN_POINTWISE_MUL, weighted, scale, dS);
  keyGradient(dS, q, dK, Tensor::KeyFullHeads);
  queryGradient(dS, k, dQ);
}

} // namespace

AttentionGraph buildAttention(const CudnnApi &api, const plan::Attention &attention, int computeCapability) {
  Builder builder(api, attention, computeCapability);
  if (attention.direction() == plan::Attention::FORWARD)
    builder.forward();
  else
    builder.backward();
  return builder.take();
}

std::string describeAttention(const plan::Attention &attention) {
  const bool ragged = attention.form() == plan::Attention::RAGGED;
  std::string text =
      fmt::format("attention {} {}{}, {}/{} heads of {}, {} × {} tokens",
                  attention.direction() == plan::Attention::FORWARD ? "forward" : "backward",
                  ragged ? "ragged" : "dense", attention.deterministic() ? " deterministic" : "", attention.heads(),
                  attention.kv_heads(), attention.head_dim(), attention.batch(), attention.sequence_len());
  if (ragged)
    text += fmt::format(", {} documents of up to {}", attention.max_documents(), attention.max_document_len());
  return text;
}

} // namespace ft::rt
