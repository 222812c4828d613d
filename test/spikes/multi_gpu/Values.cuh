// What payloads hold: values that each rank, the host and the GPU compute alike, and what a collective must leave.
#pragma once
#include "Host.cuh"

__host__ __device__ inline uint32_t mix(uint32_t a, uint32_t b, uint32_t c) {
  uint32_t h = a * 0x9E3779B1u ^ (b + 0x7F4A7C15u) * 0x85EBCA6Bu ^ (c + 0x165667B1u) * 0xC2B2AE35u;
  h ^= h >> 16;
  h *= 0x7FEB352Du;
  h ^= h >> 15;
  h *= 0x846CA68Bu;
  h ^= h >> 16;
  return h;
}
// Random in (-1, 1) times 2^0 … 2^-7, so that sums round.
__host__ __device__ inline float valueOf(int rank, uint32_t i, uint32_t salt) {
  uint32_t h = mix(i, rank + 1, salt);
  return (float)(int32_t)h * 4.656612873077393e-10f * (1.f / (float)(1u << (mix(h, 7, i) & 7)));
}
__host__ __device__ inline uint32_t bits(float f) {
#ifdef __CUDA_ARCH__
  return __float_as_uint(f);
#else
  uint32_t u;
  memcpy(&u, &f, 4);
  return u;
#endif
}
__host__ __device__ inline float fromBits(uint32_t u) {
#ifdef __CUDA_ARCH__
  return __uint_as_float(u);
#else
  float f;
  memcpy(&f, &u, 4);
  return f;
#endif
}
__host__ __device__ inline uint32_t toBf(float f) {
  uint32_t u = bits(f);
  return (u + 0x7fff + ((u >> 16) & 1)) >> 16;
}
__host__ __device__ inline float fromBf(uint32_t b) { return fromBits(b << 16); }
enum Op { GATHER, SCATTER, ALLREDUCE };
__host__ __device__ inline uint32_t inputOf(bool f32, int rank, uint32_t i, uint32_t salt) {
  float v = valueOf(rank, i, salt);
  return f32 ? bits(v) : toBf(v);
}
__host__ __device__ inline uint32_t addBits(bool f32, uint32_t a, uint32_t b) { // a belongs to the lower rank
  return f32 ? bits(fromBits(a) + fromBits(b)) : toBf(fromBf(a) + fromBf(b));
}
// What element i of a payload of n holds on `rank` after `reps` collectives in place, computed without any of them.
__host__ __device__ inline uint32_t expected(Op op, bool f32, int rank, uint32_t i, uint32_t inSlice, uint32_t n,
                                             int reps, uint32_t salt) {
  uint32_t a = inputOf(f32, 0, i, salt), b = inputOf(f32, 1, i, salt);
  if (op == ALLREDUCE) {
    uint32_t s = addBits(f32, a, b);
    for (int k = 1; k < reps; k++)
      s = addBits(f32, s, s);
    return s;
  }
  uint32_t own = rank ? b : a;
  if ((inSlice >= n / 2) != (rank == 1))
    return own;
  for (int k = 0; k < reps; k++)
    own = rank ? addBits(f32, a, own) : addBits(f32, own, b);
  return own;
}
