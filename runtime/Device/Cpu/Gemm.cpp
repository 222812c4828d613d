#include "runtime/Device/Cpu/Gemm.h"

#include <algorithm>
#include <fmt/format.h>

using namespace ft;
using namespace ft::rt;

namespace {
const char *typeName(plan::DType type) {
  switch (type) {
  case plan::F64:
    return "f64";
  case plan::F32:
    return "f32";
  case plan::BF16:
    return "bf16";
  case plan::F16:
    return "f16";
  case plan::F8E4M3:
    return "e4m3";
  default:
    return "no floating type";
  }
}

bool isF32OrBf16(plan::DType type) { return type == plan::F32 || type == plan::BF16; }

bool isF32OrShorter(plan::DType type) { return type == plan::F32 || type == plan::BF16 || type == plan::F16; }

/// Everything that a prepared GEMM depends on: the message without addresses, and the workspace's size.
std::string shapeKey(plan::Gemm gemm) {
  const uint64_t workspace = workspaceBytes(gemm);
  gemm.clear_a();
  gemm.clear_b();
  gemm.clear_d();
  gemm.clear_workspace();
  gemm.clear_scale_a();
  gemm.clear_scale_b();
  return gemm.SerializeAsString() + "/" + std::to_string(workspace);
}
} // namespace

std::string ft::rt::gemmName(const plan::Gemm &gemm) {
  std::string batch = gemm.batch() > 1 ? fmt::format("{}x ", gemm.batch()) : "";
  return fmt::format("GEMM {}{}x{}x{} {}·{}→{}", batch, gemm.m(), gemm.n(), gemm.k(), typeName(gemm.a_type()),
                     typeName(gemm.b_type()), typeName(gemm.d_type()));
}

uint64_t ft::rt::workspaceBytes(const plan::Gemm &gemm) {
  if (!gemm.has_workspace())
    return 0;
  const plan::Operand &w = gemm.workspace();
  return w.rows() <= 1 ? w.row_bytes() : (w.rows() - 1) * w.pitch() + w.row_bytes();
}

Expected<std::unique_ptr<DnnlContext>> DnnlContext::create(const DnnlApi &api) {
  auto context = std::make_unique<DnnlContext>(api);
  if (api.dnnl_engine_create(&context->engine, dnnl_cpu, 0) != dnnl_success ||
      api.dnnl_stream_create(&context->stream, context->engine, dnnl_stream_default_flags) != dnnl_success)
    return cannotRun("oneDNN does not open an engine for this processor");
  return context;
}

DnnlContext::~DnnlContext() {
  if (stream)
    api.dnnl_stream_destroy(stream);
  if (engine)
    api.dnnl_engine_destroy(engine);
}

/// The copying implementation ("gemm:jit") compiles megabytes of code at its first call, whatever the shape: a tiny
/// call makes it do so before the first step.
Status GemmCache::warmUp(const plan::Gemm &gemm, const PreparedGemm &made) {
  if (!made.description().starts_with("oneDNN gemm") ||
      !warmed.insert({gemm.a_type(), gemm.b_type(), gemm.d_type()}).second)
    return {};
  plan::Gemm tiny;
  tiny.set_a_type(gemm.a_type()), tiny.set_b_type(gemm.b_type()), tiny.set_d_type(gemm.d_type());
  tiny.set_m(16), tiny.set_n(16), tiny.set_k(16);
  tiny.set_lda(24), tiny.set_ldb(24), tiny.set_ldd(24);
  tiny.set_alpha(1);
  std::vector<double> a(16 * 24), b(16 * 24), d(16 * 24), workspace(1 << 17);
  tiny.mutable_workspace()->set_row_bytes(workspace.size() * sizeof(double));
  FT_ASSIGN_OR_RETURN(std::unique_ptr<PreparedGemm> call, makeDnnlGemm(tiny, *context));
  return call->run(a.data(), b.data(), d.data(), workspace.data());
}

