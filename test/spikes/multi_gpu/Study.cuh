// One kind of collective in several forms: alone, and what it takes from GEMMs beside it.
#pragma once
#include "Collectives.cuh"
#include "Joint.cuh"
#include "Measure.cuh"

static const char *size(size_t b) {
  static thread_local char s[4][32];
  static thread_local int i;
  char *p = s[i++ & 3];
  if (b < MiB)
    snprintf(p, 32, "%zu B", b);
  else
    snprintf(p, 32, "%zu MiB", b / MiB);
  return p;
}
// One row a form: alone, and what one collective takes from the GEMMs at each share.
struct Result {
  Str name, note;
  double alone = NAN;
  std::vector<Str> beside;
  u64 bad = 0;
  bool verified = false;
  int nodes = 0;
  Str error;
};
static void row(const Str &what, size_t bytes, size_t moved, const Result &q) {
  Str s = fmt("| %s %s | %s | ", what.c_str(), size(bytes), q.name.c_str());
  if (q.alone == q.alone)
    s += fmt(q.alone < 0.1 ? "%.4f ms" : "%.3f ms", q.alone) +
         (moved >= MiB / 2 ? fmt(" %.0f GB/s", moved / q.alone * 1e-6) : "");
  for (auto &b : q.beside)
    s += " | " + b;
  s += !q.error.empty() ? " | FAILED " + q.error.substr(0, 60)
       : q.bad          ? fmt(" | WRONG %llu", q.bad)
       : q.verified     ? " | ok"
                        : " | unverified";
  if (!q.note.empty())
    s += " " + q.note;
  say(s);
}
// A form: `coll` enqueues collective i on a rank's stream b; `multi` is the joint graph instead.
struct FormSpec {
  Str name;
  std::function<void(Rank &, int)> coll;
  bool multi = false;
};
// What a kind of collective works on: prepared, poisoned where a round is checked, and verified.
struct Data {
  Op op;
  bool f32;
  size_t bytes;
  void prep(Rank &k, int n, int round) const {
    char *buf = k.buf;
    int s = (int)std::min<size_t>(n, slicesOf(bytes));
    if (op == GATHER) {
      if (round >= 0)
        return;
      for (int j = 0; j < s; j++) {
        size_t h = bytes / 2, at = j * bytes + k.r * h, away = j * bytes + (1 - k.r) * h;
        fillWords<<<512, 256, 0, k.a>>>((uint32_t *)(buf + at), h / 4, k.r, at / 4, 23);
        fillConst<<<512, 256, 0, k.a>>>((uint32_t *)(buf + away), h / 4, ~0u);
      }
    } else { // in place, so the ring alone is left to poison
      fillInput<<<1056, 256, 0, k.a>>>(buf, s * bytes / (f32 ? 4 : 2), f32, k.r, 31);
      if (round < 0)
        fillConst<<<256, 256, 0, k.a>>>((uint32_t *)k.stage, RING * CHUNK / 4, ~0u);
    }
    launched();
  }
  void verify(Rank &k, int n, u64 *host) const {
    char *buf = k.buf;
    int s = (int)std::min<size_t>(n, slicesOf(bytes));
    size_t el = op == GATHER || f32 ? 4 : 2, count = bytes / el;
    auto reps = [&](int j) { return (n - j + s - 1) / s; };
    for (int j = 0; j < s; j++) {
      if (op == GATHER)
        for (int o = 0; o < 2; o++)
          checkWords<<<512, 256, 0, k.a>>>((uint32_t *)(buf + j * bytes) + o * count / 2, count / 2, o,
                                           (j * bytes) / 4 + o * count / 2, 23, k.bad);
      else
        checkSum<<<512, 256, 0, k.a>>>(buf + j * bytes, count, j * count, op, f32, k.r, reps(j), 31, k.bad);
    }
    launched();
    for (int q = 0; q < 6; q++) { // the host's own computation, on samples of 64 elements, both ends included
      int j = q < 2 ? 0 : mix(q, n, 8) % s;
      size_t i0 = q == 0 ? 0 : q == 1 ? count - 64 : mix(q, n, 9) % (count - 64);
      unsigned char raw[256];
      RT(cudaMemcpyAsync(raw, buf + j * bytes + i0 * el, 64 * el, cudaMemcpyDeviceToHost, k.a));
      RT(cudaStreamSynchronize(k.a));
      for (size_t i = 0; i < 64; i++) {
        uint32_t got = 0;
        memcpy(&got, raw + i * el, el);
        size_t in = i0 + i;
        uint32_t idx = (uint32_t)(j * count + in);
        host[0] += got != (op == GATHER ? mix(idx, (in >= count / 2) + 1, 23)
                                        : expected(op, f32, k.r, idx, (uint32_t)in, (uint32_t)count, reps(j), 31));
      }
    }
  }
};
// The last measured time of a GEMM; the first guess sizes the first step only.
static double gemmMs = 2.2;
// Measures every form alone, then beside GEMMs with as many collectives as take each of `shares` of their time.
static void study(const Str &what, Data d, std::vector<FormSpec> forms, int aloneK, std::vector<double> shares) {
  std::vector<Result> res(forms.size());
  auto make = [&](std::vector<Variant> &vs, int gemms, int n) {
    for (size_t i = 0; i < forms.size(); i++) {
      Variant &v = vs[i];
      FormSpec &f = forms[i];
      v.name = f.name;
      v.multi = f.multi;
      res[i].name = f.name;
      if (!res[i].error.empty()) {
        v.error = res[i].error;
        continue;
      }
      if (f.multi)
        buildMulti(v, gemms, n, d.bytes);
      else
        build(v, [&, gemms, n](Rank &k) { step(k, gemms, n, f.coll); });
      v.prep = [&d, n](Rank &k, int round) { d.prep(k, n, round); };
      v.verify = [&d, n](Rank &k, u64 *h) { d.verify(k, n, h); };
      res[i].error = v.error;
    }
  };
  auto take = [&](std::vector<Variant> &vs) {
    for (size_t i = 0; i < vs.size(); i++) {
      Variant &v = vs[i];
      if (!v.error.empty())
        continue;
      res[i].bad += v.bad;
      res[i].verified = true;
      if (v.bad && d.op != GATHER && (v.sums[0][0] != v.sums[0][1] || v.sums[1][0] != v.sums[1][1]))
        res[i].note += " runs differ";
      destroy(v);
    }
  };
  std::vector<Variant> alone(forms.size());
  make(alone, 0, aloneK);
  std::vector<Variant *> p;
  for (auto &v : alone)
    p.push_back(&v);
  measure(p, rounds());
  double ref = 1e9;
  for (size_t i = 0; i < forms.size(); i++)
    if (alone[i].error.empty()) {
      res[i].alone = median(alone[i].ms) / aloneK;
      res[i].nodes = alone[i].nodes;
      ref = std::min(ref, res[i].alone);
    }
  take(alone);
  for (double share : shares) {
    int n = std::max(1, std::min((int)lround(share * GEMMS * gemmMs / ref), 200));
    std::vector<Variant> vs(forms.size());
    make(vs, GEMMS, n);
    Variant base[2];
    p.clear();
    for (int i = 0; i < 2; i++) {
      base[i].name = "GEMMs";
      build(base[i], [&](Rank &k) { step(k, GEMMS, 0, nullptr); });
    }
    p.push_back(&base[0]);
    for (size_t i = 0; i < vs.size(); i++) {
      p.push_back(&vs[i]);
      if (i == vs.size() / 2)
        p.push_back(&base[1]);
    }
    measure(p, rounds());
    std::vector<double> noise;
    for (size_t i = 0; i < base[0].ms.size(); i++)
      noise.push_back(fabs(base[0].ms[i] - base[1].ms[i]));
    gemmMs = median(base[0].ms) / GEMMS;
    say(fmt("%s %s: %d collectives in %d GEMMs of %.3f ms; two runs of the GEMMs differ by %.3f ms", what.c_str(),
            size(d.bytes), n, GEMMS, gemmMs, median(noise)));
    for (size_t i = 0; i < vs.size(); i++) {
      if (!vs[i].error.empty()) {
        res[i].beside.push_back("-");
        continue;
      }
      std::vector<double> diff;
      for (size_t q = 0; q < vs[i].ms.size(); q++)
        diff.push_back(vs[i].ms[q] - (base[0].ms[q] + base[1].ms[q]) / 2);
      double each = median(diff) / n;
      res[i].beside.push_back(fmt(each < 0.05 ? "%dx takes %.4f" : "%dx takes %.3f", n, each));
      json(fmt("\"part\":\"beside\",\"op\":\"%s\",\"bytes\":%zu,\"form\":\"%s\",\"share\":%.2f,\"n\":%d,\"total_ms\":%."
               "4f,\"gemms_ms\":%.4f,\"taken_each_ms\":%.5f,\"noise_ms\":%.4f,\"bad\":%llu",
               what.c_str(), d.bytes, forms[i].name.c_str(), share, n, median(vs[i].ms), gemmMs * GEMMS, each,
               median(noise), vs[i].bad));
    }
    take(vs);
    for (auto &b : base)
      destroy(b);
  }
  for (auto &q : res) {
    row(what, d.bytes, d.bytes / 2 * (d.op == ALLREDUCE ? 2 : 1), q);
    json(fmt("\"part\":\"alone\",\"op\":\"%s\",\"bytes\":%zu,\"form\":\"%s\",\"ms\":%.5f,\"nodes\":%d,\"of\":%d,"
             "\"bad\":%llu,\"error\":\"%s\"",
             what.c_str(), d.bytes, q.name.c_str(), q.alone == q.alone ? q.alone : -1, q.nodes, aloneK, q.bad,
             esc(q.error).c_str()));
  }
}
