// Hot loops that are compiled for several kinds of processor; the best one of this machine is chosen when the program
// is loaded. Contraction is off, so all give one result.
#pragma once

/// Before a function: FT_CLONES("arch=x86-64-v3", "default") compiles it for each. Not under ThreadSanitizer, which
/// instruments what chooses as well, and that runs before the sanitizer does.
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
#define FT_CLONES(...) __attribute__((target_clones(__VA_ARGS__)))
#else
#define FT_CLONES(...)
#endif

/// Before a function: also for processors with AVX2 and FMA.
#define FT_WIDE FT_CLONES("arch=x86-64-v3", "default")
