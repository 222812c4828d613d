#include "runtime/Device/Cuda/CudaDevice.h"

#include <fmt/format.h>

namespace ft::rt {

Expected<std::unique_ptr<Device>> CudaDevice::open(const CudaSetup &setup, uint32_t ordinal) {
  FT_ASSIGN_OR_RETURN(DriverApi api, DriverApi::load(setup.driverLibrary));
  std::unique_ptr<CudaDevice> opened(new CudaDevice(std::move(api)));
  FT_RETURN_IF_ERROR(opened->openContext(ordinal));
  opened->openLibraries(setup.places);
  return std::unique_ptr<Device>(std::move(opened));
}

Status CudaDevice::openContext(uint32_t ordinal) {
  int count = 0;
  FT_RETURN_IF_ERROR(driver.check(driver.deviceGetCount(&count), "counting CUDA devices"));
  if (ordinal >= static_cast<uint32_t>(count))
    return cannotRun(fmt::format("CUDA device {} does not exist: the driver shows {} (CUDA_VISIBLE_DEVICES limits "
                                 "what it shows)",
                                 ordinal, count));
  FT_ASSIGN_OR_RETURN(description, describeCudaDevice(driver, static_cast<int>(ordinal)));
  const std::string what = fmt::format("opening CUDA device {} ({})", ordinal, description.name);
  FT_RETURN_IF_ERROR(driver.check(driver.deviceGet(&device, static_cast<int>(ordinal)), what));
  int major = 0, minor = 0;
  FT_RETURN_IF_ERROR(
      driver.check(driver.deviceGetAttribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device), what));
  FT_RETURN_IF_ERROR(
      driver.check(driver.deviceGetAttribute(&minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device), what));
  capability = major * 10 + minor;
  FT_RETURN_IF_ERROR(driver.check(driver.primaryCtxRetain(&context, device), what));
  FT_RETURN_IF_ERROR(driver.check(driver.ctxSetCurrent(context), what));
  size_t available = 0, total = 0;
  FT_RETURN_IF_ERROR(driver.check(driver.memGetInfo(&available, &total), what));
  description.freeBytes = available;
  description.totalBytes = total;
  return {};
}

void CudaDevice::openLibraries(const SearchPlaces &places) {
  auto lt = CublasApi::load(driver.version, places);
  cublasStatus = lt.status();
  if (lt) {
    cublas = std::move(*lt);
    description.libraries.push_back(cublas.description());
  } else {
    description.missing.push_back(lt.status().message());
  }
  auto dnn = CudnnApi::load(places);
  cudnnStatus = dnn.status();
  if (dnn) {
    cudnn = std::move(*dnn);
    description.libraries.push_back(cudnn.description());
    attentions = std::make_unique<AttentionPlans>(cudnn, driver, context, capability);
  } else {
    description.missing.push_back(dnn.status().message());
  }
}

// After a fault on the GPU every call here fails, and nothing is left to do about it.
CudaDevice::~CudaDevice() {
  if (context) {
    driver.ctxSetCurrent(context);
    driver.ctxSynchronize();
  }
  attentions.reset();
  gemms.reset();
  for (CUgraphExec graph : graphs)
    driver.graphExecDestroy(graph);
  for (CUevent event : events)
    driver.eventDestroy(event);
  for (CUstream stream : streams)
    driver.streamDestroy(stream);
  for (CUmodule module : modules)
    driver.moduleUnload(module);
  for (const Reservation &reservation : reservations) {
    if (reservation.space == plan::Arena::DEVICE)
      driver.memFree(reinterpret_cast<CUdeviceptr>(reservation.memory));
    else
      driver.memFreeHost(reservation.memory);
  }
  if (context)
    driver.primaryCtxRelease(device);
}

Status CudaDevice::createQueues(uint32_t streamCount, uint32_t eventCount) {
  if (!streams.empty())
    return failed("createQueues: the device has its streams already");
  for (uint32_t i = 0; i < streamCount; ++i) {
    streams.push_back(nullptr);
    FT_RETURN_IF_ERROR(driver.check(driver.streamCreate(&streams.back(), CU_STREAM_NON_BLOCKING), "creating a stream"));
  }
  for (uint32_t i = 0; i < eventCount; ++i) {
    events.push_back(nullptr);
    FT_RETURN_IF_ERROR(driver.check(driver.eventCreate(&events.back(), CU_EVENT_DEFAULT), "creating an event"));
  }
  return {};
}

Status CudaDevice::checkQueue(uint32_t stream) const {
  if (stream < streams.size())
    return {};
  return failed(fmt::format("stream {} does not exist; the device has {}", stream, streams.size()));
}

Status CudaDevice::checkEvent(uint32_t event) const {
  if (event >= 1 && event <= events.size())
    return {};
  return failed(fmt::format("event {} does not exist; the device has events 1 to {}", event, events.size()));
}

