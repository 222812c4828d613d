// Conformance: kernels, order between streams, time, graphs.
#include "runtime/Device/ConformanceFixture.h"
#include "runtime/Support/MappedFile.h"

#include <fmt/format.h>

using namespace ft;
using namespace ft::rt;

namespace {
/// The fixture kernel for CUDA: one thread per item, out = 3a + b.
constexpr char scaleAddPtx[] = R"(.version 7.0
.target sm_80
.address_size 64
.visible .entry scaleAdd(.param .u64 a, .param .u64 b, .param .u64 out, .param .u64 items)
{
  .reg .pred %p;
  .reg .b32 %t<4>;
  .reg .b64 %i<10>;
  .reg .f32 %f<4>;
  mov.u32 %t0, %ctaid.x;
  mov.u32 %t1, %ntid.x;
  mov.u32 %t2, %tid.x;
  mad.lo.s32 %t3, %t0, %t1, %t2;
  cvt.u64.u32 %i0, %t3;
  ld.param.u64 %i1, [items];
  setp.ge.u64 %p, %i0, %i1;
  @%p ret;
  shl.b64 %i2, %i0, 2;
  ld.param.u64 %i3, [a];
  ld.param.u64 %i4, [b];
  ld.param.u64 %i5, [out];
  add.s64 %i6, %i3, %i2;
  add.s64 %i7, %i4, %i2;
  add.s64 %i8, %i5, %i2;
  ld.global.f32 %f0, [%i6];
  ld.global.f32 %f1, [%i7];
  mul.rn.f32 %f2, %f0, 0f40400000;
  add.rn.f32 %f3, %f2, %f1;
  st.global.f32 [%i8], %f3;
  ret;
}
)";

class QueueConformance : public DeviceConformance {
protected:
  /// Loads the fixture kernel; the factor that the chosen image applies to `a`.
  float loadScaleAdd() {
    plan::Plan plan;
    plan::Kernel *kernel = plan.add_kernels();
    kernel->set_name("scale_add");
    kernel->set_entry("scaleAdd");
    kernel->set_threads(128);
    kernel->set_items_per_block(128);
    std::vector<ImageView> views;
    if (isCuda()) {
      plan::Image *image = plan.add_images();
      image->set_format(plan::Image::PTX);
      image->set_arch(device().info().arch);
      views.push_back({image, std::as_bytes(std::span(scaleAddPtx))});
    } else {
      for (int level : {3, 4}) {
        plan::Image *image = plan.add_images();
        image->set_format(plan::Image::CPU_BLOB);
        image->set_arch(fmt::format("x86-64-v{}", level));
        image->add_entry_offsets(0);
        auto file = MappedFile::open(fmt::format("{}/scaleAdd.x86-64-v{}.bin", FTC_FIXTURE_BLOBS, level));
        EXPECT_TRUE(file.ok()) << file.status().message();
        files.push_back(std::move(*file));
        views.push_back({image, files.back().bytes()});
      }
      for (int i = 0; i < 2; ++i)
        views[i].image = &plan.images(i);
    }
    Status status = device().loadKernels(plan, views);
    EXPECT_TRUE(status.ok()) << status.message();
    return !isCuda() && device().info().arch == "x86-64-v4" ? 4.0f : 3.0f;
  }

  std::vector<float> randomFloats(size_t count) {
    std::vector<double> numbers = randomNumbers(count);
    return {numbers.begin(), numbers.end()};
  }

private:
  std::vector<MappedFile> files;
};
} // namespace

TEST_P(QueueConformance, LaunchesTheBestImageOverAllItems) {
  const float factor = loadScaleAdd();
  for (size_t count : {1, 2, 127, 128, 1000003}) {
    const std::vector<float> a = randomFloats(count), b = randomFloats(count);
    float *aDevice = toDevice(a), *bDevice = toDevice(b), *out = toDevice(std::vector<float>(count + 1, 7.0f));
    void *const args[] = {aDevice, bDevice, out};
    ASSERT_TRUE(device().launch(0, 0, count, args).ok());
    const std::vector<float> got = toHost(out, count + 1);
    for (size_t i = 0; i < count; ++i)
      ASSERT_EQ(got[i], factor * a[i] + b[i]) << "item " << i << " of " << count;
    ASSERT_EQ(got[count], 7.0f) << "written behind the last of " << count;
  }
}

TEST_P(QueueConformance, EventsOrderStreamsAndKeepTheTime) {
  const size_t count = 1 << 22;
  const float factor = loadScaleAdd();
  const std::vector<float> a = randomFloats(count), b = randomFloats(count);
  float *aDevice = toDevice(a), *bDevice = toDevice(b), *out = toDevice(std::vector<float>(count));
  float *result = toDevice(std::vector<float>(count));
  ASSERT_TRUE(device().synchronize().ok());
  void *const args[] = {aDevice, bDevice, out};
  ASSERT_TRUE(device().record(0, 1).ok());
  ASSERT_TRUE(device().launch(0, 0, count, args).ok());
  ASSERT_TRUE(device().record(0, 2).ok());
  ASSERT_TRUE(device().wait(1, 2).ok());
  ASSERT_TRUE(device().copy(1, {result, 1, count * 4}, {out, 1, count * 4}).ok());
  ASSERT_TRUE(device().record(1, 3).ok());
  ASSERT_TRUE(device().synchronize().ok());
  EXPECT_EQ(toHost(result, count)[count - 1], factor * a[count - 1] + b[count - 1]);
  auto kernelMs = device().elapsedMs(1, 2), allMs = device().elapsedMs(1, 3);
  ASSERT_TRUE(kernelMs.ok() && allMs.ok());
  EXPECT_GT(*kernelMs, 0.0);
  EXPECT_GE(*allMs, *kernelMs);
}

