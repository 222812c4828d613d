#include "runtime/Device/Cpu/Processor.h"

#include <fmt/format.h>

#include <algorithm>
#include <cpuid.h>
#include <cstdlib>
#include <fstream>
#include <sched.h>

using namespace ft;
using namespace ft::rt;

std::string ft::rt::processorName() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name"))
      return line.substr(std::min(line.size(), line.find(':') + 2));
  return "unknown x86-64 processor";
}

Expected<std::string> ft::rt::processorLevel() {
  const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
  const bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512vl");
  if (!v3)
    return cannotRun(fmt::format("{} lacks AVX2, FMA or BMI2; plans for the CPU need x86-64-v3", processorName()));
  const std::string best = v4 ? "x86-64-v4" : "x86-64-v3";
  const char *wanted = std::getenv("FTC_CPU_ISA");
  if (!wanted || !*wanted)
    return best;
  const std::string level = wanted;
  if (level != "x86-64-v3" && level != "x86-64-v4")
    return badInput(fmt::format("FTC_CPU_ISA is \"{}\"; must be x86-64-v3 or x86-64-v4", level));
  if (level > best)
    return cannotRun(fmt::format("FTC_CPU_ISA is {}, but {} runs {} at most; unset it", level, processorName(), best));
  return level;
}

Bf16Products ft::rt::bf16ProductsOf(const std::string &level) {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (level != "x86-64-v4" || !__get_cpuid_count(7, 1, &a, &b, &c, &d) || !(a & (1u << 5)))
    return Bf16Products::None;
  __get_cpuid_count(7, 0, &a, &b, &c, &d);
  const bool fp16 = d & (1u << 23), tiles = d & (1u << 22);
  if (tiles)
    return Bf16Products::Tiles;
  return __builtin_cpu_is("intel") && fp16 ? Bf16Products::Slow : Bf16Products::Fast;
}

uint32_t ft::rt::usableProcessors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  long count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  // cgroup v2 as containers see it: "<quota µs> <period µs>", or "max <period>".
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  std::string quota;
  double period = 0;
  if (file >> quota >> period && quota != "max" && period > 0)
    count = std::min(count, static_cast<long>(std::max(1.0, std::strtod(quota.c_str(), nullptr) / period)));
  return static_cast<uint32_t>(std::max(1L, count));
}
