// Nothing is allocated on the step path: this program's own malloc and mmap stand before the C library's, for every
// library that it opens, and write down what is asked for while they are armed.
#include "runtime/Program/TinyPlan.h"
#include "runtime/Training/TinyData.h"
#include "runtime/Training/Trainer.h"
#include "runtime/Weights/Load.h"

#include <gtest/gtest.h>

#include <atomic>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace ft;
using namespace ft::rt;

namespace {
constexpr size_t heapLimit = 4096;
struct Block {
  size_t bytes;
  const void *caller;
  bool mapped;
};
constinit std::atomic<bool> armed{false};
constinit std::atomic<size_t> blockCount{0};
constinit Block blocks[4096];

void note(size_t bytes, const void *caller, bool mapped) {
  if (!armed.load(std::memory_order_relaxed) || (!mapped && bytes <= heapLimit))
    return;
  const size_t index = blockCount.fetch_add(1);
  if (index < std::size(blocks))
    blocks[index] = {bytes, caller, mapped};
}
} // namespace

extern "C" {
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

void *malloc(size_t bytes) {
  note(bytes, __builtin_return_address(0), false);
  return __libc_malloc(bytes);
}
void *calloc(size_t count, size_t bytes) {
  note(count * bytes, __builtin_return_address(0), false);
  return __libc_calloc(count, bytes);
}
void *realloc(void *block, size_t bytes) {
  note(bytes, __builtin_return_address(0), false);
  return __libc_realloc(block, bytes);
}
void *aligned_alloc(size_t alignment, size_t bytes) {
  note(bytes, __builtin_return_address(0), false);
  return __libc_memalign(alignment, bytes);
}
int posix_memalign(void **block, size_t alignment, size_t bytes) {
  note(bytes, __builtin_return_address(0), false);
  *block = __libc_memalign(alignment, bytes);
  return *block ? 0 : ENOMEM;
}
void *mmap(void *address, size_t bytes, int protection, int flags, int descriptor, off_t offset) {
  note(bytes, __builtin_return_address(0), true);
  return reinterpret_cast<void *>(syscall(SYS_mmap, address, bytes, protection, flags, descriptor, offset));
}
void *mmap64(void *address, size_t bytes, int protection, int flags, int descriptor, off_t offset) {
  note(bytes, __builtin_return_address(0), true);
  return reinterpret_cast<void *>(syscall(SYS_mmap, address, bytes, protection, flags, descriptor, offset));
}
}

namespace {
std::string moduleOf(const void *address) {
  Dl_info info{};
  if (!dladdr(address, &info) || !info.dli_fname)
    return "generated code";
  const std::string path = info.dli_fname;
  return path.substr(path.rfind('/') + 1);
}

/// What was written down, "<bytes> by <module>", and the sum by module.
struct Caught {
  std::map<std::string, size_t> bytesByModule;
  std::string list;
};
Caught disarm() {
  armed = false;
  Caught caught;
  for (size_t i = 0; i < std::min<size_t>(blockCount, std::size(blocks)); ++i) {
    const std::string module = moduleOf(blocks[i].caller);
    caught.bytesByModule[module] += blocks[i].bytes;
    caught.list += (blocks[i].mapped ? "mapped " : "heap ") + std::to_string(blocks[i].bytes) + " by " + module + "\n";
  }
  return caught;
}
void arm() {
  blockCount = 0;
  armed = true;
}

struct Form {
  const char *name;
  uint64_t m, n, k, padding;
  bool transA, transB;
  plan::DType type;
};
// Forms of a Llama step: forward, dX, dW, LoRA's narrow ones, padded pitches; in f32 and bf16.
const Form forms[] = {
    {"forward", 256, 576, 576, 0, false, true, plan::F32},  {"dX", 256, 576, 1536, 0, false, false, plan::F32},
    {"dW", 576, 192, 256, 0, true, false, plan::F32},       {"s", 256, 16, 576, 0, false, true, plan::F32},
    {"padded", 256, 576, 576, 48, false, true, plan::F32},  {"padded dW", 576, 576, 256, 16, true, false, plan::F32},
    {"forward", 256, 576, 576, 0, false, true, plan::BF16}, {"padded", 256, 576, 576, 48, false, true, plan::BF16},
    {"dW", 576, 192, 256, 0, true, false, plan::BF16},
};
} // namespace

