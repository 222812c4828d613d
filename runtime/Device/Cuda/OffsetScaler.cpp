#include "runtime/Device/Cuda/OffsetScaler.h"

namespace ft::rt {

namespace {

// PTX text: this library is built without a CUDA compiler. The oldest version that knows sm_80, below which cuDNN has
// no attention.
constexpr const char *Source = R"(
.version 7.0
.target sm_80
.address_size 64
.visible .entry ftc_scale_offsets(
  .param .u64 offsets, .param .u64 out, .param .u32 count, .param .u32 pitch,
  .param .u32 factor0, .param .u32 factor1, .param .u32 factor2)
{
  .reg .pred %p;
  .reg .b32 %i, %n, %b, %t, %v, %w, %f, %pitch;
  .reg .b64 %src, %dst, %step, %at;
  mov.u32 %b, %ctaid.x;
  mov.u32 %n, %ntid.x;
  mov.u32 %t, %tid.x;
  mad.lo.u32 %i, %b, %n, %t;
  ld.param.u32 %n, [count];
  setp.ge.u32 %p, %i, %n;
  @%p bra DONE;
  ld.param.u64 %src, [offsets];
  cvta.to.global.u64 %src, %src;
  ld.param.u64 %dst, [out];
  cvta.to.global.u64 %dst, %dst;
  ld.param.u32 %pitch, [pitch];
  cvt.u64.u32 %step, %pitch;
  mul.wide.u32 %at, %i, 4;
  add.u64 %src, %src, %at;
  add.u64 %dst, %dst, %at;
  ld.global.u32 %v, [%src];
  ld.param.u32 %f, [factor0];
  mul.lo.s32 %w, %v, %f;
  st.global.u32 [%dst], %w;
  add.u64 %dst, %dst, %step;
  ld.param.u32 %f, [factor1];
  mul.lo.s32 %w, %v, %f;
  st.global.u32 [%dst], %w;
  add.u64 %dst, %dst, %step;
  ld.param.u32 %f, [factor2];
  mul.lo.s32 %w, %v, %f;
  st.global.u32 [%dst], %w;
DONE:
  ret;
}
)";

} // namespace

Status OffsetScaler::load(const DriverApi &api) {
  driver = &api;
  FT_RETURN_IF_ERROR(api.check(api.moduleLoadDataEx(&module, Source, 0, nullptr, nullptr),
                               "loading the kernel that scales document offsets"));
  return api.check(api.moduleGetFunction(&function, module, "ftc_scale_offsets"),
                   "finding the kernel that scales document offsets");
}

Status OffsetScaler::run(CUstream stream, const void *offsets, void *out, uint32_t count,
                         const std::array<int32_t, Outputs> &factors) const {
  constexpr uint32_t Threads = 128;
  uint32_t pitch = static_cast<uint32_t>(arrayBytes(count));
  std::array<int32_t, Outputs> values = factors;
  void *arguments[] = {&offsets, &out, &count, &pitch, &values[0], &values[1], &values[2]};
  return driver->check(driver->launchKernel(function, (count + Threads - 1) / Threads, 1, 1, Threads, 1, 1, 0, stream,
                                            arguments, nullptr),
                       "scaling document offsets");
}

} // namespace ft::rt
