// Parts `gather` and `reduce`.
#pragma once
#include "Nccl.cuh"
#include "Study.cuh"

static bool has(const Str &list, const Str &x) { return ("," + list + ",").find("," + x + ",") != Str::npos; }

static void partGather(const Str &list) {
  openRanks(true);
  warm(1);
  Comm *off = 0, *some = 0, *few = 0;
  if (has(list, "nccl")) {
    off = &comm("default", 0);
    some = &comm("16", 16);
    few = &comm("8", 8);
  }
  for (size_t bytes : {405 * MiB, 32 * MiB, 1 * MiB}) {
    std::vector<FormSpec> f;
    auto own = [&](const Str &n, Sync y) { f.push_back({n, [=](Rank &k, int i) { gatherOwn(k, i, bytes, y); }}); };
    auto nccl = [&](const Str &n, Comm *c) {
      if (c && c->ok)
        f.push_back({n, [=](Rank &k, int i) {
                       char *p = k.buf + sliceAt(bytes, i);
                       NC(ncclAllGather(p + k.r * (bytes / 2), p, bytes / 4, ncclBfloat16, c->c[k.r], k.b));
                     }});
    };
    if (has(list, "memop"))
      own("copies, memop", MEMOP);
    own("copies, spin", SPIN);
    if (has(list, "multi")) {
      FormSpec m{"one graph over both", nullptr};
      m.multi = true;
      f.push_back(m);
    }
    nccl("NCCL", off);
    nccl("NCCL 16 CTAs", some);
    nccl("NCCL 8 CTAs", few);
    study("gather", {GATHER, false, bytes}, f,
          bytes > 100 * MiB  ? 8
          : bytes > 10 * MiB ? 40
                             : 100,
          bytes > 10 * MiB ? std::vector<double>{0.1, 0.3} : std::vector<double>{0.1});
  }
}
// A block's gradients in f32 or in bf16, or the gradients of adapters.
static void partReduce(const Str &which) {
  openRanks(true);
  warm(1);
  std::vector<std::pair<Str, Comm *>> nc;
  for (int c : {0, 16}) {
    Comm &m = comm(c ? std::to_string(c) : "default", c);
    if (m.ok)
      nc.push_back({c ? fmt("NCCL %d CTAs", c) : "NCCL", &m});
  }
  auto run = [&](bool all, bool f32, size_t bytes, std::vector<double> shares) {
    std::vector<FormSpec> f;
    auto own = [&](const Str &n, Way w, int blocks) {
      f.push_back({n, [=](Rank &k, int i) { reduceOwn(k, i, bytes, f32, all, w, blocks); }});
    };
    own("ring 32", RINGED, 32);
    own("direct 32", DIRECT, 32);
    if (all) {
      own("push 32", PUSHED, 32);
      own("fused 32", FUSED, 32);
    }
    for (auto &c : nc) {
      Comm *m = c.second;
      ncclDataType_t t = f32 ? ncclFloat32 : ncclBfloat16;
      size_t el = f32 ? 4 : 2;
      f.push_back({c.first, [=](Rank &k, int i) {
                     char *p = k.buf + sliceAt(bytes, i);
                     if (all)
                       NC(ncclAllReduce(p, p, bytes / el, t, ncclSum, m->c[k.r], k.b));
                     else
                       NC(ncclReduceScatter(p, p + k.r * (bytes / 2), bytes / 2 / el, t, ncclSum, m->c[k.r], k.b));
                   }});
    }
    study(fmt("%s %s", all ? "all-reduce" : "reduce-scatter", f32 ? "f32" : "bf16"),
          {all ? ALLREDUCE : SCATTER, f32, bytes}, f,
          bytes > 100 * MiB  ? 4
          : bytes > 10 * MiB ? 32
                             : 100,
          shares);
  };
  if (which == "f32") {
    run(false, true, 810 * MiB, {0.1, 0.3});
    run(true, true, 810 * MiB, {0.3});
    return;
  }
  if (which == "bf16") {
    run(false, false, 405 * MiB, {0.3});
    run(true, false, 405 * MiB, {0.3});
    return;
  }
  run(true, true, 1 * MiB, {0.1});
  run(true, true, 25 * MiB, {0.1});
  run(false, true, 25 * MiB, {0.1});
}
