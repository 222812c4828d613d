// NCCL's communicators, one for each limit of CTAs.
#pragma once
#include "Ranks.cuh"

struct Comm {
  ncclComm_t c[2] = {};
  bool ok = false;
  Str error;
};
static std::map<Str, Comm> comms;
static Comm &comm(const Str &name, int ctas) {
  Comm &m = comms[name];
  if (m.ok || !m.error.empty())
    return m;
  doing("nccl init " + name);
  try {
    ncclUniqueId id;
    NC(ncclGetUniqueId(&id));
    both([&](int r) {
      ncclConfig_t f = NCCL_CONFIG_INITIALIZER;
      if (ctas) {
        f.minCTAs = 1;
        f.maxCTAs = ctas;
      }
      NC(ncclCommInitRankConfig(&m.c[r], 2, id, r, &f));
    });
    both([&](int r) { // connects lazily: every collective once outside captures
      Rank &k = R[r];
      size_t h = ARENA / 2;
      ncclComm_t c = m.c[r];
      NC(ncclAllGather(k.buf + r * h, k.buf, h / 2, ncclBfloat16, c, k.b));
      NC(ncclReduceScatter(k.buf, k.buf + r * h, h / 4, ncclFloat32, ncclSum, c, k.b));
      NC(ncclAllReduce(k.buf, k.buf, ARENA / 4, ncclFloat32, ncclSum, c, k.b));
      NC(ncclAllReduce(k.buf, k.buf, 2, ncclFloat32, ncclSum, c, k.b));
      NC(ncclAllReduce(k.buf, k.buf, ARENA / 2, ncclBfloat16, ncclSum, c, k.b));
      k.used = 0;
      k.order(k.b, k.a);
      drain(k);
    });
    m.ok = true;
  } catch (Fail &e) {
    m.error = e.what;
    say("nccl " + name + ": FAILED: " + e.what);
  }
  return m;
}
