// Part `latency`: 8 bytes summed over both ranks.
#pragma once
#include "Measure.cuh"
#include "Nccl.cuh"

static void partLatency() {
  openRanks(true);
  warm(1);
  const int slots = 200, floats = 2;
  Comm *nccl = &comm("default", 0);
  struct L {
    Str name;
    std::function<void(Rank &, int, cudaStream_t)> f;
  };
  std::vector<L> forms;
  forms.push_back({"exchange kernel", [=](Rank &k, int i, cudaStream_t s) {
                     exchange<<<1, 32, 0, s>>>(k.flags, R[1 - k.r].flags, k.in + i * 32, k.out + i * 32, floats, k.r,
                                               k.err);
                     launched();
                   }});
  if (nccl->ok)
    forms.push_back({"NCCL", [=](Rank &k, int i, cudaStream_t s) {
                       NC(ncclAllReduce(k.in + i * 32, k.out + i * 32, floats, ncclFloat32, ncclSum, nccl->c[k.r], s));
                     }});
  auto prep = [=](Rank &k, int round) {
    if (round >= 0)
      return;
    fillInput<<<32, 256, 0, k.a>>>(k.in, slots * 32, true, k.r, 41);
    fillConst<<<32, 256, 0, k.a>>>((uint32_t *)k.out, slots * 32, ~0u);
    launched();
  };
  auto check = [=](int used) {
    return [=](Rank &k, u64 *h) {
      std::vector<float> o(slots * 32);
      RT(cudaMemcpyAsync(o.data(), k.out, o.size() * 4, cudaMemcpyDeviceToHost, k.a));
      RT(cudaStreamSynchronize(k.a));
      for (int i = 0; i < used; i++)
        for (int l = 0; l < 32; l++)
          h[0] +=
              bits(o[i * 32 + l]) != (l < floats ? bits(valueOf(0, i * 32 + l, 41) + valueOf(1, i * 32 + l, 41)) : ~0u);
    };
  };
  std::vector<Variant> alone(forms.size()), inl(forms.size()), side(forms.size());
  std::vector<Variant *> p, q;
  Variant base;
  base.name = "GEMMs";
  build(base, [&](Rank &k) { step(k, GEMMS, 0, nullptr); });
  q.push_back(&base);
  for (size_t i = 0; i < forms.size(); i++) {
    auto &f = forms[i];
    alone[i].name = f.name + " alone";
    inl[i].name = f.name + " in line";
    side[i].name = f.name + " beside";
    build(alone[i], [&](Rank &k) {
      for (int j = 0; j < slots; j++)
        f.f(k, j, k.a);
    });
    build(inl[i], [&](Rank &k) {
      for (int g = 0; g < GEMMS; g++) {
        gemm(k);
        f.f(k, g, k.a);
      }
    });
    build(side[i], [&](Rank &k) { step(k, GEMMS, GEMMS, [&](Rank &k2, int j) { f.f(k2, j, k2.b); }); });
    alone[i].prep = inl[i].prep = side[i].prep = prep;
    alone[i].verify = check(slots);
    inl[i].verify = side[i].verify = check(GEMMS);
    p.push_back(&alone[i]);
    q.push_back(&inl[i]);
    q.push_back(&side[i]);
  }
  measure(p, rounds());
  measure(q, rounds());
  for (size_t i = 0; i < forms.size(); i++) {
    auto each = [&](Variant &v, int n, bool sub) {
      std::vector<double> t;
      for (size_t j = 0; j < v.ms.size(); j++)
        t.push_back((v.ms[j] - (sub && j < base.ms.size() ? base.ms[j] : 0)) * 1e3 / n);
      return v.error.empty() ? median(t) : NAN;
    };
    double a = each(alone[i], slots, false), l = each(inl[i], GEMMS, true), s = each(side[i], GEMMS, true);
    u64 bad = alone[i].bad + inl[i].bad + side[i].bad;
    say(fmt("| 8 B all-reduce | %s | %.2f us alone | %.2f us in line with GEMMs | %.2f us taken beside | %s",
            forms[i].name.c_str(), a, l, s, bad ? "WRONG" : "ok"));
    json(
        fmt("\"part\":\"latency\",\"form\":\"%s\",\"alone_us\":%.3f,\"inline_us\":%.3f,\"beside_us\":%.3f,\"bad\":%llu",
            forms[i].name.c_str(), a == a ? a : -1, l == l ? l : -1, s == s ? s : -1, bad));
  }
}