Expected<uint32_t> GemmCache::prepare(const plan::Gemm &gemm) {
  if (gemm.beta() != 0 && gemm.beta() != 1)
    return badInput(fmt::format("{}: beta is {}; must be 0 or 1", gemmName(gemm), gemm.beta()));
  if (!gemm.m() || !gemm.n() || !gemm.k())
    return badInput(fmt::format("{}: m, n and k must be at least 1", gemmName(gemm)));
  std::string key = shapeKey(gemm);
  if (auto found = handles.find(key); found != handles.end())
    return found->second;
  FT_ASSIGN_OR_RETURN(std::unique_ptr<PreparedGemm> made, make(gemm));
  FT_RETURN_IF_ERROR(warmUp(gemm, *made));
  gemms.push_back(std::move(made));
  const uint32_t handle = static_cast<uint32_t>(gemms.size() - 1);
  handles.emplace(std::move(key), handle);
  return handle;
}

std::vector<std::string> GemmCache::descriptions() const {
  std::vector<std::string> all;
  for (const std::unique_ptr<PreparedGemm> &gemm : gemms)
    all.push_back(gemm->description());
  return all;
}

Expected<std::unique_ptr<PreparedGemm>> GemmCache::make(const plan::Gemm &gemm) {
  if (gemm.a_type() == plan::F64 && gemm.b_type() == plan::F64 && gemm.d_type() == plan::F64)
    return makePlainGemm(gemm, team);
  const bool codes = gemm.a_type() == plan::F8E4M3 && gemm.b_type() == plan::F8E4M3 && isF32OrBf16(gemm.d_type());
  if (!codes && (!isF32OrShorter(gemm.a_type()) || !isF32OrShorter(gemm.b_type()) || !isF32OrShorter(gemm.d_type())))
    return cannotRun(
        fmt::format("{}: the CPU multiplies f32, bf16 and f16 in any mixture, codes, and f64", gemmName(gemm)));
  if (!libraries.hasDnnl)
    return cannotRun(fmt::format("{} needs oneDNN: {}", gemmName(gemm), libraries.missing));
  if (!context) {
    FT_ASSIGN_OR_RETURN(context, DnnlContext::create(libraries.dnnl));
  }
  if (codes)
    return makeCodeGemm(gemm, *context, team, bf16Products >= Bf16Products::Fast);
  const bool allF32 = gemm.a_type() == plan::F32 && gemm.b_type() == plan::F32 && gemm.d_type() == plan::F32;
  const bool native = bf16Products != Bf16Products::None && gemm.a_type() == plan::BF16 &&
                      gemm.b_type() == plan::BF16 && isF32OrBf16(gemm.d_type());
  // Panels are packed for many rows and columns. What tiles multiply in several calls of the library for a batch of
  // small products takes longer than that: 64 x 256 x 64 at 20 GFLOP/s a core beside 125.
  constexpr uint64_t wideLeast = 32;
  const bool wide = bf16Products == Bf16Products::Slow || (bf16Products == Bf16Products::Tiles && gemm.batch() > 1);
  if (native && wide && std::min(gemm.m(), gemm.n()) >= wideLeast)
    if (auto made = makeWideGemm(gemm, team); made.ok())
      return made;
  // With few columns the team's inner kernel is mostly empty; oneDNN's first form is better where it reads A by rows.
  const bool thin = gemm.n() < 48 && !gemm.trans_a();
  if ((allF32 || native) && !thin)
    if (auto divided = makeTeamGemm(gemm, *context, team); divided.ok())
      return divided;
  // Of one column, or of few rows, the form that oneDNN takes depends on the pitch. A value has the same bits wherever
  // it lies: panels are dense.
  constexpr uint64_t fewRows = 16;
  if ((allF32 || native) && thin && (gemm.n() == 1 || gemm.m() < fewRows))
    if (auto panels = makePanelGemm(gemm, *context, team); panels.ok())
      return panels;
  if (allF32)
    return makeDnnlGemm(gemm, *context);
  if (native)
    if (auto direct = makeDnnlGemm(gemm, *context); direct.ok())
      return direct;
  return makePanelGemm(gemm, *context, team);
}
