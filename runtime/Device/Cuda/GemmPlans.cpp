#include "runtime/Device/Cuda/GemmPlans.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace ft::rt {

/// One product's descriptors and algorithm. Alignments are bytes that the caller's pointers must have.
struct GemmPlans::Product {
  explicit Product(const CublasApi &library) : api(library) {}
  ~Product() {
    if (operation)
      api.matmulDescDestroy(operation);
    for (cublasLtMatrixLayout_t layout : {left, right, result})
      if (layout)
        api.layoutDestroy(layout);
  }
  Product(const Product &) = delete;
  Product &operator=(const Product &) = delete;

  const CublasApi &api;
  std::string text;
  cublasLtMatmulDesc_t operation = nullptr;
  cublasLtMatrixLayout_t left = nullptr, right = nullptr, result = nullptr;
  cublasLtMatmulAlgo_t algorithm{};
  uint64_t workspace = 0, reserved = 0; ///< bytes: what the algorithm takes, what the plan has
  std::vector<Way> ways;
  uint32_t alignA = 16, alignB = 16, alignD = 16;
  float alpha = 1, beta = 0;
  bool scaled = false; ///< a product of codes
};

namespace {

cudaDataType_t libraryType(plan::DType type) {
  switch (type) {
  case plan::BF16:
    return CUDA_R_16BF;
  case plan::F16:
    return CUDA_R_16F;
  case plan::F8E4M3:
    return CUDA_R_8F_E4M3;
  default:
    return CUDA_R_32F;
  }
}

// A scale for each row and column: cuBLASLt has them since 12.9, and headers of 12.0 shall do.
constexpr auto scaleModeA = static_cast<cublasLtMatmulDescAttributes_t>(31);
constexpr auto scaleModeB = static_cast<cublasLtMatmulDescAttributes_t>(32);
constexpr int32_t outerVectors = 3;
constexpr size_t firstWithOuterVectors = 120900;

// Its own choice is the first of few; whoever knows what to take looks at all that it has.
constexpr int fewWays = 8, allWays = 64;

Status makeLayout(const CublasApi &api, cublasLtMatrixLayout_t &layout, const ColumnMajor &matrix, uint64_t batch,
                  const std::string &what) {
  FT_RETURN_IF_ERROR(checkCublas(api.layoutCreate(&layout, libraryType(matrix.type), matrix.rows, matrix.columns,
                                                  static_cast<int64_t>(matrix.pitch)),
                                 what));
  if (batch == 1)
    return {};
  const int32_t count = static_cast<int32_t>(batch);
  const int64_t stride = static_cast<int64_t>(matrix.batchStride);
  FT_RETURN_IF_ERROR(
      checkCublas(api.layoutSet(layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof count), what));
  return checkCublas(api.layoutSet(layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride, sizeof stride), what);
}

/// What makes two products the same: everything but where their operands lie.
std::string shapeKey(const plan::Gemm &gemm) {
  plan::Gemm shape = gemm;
  for (plan::Operand *operand : {shape.mutable_a(), shape.mutable_b(), shape.mutable_d()}) {
    const uint32_t alignment = operandAlignment(*operand);
    operand->Clear();
    operand->set_offset(alignment);
  }
  shape.clear_scale_a();
  shape.clear_scale_b();
  const uint64_t workspace = gemm.has_workspace() ? operandBytes(gemm.workspace()) : 0;
  shape.mutable_workspace()->Clear();
  shape.mutable_workspace()->set_row_bytes(workspace);
  return shape.SerializeAsString();
}

bool aligned(const void *pointer, uint32_t alignment) { return reinterpret_cast<uintptr_t>(pointer) % alignment == 0; }

} // namespace

Expected<std::unique_ptr<GemmPlans>> GemmPlans::create(const CublasApi &api) {
  std::unique_ptr<GemmPlans> plans(new GemmPlans(api));
  FT_RETURN_IF_ERROR(checkCublas(api.create(&plans->library), "starting cuBLASLt"));
  return plans;
}

GemmPlans::GemmPlans(const CublasApi &library) : api(library) {}

GemmPlans::~GemmPlans() {
  products.clear();
  if (library)
    api.destroy(library);
}

