#include "runtime/Device/Cuda/NormKernel.h"

namespace ft::rt {

namespace {

constexpr const char *Source = R"(
.version 7.0
.target sm_80
.address_size 64
.visible .entry ftc_norm(.param .u64 values, .param .u64 out, .param .u32 count)
{
  .reg .pred %p;
  .reg .b32 %i, %n;
  .reg .b64 %src, %dst;
  .reg .f64 %x, %sum;
  ld.param.u64 %src, [values];
  cvta.to.global.u64 %src, %src;
  ld.param.u64 %dst, [out];
  cvta.to.global.u64 %dst, %dst;
  ld.param.u32 %n, [count];
  mov.f64 %sum, 0d0000000000000000;
  mov.u32 %i, 0;
NEXT:
  setp.ge.u32 %p, %i, %n;
  @%p bra DONE;
  ld.global.f64 %x, [%src];
  fma.rn.f64 %sum, %x, %x, %sum;
  add.u64 %src, %src, 8;
  add.u32 %i, %i, 1;
  bra NEXT;
DONE:
  sqrt.rn.f64 %sum, %sum;
  st.global.f64 [%dst], %sum;
  ret;
}
)";

} // namespace

Status NormKernel::load(const DriverApi &api) {
  FT_RETURN_IF_ERROR(
      api.check(api.moduleLoadDataEx(&module, Source, 0, nullptr, nullptr), "loading the kernel of norms over ranks"));
  FT_RETURN_IF_ERROR(
      api.check(api.moduleGetFunction(&function, module, "ftc_norm"), "finding the kernel of norms over ranks"));
  driver = &api;
  return {};
}

Status NormKernel::run(CUstream stream, const void *values, void *out, uint32_t count) const {
  void *arguments[] = {&values, &out, &count};
  return driver->check(driver->launchKernel(function, 1, 1, 1, 1, 1, 1, 0, stream, arguments, nullptr),
                       "computing a norm over ranks");
}

} // namespace ft::rt
