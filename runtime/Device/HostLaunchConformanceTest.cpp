// Conformance: kernels on the processors of the host, ordered by streams with what the device does.
#include "runtime/Device/ConformanceFixture.h"
#include "runtime/Support/MappedFile.h"

#include <fmt/format.h>

using namespace ft;
using namespace ft::rt;

namespace {
class HostLaunchConformance : public DeviceConformance {
protected:
  void SetUp() override {
    DeviceConformance::SetUp();
    if (!IsSkipped() && !HasFatalFailure())
      load();
  }

  float *pinned(size_t count) {
    auto memory = device().reserve(plan::Arena::PINNED, count * sizeof(float), 256);
    EXPECT_TRUE(memory.ok()) << memory.status().message();
    return static_cast<float *>(*memory);
  }
  Status copy(uint32_t stream, float *to, float *from, size_t count) {
    const uint64_t bytes = count * sizeof(float);
    return device().copy(stream, {to, 1, bytes, bytes}, {from, 1, bytes, bytes});
  }
  /// sum ← factor · a + sum on the host: a and sum go there, and sum comes back, on stream 1 behind stream 0.
  Status enqueue(float *a, float *sum, uint32_t handle) {
    FT_RETURN_IF_ERROR(device().record(0, 1));
    FT_RETURN_IF_ERROR(device().wait(1, 1));
    FT_RETURN_IF_ERROR(copy(1, aHost, a, count));
    FT_RETURN_IF_ERROR(copy(1, sumHost, sum, count));
    FT_RETURN_IF_ERROR(device().hostLaunch(1, handle));
    FT_RETURN_IF_ERROR(copy(1, sum, sumHost, count));
    FT_RETURN_IF_ERROR(device().record(1, 2));
    return device().wait(0, 2);
  }

  static constexpr size_t count = 100003;
  float factor = 0; ///< of the image that the host's processor takes
  float *aHost = nullptr, *sumHost = nullptr;

private:
  void load() {
    plan::Plan plan;
    plan::Kernel *kernel = plan.add_kernels();
    kernel->set_name("scale_add"), kernel->set_entry("scaleAdd"), kernel->set_host(true);
    std::vector<ImageView> views;
    for (int level : {3, 4}) {
      plan::Image *image = plan.add_images();
      image->set_format(plan::Image::CPU_BLOB), image->set_host(true);
      image->set_arch(fmt::format("x86-64-v{}", level));
      image->add_entry_offsets(0);
      auto file = MappedFile::open(fmt::format("{}/scaleAdd.x86-64-v{}.bin", FTC_FIXTURE_BLOBS, level));
      ASSERT_TRUE(file.ok()) << file.status().message();
      files.push_back(std::move(*file));
    }
    for (int i = 0; i < 2; ++i)
      views.push_back({&plan.images(i), files[size_t(i)].bytes()});
    const Status status = device().loadKernels(plan, views);
    ASSERT_TRUE(status.ok()) << status.message();
    aHost = pinned(count), sumHost = pinned(count);
    // The fixture's images differ in their factor, so that a test sees which one was taken.
    std::vector<float> one(count, 1.0f);
    float *ones = toDevice(one), *zeros = toDevice(std::vector<float>(count, 0.0f));
    void *const args[] = {aHost, sumHost, sumHost};
    auto handle = device().prepareHostLaunch(0, count, args);
    ASSERT_TRUE(handle.ok()) << handle.status().message();
    ASSERT_TRUE(enqueue(ones, zeros, *handle).ok());
    factor = toHost(zeros, count)[0];
    ASSERT_TRUE(factor == 3.0f || factor == 4.0f) << factor;
  }

  std::vector<MappedFile> files;
};
} // namespace

TEST_P(HostLaunchConformance, DoesEachItemBetweenWhatGoesAndWhatComesBack) {
  std::vector<float> a(count), expected(count);
  for (size_t i = 0; i < count; ++i)
    a[i] = static_cast<float>(i % 4096);
  float *aDevice = toDevice(a), *sum = toDevice(std::vector<float>(count, 0.0f));
  void *const args[] = {aHost, sumHost, sumHost};
  auto handle = device().prepareHostLaunch(0, count, args);
  ASSERT_TRUE(handle.ok()) << handle.status().message();
  for (int round = 0; round < 5; ++round) {
    ASSERT_TRUE(enqueue(aDevice, sum, *handle).ok());
    for (size_t i = 0; i < count; ++i)
      expected[i] += factor * a[i];
  }
  EXPECT_EQ(toHost(sum, count), expected);
}

TEST_P(HostLaunchConformance, IsANodeOfAGraph) {
  if (!device().supportsCapture())
    return;
  float *one = toDevice(std::vector<float>(count, 1.0f)), *sum = toDevice(std::vector<float>(count, 0.0f));
  void *const args[] = {aHost, sumHost, sumHost};
  auto handle = device().prepareHostLaunch(0, count, args);
  ASSERT_TRUE(handle.ok()) << handle.status().message();
  ASSERT_TRUE(device().synchronize().ok());
  ASSERT_TRUE(device().beginCapture().ok());
  ASSERT_TRUE(enqueue(one, sum, *handle).ok());
  auto graph = device().endCapture();
  ASSERT_TRUE(graph.ok()) << graph.status().message();
  EXPECT_EQ(toHost(sum, count)[1], 0.0f) << "capturing must not execute";
  for (int replay = 1; replay <= 3; ++replay) {
    ASSERT_TRUE(device().launchGraph(*graph).ok());
    EXPECT_EQ(toHost(sum, count), std::vector<float>(count, static_cast<float>(replay) * factor));
  }
}

TEST_P(HostLaunchConformance, FillsMemoryOfTheHost) {
  for (plan::Arena::Space space : {plan::Arena::PINNED, plan::Arena::HOST}) {
    auto memory = device().reserve(space, 4096, 64);
    ASSERT_TRUE(memory.ok()) << memory.status().message();
    auto *bytes = static_cast<uint8_t *>(*memory);
    EXPECT_EQ(std::count(bytes, bytes + 4096, 0), 4096);
    ASSERT_TRUE(device().fill(0, {bytes, 3, 16, 1024}, 0xA5).ok());
    ASSERT_TRUE(device().synchronize().ok());
    EXPECT_EQ(std::count(bytes, bytes + 4096, 0xA5), 48);
    EXPECT_EQ(bytes[1024], 0xA5);
    EXPECT_EQ(bytes[1040], 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Cpu, HostLaunchConformance, testing::Values("Cpu"));
INSTANTIATE_TEST_SUITE_P(Cuda, HostLaunchConformance, testing::Values("Cuda"));
