// Kernels that add two ranks' parts, or read the peer's.
#pragma once
#include "Barriers.cuh"

template <bool F32> __device__ inline uint4 add16(uint4 a, uint4 b) {
  uint4 o;
  const uint32_t *x = (const uint32_t *)&a, *y = (const uint32_t *)&b;
  uint32_t *z = (uint32_t *)&o;
#pragma unroll
  for (int i = 0; i < 4; i++) {
    if (F32)
      z[i] = __float_as_uint(__fadd_rn(__uint_as_float(x[i]), __uint_as_float(y[i])));
    else {
      __nv_bfloat162 p =
          __floats2bfloat162_rn(__fadd_rn(__uint_as_float(x[i] << 16), __uint_as_float(y[i] << 16)),
                                __fadd_rn(__uint_as_float(x[i] & 0xffff0000u), __uint_as_float(y[i] & 0xffff0000u)));
      memcpy(&z[i], &p, 4);
    }
  }
  return o;
}
// own = lower rank's + higher rank's; with BOTH the sum also goes to where `other` came from. Each element is read and
// written by one thread, and the two ranks work on different halves, so in place is safe.
template <bool F32, bool BOTH> __device__ inline void sumLoop(uint4 *own, uint4 *other, size_t n, int rank) {
  constexpr int U = 8;
  const size_t tile = (size_t)blockDim.x * U;
  for (size_t t = blockIdx.x * tile; t < n; t += gridDim.x * tile) {
    uint4 p[U], q[U];
#pragma unroll
    for (int u = 0; u < U; u++) {
      size_t i = t + (size_t)u * blockDim.x + threadIdx.x;
      if (i < n)
        q[u] = __ldcg(other + i);
    }
#pragma unroll
    for (int u = 0; u < U; u++) {
      size_t i = t + (size_t)u * blockDim.x + threadIdx.x;
      if (i < n)
        p[u] = __ldcg(own + i);
    }
#pragma unroll
    for (int u = 0; u < U; u++) {
      size_t i = t + (size_t)u * blockDim.x + threadIdx.x;
      if (i < n) {
        uint4 s = rank ? add16<F32>(q[u], p[u]) : add16<F32>(p[u], q[u]);
        own[i] = s;
        if (BOTH)
          other[i] = s;
      }
    }
  }
}
template <bool F32> __global__ void __launch_bounds__(512) sumInto(uint4 *own, uint4 *other, size_t n, int rank) {
  sumLoop<F32, false>(own, other, n, rank);
}
template <bool F32> __global__ void __launch_bounds__(512) sumBoth(uint4 *own, uint4 *other, size_t n, int rank) {
  sumLoop<F32, true>(own, other, n, rank);
  __threadfence_system();
}
// The whole all-reduce in one node. Every block waits for the peer's ready flag itself, and block 0 alone sets the
// other side's, before it waits: no block needs another to be resident. The last block counts the epoch and exchanges
// drained.
template <bool F32>
__global__ void __launch_bounds__(512)
    fusedAllReduce(uint4 *own, uint4 *other, size_t n, int rank, Flags *mine, Flags *theirs, unsigned *err) {
  __shared__ u64 e;
  if (threadIdx.x == 0) {
    e = *(volatile u64 *)&mine->fEpoch.v + 1;
    if (blockIdx.x == 0) {
      __threadfence_system();
      stRelease(&theirs->fReady.v, e);
    }
    spinUntil(&mine->fReady.v, e, mine, err);
    __threadfence_system();
  }
  __syncthreads();
  sumLoop<F32, true>(own, other, n, rank);
  __threadfence_system();
  __syncthreads();
  if (threadIdx.x == 0 && atomicAdd(&mine->fCount.v, 1ull) == gridDim.x - 1) {
    *(volatile u64 *)&mine->fCount.v = 0;
    *(volatile u64 *)&mine->fEpoch.v = e;
    __threadfence_system();
    stRelease(&theirs->fDrained.v, e);
    spinUntil(&mine->fDrained.v, e, mine, err);
    __threadfence_system();
  }
}
template <int U> __global__ void __launch_bounds__(512) readPeer(uint4 *dst, const uint4 *src, size_t n) {
  const size_t tile = (size_t)blockDim.x * U;
  for (size_t t = blockIdx.x * tile; t < n; t += gridDim.x * tile) {
    uint4 q[U];
#pragma unroll
    for (int u = 0; u < U; u++) {
      size_t i = t + (size_t)u * blockDim.x + threadIdx.x;
      if (i < n)
        q[u] = __ldcg(src + i);
    }
#pragma unroll
    for (int u = 0; u < U; u++) {
      size_t i = t + (size_t)u * blockDim.x + threadIdx.x;
      if (i < n)
        dst[i] = q[u];
    }
  }
}