Expected<uint32_t> CudaDevice::prepareGemm(const plan::Gemm &gemm) {
  FT_RETURN_IF_ERROR(cublasStatus);
  if (!gemms) {
    FT_ASSIGN_OR_RETURN(gemms, GemmPlans::create(cublas));
  }
  return gemms->prepare(gemm);
}

Expected<uint32_t> CudaDevice::prepareAttention(const plan::Attention &attention) {
  FT_RETURN_IF_ERROR(cudnnStatus);
  return attentions->prepare(attention);
}

Status CudaDevice::gemm(uint32_t stream, uint32_t handle, const void *a, const void *b, void *d, void *workspace) {
  FT_RETURN_IF_ERROR(checkQueue(stream));
  if (!gemms)
    return failed("gemm: none is prepared");
  return gemms->run(streams[stream], handle, a, b, d, workspace);
}

Status CudaDevice::attention(uint32_t stream, uint32_t handle, std::span<void *const> args) {
  FT_RETURN_IF_ERROR(checkQueue(stream));
  if (!attentions)
    return failed("attention: none is prepared");
  return attentions->run(streams[stream], handle, args);
}

Status CudaDevice::record(uint32_t stream, uint32_t event) {
  FT_RETURN_IF_ERROR(checkQueue(stream));
  FT_RETURN_IF_ERROR(checkEvent(event));
  return driver.check(driver.eventRecord(events[event - 1], streams[stream]), "recording an event");
}

Status CudaDevice::wait(uint32_t stream, uint32_t event) {
  FT_RETURN_IF_ERROR(checkQueue(stream));
  FT_RETURN_IF_ERROR(checkEvent(event));
  return driver.check(driver.streamWaitEvent(streams[stream], events[event - 1], CU_EVENT_WAIT_DEFAULT),
                      "waiting for an event");
}

Status CudaDevice::stamp(uint32_t stream, uint32_t event) {
  FT_RETURN_IF_ERROR(checkQueue(stream));
  FT_RETURN_IF_ERROR(checkEvent(event));
  const unsigned int flags = capturing ? CU_EVENT_RECORD_EXTERNAL : CU_EVENT_RECORD_DEFAULT;
  return driver.check(driver.eventRecordWithFlags(events[event - 1], streams[stream], flags), "stamping an event");
}

Status CudaDevice::synchronize() { return driver.check(driver.ctxSynchronize(), "waiting for the GPU"); }

Status CudaDevice::synchronizeEvent(uint32_t event) {
  FT_RETURN_IF_ERROR(checkEvent(event));
  return driver.check(driver.eventSynchronize(events[event - 1]), fmt::format("waiting for event {}", event));
}

// Thread-local mode: other threads of the process may allocate or load meanwhile; this one may not.
Status CudaDevice::beginCapture() {
  FT_RETURN_IF_ERROR(checkQueue(0));
  FT_RETURN_IF_ERROR(
      driver.check(driver.streamBeginCapture(streams[0], CU_STREAM_CAPTURE_MODE_THREAD_LOCAL), "beginning a capture"));
  capturing = true;
  return {};
}

Expected<uint32_t> CudaDevice::endCapture() {
  FT_RETURN_IF_ERROR(checkQueue(0));
  capturing = false;
  CUgraph graph = nullptr;
  FT_RETURN_IF_ERROR(driver.check(driver.streamEndCapture(streams[0], &graph),
                                  "ending a capture (every stream that joined must be waited for by stream 0)"));
  CUgraphExec executable = nullptr;
  Status status = driver.check(driver.graphInstantiate(&executable, graph, 0), "instantiating a captured graph");
  driver.graphDestroy(graph);
  FT_RETURN_IF_ERROR(status);
  graphs.push_back(executable);
  FT_RETURN_IF_ERROR(driver.check(driver.graphUpload(executable, streams[0]), "uploading a graph"));
  return static_cast<uint32_t>(graphs.size() - 1);
}

Status CudaDevice::launchGraph(uint32_t graph) {
  FT_RETURN_IF_ERROR(checkQueue(0));
  if (graph >= graphs.size())
    return failed(fmt::format("graph {} does not exist; {} are captured", graph, graphs.size()));
  return driver.check(driver.graphLaunch(graphs[graph], streams[0]), "launching a graph");
}

Expected<double> CudaDevice::elapsedMs(uint32_t from, uint32_t to) {
  FT_RETURN_IF_ERROR(checkEvent(from));
  FT_RETURN_IF_ERROR(checkEvent(to));
  float milliseconds = 0;
  FT_RETURN_IF_ERROR(driver.check(driver.eventElapsedTime(&milliseconds, events[from - 1], events[to - 1]),
                                  fmt::format("measuring the time from event {} to {}", from, to)));
  return static_cast<double>(milliseconds);
}

} // namespace ft::rt