Status GemmPlans::describe(Product &product, const GemmLayout &layout, const plan::Gemm &gemm) const {
  const bool tf32 = gemm.allow_tf32() && gemm.a_type() == plan::F32;
  FT_RETURN_IF_ERROR(checkCublas(
      api.matmulDescCreate(&product.operation, tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F, CUDA_R_32F),
      product.text));
  const cublasOperation_t leftOp = layout.transposeLeft ? CUBLAS_OP_T : CUBLAS_OP_N;
  const cublasOperation_t rightOp = layout.transposeRight ? CUBLAS_OP_T : CUBLAS_OP_N;
  FT_RETURN_IF_ERROR(checkCublas(
      api.matmulDescSet(product.operation, CUBLASLT_MATMUL_DESC_TRANSA, &leftOp, sizeof leftOp), product.text));
  FT_RETURN_IF_ERROR(checkCublas(
      api.matmulDescSet(product.operation, CUBLASLT_MATMUL_DESC_TRANSB, &rightOp, sizeof rightOp), product.text));
  if (gemm.a_type() == plan::F8E4M3)
    FT_RETURN_IF_ERROR(describeScales(product, gemm));
  FT_RETURN_IF_ERROR(makeLayout(api, product.left, layout.left, layout.batch, product.text));
  FT_RETURN_IF_ERROR(makeLayout(api, product.right, layout.right, layout.batch, product.text));
  return makeLayout(api, product.result, layout.result, layout.batch, product.text);
}

/// Vectors along both outer dimensions. The heuristic looks at the pointers' alignment: where they really lie is said
/// at each call.
Status GemmPlans::describeScales(Product &product, const plan::Gemm &gemm) const {
  if (api.getVersion() < firstWithOuterVectors)
    return cannotRun(
        fmt::format("{}: {} has no products of FP8 with a scale for each row, which 12.9 has; install a newer "
                    "one, or compile with --set quantization.products=DEQUANTIZED",
                    product.text, api.description()));
  const int8_t fast = gemm.fast_accumulation() ? 1 : 0;
  for (const auto attribute : {scaleModeA, scaleModeB})
    FT_RETURN_IF_ERROR(
        checkCublas(api.matmulDescSet(product.operation, attribute, &outerVectors, sizeof outerVectors), product.text));
  FT_RETURN_IF_ERROR(checkCublas(
      api.matmulDescSet(product.operation, CUBLASLT_MATMUL_DESC_FAST_ACCUM, &fast, sizeof fast), product.text));
  product.scaled = true;
  const void *aligned = reinterpret_cast<const void *>(uintptr_t(256));
  return setScales(product, aligned, aligned);
}

/// cuBLASLt's first operand is the plan's B.
Status GemmPlans::setScales(const Product &product, const void *ofA, const void *ofB) const {
  FT_RETURN_IF_ERROR(checkCublas(
      api.matmulDescSet(product.operation, CUBLASLT_MATMUL_DESC_A_SCALE_POINTER, &ofB, sizeof ofB), product.text));
  return checkCublas(api.matmulDescSet(product.operation, CUBLASLT_MATMUL_DESC_B_SCALE_POINTER, &ofA, sizeof ofA),
                     product.text);
}

