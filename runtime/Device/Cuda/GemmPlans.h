// The GEMMs of a plan, resolved by cuBLASLt's heuristics at load.
#pragma once

#include "runtime/Device/Cuda/CublasApi.h"
#include "runtime/Device/Cuda/GemmLayout.h"
#include "runtime/Device/Device.h"

#include <cuda.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace ft::rt {

/// Prepared products, one per distinct shape and workspace. prepare() is synchronous; run() enqueues and allocates
/// nothing.
class GemmPlans {
public:
  /// `api` outlives this object; the CUDA context that `api` shall use is current.
  static Expected<std::unique_ptr<GemmPlans>> create(const CublasApi &api);
  ~GemmPlans();
  GemmPlans(const GemmPlans &) = delete;
  GemmPlans &operator=(const GemmPlans &) = delete;

  /// Takes the first algorithm of the heuristics that works within the workspace operand, or of those that do the one
  /// that is preferred. CannotRun names both sizes and the shape.
  Expected<uint32_t> prepare(const plan::Gemm &gemm);

  /// Each product with the algorithm that it uses, in the order of handles.
  std::vector<std::string> descriptions() const;
  /// descriptions() of earlier: what they name is preferred, for the product of the same place among them and else for
  /// any that is described alike.
  void prefer(std::vector<std::string> earlier) { preferred = std::move(earlier); }
  /// Device::waysOf and takeWay.
  Expected<uint32_t> waysOf(uint32_t handle);
  Status takeWay(uint32_t handle, uint32_t way);

  /// d = alpha · op(a) · op(b) + beta · d on `stream`.
  Status run(CUstream stream, uint32_t handle, const void *a, const void *b, void *d, void *workspace) const;

  /// Of products of e4m3: rows of d are multiplied by scaleA, columns by scaleB.
  Status runScaled(CUstream stream, uint32_t handle, const GemmAddresses &addresses) const;

private:
  struct Product;
  explicit GemmPlans(const CublasApi &library);
  Status describe(Product &product, const GemmLayout &layout, const plan::Gemm &gemm) const;
  Status describeScales(Product &product, const plan::Gemm &gemm) const;
  Status setScales(const Product &product, const void *ofA, const void *ofB) const;
  Status check(uint32_t handle, const void *a, const void *b, const void *d) const;
  using Way = cublasLtMatmulHeuristicResult_t;
  Expected<std::vector<Way>> waysWithin(const Product &product, uint64_t workspace, int most) const;
  Expected<Way> choose(const Product &product, uint64_t workspace) const;
  std::string descriptionOf(const Product &product, const cublasLtMatmulAlgo_t &algorithm) const;

  const CublasApi &api;
  cublasLtHandle_t library = nullptr;
  std::map<std::string, uint32_t> handles;
  std::vector<std::unique_ptr<Product>> products;
  std::vector<std::string> preferred; ///< by handle
};

} // namespace ft::rt
