// The two ranks: memory, streams, the GEMM that runs beside collectives, captures.
#pragma once
#include "Checks.cuh"
#include "Sums.cuh"

// The arena of payloads of a rank, a chunk and the chunks of its ring, GEMMs in a measured step.
static const size_t MiB = 1 << 20, ARENA = 810 * MiB, CHUNK = 16 * MiB;
static const int RING = 3, GEMMS = 12;

struct Rank {
  int r = 0;
  cudaStream_t a = 0, b = 0, c = 0; // a: compute; b: collectives; c: sums of the ring
  char *buf = 0, *stage = 0;
  Flags *flags = 0;
  unsigned *err = 0;
  u64 *bad = 0;
  uint16_t *x = 0, *w = 0, *o = 0;
  void *work = 0;
  float *in = 0, *out = 0;
  cublasLtHandle_t lt = 0;
  cublasLtMatmulDesc_t md = 0;
  cublasLtMatrixLayout_t la = 0, lb = 0, ld = 0;
  cublasLtMatmulAlgo_t algo;
  size_t workBytes = 32 * MiB;
  std::vector<cudaEvent_t> pool;
  size_t used = 0;
  cudaEvent_t t0 = 0, t1 = 0;
  cudaEvent_t event() {
    if (used == pool.size()) {
      cudaEvent_t e;
      RT(cudaEventCreateWithFlags(&e, cudaEventDisableTiming));
      pool.push_back(e);
    }
    return pool[used++];
  }
  void order(cudaStream_t from, cudaStream_t to) {
    cudaEvent_t e = event();
    RT(cudaEventRecord(e, from));
    RT(cudaStreamWaitEvent(to, e, 0));
  }
};
static Rank R[2];
static void launched() { RT(cudaGetLastError()); }
static const int M = 16384, K = 4096, N = 12288;
static void gemm(Rank &k) {
  float one = 1, zero = 0;
  BL(cublasLtMatmul(k.lt, k.md, &one, k.w, k.la, k.x, k.lb, &zero, k.o, k.ld, k.o, k.ld, &k.algo, k.work, k.workBytes,
                    k.a));
}
// Row-major O = X Wᵀ, that is column-major Oᵀ = W Xᵀ; checked on samples in double precision.
static void setGemm(Rank &k) {
  RT(cudaMalloc(&k.x, (size_t)M * K * 2));
  RT(cudaMalloc(&k.w, (size_t)N * K * 2));
  RT(cudaMalloc(&k.o, (size_t)M * N * 2));
  RT(cudaMalloc(&k.work, k.workBytes));
  fillBf<<<1024, 256, 0, k.a>>>(k.x, (size_t)M * K, k.r, 1);
  fillBf<<<1024, 256, 0, k.a>>>(k.w, (size_t)N * K, k.r, 2);
  launched();
  RT(cudaMemsetAsync(k.o, 0xff, (size_t)M * N * 2, k.a));
  BL(cublasLtCreate(&k.lt));
  BL(cublasLtMatmulDescCreate(&k.md, CUBLAS_COMPUTE_32F, CUDA_R_32F));
  cublasOperation_t t = CUBLAS_OP_T;
  BL(cublasLtMatmulDescSetAttribute(k.md, CUBLASLT_MATMUL_DESC_TRANSA, &t, sizeof t));
  BL(cublasLtMatrixLayoutCreate(&k.la, CUDA_R_16BF, K, N, K));
  BL(cublasLtMatrixLayoutCreate(&k.lb, CUDA_R_16BF, K, M, K));
  BL(cublasLtMatrixLayoutCreate(&k.ld, CUDA_R_16BF, N, M, N));
  cublasLtMatmulPreference_t p;
  BL(cublasLtMatmulPreferenceCreate(&p));
  BL(cublasLtMatmulPreferenceSetAttribute(p, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &k.workBytes,
                                          sizeof k.workBytes));
  cublasLtMatmulHeuristicResult_t h[1];
  int got = 0;
  BL(cublasLtMatmulAlgoGetHeuristic(k.lt, k.md, k.la, k.lb, k.ld, k.ld, p, 1, h, &got));
  if (!got)
    throw Fail{"no GEMM algorithm"};
  k.algo = h[0].algo;
  BL(cublasLtMatmulPreferenceDestroy(p));
  gemm(k);
  RT(cudaStreamSynchronize(k.a));
  double worst = 0;
  for (int q = 0; q < 8; q++) {
    size_t m = mix(q, 3, 1) % M, n = mix(q, 4, 1) % N;
    uint16_t got16;
    double s = 0, g;
    RT(cudaMemcpyAsync(&got16, k.o + m * N + n, 2, cudaMemcpyDeviceToHost, k.a));
    RT(cudaStreamSynchronize(k.a));
    for (int i = 0; i < K; i++)
      s += (double)fromBf(toBf(valueOf(k.r, (uint32_t)(m * K + i), 1))) *
           fromBf(toBf(valueOf(k.r, (uint32_t)(n * K + i), 2)));
    g = fromBf(got16);
    double e = fabs(g - s) / (fabs(s) + 0.1);
    worst = e > worst || !(e == e) ? e : worst;
  }
  if (!(worst < 0.02))
    throw Fail{fmt("the GEMM is wrong: %g", worst)};
}
template <class F> static void preload(F f) {
  cudaFuncAttributes a;
  RT(cudaFuncGetAttributes(&a, f));
}
// All memory, modules and peer mappings exist before the first wait: a lazy load or an allocation that waits for the
// device while a peer spins would be a deadlock.
static void openRanks(bool withGemm) {
  DR(cuInit(0));
  int n = 0;
  RT(cudaGetDeviceCount(&n));
  if (n < 2)
    throw Fail{fmt("two GPUs are needed, %d are here", n)};
  both([&](int r) {
    Rank &k = R[r];
    k.r = r;
    int lo, hi;
    RT(cudaFree(0));
    RT(cudaDeviceGetStreamPriorityRange(&lo, &hi));
    RT(cudaDeviceEnablePeerAccess(1 - r, 0));
    RT(cudaStreamCreateWithPriority(&k.a, cudaStreamNonBlocking, lo));
    RT(cudaStreamCreateWithPriority(&k.b, cudaStreamNonBlocking, hi));
    RT(cudaStreamCreateWithPriority(&k.c, cudaStreamNonBlocking, hi));
    RT(cudaEventCreate(&k.t0));
    RT(cudaEventCreate(&k.t1));
    RT(cudaMalloc(&k.buf, ARENA));
    RT(cudaMalloc(&k.stage, RING * CHUNK));
    RT(cudaMalloc(&k.flags, sizeof(Flags)));
    RT(cudaMemset(k.flags, 0, sizeof(Flags)));
    RT(cudaMalloc(&k.bad, 16));
    RT(cudaMalloc(&k.in, 1 << 20));
    RT(cudaMalloc(&k.out, 1 << 20));
    RT(cudaHostAlloc(&k.err, 64, cudaHostAllocPortable | cudaHostAllocMapped));
    memset(k.err, 0, 64);
    preload(spinBarrier);
    preload(exchange);
    preload(sumInto<true>);
    preload(sumInto<false>);
    preload(sumBoth<true>);
    preload(sumBoth<false>);
    preload(fusedAllReduce<true>);
    preload(fusedAllReduce<false>);
    preload(readPeer<8>);
    preload(fillWords);
    preload(fillConst);
    preload(checkWords);
    preload(fillInput);
    preload(checkSum);
    preload(tick);
    preload(delay);
    preload(fillReplay);
    preload(checkReplay);
    preload(fillBf);
    fillConst<<<1024, 256, 0, k.a>>>((uint32_t *)k.buf, ARENA / 4, ~0u);
    launched();
    if (withGemm)
      setGemm(k);
    RT(cudaDeviceSynchronize());
  });
}
// What no event could end: polled, with a time-out that ends the process.
static void waitFor(cudaEvent_t e) {
  for (double t = now();;) {
    cudaError_t s = cudaEventQuery(e);
    if (s == cudaSuccess)
      return;
    if (s != cudaErrorNotReady) {
      RT(s);
    }
    cudaGetLastError();
    if (now() - t > 8)
      hang("8 s for the GPU");
  }
}
static void drain(Rank &k) {
  RT(cudaEventRecord(k.t1, k.a));
  waitFor(k.t1);
}
template <class F> static cudaGraphExec_t capture(Rank &k, F body, int *nodes = nullptr) {
  k.used = 0;
  cudaGraph_t g = 0;
  RT(cudaStreamBeginCapture(k.a, cudaStreamCaptureModeThreadLocal));
  try {
    body();
  } catch (...) {
    cudaStreamEndCapture(k.a, &g);
    cudaGetLastError();
    if (g)
      cudaGraphDestroy(g);
    throw;
  }
  RT(cudaStreamEndCapture(k.a, &g));
  size_t n = 0;
  RT(cudaGraphGetNodes(g, nullptr, &n));
  if (nodes)
    *nodes = (int)n;
  cudaGraphExec_t x = 0;
  RT(cudaGraphInstantiate(&x, g, 0));
  RT(cudaGraphDestroy(g));
  RT(cudaGraphUpload(x, k.a));
  RT(cudaStreamSynchronize(k.a));
  return x;
}