/// At most `most`, in the order of the heuristics; none where the library has none.
Expected<std::vector<GemmPlans::Way>> GemmPlans::waysWithin(const Product &product, uint64_t workspace,
                                                            int most) const {
  cublasLtMatmulPreference_t preference = nullptr;
  FT_RETURN_IF_ERROR(checkCublas(api.preferenceCreate(&preference), product.text));
  auto set = [&](cublasLtMatmulPreferenceAttributes_t attribute, const auto &value) {
    return checkCublas(api.preferenceSet(preference, attribute, &value, sizeof value), product.text);
  };
  Status status = set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, workspace);
  // Parts of a sum over k are added in f32, never in the 16 bits of D.
  const uint32_t reductions = CUBLASLT_REDUCTION_SCHEME_NONE | CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
  if (status.ok())
    status = set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, reductions);
  // cuBLASLt assumes 256-byte alignment unless told: operands may be column slices.
  const std::pair<cublasLtMatmulPreferenceAttributes_t, uint32_t> alignments[] = {
      {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, product.alignB},
      {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, product.alignA},
      {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, product.alignD},
      {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, product.alignD}};
  for (const auto &[attribute, bytes] : alignments)
    if (status.ok())
      status = set(attribute, bytes);
  std::vector<Way> ways(static_cast<size_t>(most));
  int count = 0;
  if (status.ok()) {
    const cublasStatus_t answer =
        api.algoGetHeuristic(library, product.operation, product.left, product.right, product.result, product.result,
                             preference, most, ways.data(), &count);
    if (answer != CUBLAS_STATUS_SUCCESS && answer != CUBLAS_STATUS_NOT_SUPPORTED)
      status = checkCublas(answer, product.text);
  }
  api.preferenceDestroy(preference);
  if (!status.ok())
    return status;
  ways.resize(static_cast<size_t>(count));
  std::erase_if(ways,
                [&](const Way &way) { return way.state != CUBLAS_STATUS_SUCCESS || way.workspaceSize > workspace; });
  return ways;
}

Expected<GemmPlans::Way> GemmPlans::choose(const Product &product, uint64_t workspace) const {
  FT_ASSIGN_OR_RETURN(const std::vector<Way> ways,
                      waysWithin(product, workspace, preferred.empty() ? fewWays : allWays));
  if (ways.empty())
    return cannotRun(product.text + (product.scaled ? ": cuBLASLt has no algorithm for it in FP8; compile with --set "
                                                      "quantization.products=DEQUANTIZED"
                                                    : ": cuBLASLt has no algorithm"));
  const size_t place = products.size();
  const Way *alike = nullptr;
  for (const Way &way : ways) {
    const std::string description = descriptionOf(product, way.algo);
    if (place < preferred.size() && preferred[place] == description)
      return way;
    if (!alike && std::find(preferred.begin(), preferred.end(), description) != preferred.end())
      alike = &way;
  }
  return alike ? *alike : ways.front();
}

/// What is set in an algorithm, by name: its bytes may differ where all of that is equal. A library that does not know
/// a setting has none.
std::string GemmPlans::descriptionOf(const Product &product, const cublasLtMatmulAlgo_t &algorithm) const {
  constexpr std::pair<cublasLtMatmulAlgoConfigAttributes_t, const char *> settings[] = {
      {CUBLASLT_ALGO_CONFIG_ID, "algorithm"},
      {CUBLASLT_ALGO_CONFIG_TILE_ID, "tile"},
      {CUBLASLT_ALGO_CONFIG_STAGES_ID, "stages"},
      {CUBLASLT_ALGO_CONFIG_SPLITK_NUM, "split"},
      {CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME, "reduction"},
      {CUBLASLT_ALGO_CONFIG_CTA_SWIZZLING, "swizzling"},
      {CUBLASLT_ALGO_CONFIG_CUSTOM_OPTION, "option"},
      {CUBLASLT_ALGO_CONFIG_INNER_SHAPE_ID, "inner"},
      {CUBLASLT_ALGO_CONFIG_CLUSTER_SHAPE_ID, "cluster"}};
  std::string text = product.text + ":";
  for (const auto &[attribute, name] : settings) {
    uint32_t value = 0; // the last two are half as wide
    size_t bytes = attribute >= CUBLASLT_ALGO_CONFIG_INNER_SHAPE_ID ? sizeof(uint16_t) : sizeof(uint32_t), written = 0;
    if (api.algoGet(&algorithm, attribute, &value, bytes, &written) == CUBLAS_STATUS_SUCCESS)
      text += fmt::format(" {} {}", name, value);
  }
  return text;
}

