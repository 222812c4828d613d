// What ThreadSanitizer cannot see: that code which is not built under it lets one thread go on behind another.
#pragma once

#if defined(__SANITIZE_THREAD__)
extern "C" void __tsan_acquire(void *address);
extern "C" void __tsan_release(void *address);
#endif

namespace ft::rt {

/// All that this thread has done is done before what follows orderedAfter() of the same address, for a reason that the
/// caller knows. Nothing outside the sanitizer.
inline void orderedBefore([[maybe_unused]] void *address) {
#if defined(__SANITIZE_THREAD__)
  __tsan_release(address);
#endif
}
inline void orderedAfter([[maybe_unused]] void *address) {
#if defined(__SANITIZE_THREAD__)
  __tsan_acquire(address);
#endif
}

} // namespace ft::rt