TEST(Allocations, TheInterposerSeesThisProgramAndItsLibraries) {
  arm();
  std::vector<char> *own = new std::vector<char>(10000);
  void *mapped = mmap(nullptr, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const Caught caught = disarm();
  munmap(mapped, 8192);
  delete own;
  EXPECT_NE(caught.list.find("heap 10000 by libstdc++"), std::string::npos) << caught.list;
  EXPECT_NE(caught.list.find("mapped 8192 by "), std::string::npos) << caught.list;
}

TEST(Allocations, TheTrainingLoopTakesNothing) {
  auto file = TinyPlan::write(TinyPlan::make(2), testing::TempDir() + "allocation-test.bin");
  auto device = openCpuDevice(0);
  ASSERT_TRUE(device.ok()) << device.status().message();
  auto program = RankProgram::load(*file, std::move(*device), {});
  ASSERT_TRUE(program.ok()) << program.status().message();
  LoadOptions load;
  load.section = [&](uint32_t index) { return file->section(index); };
  LoadTarget target;
  target.hostBuffer = [&](uint32_t b) { return reinterpret_cast<std::byte *>((*program)->arenas().bufferAddress(b)); };
  ASSERT_TRUE(loadModel(file->plan, *ModelSource::open("seeded:5"), load, target).ok());
  auto feed = BatchFeed::training(file->plan, tinyData(8), 42);
  auto held = BatchFeed::evaluation(file->plan, tinyData(5));
  auto interrupts = Interrupts::create([] {});
  OneRank lockstep(**interrupts);
  const int nowhere = open("/dev/null", O_WRONLY);
  Console console(nowhere);
  Journal journal(console, 1);
  ASSERT_TRUE(journal.keepMetrics("/dev/null").ok());
  TrainerOptions options;
  options.totalSteps = 50;
  options.evalSteps = 10;
  options.beforeFirstUpdate = [] {
    arm();
    return Status();
  };
  plan::Run run;
  run.set_learning_rate(1), run.set_lr_scheduler_type("cosine"), run.set_warmup_steps(5);
  Trainer trainer(**program, **feed, held->get(), *Schedule::create(run, 50), options, journal, lockstep);
  auto result = trainer.run();
  const Caught caught = disarm();
  close(nowhere);
  ASSERT_TRUE(result.ok()) << result.status().message();
  EXPECT_EQ(result->steps, 50u);
  EXPECT_EQ(caught.list, "");
}

TEST(Allocations, GemmsTakeOnlyTheLibrarysOwnBlocks) {
  auto device = openCpuDevice(2);
  ASSERT_TRUE(device.ok()) << device.status().message();
  void *a = *(*device)->reserve(plan::Arena::DEVICE, 8 << 20, 64),
       *b = *(*device)->reserve(plan::Arena::DEVICE, 8 << 20, 64);
  void *d = *(*device)->reserve(plan::Arena::DEVICE, 8 << 20, 64),
       *w = *(*device)->reserve(plan::Arena::DEVICE, 16 << 20, 64);
  for (const Form &form : forms) {
    plan::Gemm gemm;
    gemm.set_m(form.m), gemm.set_n(form.n), gemm.set_k(form.k);
    gemm.set_trans_a(form.transA), gemm.set_trans_b(form.transB);
    gemm.set_lda((form.transA ? form.m : form.k) + form.padding);
    gemm.set_ldb((form.transB ? form.k : form.n) + form.padding);
    gemm.set_ldd(form.n), gemm.set_alpha(1);
    gemm.set_a_type(form.type), gemm.set_b_type(form.type), gemm.set_d_type(plan::F32);
    gemm.mutable_workspace()->set_row_bytes(16 << 20);
    auto handle = (*device)->prepareGemm(gemm);
    ASSERT_TRUE(handle.ok()) << handle.status().message();
    for (const char *call : {"first", "later"}) {
      arm();
      Status status = (*device)->gemm(0, *handle, a, b, d, w);
      const Caught caught = disarm();
      ASSERT_TRUE(status.ok()) << status.message();
      size_t others = 0, library = 0;
      for (const auto &[module, bytes] : caught.bytesByModule)
        (module.starts_with("libdnnl") ? library : others) += bytes;
      EXPECT_EQ(others, 0u) << caught.list;
      // oneDNN's copying GEMM (padded pitches, AVX2) packs panels in blocks of its own and gives them back: at most
      // a MiB a thread here. It maps nothing.
      EXPECT_LE(library, 2u << 20) << caught.list;
      EXPECT_EQ(caught.list.find("mapped"), std::string::npos) << caught.list;
      printf("%s %s %s call: oneDNN takes %zu bytes\n%s", form.type == plan::F32 ? "f32" : "bf16", form.name, call,
             library, caught.list.c_str());
    }
  }
}
