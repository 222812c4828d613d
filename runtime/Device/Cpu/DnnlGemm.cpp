// GEMM as a oneDNN matmul primitive with a scratchpad of the plan's, and as its sgemm.
#include "runtime/Device/Cpu/Gemm.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

using namespace ft;
using namespace ft::rt;

namespace {
dnnl_data_type_t dnnlType(plan::DType type) { return type == plan::BF16 ? dnnl_bf16 : dnnl_f32; }

/// A descriptor of [batch,] rows × columns at these strides. oneDNN has no stride 0; a dimension of 1 broadcasts.
dnnl_status_t describe(const DnnlApi &api, dnnl_memory_desc_t &desc, plan::DType type, uint64_t batch,
                       uint64_t batchStride, std::array<uint64_t, 2> sizes, std::array<uint64_t, 2> strides) {
  dnnl_dims_t dims, steps;
  int rank = 0;
  auto push = [&](uint64_t size, uint64_t stride) {
    dims[rank] = static_cast<dnnl_dim_t>(size);
    steps[rank++] = static_cast<dnnl_dim_t>(stride);
  };
  if (batch > 1)
    push(batchStride ? batch : 1, batchStride ? batchStride : sizes[0] * strides[0]);
  push(sizes[0], strides[0]);
  push(sizes[1], strides[1]);
  return api.dnnl_memory_desc_init_by_strides(&desc, rank, dims, dnnlType(type), steps);
}

class DnnlGemm final : public PreparedGemm {
public:
  DnnlGemm(const plan::Gemm &gemm, const DnnlContext &context, std::string_view form)
      : name(gemmName(gemm)), form(form), context(context), api(context.api) {}
  ~DnnlGemm() override;

  Status prepare(const plan::Gemm &gemm);
  Status run(const void *a, const void *b, void *d, void *workspace) override;
  std::string description() const override { return "oneDNN " + implementation; }

private:
  Status refuse(const char *what) const { return cannotRun(fmt::format("{}: oneDNN refuses its {}", name, what)); }
  Status describeOperands(const plan::Gemm &gemm);
  Status chooseImplementation(const plan::Gemm &gemm, const_dnnl_primitive_attr_t attributes,
                              dnnl_primitive_desc_t &chosen);
  Status createMemories(const_dnnl_primitive_desc_t chosen);

  const std::string name, form;
  const DnnlContext &context;
  const DnnlApi &api;
  dnnl_memory_desc_t aDesc{}, bDesc{}, dDesc{};
  dnnl_primitive_t primitive = nullptr;
  std::array<dnnl_exec_arg_t, 4> arguments{}; // src, weights, dst, scratchpad
  int argumentCount = 3;
  std::string implementation;
};

DnnlGemm::~DnnlGemm() {
  if (primitive)
    api.dnnl_primitive_destroy(primitive);
  for (const dnnl_exec_arg_t &argument : arguments)
    if (argument.memory)
      api.dnnl_memory_destroy(argument.memory);
}

Status DnnlGemm::describeOperands(const plan::Gemm &gemm) {
  const uint64_t batch = std::max<uint64_t>(1, gemm.batch());
  using Pair = std::array<uint64_t, 2>;
  auto strides = [](bool transposed, uint64_t pitch) { return transposed ? Pair{1, pitch} : Pair{pitch, 1}; };
  if (describe(api, aDesc, gemm.a_type(), batch, gemm.stride_a(), {gemm.m(), gemm.k()},
               strides(gemm.trans_a(), gemm.lda())) != dnnl_success ||
      describe(api, bDesc, gemm.b_type(), batch, gemm.stride_b(), {gemm.k(), gemm.n()},
               strides(gemm.trans_b(), gemm.ldb())) != dnnl_success ||
      describe(api, dDesc, gemm.d_type(), batch, gemm.stride_d(), {gemm.m(), gemm.n()}, strides(false, gemm.ldd())) !=
          dnnl_success)
    return refuse("strides");
  return {};
}

/// oneDNN lists implementations fastest first; the first of this form whose scratchpad fits is taken, but never its
/// reference loops: they are correct, and a hundred times slower than a plan may expect.
Status DnnlGemm::chooseImplementation(const plan::Gemm &gemm, const_dnnl_primitive_attr_t attributes,
                                      dnnl_primitive_desc_t &chosen) {
  dnnl_matmul_desc_t desc{};
  if (api.dnnl_matmul_desc_init(&desc, &aDesc, &bDesc, nullptr, &dDesc) != dnnl_success)
    return refuse("shape");
  dnnl_primitive_desc_iterator_t iterator = nullptr;
  if (api.dnnl_primitive_desc_iterator_create(&iterator, &desc, attributes, context.engine, nullptr) != dnnl_success)
    return refuse("combination of types, strides and scaling");
  const uint64_t reserved = workspaceBytes(gemm);
  uint64_t smallest = UINT64_MAX;
  do {
    dnnl_primitive_desc_t candidate = api.dnnl_primitive_desc_iterator_fetch(iterator);
    if (!candidate)
      break;
    const dnnl_memory_desc_t *scratchpad = api.dnnl_primitive_desc_query_md(candidate, dnnl_query_scratchpad_md, 0);
    const uint64_t needed = scratchpad ? api.dnnl_memory_desc_get_size(scratchpad) : 0;
    const char *name = "";
    api.dnnl_primitive_desc_query(candidate, dnnl_query_impl_info_str, 0, &name);
    const bool wanted = !std::string_view(name).starts_with("ref") && std::string_view(name).starts_with(form);
    if (wanted)
      smallest = std::min(smallest, needed);
    if (wanted && needed <= reserved) {
      chosen = candidate;
      break;
    }
    api.dnnl_primitive_desc_destroy(candidate);
  } while (api.dnnl_primitive_desc_iterator_next(iterator) == dnnl_success);
  api.dnnl_primitive_desc_iterator_destroy(iterator);
  if (!chosen && smallest == UINT64_MAX)
    return refuse("combination of types, strides and scaling, but for its reference loops");
  if (!chosen)
    return cannotRun(
        fmt::format("{}: oneDNN works in {} bytes at least, the plan reserves {}; run with fewer --threads "
                    "or compile for a target file with a larger CPU workspace",
                    name, smallest, reserved));
  return {};
}

Status DnnlGemm::createMemories(const_dnnl_primitive_desc_t chosen) {
  const dnnl_memory_desc_t *scratchpad = api.dnnl_primitive_desc_query_md(chosen, dnnl_query_scratchpad_md, 0);
  const dnnl_memory_desc_t *descs[] = {&aDesc, &bDesc, &dDesc, scratchpad};
  const int kinds[] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST, DNNL_ARG_SCRATCHPAD};
  argumentCount = scratchpad && api.dnnl_memory_desc_get_size(scratchpad) ? 4 : 3;
  for (int i = 0; i < argumentCount; ++i) {
    arguments[i].arg = kinds[i];
    if (api.dnnl_memory_create(&arguments[i].memory, descs[i], context.engine, DNNL_MEMORY_NONE) != dnnl_success)
      return refuse("memory objects");
  }
  return {};
}

