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
  findNode();
  FT_RETURN_IF_ERROR(driver.check(driver.primaryCtxRetain(&context, device), what));
  FT_RETURN_IF_ERROR(driver.check(driver.ctxSetCurrent(context), what));
  size_t available = 0, total = 0;
  FT_RETURN_IF_ERROR(driver.check(driver.memGetInfo(&available, &total), what));
  description.freeBytes = available;
  description.totalBytes = total;
  return {};
}

/// Where a driver does not say where its card is, memory and threads are wherever the system puts them.
void CudaDevice::findNode() {
  int domain = 0, bus = 0, slot = 0;
  if (driver.deviceGetAttribute(&domain, CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID, device) == CUDA_SUCCESS &&
      driver.deviceGetAttribute(&bus, CU_DEVICE_ATTRIBUTE_PCI_BUS_ID, device) == CUDA_SUCCESS &&
      driver.deviceGetAttribute(&slot, CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID, device) == CUDA_SUCCESS)
    node = nodeNear(fmt::format("{:04x}:{:02x}:{:02x}.0", domain, bus, slot), allowedProcessors());
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
    if (graph) // of peers, the leader's
      driver.graphExecDestroy(graph);
  for (const std::vector<CUevent> *made : {&events, &peerEvents})
    for (CUevent event : *made)
      driver.eventDestroy(event);
  for (CUstream stream : streams)
    driver.streamDestroy(stream);
  for (CUmodule module : modules)
    driver.moduleUnload(module);
  for (const Reservation &reservation : reservations) {
    if (reservation.space == plan::Arena::DEVICE)
      driver.memFree(reinterpret_cast<CUdeviceptr>(reservation.memory));
    else if (reservation.space == plan::Arena::PINNED)
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
    gemms->prefer(preferred);
  }
  return gemms->prepare(gemm);
}

Expected<uint32_t> CudaDevice::waysOf(uint32_t gemm) {
  if (!gemms)
    return failed("gemm: none is prepared");
  return gemms->waysOf(gemm);
}

Status CudaDevice::takeWay(uint32_t gemm, uint32_t way) {
  if (!gemms)
    return failed("gemm: none is prepared");
  return gemms->takeWay(gemm, way);
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

Status CudaDevice::scaledGemm(uint32_t stream, uint32_t handle, const GemmAddresses &addresses) {
  FT_RETURN_IF_ERROR(checkQueue(stream));
  if (!gemms)
    return failed("scaled gemm: none is prepared");
  return gemms->runScaled(streams[stream], handle, addresses);
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
Status CudaDevice::beginOwnCapture() {
  FT_RETURN_IF_ERROR(checkQueue(0));
  return driver.check(driver.streamBeginCapture(streams[0], CU_STREAM_CAPTURE_MODE_THREAD_LOCAL),
                      "beginning a capture");
}

Status CudaDevice::beginCapture() {
  const Status begun = !joint || joint->leads() ? beginOwnCapture() : Status();
  if (joint) {
    FT_ASSIGN_OR_RETURN(const bool all, joint->allWell(begun.ok()));
    if (all)
      FT_RETURN_IF_ERROR(joint->fork());
    else if (begun.ok())
      return failed("a peer cannot begin a capture");
  }
  FT_RETURN_IF_ERROR(begun);
  capturing = true;
  return {};
}

Expected<uint32_t> CudaDevice::endCapture() {
  capturing = false;
  if (joint)
    FT_RETURN_IF_ERROR(joint->join());
  CUgraphExec executable = nullptr;
  Status ended;
  if (!joint || joint->leads()) {
    auto own = endOwnCapture();
    ended = own.status();
    if (own)
      executable = *own;
  }
  if (joint) {
    FT_ASSIGN_OR_RETURN(const bool all, joint->allWell(ended.ok()));
    if (!all && ended.ok())
      return failed("a peer cannot make a graph of what was captured");
  }
  FT_RETURN_IF_ERROR(ended);
  graphs.push_back(executable);
  return static_cast<uint32_t>(graphs.size() - 1);
}

Expected<CUgraphExec> CudaDevice::endOwnCapture() {
  FT_RETURN_IF_ERROR(checkQueue(0));
  CUgraph graph = nullptr;
  FT_RETURN_IF_ERROR(driver.check(driver.streamEndCapture(streams[0], &graph),
                                  "ending a capture (every stream that joined must be waited for by stream 0)"));
  CUgraphExec executable = nullptr;
  Status status = driver.check(driver.graphInstantiate(&executable, graph, 0), "instantiating a captured graph");
  driver.graphDestroy(graph);
  FT_RETURN_IF_ERROR(status);
  status = driver.check(driver.graphUpload(executable, streams[0]), "uploading a graph");
  if (status.ok())
    return executable;
  driver.graphExecDestroy(executable);
  return status;
}

Status CudaDevice::launchGraph(uint32_t graph) {
  FT_RETURN_IF_ERROR(checkQueue(0));
  if (graph >= graphs.size())
    return failed(fmt::format("graph {} does not exist; {} are captured", graph, graphs.size()));
  // Among peers the leader launches for all, between what each has on its stream 0 before and behind the graph.
  if (joint)
    FT_RETURN_IF_ERROR(joint->join());
  if (!joint || joint->leads())
    FT_RETURN_IF_ERROR(driver.check(driver.graphLaunch(graphs[graph], streams[0]), "launching a graph"));
  return joint ? joint->fork() : Status();
}

Status CudaDevice::readMemoryOf(const CudaDevice &peer) {
  int can = 0;
  const std::string what = fmt::format("reading the memory of another {}", peer.description.name);
  FT_RETURN_IF_ERROR(driver.check(driver.deviceCanAccessPeer(&can, device, peer.device), what));
  if (!can)
    return cannotRun(
        "these GPUs cannot read each other's memory over NVLink or PCIe; exchange with --collectives nccl");
  const CUresult result = driver.ctxEnablePeerAccess(peer.context, 0);
  return result == CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED ? Status() : driver.check(result, what);
}

Expected<CUevent> CudaDevice::addEvent() {
  CUevent event = nullptr;
  FT_RETURN_IF_ERROR(driver.check(driver.eventCreate(&event, CU_EVENT_DISABLE_TIMING), "creating an event"));
  peerEvents.push_back(event);
  return event;
}

Status CudaDevice::record(uint32_t stream, CUevent event) {
  FT_RETURN_IF_ERROR(checkQueue(stream));
  return driver.check(driver.eventRecord(event, streams[stream]), "recording an event for peers");
}

Status CudaDevice::wait(uint32_t stream, CUevent event) {
  FT_RETURN_IF_ERROR(checkQueue(stream));
  return driver.check(driver.streamWaitEvent(streams[stream], event, CU_EVENT_WAIT_DEFAULT), "waiting for a peer");
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
