// The entry points of the CUDA driver, and what it says of a machine.
#include "runtime/Device/Cuda/CudaDevice.h"
#include "runtime/Device/Cuda/NcclPeers.h"
#include "runtime/Device/Cuda/Peers.h"
#include "runtime/Device/Cuda/Targets.h"

#include <fmt/format.h>

namespace ft::rt {

Expected<std::unique_ptr<Device>> openCudaDevice(uint32_t ordinal) {
  return CudaDevice::open({"libcuda.so.1", processPlaces()}, ordinal);
}

/// How many GPUs the driver shows.
static Expected<uint32_t> countDevices(const DriverApi &driver) {
  int count = 0;
  FT_RETURN_IF_ERROR(driver.check(driver.deviceGetCount(&count), "counting CUDA devices"));
  return uint32_t(count);
}

Expected<std::shared_ptr<PeerDevices>> openCudaPeers(const plan::Mesh &mesh, uint32_t first, Exchange how) {
  FT_ASSIGN_OR_RETURN(const DriverApi driver, DriverApi::load());
  FT_ASSIGN_OR_RETURN(const uint32_t count, countDevices(driver));
  if (uint64_t(first) + mesh.ranks() > count)
    return cannotRun(fmt::format("the plan is for {} GPUs of one host, from number {} on; the driver shows {} "
                                 "(CUDA_VISIBLE_DEVICES limits what it shows); ranks on several hosts are started by a "
                                 "launcher: docs/several-nodes.md",
                                 mesh.ranks(), first, count));
  std::vector<DeviceInfo> gpus;
  for (uint32_t rank = 0; rank < mesh.ranks(); ++rank) {
    FT_ASSIGN_OR_RETURN(DeviceInfo gpu, describeCudaDevice(driver, int(first + rank)));
    gpus.push_back(std::move(gpu));
  }
  FT_RETURN_IF_ERROR(checkOneKind(gpus, first));
  CudaSetup setup{"libcuda.so.1", processPlaces()};
  if (how == Exchange::Peers)
    return std::shared_ptr<PeerDevices>(std::make_shared<CudaPeers>(mesh, first, std::move(setup)));
  FT_ASSIGN_OR_RETURN(NcclApi api, NcclApi::load(setup.places, ""));
  return std::shared_ptr<PeerDevices>(
      std::make_shared<NcclPeers>(mesh, first, /*firstRank=*/0, std::move(setup), std::move(api)));
}

/// What the plan calls must be there before other processes are kept waiting.
static Status checkLibraries(const plan::Plan &plan, const DriverApi &driver, const SearchPlaces &places) {
  bool gemms = false, attentions = false;
  for (const plan::Segment &segment : plan.segments())
    for (const plan::Step &step : segment.steps())
      gemms |= step.has_gemm(), attentions |= step.has_attention();
  if (gemms)
    FT_RETURN_IF_ERROR(CublasApi::load(driver.version, places).status());
  return attentions ? CudnnApi::load(places).status() : Status();
}

Expected<std::shared_ptr<PeerDevices>> openCudaProcess(const plan::Plan &plan, const OwnGpus &which) {
  FT_ASSIGN_OR_RETURN(const DriverApi driver, DriverApi::load());
  FT_ASSIGN_OR_RETURN(const uint32_t count, countDevices(driver));
  FT_ASSIGN_OR_RETURN(const uint32_t first, chooseGpu(which, count));
  const plan::Target &target = plan.target();
  for (uint32_t gpu = first; gpu < first + which.ranks; ++gpu) {
    FT_ASSIGN_OR_RETURN(const DeviceInfo card, describeCudaDevice(driver, int(gpu)));
    if (card.arch != target.arch())
      return cannotRun(fmt::format("the plan is for target {} ({}); GPU {} of this host is {} ({})", target.name(),
                                   target.arch(), gpu, card.name, card.arch));
  }
  CudaSetup setup{"libcuda.so.1", processPlaces()};
  FT_ASSIGN_OR_RETURN(NcclApi api, NcclApi::load(setup.places, which.interface));
  FT_RETURN_IF_ERROR(checkLibraries(plan, driver, setup.places));
  return std::shared_ptr<PeerDevices>(
      std::make_shared<NcclPeers>(plan::Mesh(plan), first, which.firstRank, std::move(setup), std::move(api)));
}

Expected<DeviceInfo> describeCudaDevice(const DriverApi &driver, int ordinal) {
  const std::string what = fmt::format("describing CUDA device {}", ordinal);
  CUdevice device = 0;
  FT_RETURN_IF_ERROR(driver.check(driver.deviceGet(&device, ordinal), what));
  char name[256] = "";
  FT_RETURN_IF_ERROR(driver.check(driver.deviceGetName(name, sizeof name, device), what));
  size_t total = 0;
  FT_RETURN_IF_ERROR(driver.check(driver.deviceTotalMem(&total, device), what));
  int major = 0, minor = 0;
  FT_RETURN_IF_ERROR(
      driver.check(driver.deviceGetAttribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device), what));
  FT_RETURN_IF_ERROR(
      driver.check(driver.deviceGetAttribute(&minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device), what));
  DeviceInfo info;
  info.name = name;
  info.place = fmt::format("CUDA device {}", ordinal);
  info.arch = fmt::format("sm_{}{}", major, minor);
  info.targets = matchingTargets(major, minor, total);
  info.totalBytes = total;
  info.libraries.push_back(
      fmt::format("CUDA driver {}.{} ({})", driver.version / 1000, driver.version % 1000 / 10, driver.library.path()));
  return info;
}

DeviceList listCudaDevices() {
  DeviceList list;
  auto driver = DriverApi::load();
  if (!driver) {
    list.missing.push_back(driver.status().message());
    return list;
  }
  int count = 0;
  if (Status counted = driver->check(driver->deviceGetCount(&count), "counting CUDA devices"); !counted.ok())
    list.missing.push_back(counted.message());
  const SearchPlaces places = processPlaces();
  auto cublas = CublasApi::load(driver->version, places);
  auto cudnn = CudnnApi::load(places);
  for (int ordinal = 0; ordinal < count; ++ordinal) {
    auto info = describeCudaDevice(*driver, ordinal);
    if (!info) {
      list.missing.push_back(info.status().message());
      continue;
    }
    // Free memory is told by a context alone; where none can be made, 0 is shown.
    CUdevice device = 0;
    CUcontext context = nullptr;
    size_t available = 0, total = 0;
    if (driver->deviceGet(&device, ordinal) == CUDA_SUCCESS &&
        driver->primaryCtxRetain(&context, device) == CUDA_SUCCESS) {
      if (driver->ctxSetCurrent(context) == CUDA_SUCCESS && driver->memGetInfo(&available, &total) == CUDA_SUCCESS)
        info->freeBytes = available;
      driver->primaryCtxRelease(device);
    }
    (cublas ? info->libraries : info->missing).push_back(cublas ? cublas->description() : cublas.status().message());
    (cudnn ? info->libraries : info->missing).push_back(cudnn ? cudnn->description() : cudnn.status().message());
    list.devices.push_back(std::move(*info));
  }
  return list;
}

} // namespace ft::rt
