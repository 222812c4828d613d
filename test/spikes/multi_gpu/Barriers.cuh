// The flags of a rank, and the kernels by which two ranks pass together or exchange a few bytes.
#pragma once
#include "Host.cuh"

// One per rank, in that rank's device memory. The peer sets, the owner waits and resets; each word has 128 bytes.
struct Word {
  u64 v;
  u64 pad[15];
};
struct Flags {
  Word memop[4];    // 0 or 1, values baked into graphs
  Word spin, epoch; // spin: the peer's epoch; epoch: own, counted by the graph itself
  Word fReady, fDrained, fEpoch;
  Word fCount; // the fused all-reduce
  Word mailFlag, mailEpoch;
  float mail[2][32]; // the exchange of a few bytes
  Word dead;         // a spin gave up: later ones do not wait
  Word replay;       // the stress test's counter
};
__device__ inline u64 ldAcquire(const u64 *p) {
  u64 v;
  asm volatile("ld.acquire.sys.global.u64 %0,[%1];" : "=l"(v) : "l"(p) : "memory");
  return v;
}
__device__ inline void stRelease(u64 *p, u64 v) {
  asm volatile("st.release.sys.global.u64 [%0],%1;" ::"l"(p), "l"(v) : "memory");
}
__device__ inline u64 nanos() {
  u64 t;
  asm volatile("mov.u64 %0,%globaltimer;" : "=l"(t));
  return t;
}
__device__ inline void spinUntil(const u64 *p, u64 e, Flags *mine, volatile unsigned *err) {
  if (ldAcquire(p) >= e || *(volatile u64 *)&mine->dead.v)
    return;
  for (u64 t0 = nanos(); ldAcquire(p) < e;)
    if (nanos() - t0 > 2000000000ull) {
      *(volatile u64 *)&mine->dead.v = 1;
      *err = 1;
      __threadfence_system();
      return;
    }
}
// Both ranks pass together. The epoch lives in device memory and only grows, so nothing is baked and nothing is reset:
// the fence and the release make all earlier work of this stream (stream order, then cumulativity) visible to whoever
// acquires the value; the kernel's end orders the acquire before the stream's later work, copies included.
__global__ void spinBarrier(Flags *mine, Flags *theirs, unsigned *err) {
  u64 e = mine->epoch.v + 1;
  mine->epoch.v = e;
  __threadfence_system();
  stRelease(&theirs->spin.v, e);
  spinUntil(&mine->spin.v, e, mine, err);
}
// A few floats summed over two ranks in rank order. Two mailboxes by parity: the peer writes box e & 1 again in
// exchange e + 2, after it acquired flag e + 1, which was released after box e was read: no drained flag is needed.
__global__ void exchange(Flags *mine, Flags *theirs, const float *in, float *out, int n, int rank, unsigned *err) {
  u64 e = mine->mailEpoch.v + 1;
  int l = threadIdx.x;
  float own = l < n ? in[l] : 0;
  __syncwarp();
  if (l < n)
    *(volatile float *)&theirs->mail[e & 1][l] = own;
  __threadfence_system();
  __syncwarp();
  if (l == 0) {
    mine->mailEpoch.v = e;
    stRelease(&theirs->mailFlag.v, e);
    spinUntil(&mine->mailFlag.v, e, mine, err);
    __threadfence_system();
  }
  __syncwarp();
  float o = l < n ? *(volatile float *)&mine->mail[e & 1][l] : 0;
  if (l < n)
    out[l] = rank ? o + own : own + o;
}
