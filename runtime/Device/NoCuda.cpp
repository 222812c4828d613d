// The cuda driver's entry points in a build without the CUDA toolkit.
#include "runtime/Device/Device.h"

using namespace ft::rt;

Expected<std::unique_ptr<Device>> ft::rt::openCudaDevice(uint32_t) {
  return cannotRun("this ftrun was built without CUDA; build it where CMake finds the CUDA toolkit 12 or later");
}

DeviceList ft::rt::listCudaDevices() {
  return {{}, {"CUDA: this ftrun was built without it; build it where CMake finds the CUDA toolkit 12 or later"}};
}
