// How two GPUs of one process should gather, reduce and agree: docs/rationale/collectives.md has the outcome.
#include "PartCaps.cuh"
#include "PartCollectives.cuh"
#include "PartFlags.cuh"
#include "PartLatency.cuh"

int main(int argc, char **argv) {
  setenv("NCCL_NVLS_ENABLE", "0", 1);     // multicast must not be touched here
  setenv("NCCL_GRAPH_REGISTER", "0", 0);  // captured calls take the buffers as they are, as other calls do
  setenv("NCCL_RUNTIME_CONNECT", "0", 0); // connects at init, never inside a capture
  Str part = argc > 1 ? argv[1] : "", list = argc > 2 ? argv[2] : "";
  startWatchdog();
  int rc = 0;
  try {
    if (part == "caps")
      partCaps(list == "memop");
    else if (part == "spin")
      partSpin();
    else if (part == "capture")
      partCapture();
    else if (part == "memop")
      partMemop();
    else if (part == "gather")
      partGather(list.empty() ? "memop,multi,nccl" : list);
    else if (part == "reduce")
      partReduce(list.empty() ? "f32" : list);
    else if (part == "latency")
      partLatency();
    else {
      printf("spike capture | memop | spin | caps [memop] | gather [memop,multi,nccl] | reduce f32|bf16|adapters | "
             "latency\n");
      return 2;
    }
  } catch (Fail &e) {
    say("| part " + part + " " + list + " | FAILED " + e.what);
    rc = 1;
  }
  if (anyBad) {
    say("| part " + part + " | SOMETHING IS WRONG, see above");
    rc = 1;
  }
  fflush(stdout);
  _exit(rc); // no teardown: a waiting GPU must not hold the process
}