Status DnnlGemm::prepare(const plan::Gemm &gemm) {
  FT_RETURN_IF_ERROR(describeOperands(gemm));
  dnnl_primitive_attr_t attributes = nullptr;
  dnnl_post_ops_t postOps = nullptr;
  if (api.dnnl_primitive_attr_create(&attributes) != dnnl_success || api.dnnl_post_ops_create(&postOps) != dnnl_success)
    return refuse("attributes");
  bool set = api.dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user) == dnnl_success;
  const float alpha = static_cast<float>(gemm.alpha());
  if (alpha != 1)
    set = set && api.dnnl_primitive_attr_set_output_scales(attributes, 1, 0, &alpha) == dnnl_success;
  if (gemm.beta() == 1)
    set = set && api.dnnl_post_ops_append_sum(postOps, 1.0f) == dnnl_success &&
          api.dnnl_primitive_attr_set_post_ops(attributes, postOps) == dnnl_success;
  dnnl_primitive_desc_t chosen = nullptr;
  Status status = set ? chooseImplementation(gemm, attributes, chosen) : refuse("scaling");
  api.dnnl_post_ops_destroy(postOps);
  api.dnnl_primitive_attr_destroy(attributes);
  if (status.ok() && api.dnnl_primitive_create(&primitive, chosen) != dnnl_success)
    status = refuse("primitive");
  if (status.ok())
    status = createMemories(chosen);
  const char *text = nullptr;
  if (chosen && api.dnnl_primitive_desc_query(chosen, dnnl_query_impl_info_str, 0, &text) == dnnl_success)
    implementation = text;
  if (chosen)
    api.dnnl_primitive_desc_destroy(chosen);
  return status;
}

Status DnnlGemm::run(const void *a, const void *b, void *d, void *workspace) {
  void *const addresses[] = {const_cast<void *>(a), const_cast<void *>(b), d, workspace};
  bool done = true;
  for (int i = 0; i < argumentCount; ++i)
    done = done && api.dnnl_memory_set_data_handle(arguments[i].memory, addresses[i]) == dnnl_success;
  done = done && api.dnnl_primitive_execute(primitive, context.stream, argumentCount, arguments.data()) == dnnl_success;
  return done ? Status() : failed(fmt::format("{}: oneDNN fails to execute {}", name, implementation));
}

class DnnlSgemm final : public PreparedGemm {
public:
  DnnlSgemm(const plan::Gemm &gemm, const DnnlApi &api) : gemm(gemm), api(api) {}

  Status run(const void *a, const void *b, void *d, void *) override {
    const auto size = [](uint64_t count) { return static_cast<dnnl_dim_t>(count); };
    const dnnl_status_t status =
        api.dnnl_sgemm(gemm.trans_a() ? 'T' : 'N', gemm.trans_b() ? 'T' : 'N', size(gemm.m()), size(gemm.n()),
                       size(gemm.k()), static_cast<float>(gemm.alpha()), static_cast<const float *>(a),
                       size(gemm.lda()), static_cast<const float *>(b), size(gemm.ldb()),
                       static_cast<float>(gemm.beta()), static_cast<float *>(d), size(gemm.ldd()));
    return status == dnnl_success ? Status() : failed(gemmName(gemm) + ": oneDNN's sgemm fails");
  }
  std::string description() const override { return "oneDNN gemm:sgemm"; }

private:
  const plan::Gemm gemm;
  const DnnlApi &api;
};
} // namespace

std::unique_ptr<PreparedGemm> ft::rt::makeDnnlSgemm(const plan::Gemm &gemm, const DnnlContext &context) {
  return std::make_unique<DnnlSgemm>(gemm, context.api);
}

Expected<std::unique_ptr<PreparedGemm>> ft::rt::makeDnnlGemm(const plan::Gemm &gemm, const DnnlContext &context,
                                                             std::string_view form) {
  auto made = std::make_unique<DnnlGemm>(gemm, context, form);
  FT_RETURN_IF_ERROR(made->prepare(gemm));
  return std::unique_ptr<PreparedGemm>(std::move(made));
}
