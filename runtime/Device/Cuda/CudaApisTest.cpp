// The symbol tables: what is missing on a machine is said, and results become Status.
#include "runtime/Device/Cuda/CublasApi.h"
#include "runtime/Device/Cuda/CudnnApi.h"
#include "runtime/Device/Cuda/DriverApi.h"

#include <gtest/gtest.h>

using namespace ft::rt;

TEST(CudaApisTest, SaysThatThereIsNoDriver) {
  auto driver = DriverApi::load("libcuda-that-does-not-exist.so.1");
  ASSERT_FALSE(driver.ok());
  EXPECT_EQ(driver.status().code(), Code::CannotRun);
  EXPECT_EQ(driver.status().message().find("no NVIDIA driver on this machine (libcuda-that-does-not-exist.so.1 cannot "
                                           "be opened: "),
            0u);
  EXPECT_NE(driver.status().message().find("install it, or use a plan compiled for cpu"), std::string::npos);
}

TEST(CudaApisTest, NamesTheFunctionThatAnOldDriverLacks) {
  auto driver = DriverApi::load("libm.so.6"); // a library, but not this one
  ASSERT_FALSE(driver.ok());
  EXPECT_EQ(driver.status().code(), Code::CannotRun);
  EXPECT_NE(driver.status().message().find(" has no cuInit: the NVIDIA driver is too old; 525"), std::string::npos);
}

TEST(CudaApisTest, MapsDriverResults) {
  auto driver = DriverApi::load(FTC_FAKE_DRIVER);
  ASSERT_TRUE(driver.ok()) << driver.status().message();
  EXPECT_EQ(driver->version, 13000);
  EXPECT_TRUE(driver->check(CUDA_SUCCESS, "x").ok());
  const Status full = driver->check(CUDA_ERROR_OUT_OF_MEMORY, "launching k");
  EXPECT_EQ(full.code(), Code::CannotRun);
  EXPECT_EQ(full.message(),
            "launching k: an error of the fake driver (FAKE); the GPU has 17179869184 bytes free of 17179869184: end "
            "other programs on it (nvidia-smi lists them), or compile for a smaller footprint");
  EXPECT_EQ(driver->check(CUDA_ERROR_NO_BINARY_FOR_GPU, "x").code(), Code::CannotRun);
  const Status fault = driver->check(CUDA_ERROR_ILLEGAL_ADDRESS, "launching k");
  EXPECT_EQ(fault.code(), Code::Failed);
  EXPECT_EQ(fault.message(), "launching k: an error of the fake driver (FAKE)");
}

TEST(CudaApisTest, MapsCublasResults) {
  EXPECT_TRUE(checkCublas(CUBLAS_STATUS_SUCCESS, "x").ok());
  EXPECT_EQ(checkCublas(CUBLAS_STATUS_NOT_SUPPORTED, "x").code(), Code::CannotRun);
  EXPECT_EQ(checkCublas(CUBLAS_STATUS_ARCH_MISMATCH, "x").code(), Code::CannotRun);
  EXPECT_EQ(checkCublas(CUBLAS_STATUS_EXECUTION_FAILED, "gemm").code(), Code::Failed);
  EXPECT_EQ(checkCublas(CUBLAS_STATUS_EXECUTION_FAILED, "gemm").message(),
            "gemm: cuBLASLt answers CUBLAS_STATUS_EXECUTION_FAILED (13)");
}

TEST(CudaApisTest, WritesVersions) {
  EXPECT_EQ(cublasVersionText(130100), "13.1.0");
  EXPECT_EQ(cublasVersionText(120803), "12.8.3");
  EXPECT_EQ(cudnnVersionText(91400), "9.14.0");
  EXPECT_EQ(cudnnVersionText(91002), "9.10.2");
}

TEST(CudaApisTest, TakesNoLibraryThatTheDriverRefuses) {
  EXPECT_EQ(cublasSpec(13000).files, (std::vector<std::string>{"libcublasLt.so.13", "libcublasLt.so.12"}));
  EXPECT_EQ(cublasSpec(12080).files, std::vector<std::string>{"libcublasLt.so.12"});
}

TEST(CudaApisTest, RefusesTwoVersionsInOneProcess) {
  EXPECT_TRUE(checkOneFolder({"/usr/lib/libcudnn.so.9", "/usr/lib/libcudnn_ops.so.9"}, "/usr/lib", "cuDNN", "V").ok());
  const Status mixed =
      checkOneFolder({"/usr/lib/libcudnn.so.9", "/opt/libcudnn_ops.so.9"}, "/usr/lib", "cuDNN", "FTC_CUDNN_DIR");
  EXPECT_EQ(mixed.code(), Code::CannotRun);
  EXPECT_EQ(mixed.message(),
            "cuDNN is opened from /usr/lib, but /opt/libcudnn_ops.so.9 is loaded as well: two versions in one process "
            "give wrong results; set FTC_CUDNN_DIR to one folder and take the other out of LD_LIBRARY_PATH");
}

TEST(CudaApisTest, SeesWhatIsMapped) {
  bool found = false;
  for (const std::string &path : loadedObjects("libc.so"))
    found = found || path.ends_with("/libc.so.6");
  EXPECT_TRUE(found);
  EXPECT_TRUE(loadedObjects("libnothing").empty());
}
