// The driver's own logic, on a fake libcuda: what the conformance suite does not ask of every driver.
#include "runtime/Device/Cuda/CudaDevice.h"

#include <gtest/gtest.h>

using namespace ft;
using namespace ft::rt;

namespace {

Expected<std::unique_ptr<Device>> openFake(uint32_t ordinal = 0) {
  CudaSetup setup;
  setup.driverLibrary = FTC_FAKE_DRIVER;
  setup.places.variables["FTC_CUBLAS_DIR"] = "/nonexistent";
  setup.places.variables["FTC_CUDNN_DIR"] = "/nonexistent";
  return CudaDevice::open(setup, ordinal);
}

class CudaDeviceTest : public testing::Test {
protected:
  void SetUp() override {
    auto opened = openFake();
    ASSERT_TRUE(opened.ok()) << opened.status().message();
    device = std::move(*opened);
  }
  static plan::Plan onePlan() {
    plan::Plan plan;
    plan::Kernel *kernel = plan.add_kernels();
    kernel->set_name("scale_add"), kernel->set_entry("scaleAdd");
    kernel->set_threads(128), kernel->set_items_per_block(128);
    return plan;
  }
  Status load(const plan::Plan &plan, std::vector<std::pair<std::string, plan::Image::Format>> images,
              const std::string &code = ".entry scaleAdd") {
    std::vector<plan::Image> descriptions(images.size());
    std::vector<ImageView> views;
    for (size_t i = 0; i < images.size(); ++i) {
      descriptions[i].set_arch(images[i].first), descriptions[i].set_format(images[i].second);
      views.push_back({&descriptions[i], std::as_bytes(std::span(code))});
    }
    return device->loadKernels(plan, views);
  }

  std::unique_ptr<Device> device;
};

void expectStatus(const Status &status, Code code, const std::string &message) {
  EXPECT_EQ(status.code(), code);
  EXPECT_EQ(status.message(), message);
}

} // namespace

TEST_F(CudaDeviceTest, DescribesTheDeviceAndWhatIsMissing) {
  const DeviceInfo &info = device->info();
  EXPECT_EQ(info.name, "Fake GPU");
  EXPECT_EQ(info.arch, "sm_90");
  EXPECT_EQ(info.totalBytes, uint64_t(1) << 34);
  ASSERT_EQ(info.missing.size(), 2u);
  EXPECT_EQ(info.missing[0].find("cuBLASLt: FTC_CUBLAS_DIR is /nonexistent, which holds none of"), 0u);
  EXPECT_EQ(info.missing[1], "cuDNN: FTC_CUDNN_DIR is /nonexistent, which holds none of libcudnn.so.9; correct or "
                             "unset it");
}

TEST_F(CudaDeviceTest, FailsInTheMissingLibrariesWords) {
  EXPECT_EQ(device->prepareGemm({}).status().message(), device->info().missing[0]);
  EXPECT_EQ(device->prepareAttention({}).status().message(), device->info().missing[1]);
  EXPECT_EQ(device->prepareAttention({}).status().code(), Code::CannotRun);
}

TEST_F(CudaDeviceTest, KnowsWhichDevicesThereAre) {
  expectStatus(openFake(1).status(), Code::CannotRun,
               "CUDA device 1 does not exist: the driver shows 1 (CUDA_VISIBLE_DEVICES limits what it shows)");
}

TEST_F(CudaDeviceTest, NamesBothSizesWhereAnArenaDoesNotFit) {
  expectStatus(device->reserve(plan::Arena::DEVICE, uint64_t(1) << 40, 256).status(), Code::CannotRun,
               "an arena of 1099511627776 bytes does not fit: CUDA device 0, Fake GPU, has 17179869184 bytes free of "
               "17179869184; see what else runs there (nvidia-smi lists it), or compile for a smaller footprint");
  EXPECT_EQ(device->reserve(plan::Arena::PINNED, uint64_t(1) << 40, 256).status().code(), Code::CannotRun);
  expectStatus(device->reserve(plan::Arena::DEVICE, 100, 24).status(), Code::BadInput,
               "an arena's alignment is 24; must be a power of two");
}

