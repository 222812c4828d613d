// The entry points of the CUDA driver in a build without CUDA's headers: they say so.
#include "runtime/Device/PeerDevices.h"

namespace ft::rt {

namespace {
constexpr const char *Absent = "this ftrun was built without its CUDA driver; build it where CMake finds the headers "
                               "of CUDA 12 or later, cuBLASLt and cuDNN 9, or use a plan compiled for cpu";
}

Expected<std::unique_ptr<Device>> openCudaDevice(uint32_t) { return cannotRun(Absent); }

Expected<std::shared_ptr<PeerDevices>> openCudaPeers(const plan::Mesh &, uint32_t, Exchange) {
  return cannotRun(Absent);
}

Expected<std::shared_ptr<PeerDevices>> openCudaProcess(const plan::Plan &, const OwnGpus &) {
  return cannotRun(Absent);
}

DeviceList listCudaDevices() { return {{}, {Absent}}; }

} // namespace ft::rt
