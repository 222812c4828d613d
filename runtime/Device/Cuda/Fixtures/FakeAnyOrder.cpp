// Work is done when somebody waits for the device, in an order drawn from those that streams, events and graphs allow:
// in most, some streams are as late as they may be. A capture follows events over streams of any thread, as the
// driver's does, and what is not joined is refused.
//
// FTC_FAKE_SEED chooses the orders; FTC_FAKE_FORGET=N leaves out each thread's Nth wait for an event, counted from 0.
#include "runtime/Device/Cuda/Fixtures/FakeQueue.h"

#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <vector>

namespace {

struct Node {
  std::function<void()> work;
  std::vector<std::shared_ptr<Node>> before;
  const void *stream = nullptr;
  bool done = false;
};
using NodePtr = std::shared_ptr<Node>;

/// Nodes in the order in which they were enqueued, so that what stands before each is there.
struct Graph {
  std::vector<NodePtr> nodes;
};
using Executable = std::shared_ptr<Graph>; // which a launch that is pending keeps
struct Stream {
  NodePtr last;             ///< of what is not captured
  Graph *capture = nullptr; ///< that it has begun or joined
  NodePtr captured;         ///< its last node there
};
struct Event {
  NodePtr node;
  Graph *capture = nullptr;
};

std::recursive_mutex mutex;
Graph pending; // of the device
std::set<Stream *> streams;
std::set<Graph *> captures; // that go on
std::mt19937 orders;
thread_local long waits = 0;

long numberOf(const char *variable, long otherwise) {
  const char *said = std::getenv(variable);
  return said ? std::atol(said) : otherwise;
}

NodePtr &lastOf(Stream &stream) { return stream.capture ? stream.captured : stream.last; }

void append(Stream &stream, std::function<void()> work, std::vector<NodePtr> before) {
  auto node = std::make_shared<Node>(Node{std::move(work), std::move(before), &stream});
  if (lastOf(stream))
    node->before.push_back(lastOf(stream));
  lastOf(stream) = node;
  (stream.capture ? *stream.capture : pending).nodes.push_back(node);
}

/// Each time a node for which all is done that stands before it, of the stream that comes first: as late as it can,
/// another does what it has. Now and then another stream comes first.
void run(std::vector<NodePtr> nodes) {
  std::map<const void *, uint32_t> rank;
  while (!nodes.empty()) {
    if (orders() % 16 == 0)
      rank.clear();
    size_t next = nodes.size();
    for (size_t i = 0; i < nodes.size(); ++i) {
      bool ready = true;
      for (const NodePtr &before : nodes[i]->before)
        ready &= before->done;
      rank.try_emplace(nodes[i]->stream, uint32_t(orders()));
      if (ready && (next == nodes.size() || rank[nodes[i]->stream] > rank[nodes[next]->stream]))
        next = i;
    }
    if (next == nodes.size())
      return; // the rest waits for what a capture kept
    if (nodes[next]->work)
      nodes[next]->work();
    nodes[next]->done = true;
    nodes.erase(nodes.begin() + long(next));
  }
}

void runAll() {
  std::vector<NodePtr> nodes;
  nodes.swap(pending.nodes);
  run(nodes);
}

/// Another run of a graph: its nodes anew.
void runGraph(const Graph &graph) {
  std::vector<NodePtr> fresh;
  for (const NodePtr &node : graph.nodes) {
    fresh.push_back(std::make_shared<Node>(Node{node->work, {}, node->stream}));
    for (const NodePtr &before : node->before)
      for (size_t i = 0; i + 1 < fresh.size(); ++i)
        if (graph.nodes[i] == before)
          fresh.back()->before.push_back(fresh[i]);
  }
  run(fresh);
}

void addBefore(const NodePtr &node, std::set<NodePtr> &all) {
  if (all.insert(node).second)
    for (const NodePtr &before : node->before)
      addBefore(before, all);
}

/// Whether this wait of its thread is the one that is to be left out.
bool forgets() { return waits++ == numberOf("FTC_FAKE_FORGET", -1); }

Stream &of(CUstream stream) { return *reinterpret_cast<Stream *>(stream); }
Event &of(CUevent event) { return *reinterpret_cast<Event *>(event); }

} // namespace

CUresult ft::fake::enqueue(CUstream stream, std::function<void()> work) {
  const std::lock_guard lock(mutex);
  append(of(stream), std::move(work), {});
  return CUDA_SUCCESS;
}

