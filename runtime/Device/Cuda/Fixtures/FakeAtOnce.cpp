// Work is done when it is enqueued; captures are of one thread each, and are replayed as lists.
#include "runtime/Device/Cuda/Fixtures/FakeQueue.h"

#include <chrono>
#include <utility>
#include <vector>

namespace {
struct Work {
  std::vector<std::function<void()>> nodes;
};
struct Event {
  std::chrono::steady_clock::time_point time;
  bool recorded = false;
};
thread_local Work *capturing = nullptr;
} // namespace

CUresult ft::fake::enqueue(CUstream, std::function<void()> work) {
  if (capturing)
    capturing->nodes.push_back(std::move(work));
  else
    work();
  return CUDA_SUCCESS;
}

extern "C" {

CUresult cuCtxSynchronize() { return CUDA_SUCCESS; }
CUresult cuStreamCreate(CUstream *stream, unsigned) {
  *stream = reinterpret_cast<CUstream>(new char);
  return CUDA_SUCCESS;
}
CUresult cuStreamDestroy_v2(CUstream stream) { return delete reinterpret_cast<char *>(stream), CUDA_SUCCESS; }
CUresult cuStreamSynchronize(CUstream) { return CUDA_SUCCESS; }
CUresult cuStreamWaitEvent(CUstream, CUevent, unsigned) { return CUDA_SUCCESS; }
CUresult cuEventCreate(CUevent *event, unsigned) {
  *event = reinterpret_cast<CUevent>(new Event);
  return CUDA_SUCCESS;
}
CUresult cuEventDestroy_v2(CUevent event) { return delete reinterpret_cast<Event *>(event), CUDA_SUCCESS; }
CUresult cuEventRecord(CUevent event, CUstream stream) {
  return ft::fake::enqueue(stream, [=] {
    *reinterpret_cast<Event *>(event) = {std::chrono::steady_clock::now(), true};
  });
}
CUresult cuEventRecordWithFlags(CUevent event, CUstream stream, unsigned flags) {
  // Refused as the driver does: an external record belongs to a capture. A plain one there would not be in the graph.
  if (flags != (capturing ? CU_EVENT_RECORD_EXTERNAL : CU_EVENT_RECORD_DEFAULT))
    return CUDA_ERROR_INVALID_VALUE;
  return cuEventRecord(event, stream);
}
CUresult cuEventSynchronize(CUevent) { return CUDA_SUCCESS; }
CUresult cuEventElapsedTime(float *milliseconds, CUevent from, CUevent to) {
  auto *first = reinterpret_cast<Event *>(from), *last = reinterpret_cast<Event *>(to);
  if (!first->recorded || !last->recorded)
    return CUDA_ERROR_INVALID_HANDLE;
  *milliseconds = std::chrono::duration<float, std::milli>(last->time - first->time).count();
  return CUDA_SUCCESS;
}

CUresult cuStreamBeginCapture_v2(CUstream, CUstreamCaptureMode mode) {
  if (capturing || mode != CU_STREAM_CAPTURE_MODE_THREAD_LOCAL)
    return CUDA_ERROR_ILLEGAL_STATE;
  capturing = new Work;
  return CUDA_SUCCESS;
}
CUresult cuStreamEndCapture(CUstream, CUgraph *graph) {
  *graph = reinterpret_cast<CUgraph>(capturing);
  return std::exchange(capturing, nullptr) ? CUDA_SUCCESS : CUDA_ERROR_ILLEGAL_STATE;
}
CUresult cuGraphInstantiateWithFlags(CUgraphExec *executable, CUgraph graph, unsigned long long) {
  *executable = reinterpret_cast<CUgraphExec>(new Work(*reinterpret_cast<Work *>(graph)));
  return CUDA_SUCCESS;
}
CUresult cuGraphUpload(CUgraphExec, CUstream) { return CUDA_SUCCESS; }
CUresult cuGraphLaunch(CUgraphExec executable, CUstream) {
  for (auto &node : reinterpret_cast<Work *>(executable)->nodes)
    node();
  return CUDA_SUCCESS;
}
CUresult cuGraphDestroy(CUgraph graph) { return delete reinterpret_cast<Work *>(graph), CUDA_SUCCESS; }
CUresult cuGraphExecDestroy(CUgraphExec graph) { return delete reinterpret_cast<Work *>(graph), CUDA_SUCCESS; }
} // extern "C"
