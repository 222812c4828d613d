// GEMMs of the cpu driver, prepared once by shape.
#pragma once

#include "runtime/Device/Cpu/Processor.h"
#include "runtime/Device/Cpu/Team.h"
#include "runtime/Device/Device.h"
#include "runtime/Plan/plan.pb.h"

#include <array>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace ft::rt {

/// One GEMM whose every decision is made: D = alpha · op(A) · op(B) + beta · D at any addresses.
class PreparedGemm {
public:
  virtual ~PreparedGemm() = default;
  /// `workspace` as large as the plan's operand; null where the plan has none. Takes no memory of its own.
  virtual Status run(const void *a, const void *b, void *d, void *workspace) = 0;
  /// The same of a product of codes, which others have no form for.
  virtual Status runScaled(const GemmAddresses &) { return failed(description() + " multiplies no codes"); }
  /// What computes it, for reports: "oneDNN brg:avx512_core".
  virtual std::string description() const = 0;
};

/// oneDNN's engine and stream, made once.
struct DnnlContext {
  const DnnlApi &api;
  dnnl_engine_t engine = nullptr;
  dnnl_stream_t stream = nullptr;

  static Expected<std::unique_ptr<DnnlContext>> create(const DnnlApi &api);
  explicit DnnlContext(const DnnlApi &api) : api(api) {}
  DnnlContext(const DnnlContext &) = delete;
  ~DnnlContext();
};

/// "GEMM 1024x576x624 bf16·bf16→f32", as messages name it.
std::string gemmName(const plan::Gemm &gemm);
/// Bytes of the plan's workspace operand.
uint64_t workspaceBytes(const plan::Gemm &gemm);

/// Double precision, every element summed over k in ascending order: the same bits for every number of threads. Of
/// FP64_TRUE alone; about a tenth of a tuned library's speed.
std::unique_ptr<PreparedGemm> makePlainGemm(const plan::Gemm &gemm, const Team &team);

/// oneDNN's first implementation, of those whose name starts with `form`, that works within the plan's workspace: f32,
/// and bf16 where the processor multiplies it. Fails with CannotRun, naming both sizes, where none does.
Expected<std::unique_ptr<PreparedGemm>> makeDnnlGemm(const plan::Gemm &gemm, const DnnlContext &context,
                                                     std::string_view form = "");

/// f32 through oneDNN's sgemm: the matmul primitive's "gemm:jit" without a microsecond of its call.
std::unique_ptr<PreparedGemm> makeDnnlSgemm(const plan::Gemm &gemm, const DnnlContext &context);

/// The types of makeDnnlGemm, divided over the team: a block of D for each member, multiplied by oneDNN on one thread.
/// Fails with CannotRun where oneDNN has no such form.
Expected<std::unique_ptr<PreparedGemm>> makeTeamGemm(const plan::Gemm &gemm, const DnnlContext &context,
                                                     const Team &team);

/// Any mixture of f32, bf16 and f16 as f32 products: panels of A and B are widened into the workspace, summed in f32
/// and rounded once. For processors without bf16 products, and for f16. Fails with CannotRun where the workspace holds
/// no panel.
Expected<std::unique_ptr<PreparedGemm>> makePanelGemm(const plan::Gemm &gemm, const DnnlContext &context,
                                                      const Team &team);

/// bf16 to bf16 or f32, as f32 products of our own panels with AVX-512, divided over the team; sums are f32, rounded
/// once. Fails with CannotRun where the workspace holds no panel.
Expected<std::unique_ptr<PreparedGemm>> makeWideGemm(const plan::Gemm &gemm, const Team &team);

/// Products of F8E4M3 with scales, divided over the team: codes are widened into panels of the workspace, in bf16
/// (which holds them exactly) where `bf16` says that the processor multiplies that, else in f32; sums are f32, scaled
/// and rounded once. Fails with CannotRun where the workspace holds no panel.
Expected<std::unique_ptr<PreparedGemm>> makeCodeGemm(const plan::Gemm &gemm, const DnnlContext &context,
                                                     const Team &team, bool bf16);

/// Chooses among the six and shares what is equal.
class GemmCache {
public:
  GemmCache(const CpuLibraries &libraries, const Team &team, Bf16Products bf16Products)
      : libraries(libraries), team(team), bf16Products(bf16Products) {}

  Expected<uint32_t> prepare(const plan::Gemm &gemm);
  PreparedGemm &operator[](uint32_t handle) { return *gemms[handle]; }
  size_t size() const { return gemms.size(); }
  std::vector<std::string> descriptions() const;

private:
  Expected<std::unique_ptr<PreparedGemm>> make(const plan::Gemm &gemm);
  Status warmUp(const plan::Gemm &gemm, const PreparedGemm &made);

  const CpuLibraries &libraries;
  const Team &team;
  const Bf16Products bf16Products;
  std::unique_ptr<DnnlContext> context; // before gemms: they are destroyed first
  std::vector<std::unique_ptr<PreparedGemm>> gemms;
  std::map<std::string, uint32_t> handles;
  std::set<std::array<plan::DType, 3>> warmed;
};

} // namespace ft::rt
