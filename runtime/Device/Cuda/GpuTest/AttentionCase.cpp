#include "runtime/Device/Cuda/GpuTest/AttentionCase.h"

#include "runtime/Plan/AttentionWorkspace.h"

#include <algorithm>
#include <cmath>

namespace ft::rt {

namespace {

constexpr uint64_t GuardBytes = 1 << 20;

} // namespace

std::string AttentionShape::name() const {
  std::string text = fmt::format("{}{} {}/{} d{} {}x{}", documents ? "ragged" : "dense", deterministic ? " det" : "",
                                 heads, kvHeads, headDim, batch, sequenceLen);
  if (documents)
    text += fmt::format(", {} docs <= {}", documents, documentLen);
  if (qkvPadding || oPadding || gradientPadding)
    text += fmt::format(", pitch +{} +{} +{}", qkvPadding, oPadding, gradientPadding);
  return text;
}

plan::Attention makeAttention(const AttentionShape &s, plan::Attention::Direction direction) {
  plan::Attention attention;
  attention.set_direction(direction);
  attention.set_form(s.documents ? plan::Attention::RAGGED : plan::Attention::DENSE);
  attention.set_deterministic(s.deterministic);
  attention.set_batch(s.batch), attention.set_sequence_len(s.sequenceLen);
  attention.set_heads(s.heads), attention.set_kv_heads(s.kvHeads), attention.set_head_dim(s.headDim);
  attention.set_scale(1 / std::sqrt(double(s.headDim)));
  attention.set_max_documents(s.documents), attention.set_max_document_len(s.documentLen);
  attention.set_dtype(plan::BF16);
  attention.set_qkv_pitch(s.qkvPitch()), attention.set_o_pitch(s.oPitch());
  if (direction == plan::Attention::BACKWARD)
    attention.set_d_qkv_pitch(s.gradientPitch());
  attention.mutable_workspace()->set_rows(1);
  attention.mutable_workspace()->set_row_bytes(attentionWorkspaceBytes(attention).total());
  return attention;
}

std::vector<Document> makeDocuments(const AttentionShape &s, uint64_t seed, bool gaps, bool full) {
  std::vector<Document> documents;
  Noise noise(seed);
  const uint64_t cap = s.documents ? s.documentLen : s.sequenceLen, most = s.documents ? s.documents / s.batch : 1;
  for (uint64_t b = 0; b < s.batch; ++b) {
    uint64_t left = s.sequenceLen - (gaps ? 1 + noise.below(s.sequenceLen / 4) : 0), at = b * s.sequenceLen;
    for (uint64_t n = 0; left && n < most; ++n) {
      // The last document that the row may hold takes what is left, as far as it is allowed to be long.
      uint64_t length = full || n + 1 == most ? left : 1 + noise.below(std::min(left, cap));
      length = std::min(length, cap);
      documents.push_back({at, length});
      at += length, left -= length;
    }
  }
  return documents;
}

double AttentionErrors::worst() const {
  double largest = 0;
  for (const auto &[name, error] : relative)
    largest = std::isnan(error) ? INFINITY : std::max(largest, error);
  return largest;
}

bool AttentionGpuTest::open(const AttentionShape &wanted, uint64_t seed) {
  shape = wanted;
  const uint64_t tokens = shape.tokens();
  for (auto direction : {plan::Attention::FORWARD, plan::Attention::BACKWARD}) {
    const int i = direction == plan::Attention::BACKWARD;
    const plan::Attention attention = makeAttention(shape, direction);
    auto handle = device().prepareAttention(attention);
    if (!handle.ok()) {
      addRow(shape.name(), "REFUSED: " + handle.status().message());
      return false;
    }
    handles[i] = *handle;
    reserves[i] = attention.workspace().row_bytes();
  }
  Noise noise(seed);
  auto fill = [&](std::vector<float> &values, uint64_t count, float scale) {
    values.resize(count);
    for (float &value : values)
      value = fromBf16(toBf16(noise.next() * scale));
  };
  problem = {tokens, shape.heads, shape.kvHeads, shape.headDim, 1 / std::sqrt(double(shape.headDim)), {}, {}, {},
             {},     {}};
  const uint64_t row = shape.heads * shape.headDim, keyRow = shape.kvHeads * shape.headDim;
  fill(problem.q, tokens * row, 2), fill(problem.k, tokens * keyRow, 2);
  fill(problem.v, tokens * keyRow, 1), fill(problem.dO, tokens * row, 1);
  std::vector<uint16_t> packed(tokens * shape.qkvPitch(), 0xFFFF), packedO(tokens * shape.oPitch(), 0xFFFF);
  for (uint64_t t = 0; t < tokens; ++t) {
    uint16_t *to = &packed[t * shape.qkvPitch()];
    for (auto [values, width] : {std::pair{&problem.q, row}, {&problem.k, keyRow}, {&problem.v, keyRow}})
      for (uint64_t e = 0; e < width; ++e)
        *to++ = toBf16((*values)[t * width + e]);
    for (uint64_t e = 0; e < row; ++e)
      packedO[t * shape.oPitch() + e] = toBf16(problem.dO[t * row + e]);
  }
  qkv = upload(packed);
  dO = upload(packedO);
  o = reinterpret_cast<uint16_t *>(scratch(tokens * shape.oPitch() * 2));
  lse = reinterpret_cast<float *>(scratch(tokens * shape.heads * 4));
  dQkv = reinterpret_cast<uint16_t *>(scratch(tokens * shape.gradientPitch() * 2));
  offsets = reinterpret_cast<int32_t *>(scratch((shape.documents + 1) * 4));
  lens = reinterpret_cast<int32_t *>(scratch(std::max<uint64_t>(shape.documents, 1) * 4));
  workspace = scratch(std::max(reserves[0], reserves[1]) + GuardBytes);
  setDocuments(makeDocuments(shape, seed, false, !shape.documents));
  return true;
}

void AttentionGpuTest::setDocuments(const std::vector<Document> &documents) {
  problem.documents = documents;
  if (!shape.documents)
    return;
  ASSERT_LE(documents.size(), shape.documents);
  std::vector<int32_t> starts(shape.documents + 1, static_cast<int32_t>(shape.tokens())), lengths(shape.documents, 0);
  for (size_t i = 0; i < documents.size(); ++i) {
    starts[i] = static_cast<int32_t>(documents[i].start);
    lengths[i] = static_cast<int32_t>(documents[i].length);
  }
  require(device().upload(0, offsets, starts.data(), starts.size() * 4));
  require(device().upload(0, lens, lengths.data(), lengths.size() * 4));
  require(device().synchronize());
}

void AttentionGpuTest::clear() {
  poison(o, shape.tokens() * shape.oPitch() * 2);
  poison(lse, shape.tokens() * shape.heads * 4);
  poison(dQkv, shape.tokens() * shape.gradientPitch() * 2);
  poison(workspace, std::max(reserves[0], reserves[1]) + GuardBytes);
}

void AttentionGpuTest::enqueue(plan::Attention::Direction direction) {
  const uint64_t row = shape.heads * shape.headDim, keyRow = shape.kvHeads * shape.headDim;
  void *starts = shape.documents ? offsets : nullptr, *lengths = shape.documents ? lens : nullptr;
  void *const forward[] = {qkv,    qkv + row, qkv + row + keyRow, o, lse, nullptr, nullptr, nullptr, nullptr,
                           starts, lengths,   workspace};
  void *const backward[] = {qkv,  qkv + row,  qkv + row + keyRow,  o,      lse,     dO,
                            dQkv, dQkv + row, dQkv + row + keyRow, starts, lengths, workspace};
  const bool back = direction == plan::Attention::BACKWARD;
  require(device().attention(0, handles[back], back ? backward : forward));
}

void AttentionGpuTest::enqueue() {
  enqueue(plan::Attention::FORWARD);
  enqueue(plan::Attention::BACKWARD);
}

uint32_t AttentionGpuTest::capture() {
  require(device().synchronize());
  require(device().beginCapture());
  enqueue();
  auto graph = device().endCapture();
  require(graph.status());
  return graph.ok() ? *graph : 0;
}

bool AttentionGpuTest::guardsHold() {
  const uint64_t reserve = std::max(reserves[0], reserves[1]);
  const std::vector<uint8_t> guard = download(reinterpret_cast<uint8_t *>(workspace + reserve), GuardBytes);
  return std::all_of(guard.begin(), guard.end(), [](uint8_t byte) { return byte == Poison; });
}

AttentionErrors AttentionGpuTest::compare() {
  const AttentionSolution reference = solveAttention(problem);
  const uint64_t tokens = shape.tokens(), row = shape.heads * shape.headDim, keyRow = shape.kvHeads * shape.headDim;
  const std::vector<uint16_t> gotO = download(o, tokens * shape.oPitch()), got = gradients();
  const std::vector<float> gotLse = download(lse, tokens * shape.heads);
  std::vector<bool> inside(tokens);
  for (const Document &document : problem.documents)
    std::fill_n(inside.begin() + document.start, document.length, true);
  AttentionErrors errors;
  auto part = [&](const char *name, const std::vector<uint16_t> &values, uint64_t pitch, uint64_t column,
                  uint64_t width, const std::vector<double> &expected) {
    double error = 0, size = 0;
    for (uint64_t t = 0; t < tokens; ++t)
      for (uint64_t e = 0; e < width; ++e) {
        const uint16_t value = values[t * pitch + column + e];
        if (!inside[t]) {
          errors.stray = errors.stray || value != 0xFFFF;
          continue;
        }
        const double exact = expected[t * width + e], difference = fromBf16(value) - exact;
        error += difference * difference, size += exact * exact;
      }
    errors.relative[name] = std::sqrt(error / size);
  };
  part("o", gotO, shape.oPitch(), 0, row, reference.o);
  part("dQ", got, shape.gradientPitch(), 0, row, reference.dQ);
  part("dK", got, shape.gradientPitch(), row, keyRow, reference.dK);
  part("dV", got, shape.gradientPitch(), row + keyRow, keyRow, reference.dV);
  for (uint64_t t = 0; t < tokens; ++t) {
    for (uint64_t e = row; e < shape.oPitch(); ++e)
      errors.stray = errors.stray || gotO[t * shape.oPitch() + e] != 0xFFFF;
    for (uint64_t e = row + 2 * keyRow; e < shape.gradientPitch(); ++e)
      errors.stray = errors.stray || got[t * shape.gradientPitch() + e] != 0xFFFF;
    for (uint64_t h = 0; h < shape.heads && inside[t]; ++h) {
      // [tokens, heads] where ragged, else [batch, heads, sequence_len].
      const uint64_t b = t / shape.sequenceLen, i = t % shape.sequenceLen;
      const uint64_t at = shape.documents ? t * shape.heads + h : (b * shape.heads + h) * shape.sequenceLen + i;
      const double error = std::abs(gotLse[at] - reference.lse[t * shape.heads + h]);
      errors.lse = std::isnan(error) ? INFINITY : std::max(errors.lse, error);
    }
  }
  return errors;
}

} // namespace ft::rt
