// A tile is 128 rows of 32 words. Thread (lane, warp) takes word `lane` of 16 rows: four blocks of 4 × 4 bytes, each of
// which it transposes in registers and leaves in shared memory as a word of four rows. Row q of the transposed tile is
// 32 words there, word w at place (w + q / 4) mod 32: neither writing nor reading has two lanes in one bank.
#include "runtime/Device/Cuda/ByteTranspose.h"

#include <fmt/format.h>

namespace ft::rt {

namespace {

constexpr uint32_t tile = 128, threads = 256, blocks = 4; // blocks: of a thread

constexpr const char *head = R"(.version 7.0
.target sm_80
.address_size 64
.visible .entry ftc_transpose(.param .u64 source, .param .u64 target, .param .u64 source_pitch,
  .param .u64 target_pitch, .param .u32 rows, .param .u32 columns)
{
  .reg .pred %p, %q;
  .reg .b32 %lane, %warp, %rows, %columns, %row, %column, %at, %word, %index, %first, %out;
  .reg .b32 %w<16>, %t<4>, %o<4>;
  .reg .b64 %src, %dst, %sp, %dp, %a, %b;
  .shared .align 16 .b8 tile[16384];
  mov.u32 %at, %tid.x;
  and.b32 %lane, %at, 31;
  shr.u32 %warp, %at, 5;
  ld.param.u64 %src, [source];
  cvta.to.global.u64 %src, %src;
  ld.param.u64 %dst, [target];
  cvta.to.global.u64 %dst, %dst;
  ld.param.u64 %sp, [source_pitch];
  ld.param.u64 %dp, [target_pitch];
  ld.param.u32 %rows, [rows];
  ld.param.u32 %columns, [columns];
  mov.u32 %column, %ctaid.x;
  shl.b32 %column, %column, 7;
  mov.u32 %first, %ctaid.y;
  shl.b32 %first, %first, 7;
)";

/// Four words of four rows into registers w<4 block> …; all loads stand before what uses them.
std::string loads() {
  std::string text = "  shl.b32 %at, %lane, 2;\n  add.u32 %at, %column, %at;\n  setp.lt.u32 %q, %at, %columns;\n"
                     "  cvt.u64.u32 %a, %at;\n  add.u64 %src, %src, %a;\n";
  for (uint32_t block = 0; block < blocks; ++block) {
    text += fmt::format("  add.u32 %row, %warp, {};\n  shl.b32 %row, %row, 2;\n  add.u32 %row, %first, %row;\n"
                        "  setp.lt.and.u32 %p, %row, %rows, %q;\n  cvt.u64.u32 %a, %row;\n"
                        "  mad.lo.u64 %a, %a, %sp, %src;\n",
                        8 * block);
    for (uint32_t i = 0; i < 4; ++i)
      text += fmt::format("  @%p ld.global.nc.u32 %w{}, [%a];\n  add.u64 %a, %a, %sp;\n", 4 * block + i);
  }
  return text;
}

/// Bytes of column j of the block, in the order of rows, become word o<j>.
std::string exchange(uint32_t block) {
  const uint32_t w = 4 * block;
  std::string text = fmt::format("  prmt.b32 %t0, %w{0}, %w{1}, 0x5140;\n  prmt.b32 %t1, %w{2}, %w{3}, 0x5140;\n"
                                 "  prmt.b32 %t2, %w{0}, %w{1}, 0x7362;\n  prmt.b32 %t3, %w{2}, %w{3}, 0x7362;\n",
                                 w, w + 1, w + 2, w + 3);
  return text + "  prmt.b32 %o0, %t0, %t1, 0x5410;\n  prmt.b32 %o1, %t0, %t1, 0x7632;\n"
                "  prmt.b32 %o2, %t2, %t3, 0x5410;\n  prmt.b32 %o3, %t2, %t3, 0x7632;\n";
}

std::string stores() {
  std::string text = "  mov.u32 %index, tile;\n  shl.b32 %at, %lane, 9;\n  add.u32 %index, %index, %at;\n";
  for (uint32_t block = 0; block < blocks; ++block) {
    text += exchange(block);
    text += fmt::format("  add.u32 %word, %warp, {};\n  add.u32 %word, %word, %lane;\n  and.b32 %word, %word, 31;\n"
                        "  shl.b32 %word, %word, 2;\n  add.u32 %word, %word, %index;\n",
                        8 * block);
    for (uint32_t j = 0; j < 4; ++j)
      text += fmt::format("  st.shared.u32 [%word+{}], %o{};\n", 128 * j, j);
  }
  return text + "  bar.sync 0;\n";
}

/// A warp writes 16 rows of the transposed tile, a line each.
std::string results() {
  std::string text = "  shl.b32 %at, %lane, 2;\n  add.u32 %at, %first, %at;\n  setp.lt.u32 %q, %at, %rows;\n"
                     "  cvt.u64.u32 %a, %at;\n  add.u64 %dst, %dst, %a;\n  shl.b32 %out, %warp, 4;\n"
                     "  add.u32 %row, %column, %out;\n  cvt.u64.u32 %a, %row;\n  mad.lo.u64 %b, %a, %dp, %dst;\n"
                     "  mov.u32 %index, tile;\n  shl.b32 %at, %out, 7;\n  add.u32 %index, %index, %at;\n"
                     "  shr.u32 %out, %out, 2;\n  add.u32 %out, %out, %lane;\n";
  for (uint32_t i = 0; i < 16; ++i) {
    text += fmt::format("  add.u32 %word, %out, {};\n  and.b32 %word, %word, 31;\n  shl.b32 %word, %word, 2;\n"
                        "  add.u32 %word, %word, %index;\n  ld.shared.u32 %t0, [%word+{}];\n"
                        "  setp.lt.and.u32 %p, %row, %columns, %q;\n  @%p st.global.u32 [%b], %t0;\n"
                        "  add.u64 %b, %b, %dp;\n  add.u32 %row, %row, 1;\n",
                        i / 4, 128 * i);
  }
  return text;
}

bool isAligned(const Region &region) {
  return (reinterpret_cast<uintptr_t>(region.base) | region.pitch | region.rowBytes | region.rows) % 4 == 0;
}

} // namespace

std::string ByteTranspose::source() { return head + loads() + stores() + results() + "  ret;\n}\n"; }

Status ByteTranspose::load(const DriverApi &api) {
  const std::string text = source();
  FT_RETURN_IF_ERROR(api.check(api.moduleLoadDataEx(&module, text.c_str(), 0, nullptr, nullptr),
                               "loading the kernel that transposes codes"));
  FT_RETURN_IF_ERROR(
      api.check(api.moduleGetFunction(&function, module, "ftc_transpose"), "finding the kernel that transposes codes"));
  driver = &api;
  return {};
}

Status ByteTranspose::run(CUstream stream, const Region &dst, const Region &src) const {
  const std::string what = fmt::format("transposing {} x {} bytes", src.rows, src.rowBytes);
  if (!isAligned(dst) || !isAligned(src) || dst.rows != src.rowBytes || dst.rowBytes != src.rows)
    return failed(fmt::format("{} to {} x {}: sizes, pitches and addresses must be multiples of 4, and sizes exchanged",
                              what, dst.rows, dst.rowBytes));
  uint64_t sourcePitch = src.pitch, targetPitch = dst.pitch;
  uint32_t rows = static_cast<uint32_t>(src.rows), columns = static_cast<uint32_t>(src.rowBytes);
  const void *from = src.base;
  void *to = dst.base;
  void *arguments[] = {&from, &to, &sourcePitch, &targetPitch, &rows, &columns};
  return driver->check(driver->launchKernel(function, (columns + tile - 1) / tile, (rows + tile - 1) / tile, 1, threads,
                                            1, 1, 0, stream, arguments, nullptr),
                       what);
}

} // namespace ft::rt
