// checkPlan: the parameter map, and what a finished run writes from it.
#include "runtime/Plan/CheckParts.h"
#include "runtime/Plan/Fp8Rows.h"
#include "runtime/Plan/Kinds.h"
#include "runtime/Plan/Nf4.h"
#include "runtime/Plan/Shares.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace ft::rt::check {

namespace {

constexpr int maxRank = 16;

/// The product of dimensions, each at least 1, below 2^56.
Expected<uint64_t> product(std::string_view field, const google::protobuf::RepeatedField<uint64_t> &dims) {
  if (dims.size() > maxRank)
    return bad("{} has {} dimensions; must have at most {}", field, dims.size(), maxRank);
  uint64_t total = 1;
  for (int i = 0; i < dims.size(); ++i) {
    if (dims[i] == 0)
      return bad("{}[{}] is 0; must be at least 1", field, i);
    if (dims[i] >= maxPlanBytes / total)
      return bad("{} has 2^56 elements or more", field);
    total *= dims[i];
  }
  return total;
}

/// Dimensions in order of strides, each with its stride and size in elements; those of size 1 left out.
std::vector<std::pair<uint64_t, uint64_t>> levelsOf(const plan::Tensor &tensor) {
  std::vector<std::pair<uint64_t, uint64_t>> levels;
  for (int i = 0; i < tensor.sizes_size(); ++i)
    if (tensor.sizes(i) > 1)
      levels.emplace_back(tensor.strides(i), tensor.sizes(i));
  std::sort(levels.begin(), levels.end());
  return levels;
}

/// sizes at strides, in order of strides, without two elements at one place; the last byte inside the buffer.
Status layout(const plan::Plan &plan, const plan::Tensor &tensor) {
  const plan::Buffer &buffer = plan.buffers(int(tensor.buffer()));
  const uint64_t width = plan::dtypeBytes(tensor.dtype());
  if (tensor.sizes_size() != tensor.strides_size())
    return bad("has {} sizes and {} strides; must have as many", tensor.sizes_size(), tensor.strides_size());
  unsigned __int128 extent = 1; // elements, of the levels so far
  for (auto [stride, size] : levelsOf(tensor)) {
    if (stride < extent)
      return bad("a stride of {} elements puts two elements at one place; must be at least {}", stride,
                 uint64_t(extent));
    extent += (unsigned __int128)(stride) * (size - 1);
    if (extent >= maxPlanBytes)
      return bad("sizes and strides span 2^56 elements or more");
  }
  if (tensor.offset() % width != 0)
    return bad("offset is {}; must be a multiple of {}, the size of {}", tensor.offset(), width,
               plan::DType_Name(tensor.dtype()));
  const uint64_t bytes = uint64_t(extent) * width;
  const uint64_t whole = plan::wholeBytes(buffer);
  if (tensor.offset() > whole || bytes > whole - tensor.offset())
    return bad("{} bytes at offset {} end behind buffer \"{}\" of {} bytes", bytes, tensor.offset(), buffer.name(),
               whole);
  return {};
}

/// Codes at their strides, and a run of scales apart from them.
Status inFp8(const plan::Plan &plan, const plan::Tensor &tensor) {
  const plan::Quantization &quantization = tensor.quantization();
  FT_RETURN_IF_ERROR(layout(plan, tensor));
  const std::optional<plan::Fp8Rows> rows = plan::Fp8Rows::of(tensor);
  if (!rows)
    return bad("sizes and strides do not place whole rows at multiples of quantization.row_pitch, {}",
               quantization.row_pitch());
  const uint64_t whole = plan.buffers(int(tensor.buffer())).size(), begin = quantization.scales_offset();
  const uint64_t bytes = rows->count() * plan::dtypeBytes(plan::F32);
  if (begin % plan::dtypeBytes(plan::F32) != 0)
    return bad("quantization.scales_offset is {}; must be a multiple of 4, the size of F32", begin);
  if (begin > whole || bytes > whole - begin)
    return bad("{} bytes of scales at offset {} end behind buffer \"{}\" of {} bytes", bytes, begin,
               plan.buffers(int(tensor.buffer())).name(), whole);
  uint64_t last = tensor.offset();
  for (int i = 0; i < tensor.sizes_size(); ++i)
    last += (tensor.sizes(i) - 1) * tensor.strides(i);
  if (begin <= last && tensor.offset() < begin + bytes)
    return bad("codes at {} to {} and scales at {} to {} share bytes", tensor.offset(), last, begin, begin + bytes);
  return {};
}

/// Codes and scales, all of them in the buffer.
Status quantized(const plan::Plan &plan, const plan::Tensor &tensor, uint64_t elements) {
  const plan::Buffer &buffer = plan.buffers(int(tensor.buffer()));
  const plan::Quantization &quantization = tensor.quantization();
  const bool fp8 = tensor.dtype() == plan::F8E4M3;
  if (quantization.kind() != (fp8 ? plan::Quantization::FP8 : plan::Quantization::NF4))
    return bad("quantization.kind is {}; must be {}", int(quantization.kind()), fp8 ? "FP8" : "NF4");
  if (tensor.role() != plan::Tensor::FROZEN)
    return bad("is quantised and {}; must be FROZEN", plan::Tensor::Role_Name(tensor.role()));
  if (fp8)
    return inFp8(plan, tensor);
  if (tensor.sizes_size() != 1 || tensor.strides_size() != 1 || tensor.strides(0) != 1)
    return bad("is quantised, with {} sizes and {} strides; must have one size, and stride 1", tensor.sizes_size(),
               tensor.strides_size());
  if (tensor.offset() % 16 != 0)
    return bad("offset is {}; must be a multiple of 16", tensor.offset());
  const uint64_t bytes = plan::Nf4Layout(elements, quantization.double_quant()).bytes;
  if (tensor.offset() > buffer.size() || bytes > buffer.size() - tensor.offset())
    return bad("{} bytes at offset {} end behind buffer \"{}\" of {} bytes", bytes, tensor.offset(), buffer.name(),
               buffer.size());
  return {};
}

/// Where the tensors of a role lie.
plan::Buffer::Class classOf(plan::Tensor::Role role) {
  switch (role) {
  case plan::Tensor::FROZEN:
  case plan::Tensor::TRAINABLE:
  case plan::Tensor::ADAPTER:
    return plan::Buffer::WEIGHT;
  case plan::Tensor::GRADIENT:
    return plan::Buffer::GRADIENT;
  case plan::Tensor::EXP_AVG:
  case plan::Tensor::EXP_AVG_SQ:
  case plan::Tensor::EXP_AVG_SCALES:
  case plan::Tensor::EXP_AVG_SQ_SCALES:
  case plan::Tensor::REMAINDER:
  case plan::Tensor::LOSS_SCALE:
    return plan::Buffer::OPTIMIZER_STATE;
  default:
    return plan::Buffer::CONSTANT;
  }
}

Status init(const plan::Tensor &tensor, uint64_t elements, std::span<const Section> sections) {
  const plan::Init &init = tensor.init();
  if (init.kind() == plan::Init::KIND_UNSPECIFIED || !plan::Init::Kind_IsValid(init.kind()))
    return bad("init.kind is {}; must be one of Init.Kind", int(init.kind()));
  FT_RETURN_IF_ERROR(range("init.scale", init.scale(), 0, 1e30));
  if (init.kind() == plan::Init::RANDOM_KEYS && uint64_t(init.key_names_size()) != elements)
    return bad("init has {} key_names; must have {}, one an element", init.key_names_size(), elements);
  if (const std::string &stream = init.key_stream(); !stream.empty() && stream != "dropout" && stream != "rounding")
    return bad("init.key_stream is \"{}\"; must be dropout or rounding", stream);
  if (init.kind() != plan::Init::CONSTANT)
    return {};
  FT_RETURN_IF_ERROR(index("init.section", init.section(), int(sections.size()), "sections"));
  const Section &section = sections[init.section()];
  if (section.kind != SectionKind::Constants)
    return bad("init.section {} is not of kind CONSTANTS", init.section());
  const uint64_t bytes = elements * plan::dtypeBytes(tensor.dtype());
  if (init.section_offset() > section.bytes.size() || bytes > section.bytes.size() - init.section_offset())
    return bad("init needs {} bytes at {} of section {}, which has {}", bytes, init.section_offset(), init.section(),
               section.bytes.size());
  return {};
}

Status tensor(const plan::Plan &plan, const plan::Tensor &tensor, std::span<const Section> sections) {
  FT_RETURN_IF_ERROR(text("key", tensor.key()));
  if (tensor.role() == plan::Tensor::ROLE_UNSPECIFIED || !plan::Tensor::Role_IsValid(tensor.role()))
    return bad("role is {}; must be one of Tensor.Role", int(tensor.role()));
  if ((tensor.dtype() == plan::U4 || tensor.dtype() == plan::F8E4M3) != tensor.has_quantization())
    return bad("dtype is {} {} quantization; U4 and F8E4M3 have one, and no other type",
               plan::DType_Name(tensor.dtype()), tensor.has_quantization() ? "with" : "without");
  if (plan::dtypeBytes(tensor.dtype()) == 0 && !tensor.has_quantization())
    return bad("dtype is {}; must be one of DType", int(tensor.dtype()));
  if (tensor.role() == plan::Tensor::RANDOM_KEYS && tensor.dtype() != plan::I64)
    return bad("dtype is {}; must be I64 for RANDOM_KEYS", plan::DType_Name(tensor.dtype()));
  if ((tensor.role() == plan::Tensor::REMAINDER) != (tensor.dtype() == plan::I16))
    return bad("dtype is {} of {}; I16 is that of REMAINDER, and of nothing else", plan::DType_Name(tensor.dtype()),
               plan::Tensor::Role_Name(tensor.role()));
  const bool moment = tensor.role() == plan::Tensor::EXP_AVG || tensor.role() == plan::Tensor::EXP_AVG_SQ;
  if (tensor.dtype() == plan::U8 && !moment)
    return bad("dtype is U8 of {}; codes are those of EXP_AVG and EXP_AVG_SQ, and of nothing else",
               plan::Tensor::Role_Name(tensor.role()));
  const bool scales = tensor.role() == plan::Tensor::EXP_AVG_SCALES || tensor.role() == plan::Tensor::EXP_AVG_SQ_SCALES;
  if (scales && tensor.dtype() != plan::F32)
    return bad("dtype is {}; must be F32 for {}", plan::DType_Name(tensor.dtype()),
               plan::Tensor::Role_Name(tensor.role()));
  FT_RETURN_IF_ERROR(index("buffer", tensor.buffer(), plan.buffers_size(), "buffers"));
  const plan::Buffer &buffer = plan.buffers(int(tensor.buffer()));
  if (buffer.class_() != classOf(tensor.role()))
    return bad("lies in buffer \"{}\" of class {}; must be of class {}, as it is {}", buffer.name(),
               plan::Buffer::Class_Name(buffer.class_()), plan::Buffer::Class_Name(classOf(tensor.role())),
               plan::Tensor::Role_Name(tensor.role()));
  if (buffer.initial_version() == 0 && tensor.role() != plan::Tensor::GRADIENT)
    return bad("lies in buffer \"{}\" without an initial version; must have one, since loading fills it",
               buffer.name());
  FT_ASSIGN_OR_RETURN(const uint64_t elements, product("shape", tensor.shape()));
  FT_ASSIGN_OR_RETURN(const uint64_t laidOut, product("sizes", tensor.sizes()));
  if (elements != laidOut)
    return bad("sizes hold {} elements; must hold {}, as shape does", laidOut, elements);
  FT_RETURN_IF_ERROR(tensor.has_quantization() ? quantized(plan, tensor, elements) : layout(plan, tensor));
  const uint64_t heads = tensor.gguf_rope_heads();
  if (heads > 0 && (tensor.shape_size() == 0 || tensor.shape(0) % (2 * heads) != 0))
    return bad("gguf_rope_heads is {}; the rows must divide into as many heads of pairs", heads);
  return tensor.has_init() ? init(tensor, elements, sections) : Status();
}

Status exportFile(const plan::Plan &plan, const plan::ExportFile &file) {
  std::set<std::string_view> keys;
  for (const plan::ExportTensor &tensor : file.tensors()) {
    FT_RETURN_IF_ERROR(text("key", tensor.key()));
    if (!keys.insert(tensor.key()).second)
      return bad("the key \"{}\" stands twice", tensor.key());
    FT_RETURN_IF_ERROR(at(index("tensor", tensor.tensor(), plan.tensors_size(), "tensors"),
                          [&] { return fmt::format("\"{}\"", tensor.key()); }));
    if (plan::dtypeBytes(tensor.dtype()) == 0)
      return bad("\"{}\": dtype is {}; must be one of DType", tensor.key(), int(tensor.dtype()));
    const plan::DType stored = plan.tensors(int(tensor.tensor())).dtype();
    if (plan::dtypeBytes(stored) == 0 || (stored != tensor.dtype() && !(floating(stored) && floating(tensor.dtype()))))
      return bad("\"{}\": dtype is {}; the tensor is of {}, and only floating types become another", tensor.key(),
                 plan::DType_Name(tensor.dtype()), plan::DType_Name(stored));
  }
  return {};
}

struct Piece {
  uint32_t buffer;
  ByteRegion bytes; // in the buffer
  int tensor;
};

/// The bytes of a tensor: contiguous runs in two levels, once for each element of the dimensions outside these.
void addPieces(const plan::Tensor &tensor, int index, std::vector<Piece> &pieces, WorkBudget &budget) {
  if (tensor.dtype() == plan::F8E4M3)
    if (auto rows = plan::Fp8Rows::of(tensor); rows && budget.spend()) // as quantized() has made sure
      if (auto run = makeRegion(tensor.quantization().scales_offset(), 4 * rows->count(), 1, 0, 1, 0); run.ok())
        pieces.push_back({tensor.buffer(), *run, index});
  if (tensor.dtype() == plan::U4) {
    const uint64_t bytes = plan::Nf4Layout(tensor.sizes(0), tensor.quantization().double_quant()).bytes;
    if (auto run = makeRegion(tensor.offset(), bytes, 1, 0, 1, 0); run.ok() && budget.spend())
      pieces.push_back({tensor.buffer(), *run, index});
    return;
  }
  const uint64_t width = plan::dtypeBytes(tensor.dtype());
  auto levels = levelsOf(tensor);
  uint64_t run = 1;
  while (!levels.empty() && levels.front().first == run) {
    run *= levels.front().second;
    levels.erase(levels.begin());
  }
  levels.insert(levels.end(), 2, {0, 1}); // at least two, outermost last
  uint64_t repeats = 1;
  for (size_t i = 2; i < levels.size(); ++i)
    repeats *= levels[i].second;
  for (uint64_t repeat = 0; repeat < repeats && budget.spend(); ++repeat) {
    uint64_t start = tensor.offset(), rest = repeat;
    for (size_t i = 2; i < levels.size(); ++i) {
      start += rest % levels[i].second * levels[i].first * width;
      rest /= levels[i].second;
    }
    auto bytes = makeRegion(start, run * width, levels[0].second, levels[0].first * width, levels[1].second,
                            levels[1].first * width);
    if (bytes.ok()) // as layout() has made sure
      pieces.push_back({tensor.buffer(), *bytes, index});
  }
}

/// Loading fills tensors in any order and at once: no two may share a byte.
Status tensorsApart(const plan::Plan &plan) {
  WorkBudget budget{1'000'000};
  std::vector<Piece> pieces;
  for (int i = 0; i < plan.tensors_size(); ++i)
    addPieces(plan.tensors(i), i, pieces, budget);
  std::sort(pieces.begin(), pieces.end(), [](const Piece &a, const Piece &b) {
    return std::pair(a.buffer, a.bytes.start) < std::pair(b.buffer, b.bytes.start);
  });
  for (size_t i = 0; i < pieces.size(); ++i)
    for (size_t j = i + 1; j < pieces.size() && budget.spend(); ++j) {
      const Piece &a = pieces[i], &b = pieces[j];
      if (a.buffer != b.buffer || b.bytes.start >= a.bytes.end())
        break;
      if (a.tensor != b.tensor && intersects(a.bytes, b.bytes, budget) && !budget.exhausted())
        return bad("tensors[{}] \"{}\" and tensors[{}] \"{}\" share bytes of buffer \"{}\"", a.tensor,
                   plan.tensors(a.tensor).key(), b.tensor, plan.tensors(b.tensor).key(),
                   plan.buffers(int(a.buffer)).name());
    }
  return budget.exhausted() ? bad("the tensors' strides are too irregular to be verified") : Status();
}

} // namespace