Expected<uint32_t> GemmPlans::prepare(const plan::Gemm &gemm) {
  const std::string key = shapeKey(gemm);
  if (auto known = handles.find(key); known != handles.end())
    return known->second;
  FT_ASSIGN_OR_RETURN(const GemmLayout layout, layoutGemm(gemm));
  auto product = std::make_unique<Product>(api);
  product->text = describeGemm(gemm);
  product->alpha = static_cast<float>(gemm.alpha());
  product->beta = static_cast<float>(gemm.beta());
  product->alignA = operandAlignment(gemm.a());
  product->alignB = operandAlignment(gemm.b());
  product->alignD = operandAlignment(gemm.d());
  FT_RETURN_IF_ERROR(describe(*product, layout, gemm));
  const uint64_t reserved = gemm.has_workspace() ? operandBytes(gemm.workspace()) : 0;
  auto chosen = choose(*product, reserved);
  if (!chosen) {
    constexpr uint64_t Ample = uint64_t(1) << 30;
    auto unbounded = choose(*product, Ample);
    if (!unbounded)
      return chosen.status();
    return cannotRun(fmt::format("{}: cuBLASLt needs a workspace of {} bytes, the plan reserves {}; raise the "
                                 "target's GEMM workspace and compile again",
                                 product->text, unbounded->workspaceSize, reserved));
  }
  product->algorithm = chosen->algo;
  product->workspace = chosen->workspaceSize;
  product->reserved = reserved;
  products.push_back(std::move(product));
  return handles[key] = static_cast<uint32_t>(products.size() - 1);
}

std::vector<std::string> GemmPlans::descriptions() const {
  std::vector<std::string> all;
  for (const std::unique_ptr<Product> &product : products)
    all.push_back(descriptionOf(*product, product->algorithm));
  return all;
}

Expected<uint32_t> GemmPlans::waysOf(uint32_t handle) {
  if (handle >= products.size())
    return failed(fmt::format("gemm handle {} is unknown; {} are prepared", handle, products.size()));
  Product &product = *products[handle];
  FT_ASSIGN_OR_RETURN(std::vector<Way> all, waysWithin(product, product.reserved, allWays));
  Way present{};
  present.algo = product.algorithm, present.workspaceSize = product.workspace;
  product.ways = {present};
  std::set<std::string> known = {descriptionOf(product, product.algorithm)};
  for (const Way &way : all)
    if (known.insert(descriptionOf(product, way.algo)).second)
      product.ways.push_back(way);
  return static_cast<uint32_t>(product.ways.size());
}

Status GemmPlans::takeWay(uint32_t handle, uint32_t way) {
  if (handle >= products.size() || way >= products[handle]->ways.size())
    return failed(fmt::format("way {} of gemm handle {} is unknown", way, handle));
  Product &product = *products[handle];
  product.algorithm = product.ways[way].algo;
  product.workspace = product.ways[way].workspaceSize;
  return {};
}

Status GemmPlans::check(uint32_t handle, const void *a, const void *b, const void *d) const {
  if (handle >= products.size())
    return failed(fmt::format("gemm handle {} is unknown; {} are prepared", handle, products.size()));
  const Product &product = *products[handle];
  if (aligned(a, product.alignA) && aligned(b, product.alignB) && aligned(d, product.alignD))
    return {};
  return failed(fmt::format("{}: operands at {}, {}, {} are not aligned to {}, {}, {} bytes as prepared", product.text,
                            a, b, d, product.alignA, product.alignB, product.alignD));
}

Status GemmPlans::runScaled(CUstream stream, uint32_t handle, const GemmAddresses &at) const {
  FT_RETURN_IF_ERROR(check(handle, at.a, at.b, at.d));
  const Product &product = *products[handle];
  if (!product.scaled || !aligned(at.scaleA, 16) || !aligned(at.scaleB, 16))
    return failed(fmt::format("{}: {}", product.text,
                              product.scaled
                                  ? fmt::format("scales at {} and {} are not aligned to 16 bytes", at.scaleA, at.scaleB)
                                  : "was prepared without scales"));
  FT_RETURN_IF_ERROR(setScales(product, at.scaleA, at.scaleB));
  return run(stream, handle, at.a, at.b, at.d, at.workspace);
}

Status GemmPlans::run(CUstream stream, uint32_t handle, const void *a, const void *b, void *d, void *workspace) const {
  FT_RETURN_IF_ERROR(check(handle, a, b, d));
  const Product &product = *products[handle];
  return checkCublas(api.matmul(library, product.operation, &product.alpha, b, product.left, a, product.right,
                                &product.beta, d, product.result, d, product.result, &product.algorithm, workspace,
                                product.workspace, stream),
                     product.text);
}

} // namespace ft::rt
