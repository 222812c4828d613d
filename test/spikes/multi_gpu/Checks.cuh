// Kernels that fill payloads and count what is not as it should be.
#pragma once
#include "Barriers.cuh"
#include "Values.cuh"

#define EACH(i, n)                                                                                                     \
  for (size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; i < (n); i += (size_t)gridDim.x * blockDim.x)
__global__ void fillWords(uint32_t *p, size_t n, int rank, size_t first, uint32_t salt) {
  EACH(i, n) p[i] = mix((uint32_t)(first + i), rank + 1, salt);
}
__global__ void fillConst(uint32_t *p, size_t n, uint32_t v) { EACH(i, n) p[i] = v; }
__global__ void checkWords(const uint32_t *p, size_t n, int rank, size_t first, uint32_t salt, u64 *bad) {
  u64 b = 0;
  EACH(i, n) b += p[i] != mix((uint32_t)(first + i), rank + 1, salt);
  if (b)
    atomicAdd(bad, b);
}
__global__ void fillInput(void *p, size_t n, bool f32, int rank, uint32_t salt) {
  EACH(i, n) {
    uint32_t v = inputOf(f32, rank, (uint32_t)i, salt);
    if (f32)
      ((uint32_t *)p)[i] = v;
    else
      ((uint16_t *)p)[i] = (uint16_t)v;
  }
}
__global__ void checkSum(const void *p, size_t n, size_t first, Op op, bool f32, int rank, int reps, uint32_t salt,
                         u64 *bad) {
  u64 b = 0, c = 0;
  EACH(i, n) {
    uint32_t v = f32 ? ((const uint32_t *)p)[i] : ((const uint16_t *)p)[i];
    b += v != expected(op, f32, rank, (uint32_t)(first + i), (uint32_t)i, (uint32_t)n, reps, salt);
    c += mix(v, (uint32_t)(first + i), 5);
  }
  if (b)
    atomicAdd(bad, b);
  atomicAdd(bad + 1, c);
}
__global__ void fillBf(uint16_t *p, size_t n, int rank, uint32_t salt) {
  EACH(i, n) p[i] = (uint16_t)toBf(valueOf(rank, (uint32_t)i, salt));
}
// The stress test's pieces: the pattern depends on the replay, which the graph counts.
__global__ void tick(Flags *f) { f->replay.v++; }
__global__ void delay(const Flags *f, int rank, int spot, unsigned maxNs) {
  uint32_t h = mix((uint32_t)f->replay.v, rank * 8 + spot, 99);
  u64 ns = (h & 3) ? (h >> 2) % maxNs : 0;
  for (u64 t0 = nanos(); nanos() - t0 < ns;)
    ;
}
__global__ void fillReplay(uint32_t *p, size_t n, const Flags *f, int rank) {
  uint32_t s = (uint32_t)f->replay.v;
  EACH(i, n) p[i] = mix((uint32_t)i, rank + 1, s);
}
__global__ void checkReplay(const uint32_t *p, size_t n, const Flags *f, int rank, u64 *bad) {
  uint32_t s = (uint32_t)f->replay.v;
  u64 b = 0;
  EACH(i, n) b += p[i] != mix((uint32_t)i, rank + 1, s);
  if (b)
    atomicAdd(bad, b);
}