Status tensors(const plan::Plan &plan, std::span<const Section> sections) {
  std::set<std::pair<std::string_view, int>> names;
  for (int i = 0; i < plan.tensors_size(); ++i) {
    const plan::Tensor &t = plan.tensors(i);
    auto place = [&] { return fmt::format("tensors[{}] \"{}\"", i, t.key()); };
    FT_RETURN_IF_ERROR(at(tensor(plan, t, sections), place));
    if (!names.emplace(t.key(), t.role()).second)
      return bad("{}: stands twice with role {}", place(), plan::Tensor::Role_Name(t.role()));
  }
  return tensorsApart(plan);
}

Status exportsAndFacts(const plan::Plan &plan) {
  std::set<std::string_view> files{"metrics.jsonl", "summary.json",          "latest-checkpoint",
                                   "state.json",    "optimizer.safetensors", "complete"}; // the run's own
  auto file = [&](const std::string &name) -> Status {
    FT_RETURN_IF_ERROR(fileName("file", name));
    return files.insert(name).second ? Status() : bad("the file \"{}\" stands twice", name);
  };
  for (int i = 0; i < plan.exports_size(); ++i) {
    auto place = [&] { return fmt::format("exports[{}] \"{}\"", i, plan.exports(i).file()); };
    FT_RETURN_IF_ERROR(at(file(plan.exports(i).file()), place));
    FT_RETURN_IF_ERROR(at(exportFile(plan, plan.exports(i)), place));
  }
  for (int i = 0; i < plan.texts_size(); ++i)
    FT_RETURN_IF_ERROR(at(file(plan.texts(i).file()), [&] { return fmt::format("texts[{}]", i); }));
  for (int i = 0; i < plan.facts_size(); ++i) {
    const plan::ModelFact &fact = plan.facts(i);
    const bool inGguf = fact.config_key().empty(); // a format that has no key for it says nothing of it
    FT_RETURN_IF_ERROR(at(inGguf ? text("gguf_key", fact.gguf_key()) : text("config_key", fact.config_key()),
                          [&] { return fmt::format("facts[{}]", i); }));
    // Kernels index with tokens, which this bounds.
    if (fact.config_key() == "vocab_size" && fact.integer() != int64_t(plan.batch().vocab_size()))
      return bad("facts[{}]: vocab_size is {}; must be batch.vocab_size, {}", i, fact.integer(),
                 plan.batch().vocab_size());
  }
  return {};
}

} // namespace ft::rt::check
