// Collectives of our own on stream b; payload i lies in slice i mod slices of the arena.
#pragma once
#include "Ranks.cuh"

// The two ranks pass together: one of these before the peer's part is read (ready), one before it is overwritten
// (drained). Writes go to the peer's memory, waits and resets to one's own.
enum Sync { MEMOP, SPIN };
static const char *syncName[] = {"memop", "spin kernel"};
// Baked values: set the peer's word to 1, wait for one's own to be 1, reset it to 0. Right as long as neighbouring
// barriers use different slots: the peer sets slot s again only after it passed a later barrier t ≠ s, for which it
// needed this rank's set of t, which this stream issued after its reset of s; so no set is ever lost and none is seen
// twice. A write-value has a system fence over the stream's earlier work; a copy is complete before the stream goes on.
static void memopBarrier(Rank &k, cudaStream_t s, int slot) {
  CUdeviceptr mine = (CUdeviceptr)&k.flags->memop[slot].v, theirs = (CUdeviceptr)&R[1 - k.r].flags->memop[slot].v;
  CUstreamBatchMemOpParams p[3];
  memset(p, 0, sizeof p);
  p[0].writeValue.operation = CU_STREAM_MEM_OP_WRITE_VALUE_64;
  p[0].writeValue.address = theirs;
  p[0].writeValue.value64 = 1;
  p[1].waitValue.operation = CU_STREAM_MEM_OP_WAIT_VALUE_64;
  p[1].waitValue.address = mine;
  p[1].waitValue.value64 = 1;
  p[1].waitValue.flags = CU_STREAM_WAIT_VALUE_EQ;
  p[2].writeValue.operation = CU_STREAM_MEM_OP_WRITE_VALUE_64;
  p[2].writeValue.address = mine;
  p[2].writeValue.value64 = 0;
  DR(cuStreamBatchMemOp(s, 3, p, 0));
}
static void barrier(Rank &k, cudaStream_t s, int slot, Sync y) {
  if (y == MEMOP)
    return memopBarrier(k, s, slot);
  spinBarrier<<<1, 1, 0, s>>>(k.flags, R[1 - k.r].flags, k.err);
  launched();
}

static size_t slicesOf(size_t bytes) { return ARENA / bytes; }
static size_t sliceAt(size_t bytes, int i) { return (size_t)(i % slicesOf(bytes)) * bytes; }
static void pull(Rank &k, char *dst, const char *src, size_t n) {
  RT(cudaMemcpyAsync(dst, src, n, cudaMemcpyDeviceToDevice, k.b));
}
static void gatherOwn(Rank &k, int i, size_t bytes, Sync y) {
  size_t at = sliceAt(bytes, i) + (1 - k.r) * (bytes / 2);
  barrier(k, k.b, 0, y);
  pull(k, k.buf + at, R[1 - k.r].buf + at, bytes / 2);
  barrier(k, k.b, 1, y);
}
static void sum(Rank &k, cudaStream_t s, char *own, char *other, size_t n, bool f32, int blocks) {
  int g = (int)std::min<size_t>(blocks, (n / 16 + 4095) / 4096);
  if (f32)
    sumInto<true><<<g, 512, 0, s>>>((uint4 *)own, (uint4 *)other, n / 16, k.r);
  else
    sumInto<false><<<g, 512, 0, s>>>((uint4 *)own, (uint4 *)other, n / 16, k.r);
  launched();
}
enum Way { RINGED, DIRECT, PUSHED, FUSED };
// Halves: rank r sums half r. RINGED pulls the peer's half r into a ring and sums from there while the next chunk
// comes; DIRECT sums from the peer's memory. In an all-reduce, ready 2 says that the peer's sums are complete, thus
// also its reads of this rank's other half, which the copies may then overwrite. PUSHED writes each sum to both ranks;
// FUSED is that with its barriers inside the kernel.
static void reduceOwn(Rank &k, int i, size_t bytes, bool f32, bool all, Way way, int blocks) {
  size_t h = bytes / 2, at = sliceAt(bytes, i) + k.r * h, away = sliceAt(bytes, i) + (1 - k.r) * h;
  char *own = k.buf + at, *peer = R[1 - k.r].buf + at;
  int g = (int)std::min<size_t>(blocks, (h / 16 + 4095) / 4096);
  if (way == FUSED) {
    if (f32)
      fusedAllReduce<true>
          <<<g, 512, 0, k.b>>>((uint4 *)own, (uint4 *)peer, h / 16, k.r, k.flags, R[1 - k.r].flags, k.err);
    else
      fusedAllReduce<false>
          <<<g, 512, 0, k.b>>>((uint4 *)own, (uint4 *)peer, h / 16, k.r, k.flags, R[1 - k.r].flags, k.err);
    return launched();
  }
  barrier(k, k.b, 0, SPIN);
  if (way == PUSHED) {
    if (f32)
      sumBoth<true><<<g, 512, 0, k.b>>>((uint4 *)own, (uint4 *)peer, h / 16, k.r);
    else
      sumBoth<false><<<g, 512, 0, k.b>>>((uint4 *)own, (uint4 *)peer, h / 16, k.r);
    launched();
    barrier(k, k.b, 1, SPIN);
    return;
  }
  if (way == DIRECT)
    sum(k, k.b, own, peer, h, f32, blocks);
  else {
    cudaEvent_t freed[RING] = {};
    int c = 0;
    for (size_t o = 0; o < h; o += CHUNK, c++) {
      size_t n = std::min(CHUNK, h - o);
      char *slot = k.stage + (c % RING) * CHUNK;
      if (freed[c % RING])
        RT(cudaStreamWaitEvent(k.b, freed[c % RING], 0));
      RT(cudaMemcpyAsync(slot, peer + o, n, cudaMemcpyDeviceToDevice, k.b));
      k.order(k.b, k.c);
      sum(k, k.c, own + o, slot, n, f32, blocks);
      freed[c % RING] = k.event();
      RT(cudaEventRecord(freed[c % RING], k.c));
    }
    k.order(k.c, k.b); // also frees the ring for the next collective
  }
  barrier(k, k.b, 1, SPIN);
  if (all) {
    pull(k, k.buf + away, R[1 - k.r].buf + away, h);
    barrier(k, k.b, 2, SPIN);
  }
}
