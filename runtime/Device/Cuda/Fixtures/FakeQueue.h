// When the fake driver does what is enqueued; two libraries differ in it.
#pragma once

#include <cuda.h>

#include <functional>

#undef cuEventElapsedTime

namespace ft::fake {

/// Work of a stream. FakeAtOnce.cpp: done when it is enqueued, or recorded by the thread that captures.
/// FakeAnyOrder.cpp: done by whoever waits for the device, in any order that streams and events allow.
CUresult enqueue(CUstream stream, std::function<void()> work);

} // namespace ft::fake