extern "C" {

CUresult cuCtxSynchronize() {
  const std::lock_guard lock(mutex);
  orders.seed(orders() + unsigned(numberOf("FTC_FAKE_SEED", 0)));
  runAll();
  return CUDA_SUCCESS;
}
CUresult cuStreamSynchronize(CUstream) { return cuCtxSynchronize(); }
CUresult cuEventSynchronize(CUevent) { return cuCtxSynchronize(); }

CUresult cuStreamCreate(CUstream *stream, unsigned) {
  const std::lock_guard lock(mutex);
  auto *made = new Stream;
  streams.insert(made);
  *stream = reinterpret_cast<CUstream>(made);
  return CUDA_SUCCESS;
}
CUresult cuStreamDestroy_v2(CUstream stream) {
  const std::lock_guard lock(mutex);
  streams.erase(&of(stream));
  return delete &of(stream), CUDA_SUCCESS;
}
CUresult cuEventCreate(CUevent *event, unsigned) {
  *event = reinterpret_cast<CUevent>(new Event);
  return CUDA_SUCCESS;
}
CUresult cuEventDestroy_v2(CUevent event) { return delete &of(event), CUDA_SUCCESS; }
CUresult cuEventRecord(CUevent event, CUstream stream) {
  const std::lock_guard lock(mutex);
  append(of(stream), nullptr, {});
  of(event) = {lastOf(of(stream)), of(stream).capture};
  return CUDA_SUCCESS;
}
CUresult cuEventRecordWithFlags(CUevent event, CUstream stream, unsigned) { return cuEventRecord(event, stream); }
CUresult cuEventElapsedTime(float *milliseconds, CUevent, CUevent) { return *milliseconds = 1, CUDA_SUCCESS; }
CUresult cuStreamWaitEvent(CUstream handle, CUevent event, unsigned) {
  const std::lock_guard lock(mutex);
  Stream &stream = of(handle);
  if (forgets() || !of(event).node)
    return CUDA_SUCCESS;
  if (of(event).capture && !captures.contains(of(event).capture))
    return CUDA_ERROR_CAPTURED_EVENT;
  if (stream.capture && of(event).capture != stream.capture)
    return CUDA_ERROR_STREAM_CAPTURE_ISOLATION;
  if (!stream.capture && of(event).capture) {
    stream.capture = of(event).capture;
    stream.captured = nullptr;
  }
  append(stream, nullptr, {of(event).node});
  return CUDA_SUCCESS;
}

CUresult cuStreamBeginCapture_v2(CUstream stream, CUstreamCaptureMode mode) {
  const std::lock_guard lock(mutex);
  if (of(stream).capture || mode != CU_STREAM_CAPTURE_MODE_THREAD_LOCAL)
    return CUDA_ERROR_ILLEGAL_STATE;
  captures.insert(of(stream).capture = new Graph);
  of(stream).captured = nullptr;
  return CUDA_SUCCESS;
}
CUresult cuStreamEndCapture(CUstream handle, CUgraph *graph) {
  const std::lock_guard lock(mutex);
  Graph *capture = of(handle).capture;
  if (!capture)
    return CUDA_ERROR_ILLEGAL_STATE;
  captures.erase(capture);
  std::set<NodePtr> joinedNodes;
  if (of(handle).captured)
    addBefore(of(handle).captured, joinedNodes);
  bool joined = true;
  for (Stream *stream : streams)
    if (stream->capture == capture) {
      joined &= !stream->captured || joinedNodes.contains(stream->captured);
      stream->capture = nullptr;
    }
  *graph = joined ? reinterpret_cast<CUgraph>(capture) : nullptr;
  return joined ? CUDA_SUCCESS : CUDA_ERROR_STREAM_CAPTURE_UNJOINED;
}
CUresult cuGraphInstantiateWithFlags(CUgraphExec *executable, CUgraph graph, unsigned long long) {
  *executable = reinterpret_cast<CUgraphExec>(new Executable(new Graph(*reinterpret_cast<Graph *>(graph))));
  return CUDA_SUCCESS;
}
CUresult cuGraphUpload(CUgraphExec, CUstream) { return CUDA_SUCCESS; }
CUresult cuGraphLaunch(CUgraphExec executable, CUstream stream) {
  return ft::fake::enqueue(stream, [graph = *reinterpret_cast<Executable *>(executable)] { runGraph(*graph); });
}
CUresult cuGraphDestroy(CUgraph graph) { return delete reinterpret_cast<Graph *>(graph), CUDA_SUCCESS; }
CUresult cuGraphExecDestroy(CUgraphExec graph) { return delete reinterpret_cast<Executable *>(graph), CUDA_SUCCESS; }
} // extern "C"
