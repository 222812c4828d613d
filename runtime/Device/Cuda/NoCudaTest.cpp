#include "runtime/Device/Device.h"

#include <gtest/gtest.h>

using namespace ft::rt;

TEST(NoCudaTest, SaysThatThisBuildHasNoCudaDriver) {
  auto device = openCudaDevice(0);
  ASSERT_FALSE(device.ok());
  EXPECT_EQ(device.status().code(), Code::CannotRun);
  EXPECT_EQ(device.status().message().find("this ftrun was built without its CUDA driver; build it where"), 0u);
  EXPECT_TRUE(listCudaDevices().devices.empty());
  EXPECT_EQ(listCudaDevices().missing, std::vector<std::string>{device.status().message()});
}
