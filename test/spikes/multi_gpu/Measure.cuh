// Graphs of both ranks, launched in turns, verified and timed.
#pragma once
#include "Ranks.cuh"

// Whether a spin kernel of either rank gave up; if so both ranks' flags start anew.
static bool gaveUp() {
  bool gave = false;
  for (auto &k : R) {
    if (*(volatile unsigned *)k.err)
      gave = true;
    *(volatile unsigned *)k.err = 0;
  }
  if (gave)
    both([&](int r) {
      RT(cudaDeviceSynchronize());
      gate.wait();
      RT(cudaMemset(R[r].flags, 0, sizeof(Flags)));
      RT(cudaDeviceSynchronize());
    });
  return gave;
}
struct Variant {
  Str name, error;
  cudaGraphExec_t exec[2] = {};
  bool multi = false;
  int nodes = 0;
  std::function<void(Rank &, int)> prep;     // round; -1: poison for a check
  std::function<void(Rank &, u64 *)> verify; // adds to [0] mismatches, [1] checksum
  std::vector<double> ms;
  u64 bad = 0;
  u64 sums[2][2] = {};
};
static double median(std::vector<double> v) {
  if (v.empty())
    return NAN;
  std::sort(v.begin(), v.end());
  size_t n = v.size();
  return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}
static int rounds() {
  const char *s = getenv("ROUNDS");
  return s ? atoi(s) : 21;
}
static void destroy(Variant &v) {
  for (auto &x : v.exec) {
    if (x)
      cudaGraphExecDestroy(x);
    x = 0;
  }
}
static bool build(Variant &v, std::function<void(Rank &)> body) {
  doing("build " + v.name);
  try {
    both([&](int r) {
      v.exec[r] = capture(
          R[r], [&] { body(R[r]); }, r ? nullptr : &v.nodes);
    });
    return true;
  } catch (Fail &e) {
    v.error = e.what;
    say(v.name + ": FAILED: " + e.what);
    destroy(v);
    return false;
  }
}
// Alternates the variants; the first and the last round verify, those between are timed. A time is the slower rank's.
static void measure(std::vector<Variant *> vs, int n) {
  std::vector<Variant *> live;
  for (auto *v : vs)
    if (v->error.empty())
      live.push_back(v);
  std::vector<std::vector<double>> t[2];
  t[0].resize(live.size());
  t[1].resize(live.size());
  u64 got[2] = {};
  both([&](int r) {
    Rank &k = R[r];
    for (int round = -1; round <= n; round++)
      for (size_t j = 0; j < live.size(); j++) {
        Variant &v = *live[j];
        bool check = round < 0 || round == n;
        if (r == 0)
          doing(v.name);
        if (v.prep)
          v.prep(k, check ? -1 : round);
        drain(k);
        gate.wait();
        bool mine = !v.multi || r == 0;
        if (mine) {
          RT(cudaEventRecord(k.t0, k.a));
          RT(cudaGraphLaunch(v.exec[r], k.a));
          RT(cudaEventRecord(k.t1, k.a));
          waitFor(k.t1);
        }
        gate.wait();
        float ms = 0;
        if (mine)
          RT(cudaEventElapsedTime(&ms, k.t0, k.t1));
        if (!check)
          t[r][j].push_back(ms);
        else if (v.verify) {
          RT(cudaMemsetAsync(k.bad, 0, 16, k.a));
          u64 res[2] = {}, host[2] = {};
          v.verify(k, host);
          RT(cudaMemcpyAsync(res, k.bad, 16, cudaMemcpyDeviceToHost, k.a));
          drain(k);
          got[r] = res[0] + host[0];
          v.sums[r][round == n] = res[1];
          gate.wait();
          if (r == 0)
            v.bad += got[0] + got[1];
          gate.wait();
        }
      }
  });
  for (size_t j = 0; j < live.size(); j++) {
    Variant &v = *live[j];
    for (int i = 0; i < n; i++)
      v.ms.push_back(std::max(t[0][j][i], t[1][j][i]));
    if (v.bad)
      anyBad = true;
  }
  if (gaveUp()) {
    say("a spin kernel GAVE UP in this measurement");
    anyBad = true;
  }
}
// Collective j of k starts when GEMM ⌊j · GEMMS / k⌋ does: spread over the step as a plan does. Last join: drained
// before reuse.
static void step(Rank &k, int gemms, int n, const std::function<void(Rank &, int)> &coll) {
  k.order(k.a, k.b);
  int done = 0;
  for (int g = 0; g < std::max(gemms, 1); g++) {
    if (g)
      k.order(k.a, k.b);
    for (; done < n && (!gemms || (long)done * gemms / n <= g); done++)
      coll(k, done);
    if (gemms)
      gemm(k);
  }
  k.order(k.b, k.a);
}
static void warm(double seconds) {
  doing("warm");
  both([&](int r) {
    for (double t = now(); now() - t < seconds;) {
      for (int i = 0; i < 20; i++)
        gemm(R[r]);
      drain(R[r]);
      beat = now();
    }
  });
}
