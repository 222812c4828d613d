// checkAttention: what of a plan's attention cuDNN takes.
#include "runtime/Device/Cuda/AttentionGraph.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace ft::rt {

namespace {

Status checkSizes(const plan::Attention &attention, const std::string &what) {
  constexpr uint64_t Largest = std::numeric_limits<int32_t>::max();
  const std::pair<const char *, uint64_t> sizes[] = {{"batch", attention.batch()},
                                                     {"sequence_len", attention.sequence_len()},
                                                     {"heads", attention.heads()},
                                                     {"kv_heads", attention.kv_heads()},
                                                     {"head_dim", attention.head_dim()}};
  for (const auto &[name, size] : sizes)
    if (size == 0 || size > Largest)
      return badInput(fmt::format("{}: {} is {}; must be in [1, {}]", what, name, size, Largest));
  if (attention.heads() % attention.kv_heads())
    return badInput(
        fmt::format("{}: heads {} is not a multiple of kv_heads {}", what, attention.heads(), attention.kv_heads()));
  if (attention.direction() == plan::Attention::DIRECTION_UNSPECIFIED ||
      attention.form() == plan::Attention::FORM_UNSPECIFIED)
    return badInput(what + ": direction and form must be given");
  if (attention.form() != plan::Attention::RAGGED)
    return {};
  for (const auto &[name, size] : {std::pair{"max_documents", attention.max_documents()},
                                   std::pair{"max_document_len", attention.max_document_len()}})
    if (size == 0 || size > Largest)
      return badInput(fmt::format("{}: {} is {}; must be in [1, {}]", what, name, size, Largest));
  return {};
}

Status checkPitches(const plan::Attention &attention, const std::string &what) {
  // q, k and v may be three buffers or one; each row holds its own heads at least.
  const uint64_t queries = attention.heads() * attention.head_dim();
  std::vector<std::pair<const char *, uint64_t>> pitches{{"qkv_pitch", attention.qkv_pitch()},
                                                         {"o_pitch", attention.o_pitch()}};
  if (attention.direction() == plan::Attention::BACKWARD)
    pitches.emplace_back("d_qkv_pitch", attention.d_qkv_pitch());
  constexpr uint64_t Largest = std::numeric_limits<int32_t>::max();
  const uint64_t tokens = attention.batch() * attention.sequence_len();
  for (const auto &[name, pitch] : pitches) {
    if (pitch < queries || pitch % 8)
      return badInput(fmt::format("{}: {} is {}; must be a multiple of 8 and at least heads · head_dim = {}", what,
                                  name, pitch, queries));
    // cuDNN's ragged offsets are 32-bit element offsets.
    if (attention.form() == plan::Attention::RAGGED && tokens > Largest / pitch)
      return cannotRun(fmt::format("{}: {} tokens · {} {} exceed the {} elements that ragged offsets reach; use fewer "
                                   "tokens per micro-batch",
                                   what, tokens, name, pitch, Largest));
  }
  // With offsets of their own, gradients of cuDNN 9.19 were wrong on an H200 at every shape that was tried.
  if (attention.form() == plan::Attention::RAGGED && attention.direction() == plan::Attention::BACKWARD &&
      attention.d_qkv_pitch() != attention.qkv_pitch())
    return cannotRun(
        fmt::format("{}: d_qkv_pitch is {} and qkv_pitch {}; ragged gradients must have the pitch of their "
                    "operands, cuDNN is wrong otherwise",
                    what, attention.d_qkv_pitch(), attention.qkv_pitch()));
  return {};
}

} // namespace

Status checkAttention(const plan::Attention &attention, int computeCapability) {
  const std::string what = describeAttention(attention);
  FT_RETURN_IF_ERROR(checkSizes(attention, what));
  FT_RETURN_IF_ERROR(checkPitches(attention, what));
  const int major = computeCapability / 10;
  if (attention.dtype() != plan::BF16 && attention.dtype() != plan::F16)
    return cannotRun(what + ": cuDNN has attention in bf16 and f16 only; compile with attention \"tiled\"");
  if (major < 8)
    return cannotRun(fmt::format("{}: cuDNN's attention needs compute capability 8.0 or later, this GPU has {}.{}; "
                                 "compile with attention \"tiled\"",
                                 what, major, computeCapability % 10));
  if (attention.head_dim() % 8 || attention.head_dim() > 128)
    return cannotRun(fmt::format("{}: head_dim {} is not a multiple of 8 up to 128; the compiler pads it", what,
                                 attention.head_dim()));
  const bool backward = attention.direction() == plan::Attention::BACKWARD;
  // cuDNN's own limits (support checks of cudnn-frontend 1.32): packed statistics need Hopper's kernels or later.
  if (attention.form() == plan::Attention::RAGGED && backward && (major == 8 || major == 12))
    return cannotRun(fmt::format("{}: cuDNN has no ragged backward with packed statistics on compute capability "
                                 "{}.{}; compile with attention \"tiled\" or without packing",
                                 what, major, computeCapability % 10));
  if (backward && attention.deterministic() && major >= 10)
    return cannotRun(fmt::format("{}: the deterministic form is for compute capability 8 and 9, this GPU has {}.{}; "
                                 "compile with deterministic: FALSE",
                                 what, major, computeCapability % 10));
  return {};
}

} // namespace ft::rt
