// Part `caps`: the link, and what a launch blocks.
#pragma once
#include "Collectives.cuh"
#include "Measure.cuh"
#include "Nccl.cuh"

static int attr(CUdevice_attribute a, int d) {
  int v = -1;
  cuDeviceGetAttribute(&v, a, d);
  return v;
}
static void bandwidth() {
  const size_t n = 405 * MiB;
  struct Case {
    const char *name;
    int kind, blocks; // 0 pull, 1 push, 2 a kernel of `blocks` reads
  };
  Case cases[] = {{"pull", 0, 0},         {"push", 1, 0},         {"read kernel", 2, 8},
                  {"read kernel", 2, 16}, {"read kernel", 2, 32}, {"read kernel", 2, 132}};
  for (auto &c : cases) {
    Str line = fmt("| link %s |", c.name) + (c.blocks ? fmt(" %d blocks |", c.blocks) : "");
    doing(line);
    for (int who : {0, 1, 2}) { // rank 0 alone, rank 1 alone, both at once
      std::vector<double> t[2];
      u64 bad[2] = {};
      both([&](int r) {
        Rank &k = R[r];
        char *mine = k.buf, *peer = R[1 - r].buf;
        bool active = who == 2 || who == r;
        // From the first n bytes of an arena to the rest of the other: a pull's own, a push's peer's.
        char *dst = (c.kind == 1 ? peer : mine) + n;
        const char *src = (c.kind == 1 ? mine : peer);
        int owner = c.kind == 1 ? r : 1 - r;
        fillWords<<<1024, 256, 0, k.a>>>((uint32_t *)mine, n / 4, r, 0, 17);
        fillConst<<<1024, 256, 0, k.a>>>((uint32_t *)(mine + n), n / 4, ~0u);
        launched();
        drain(k);
        gate.wait();
        for (int i = 0; i < 22; i++) {
          gate.wait();
          if (!active)
            continue;
          k.used = 0;
          RT(cudaEventRecord(k.t0, k.b));
          if (c.kind == 2) {
            readPeer<8><<<c.blocks, 512, 0, k.b>>>((uint4 *)dst, (const uint4 *)src, n / 16);
            launched();
          } else
            pull(k, dst, src, n);
          RT(cudaEventRecord(k.t1, k.b));
          waitFor(k.t1);
          float ms;
          RT(cudaEventElapsedTime(&ms, k.t0, k.t1));
          if (i > 1)
            t[r].push_back(ms);
        }
        gate.wait();
        if (active) {
          uint32_t *at = (uint32_t *)((c.kind == 1 ? R[1 - r].buf : k.buf) + n);
          u64 b;
          RT(cudaMemsetAsync(k.bad, 0, 16, k.a));
          checkWords<<<1024, 256, 0, k.a>>>(at, n / 4, owner, 0, 17, k.bad);
          launched();
          RT(cudaMemcpyAsync(&b, k.bad, 8, cudaMemcpyDeviceToHost, k.a));
          drain(k);
          bad[r] = b;
        }
        gate.wait();
      });
      double ms = std::max(t[0].empty() ? 0 : median(t[0]), t[1].empty() ? 0 : median(t[1]));
      line += fmt(" %s %.0f GB/s%s |",
                  who == 0   ? "0<>1"
                  : who == 1 ? "1<>0"
                             : "both",
                  n / ms * 1e-6, bad[0] + bad[1] ? " WRONG" : "");
      if (bad[0] + bad[1])
        anyBad = true;
      json(fmt("\"part\":\"link\",\"form\":\"%s\",\"blocks\":%d,\"who\":%d,\"gbps\":%.2f,\"bad\":%llu", c.name,
               c.blocks, who, n / ms * 1e-6, bad[0] + bad[1]));
    }
    say(line);
  }
}
// Four gathers with one rank late. Does a launch block, do 40? What do allocations of the late rank do meanwhile?
static void blocking(Sync y) {
  const size_t bytes = 32 * MiB;
  Variant v;
  v.name = Str("launch ") + syncName[y];
  if (!build(v, [&](Rank &k) { step(k, 0, 4, [&](Rank &q, int i) { gatherOwn(q, i, bytes, y); }); })) {
    say("| launch " + Str(syncName[y]) + " | FAILED " + v.error);
    return;
  }
  double first = 0, worst = 0, all = 0, total = 0;
  doing(v.name);
  both([&](int r) {
    Rank &k = R[r];
    RT(cudaGraphLaunch(v.exec[r], k.a));
    drain(k);
  }); // warm
  both([&](int r) {
    Rank &k = R[r];
    gate.wait();
    if (r)
      usleep(300000);
    double t0 = now();
    for (int i = 0; i < 40; i++) {
      double t = now();
      RT(cudaGraphLaunch(v.exec[r], k.a));
      t = now() - t;
      if (r == 0) {
        if (!i)
          first = t;
        worst = std::max(worst, t);
      }
    }
    if (r == 0)
      all = now() - t0;
    drain(k);
    if (r == 0)
      total = now() - t0;
  });
  say(fmt("| launch, peer 300 ms late, %s | first %.3f ms, worst of 40 %.3f, all 40 %.1f, done after %.0f ms | %s",
          syncName[y], first * 1e3, worst * 1e3, all * 1e3, total * 1e3, all < 0.25 ? "does not block" : "BLOCKS"));
  json(fmt("\"part\":\"launch\",\"form\":\"%s\",\"first_ms\":%.4f,\"worst_ms\":%.4f,\"all_ms\":%.3f,\"total_ms\":%.1f",
           syncName[y], first * 1e3, worst * 1e3, all * 1e3, total * 1e3));
  // From one host thread, rank after rank. A device's work does not start later for it, so no deadlock is expected.
  doing(v.name + " one host thread");
  double t0 = now();
  for (int i = 0; i < 100; i++)
    for (int r = 0; r < 2; r++) {
      RT(cudaSetDevice(r));
      RT(cudaGraphLaunch(v.exec[r], R[r].a));
      beat = now();
    }
  for (int r = 0; r < 2; r++) {
    RT(cudaSetDevice(r));
    drain(R[r]);
  }
  say(fmt("| one host thread, 100 launches each, %s | %.3f ms a replay of 4 gathers of 32 MiB | no deadlock",
          syncName[y], (now() - t0) * 10));
  json(fmt("\"part\":\"one_thread\",\"form\":\"%s\",\"ms\":%.4f", syncName[y], (now() - t0) * 10));
  Str line = "| late rank's calls while the peer waits, " + Str(syncName[y]) + " |";
  double spent[4] = {};
  doing(v.name + " allocations");
  both([&](int r) {
    Rank &k = R[r];
    gate.wait();
    if (r) {
      usleep(50000);
      void *p = 0, *h = 0;
      double t = now();
      RT(cudaMalloc(&p, 64 * MiB));
      spent[0] = now() - t;
      t = now();
      RT(cudaMallocHost(&h, 64 * MiB));
      spent[1] = now() - t;
      t = now();
      RT(cudaFree(p));
      spent[2] = now() - t;
      t = now();
      RT(cudaFreeHost(h));
      spent[3] = now() - t;
    }
    RT(cudaGraphLaunch(v.exec[r], k.a));
    drain(k);
  });
  bool gave = gaveUp();
  say(line + fmt(" malloc %.1f ms, mallocHost %.1f, free %.1f, freeHost %.1f |%s", spent[0] * 1e3, spent[1] * 1e3,
                 spent[2] * 1e3, spent[3] * 1e3, gave ? " BLOCKED until a spin gave up" : " not blocked"));
  json(fmt("\"part\":\"alloc\",\"form\":\"%s\",\"malloc_ms\":%.2f,\"mallocHost_ms\":%.2f,\"free_ms\":%.2f,\"freeHost_"
           "ms\":%.2f,\"gave_up\":%d",
           syncName[y], spent[0] * 1e3, spent[1] * 1e3, spent[2] * 1e3, spent[3] * 1e3, gave));
  destroy(v);
}
static void blockingNccl() {
  Comm &m = comm("default", 0);
  if (!m.ok)
    return;
  Variant v;
  v.name = "launch NCCL";
  if (!build(v, [&](Rank &k) {
        step(k, 0, 4, [&](Rank &q, int) {
          NC(ncclAllGather(q.buf + q.r * 16 * MiB, q.buf, 8 * MiB, ncclBfloat16, m.c[q.r], q.b));
        });
      }))
    return;
  double first = 0, all = 0;
  doing(v.name);
  both([&](int r) {
    Rank &k = R[r];
    RT(cudaGraphLaunch(v.exec[r], k.a));
    drain(k);
  });
  both([&](int r) {
    Rank &k = R[r];
    gate.wait();
    if (r)
      usleep(300000);
    double t0 = now();
    for (int i = 0; i < 40; i++) {
      RT(cudaGraphLaunch(v.exec[r], k.a));
      if (!r && !i)
        first = now() - t0;
    }
    if (!r)
      all = now() - t0;
    drain(k);
  });
  say(fmt("| launch, peer 300 ms late, NCCL | first %.3f ms, all 40 %.1f | %s", first * 1e3, all * 1e3,
          all < 0.25 ? "does not block" : "BLOCKS"));
  doing("launch NCCL, one host thread");
  double t0 = now();
  for (int i = 0; i < 100; i++)
    for (int r = 0; r < 2; r++) {
      RT(cudaSetDevice(r));
      RT(cudaGraphLaunch(v.exec[r], R[r].a));
      beat = now();
    }
  for (int r = 0; r < 2; r++) {
    RT(cudaSetDevice(r));
    drain(R[r]);
  }
  say(fmt("| one host thread, 100 launches each, NCCL | %.3f ms a replay of 4 gathers of 32 MiB | no deadlock",
          (now() - t0) * 10));
  json(fmt("\"part\":\"launch\",\"form\":\"NCCL\",\"first_ms\":%.4f,\"all_ms\":%.3f,\"one_thread_ms\":%.4f",
           first * 1e3, all * 1e3, (now() - t0) * 10));
}
static void partCaps(bool memops) {
  openRanks(false);
  int drv = 0, nv = 0;
  RT(cudaDriverGetVersion(&drv));
  NC(ncclGetVersion(&nv));
  for (int d = 0; d < 2; d++) {
    cudaDeviceProp p;
    RT(cudaGetDeviceProperties(&p, d));
    int can = 0, perf = -1, atom = -1;
    RT(cudaDeviceCanAccessPeer(&can, d, 1 - d));
    RT(cudaDeviceGetP2PAttribute(&perf, cudaDevP2PAttrPerformanceRank, d, 1 - d));
    RT(cudaDeviceGetP2PAttribute(&atom, cudaDevP2PAttrNativeAtomicSupported, d, 1 - d));
    say(fmt("| device %d | %s, driver API %d, NCCL %d, copy engines %d | peer %d, perf rank %d, native atomics %d | "
            "memops64 %d, flush remote %d |",
            d, p.name, drv, nv, p.asyncEngineCount, can, perf, atom,
            attr(CU_DEVICE_ATTRIBUTE_CAN_USE_64_BIT_STREAM_MEM_OPS, d),
            attr(CU_DEVICE_ATTRIBUTE_CAN_FLUSH_REMOTE_WRITES, d)));
    json(fmt("\"part\":\"device\",\"device\":%d,\"name\":\"%s\",\"driver\":%d,\"nccl\":%d,\"engines\":%d,\"peer\":%d,"
             "\"rank\":%d,\"atomics\":%d",
             d, p.name, drv, nv, p.asyncEngineCount, can, perf, atom));
  }
  bandwidth();
  blocking(SPIN);
  blockingNccl();
  if (memops)
    blocking(MEMOP);
}