TEST_P(QueueConformance, AnEventThatWasNeverRecordedHasHappened) {
  constexpr uint32_t never = 5; // no other test of this program records it
  EXPECT_TRUE(device().wait(1, never).ok());
  EXPECT_TRUE(device().synchronizeEvent(never).ok());
  EXPECT_TRUE(device().synchronize().ok());
}

TEST_P(QueueConformance, RecordsTravelAheadOfTheWorkThatReadsThem) {
  const size_t count = 1 << 20, bytes = count * sizeof(float);
  const float factor = loadScaleAdd();
  float *sum = toDevice(std::vector<float>(count, 0.0f)), *input = toDevice(std::vector<float>(count, -1.0f));
  float *slots[2], *records[2];
  for (int i = 0; i < 2; ++i) {
    slots[i] = toDevice(std::vector<float>(count, -1.0f));
    records[i] = static_cast<float *>(*device().reserve(plan::Arena::PINNED, bytes, 256));
  }
  ASSERT_TRUE(device().synchronize().ok());
  void *const args[] = {input, sum, sum};
  const uint32_t arrived[] = {1, 2}, taken[] = {3, 4};
  float expected = 0;
  for (int round = 0; round < 9; ++round) {
    const int i = round % 2;
    ASSERT_TRUE(device().synchronizeEvent(arrived[i]).ok());
    std::fill_n(records[i], count, static_cast<float>(round));
    ASSERT_TRUE(device().wait(1, taken[i]).ok());
    ASSERT_TRUE(device().upload(1, slots[i], records[i], bytes).ok());
    ASSERT_TRUE(device().record(1, arrived[i]).ok());
    ASSERT_TRUE(device().wait(0, arrived[i]).ok());
    ASSERT_TRUE(device().copy(0, {input, 1, bytes, bytes}, {slots[i], 1, bytes, bytes}).ok());
    ASSERT_TRUE(device().record(0, taken[i]).ok());
    ASSERT_TRUE(device().launch(0, 0, count, args).ok());
    expected = factor * static_cast<float>(round) + expected;
  }
  EXPECT_EQ(toHost(sum, count), std::vector<float>(count, expected));
}

TEST_P(QueueConformance, CapturesWhereItSaysSo) {
  if (!device().supportsCapture()) {
    EXPECT_EQ(device().beginCapture().code(), Code::Failed);
    return;
  }
  const float factor = loadScaleAdd();
  const size_t count = 1000;
  const std::vector<float> a = randomFloats(count);
  float *aDevice = toDevice(a), *sum = toDevice(std::vector<float>(count));
  void *const args[] = {aDevice, sum, sum};
  ASSERT_TRUE(device().synchronize().ok());
  ASSERT_TRUE(device().beginCapture().ok());
  ASSERT_TRUE(device().launch(0, 0, count, args).ok());
  ASSERT_TRUE(device().record(0, 1).ok());
  ASSERT_TRUE(device().wait(1, 1).ok());
  ASSERT_TRUE(device().launch(1, 0, count, args).ok());
  ASSERT_TRUE(device().record(1, 2).ok());
  ASSERT_TRUE(device().wait(0, 2).ok());
  auto graph = device().endCapture();
  ASSERT_TRUE(graph.ok()) << graph.status().message();
  EXPECT_EQ(toHost(sum, count)[1], 0.0f) << "capturing must not execute";
  ASSERT_TRUE(device().launchGraph(*graph).ok());
  const float once = factor * a[1];
  EXPECT_EQ(toHost(sum, count)[1], factor * a[1] + once);
}

TEST_P(QueueConformance, EveryReplayStampsAnew) {
  if (!device().supportsCapture())
    return;
  loadScaleAdd();
  const size_t count = 1 << 22;
  float *a = toDevice(randomFloats(count)), *out = toDevice(std::vector<float>(count));
  void *const args[] = {a, a, out};
  constexpr uint32_t start = 1, from = 3, to = 4;
  ASSERT_TRUE(device().synchronize().ok());
  ASSERT_TRUE(device().beginCapture().ok());
  ASSERT_TRUE(device().stamp(0, from).ok());
  ASSERT_TRUE(device().launch(0, 0, count, args).ok());
  ASSERT_TRUE(device().stamp(0, to).ok());
  auto graph = device().endCapture();
  ASSERT_TRUE(graph.ok()) << graph.status().message();
  for (int replay = 0; replay < 2; ++replay) {
    ASSERT_TRUE(device().stamp(0, start).ok());
    ASSERT_TRUE(device().launchGraph(*graph).ok());
    ASSERT_TRUE(device().synchronize().ok());
    auto before = device().elapsedMs(start, from), kernel = device().elapsedMs(from, to);
    ASSERT_TRUE(before.ok() && kernel.ok());
    EXPECT_GE(*before, 0.0) << "replay " << replay;
    EXPECT_GT(*kernel, 0.0) << "replay " << replay;
  }
}

INSTANTIATE_TEST_SUITE_P(Cpu, QueueConformance, testing::Values("Cpu"));
INSTANTIATE_TEST_SUITE_P(Cuda, QueueConformance, testing::Values("Cuda"));
