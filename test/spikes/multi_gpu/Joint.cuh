// One graph over both devices, captured by one thread: ready and drained are its edges.
#pragma once
#include "Collectives.cuh"
#include "Measure.cuh"

// The same work as `step`, for both ranks at once. No rank waits for a launch of the other: nothing spins, no flag is
// baked.
static void buildMulti(Variant &v, int gemms, int n, size_t bytes) {
  doing("build " + v.name);
  try {
    auto on = [](int r) { RT(cudaSetDevice(r)); };
    auto edge = [&](int from, cudaStream_t s, cudaStream_t t) {
      on(from);
      R[from].order(s, t);
    };
    on(0);
    R[0].used = R[1].used = 0;
    cudaGraph_t g = 0;
    RT(cudaStreamBeginCapture(R[0].a, cudaStreamCaptureModeThreadLocal));
    try {
      edge(0, R[0].a, R[1].a);
      for (int r = 0; r < 2; r++)
        edge(r, R[r].a, R[r].b);
      int done = 0;
      for (int q = 0; q < std::max(gemms, 1); q++) {
        if (q)
          for (int r = 0; r < 2; r++)
            edge(r, R[r].a, R[r].b);
        for (; done < n && (!gemms || (long)done * gemms / n <= q); done++) {
          // Both edges are recorded before either wait, so neither side waits for more than the other's past.
          auto cross = [&] {
            cudaEvent_t e[2];
            for (int r = 0; r < 2; r++) {
              on(r);
              e[r] = R[r].event();
              RT(cudaEventRecord(e[r], R[r].b));
            }
            for (int r = 0; r < 2; r++)
              RT(cudaStreamWaitEvent(R[r].b, e[1 - r], 0));
          };
          cross();
          for (int r = 0; r < 2; r++) {
            on(r);
            size_t at = sliceAt(bytes, done) + (1 - r) * (bytes / 2);
            RT(cudaMemcpyAsync(R[r].buf + at, R[1 - r].buf + at, bytes / 2, cudaMemcpyDeviceToDevice, R[r].b));
          }
          cross();
        }
        if (gemms)
          for (int r = 0; r < 2; r++) {
            on(r);
            gemm(R[r]);
          }
      }
      for (int r = 0; r < 2; r++)
        edge(r, R[r].b, R[r].a);
      edge(1, R[1].a, R[0].a);
    } catch (...) {
      on(0);
      cudaStreamEndCapture(R[0].a, &g);
      cudaGetLastError();
      if (g)
        cudaGraphDestroy(g);
      throw;
    }
    on(0);
    RT(cudaStreamEndCapture(R[0].a, &g));
    size_t c = 0;
    RT(cudaGraphGetNodes(g, nullptr, &c));
    v.nodes = (int)c;
    RT(cudaGraphInstantiate(&v.exec[0], g, 0));
    RT(cudaGraphDestroy(g));
    RT(cudaGraphUpload(v.exec[0], R[0].a));
    RT(cudaStreamSynchronize(R[0].a));
  } catch (Fail &e) {
    v.error = e.what;
    say(v.name + ": FAILED: " + e.what);
    destroy(v);
  }
}
