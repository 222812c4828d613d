// Errors, rows of the result, the watchdog, and one host thread for each of the two ranks.
#pragma once
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <cublasLt.h>
#include <cuda.h>
#include <cuda_bf16.h>
#include <cuda_runtime.h>
#include <functional>
#include <map>
#include <mutex>
#include <nccl.h>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

typedef unsigned long long u64;
typedef std::string Str;
struct Fail {
  Str what;
};
static Str fmt(const char *f, ...) {
  char b[700];
  va_list v;
  va_start(v, f);
  vsnprintf(b, sizeof b, f, v);
  va_end(v);
  return b;
}
static const char *drText(CUresult e) {
  const char *s = "?";
  cuGetErrorName(e, &s);
  return s;
}
#define RT(x)                                                                                                          \
  do {                                                                                                                 \
    cudaError_t e_ = (x);                                                                                              \
    if (e_ != cudaSuccess) {                                                                                           \
      cudaGetLastError();                                                                                              \
      throw Fail{fmt("%s: %s, line %d", #x, cudaGetErrorName(e_), __LINE__)};                                          \
    }                                                                                                                  \
  } while (0)
#define DR(x)                                                                                                          \
  do {                                                                                                                 \
    CUresult e_ = (x);                                                                                                 \
    if (e_ != CUDA_SUCCESS)                                                                                            \
      throw Fail{fmt("%s: %s, line %d", #x, drText(e_), __LINE__)};                                                    \
  } while (0)
#define NC(x)                                                                                                          \
  do {                                                                                                                 \
    ncclResult_t e_ = (x);                                                                                             \
    if (e_ != ncclSuccess)                                                                                             \
      throw Fail{fmt("%s: %s, line %d", #x, ncclGetErrorString(e_), __LINE__)};                                        \
  } while (0)
#define BL(x)                                                                                                          \
  do {                                                                                                                 \
    cublasStatus_t e_ = (x);                                                                                           \
    if (e_ != CUBLAS_STATUS_SUCCESS)                                                                                   \
      throw Fail{fmt("%s: cuBLAS %d, line %d", #x, (int)e_, __LINE__)};                                                \
  } while (0)
static std::mutex outMutex;
static std::atomic<bool> anyBad{false};
static void say(const Str &s) {
  std::lock_guard<std::mutex> l(outMutex);
  printf("%s\n", s.c_str());
  fflush(stdout);
}
static Str esc(const Str &s) {
  Str o;
  for (char c : s) {
    if (c == '"' || c == '\\')
      o += '\\';
    o += c == '\n' ? ' ' : c;
  }
  return o;
}
// One JSON object a line, appended at once: what a later hang leaves behind is whole.
static void json(const Str &fields) {
  static const char *path = getenv("SPIKE_JSON");
  if (!path)
    return;
  std::lock_guard<std::mutex> l(outMutex);
  if (FILE *f = fopen(path, "a")) {
    fprintf(f, "{%s}\n", fields.c_str());
    fclose(f);
  }
}
static double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// No progress for 25 s ends the process with what was printed.
static std::atomic<double> beat{0};
static char current[200] = "start";
static void doing(const Str &s) {
  std::lock_guard<std::mutex> l(outMutex);
  snprintf(current, sizeof current, "%s", s.c_str());
  beat = now();
}
[[noreturn]] static void hang(const char *where) {
  printf("HANG %s (%s)\n", current, where);
  fflush(stdout);
  _exit(3);
}
static void startWatchdog() {
  beat = now();
  std::thread([] {
    for (;;) {
      usleep(200000);
      if (now() - beat > 25)
        hang("no progress for 25 s");
    }
  }).detach();
}

struct Gate { // spins; throws when the other thread failed, so no thread waits for a dead one
  std::atomic<int> in{0}, turn{0};
  std::atomic<bool> failed{false};
  void reset() {
    in = 0;
    failed = false;
  }
  void wait() {
    beat = now();
    int t = turn;
    if (++in == 2) {
      in = 0;
      ++turn;
      return;
    }
    while (turn == t)
      if (failed)
        throw Fail{"the other rank failed"};
  }
};
static Gate gate;
template <class F> static void both(F f) {
  Str err[2];
  gate.reset();
  std::thread t[2];
  for (int r = 0; r < 2; r++)
    t[r] = std::thread([&, r] {
      try {
        RT(cudaSetDevice(r));
        f(r);
      } catch (Fail &e) {
        err[r] = e.what;
        gate.failed = true;
      }
    });
  for (auto &x : t)
    x.join();
  for (int r = 0; r < 2; r++)
    if (!err[r].empty() && err[r] != "the other rank failed")
      throw Fail{fmt("rank %d: ", r) + err[r]};
  if (!err[0].empty() || !err[1].empty())
    throw Fail{err[0] + err[1]};
}