TEST_F(CudaDeviceTest, ChoosesTheImageThatSuitsBest) {
  using plan::Image;
  const plan::Plan plan = onePlan();
  EXPECT_TRUE(load(plan, {{"sm_80", Image::PTX}}).ok());
  EXPECT_TRUE(load(plan, {{"sm_90a", Image::CUBIN}}).ok());
  expectStatus(load(plan, {{"sm_80", Image::CUBIN}, {"sm_100", Image::PTX}, {"x86-64-v3", Image::CPU_BLOB}}),
               Code::CannotRun,
               "the plan has no kernels for sm_90 (Fake GPU), only CUBIN sm_80, PTX sm_100, CPU_BLOB "
               "x86-64-v3; compile it for this GPU's target");
  expectStatus(load(plan, {}), Code::CannotRun,
               "the plan has no kernels for sm_90 (Fake GPU), only none; compile it "
               "for this GPU's target");
}

TEST_F(CudaDeviceTest, ShowsTheAssemblersLog) {
  expectStatus(load(onePlan(), {{"sm_90", plan::Image::PTX}}, "nonsense"), Code::Failed,
               "loading the plan's PTX image for sm_90: an error of the fake driver (FAKE): ptxas fatal: no entry");
}

TEST_F(CudaDeviceTest, NamesTheEntryThatAnImageLacks) {
  plan::Plan plan = onePlan();
  plan.mutable_kernels(0)->set_entry("other");
  expectStatus(load(plan, {{"sm_90", plan::Image::PTX}}), Code::BadInput,
               "kernel scale_add: the plan's image for sm_90 has no entry other");
  plan = onePlan();
  plan.mutable_kernels(0)->set_items_per_block(0);
  expectStatus(load(plan, {{"sm_90", plan::Image::PTX}}), Code::BadInput,
               "kernel scale_add: 128 threads and 0 items per block; both must be at least 1");
}

TEST_F(CudaDeviceTest, RefusesQueuesThatDoNotExist) {
  ASSERT_TRUE(device->createQueues(1, 2).ok());
  expectStatus(device->createQueues(1, 2), Code::Failed, "createQueues: the device has its streams already");
  expectStatus(device->record(1, 1), Code::Failed, "stream 1 does not exist; the device has 1");
  expectStatus(device->record(0, 3), Code::Failed, "event 3 does not exist; the device has events 1 to 2");
  expectStatus(device->wait(0, 0), Code::Failed, "event 0 does not exist; the device has events 1 to 2");
  expectStatus(device->launch(0, 0, 1, {}), Code::Failed, "kernel 0 does not exist; 0 are loaded");
  expectStatus(device->launchGraph(0), Code::Failed, "graph 0 does not exist; 0 are captured");
  expectStatus(device->gemm(0, 0, nullptr, nullptr, nullptr, nullptr), Code::Failed, "gemm: none is prepared");
  expectStatus(device->attention(0, 0, {}), Code::Failed, "attention: none is prepared");
  EXPECT_EQ(device->elapsedMs(1, 2).status().code(), Code::Failed);
}

TEST_F(CudaDeviceTest, RefusesCopiesOfDifferentShapes) {
  ASSERT_TRUE(device->createQueues(1, 0).ok());
  char bytes[16] = {};
  expectStatus(device->copy(0, {bytes, 1, 8}, {bytes + 8, 1, 4}), Code::Failed,
               "copy: source 1 x 1 x 4 bytes, destination 1 x 1 x 8");
}

TEST(OffsetScalerTest, WritesTheProductsOneArrayBehindTheOther) {
  auto driver = DriverApi::load(FTC_FAKE_DRIVER);
  ASSERT_TRUE(driver.ok()) << driver.status().message();
  OffsetScaler scaler;
  ASSERT_TRUE(scaler.load(*driver).ok());
  const std::vector<int32_t> offsets{0, 5, 9, 12};
  ASSERT_EQ(OffsetScaler::arrayBytes(4), 256u);
  std::vector<int32_t> out(3 * 64, -1);
  ASSERT_TRUE(scaler.run(nullptr, offsets.data(), out.data(), 4, {512, 256, 4}).ok());
  const int32_t factors[] = {512, 256, 4};
  for (int j = 0; j < 3; ++j)
    for (int i = 0; i < 4; ++i)
      EXPECT_EQ(out[j * 64 + i], offsets[i] * factors[j]);
  EXPECT_EQ(out[4], -1);
}
