// Parts `capture`, `memop` and `spin`: what captures, and the protocols under random delays.
#pragma once
#include "Collectives.cuh"
#include "Measure.cuh"

// Write 41, wait for it, write 42 and read that back, all on one device.
static void captureMatrix() {
  RT(cudaSetDevice(0));
  Rank &k = R[0];
  const char *how[] = {"captured write/wait", "captured batch", "graph node added by hand"};
  const char *where[] = {"own memory", "peer's memory"};
  for (int w : {0, 1})
    for (int h = 0; h < 3; h++) { // a wait on the peer's memory last: it may hang
      Str name = fmt("| memops %s | %s |", how[h], where[w]);
      doing(name);
      cudaGraphExec_t x = 0;
      u64 *p = w == 0 ? &k.flags->memop[3].v : &R[1].flags->memop[3].v;
      try {
        u64 poison = 7, got = 0;
        RT(cudaMemcpy(p, &poison, 8, cudaMemcpyDefault));
        CUstreamBatchMemOpParams b[3];
        memset(b, 0, sizeof b);
        b[0].writeValue.operation = b[2].writeValue.operation = CU_STREAM_MEM_OP_WRITE_VALUE_64;
        b[1].waitValue.operation = CU_STREAM_MEM_OP_WAIT_VALUE_64;
        for (auto &q : b)
          q.writeValue.address = (CUdeviceptr)p;
        b[0].writeValue.value64 = 41;
        b[1].waitValue.value64 = 41;
        b[1].waitValue.flags = CU_STREAM_WAIT_VALUE_EQ;
        b[2].writeValue.value64 = 42;
        int nodes = 0;
        if (h < 2)
          x = capture(
              k,
              [&] {
                if (h)
                  DR(cuStreamBatchMemOp(k.a, 3, b, 0));
                else {
                  DR(cuStreamWriteValue64(k.a, (CUdeviceptr)p, 41, 0));
                  DR(cuStreamWaitValue64(k.a, (CUdeviceptr)p, 41, CU_STREAM_WAIT_VALUE_EQ));
                  DR(cuStreamWriteValue64(k.a, (CUdeviceptr)p, 42, 0));
                }
              },
              &nodes);
        else {
          CUgraph g;
          DR(cuGraphCreate(&g, 0));
          CUcontext c;
          DR(cuCtxGetCurrent(&c));
          CUDA_BATCH_MEM_OP_NODE_PARAMS q;
          memset(&q, 0, sizeof q);
          q.ctx = c;
          q.count = 3;
          q.paramArray = b;
          CUgraphNode n;
          DR(cuGraphAddBatchMemOpNode(&n, g, nullptr, 0, &q));
          CUgraphExec e;
          DR(cuGraphInstantiate(&e, g, 0));
          x = e;
          nodes = 1;
          DR(cuGraphDestroy(g));
        }
        RT(cudaGraphLaunch(x, k.a));
        drain(k);
        RT(cudaMemcpy(&got, p, 8, cudaMemcpyDefault));
        say(name + fmt(" %d nodes | %s", nodes, got == 42 ? "ok" : "WRONG"));
        json(fmt("\"part\":\"capture\",\"how\":\"%s\",\"where\":\"%s\",\"ok\":%d", how[h], where[w], got == 42));
      } catch (Fail &e) {
        say(name + " FAILED " + e.what);
        json(fmt("\"part\":\"capture\",\"how\":\"%s\",\"where\":\"%s\",\"ok\":0,\"error\":\"%s\"", how[h], where[w],
                 esc(e.what).c_str()));
      }
      if (x)
        cudaGraphExecDestroy(x);
      u64 zero = 0;
      cudaMemcpy(p, &zero, 8, cudaMemcpyDefault);
    }
}
static void barrierLatency(Sync y) {
  const int n = 200;
  Variant v;
  v.name = Str("barrier ") + syncName[y];
  if (!build(v, [&](Rank &k) { step(k, 0, n, [&](Rank &q, int i) { barrier(q, q.b, i & 1, y); }); })) {
    say("| barrier | " + Str(syncName[y]) + " | FAILED " + v.error);
    return;
  }
  measure({&v}, rounds());
  say(fmt("| barrier | %s | %.2f us |", syncName[y], median(v.ms) * 1e3 / n));
  json(fmt("\"part\":\"barrier\",\"form\":\"%s\",\"us\":%.3f", syncName[y], median(v.ms) * 1e3 / n));
  destroy(v);
}
// Per replay, all in the graph: count the replay, delay, fill the own part, ready, delay, pull, check against the
// peer's pattern of this replay, drained, overwrite the own part with poison at once. Without the drained barrier the
// check must fail: that shows that the test can see an early overwrite.
static void stress(Sync y, bool drained) {
  const size_t part = 4 * MiB;
  const int replays = 1000;
  const unsigned maxNs = 200000;
  Str name = fmt("| %d replays, random delays | %s%s |", replays, syncName[y], drained ? "" : ", drained left out");
  doing(name);
  Variant v;
  v.name = name;
  both([&](int r) {
    RT(cudaMemset(R[r].flags, 0, sizeof(Flags)));
    RT(cudaMemset(R[r].bad, 0, 16));
    RT(cudaDeviceSynchronize());
  });
  bool ok = build(v, [&](Rank &k) {
    uint32_t *own = (uint32_t *)(k.buf + k.r * part), *other = (uint32_t *)(k.buf + (1 - k.r) * part);
    const char *src = R[1 - k.r].buf + (1 - k.r) * part;
    int n = part / 4;
    tick<<<1, 1, 0, k.a>>>(k.flags);
    delay<<<1, 1, 0, k.a>>>(k.flags, k.r, 0, maxNs);
    fillReplay<<<64, 256, 0, k.a>>>(own, n, k.flags, k.r);
    fillConst<<<64, 256, 0, k.a>>>(other, n, 0xABABABABu);
    launched();
    barrier(k, k.a, 0, y);
    delay<<<1, 1, 0, k.a>>>(k.flags, k.r, 1, maxNs);
    RT(cudaMemcpyAsync(other, src, part, cudaMemcpyDeviceToDevice, k.a));
    if (drained)
      barrier(k, k.a, 1, y);
    fillConst<<<64, 256, 0, k.a>>>(own, n, 0xDEADBEEFu);
    checkReplay<<<64, 256, 0, k.a>>>(other, n, k.flags, 1 - k.r, k.bad);
    delay<<<1, 1, 0, k.a>>>(k.flags, k.r, 2, maxNs);
    launched();
  });
  if (!ok) {
    say(name + " FAILED " + v.error);
    return;
  }
  u64 bad[2] = {}, count[2] = {};
  double t0 = now();
  both([&](int r) {
    Rank &k = R[r];
    gate.wait();
    for (int i = 0; i < replays; i++) {
      if (mix(i, r, 5) % 8 == 0)
        usleep(mix(i, r, 6) % 400);
      RT(cudaGraphLaunch(v.exec[r], k.a));
      if (i % 50 == 49) {
        drain(k);
        beat = now();
      }
    }
    drain(k);
    RT(cudaMemcpyAsync(&bad[r], k.bad, 8, cudaMemcpyDeviceToHost, k.a));
    RT(cudaMemcpyAsync(&count[r], &k.flags->replay.v, 8, cudaMemcpyDeviceToHost, k.a));
    drain(k);
  });
  bool gave = gaveUp();
  u64 b = bad[0] + bad[1];
  bool whole = count[0] == (u64)replays && count[1] == (u64)replays && !gave;
  if (drained && (b || !whole))
    anyBad = true;
  say(name + fmt(" %.0f us a replay | %llu wrong words | %s", (now() - t0) * 1e6 / replays, b,
                 !whole    ? "NOT WHOLE"
                 : drained ? (b ? "WRONG" : "ok")
                 : b       ? "ok: the overwrite is seen"
                           : "THE TEST SEES NOTHING"));
  json(fmt("\"part\":\"stress\",\"form\":\"%s\",\"drained\":%d,\"bad\":%llu,\"whole\":%d", syncName[y], drained, b,
           whole));
  destroy(v);
  both([&](int r) {
    RT(cudaMemset(R[r].flags, 0, sizeof(Flags)));
    RT(cudaDeviceSynchronize());
  });
}
static void partSpin() {
  openRanks(false);
  barrierLatency(SPIN);
  stress(SPIN, true);
  stress(SPIN, false);
}
static void partCapture() {
  openRanks(false);
  captureMatrix();
}
static void partMemop() {
  openRanks(false);
  barrierLatency(MEMOP);
  stress(MEMOP, true);
}
