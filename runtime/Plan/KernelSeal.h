// What an image of machine code says of its kernels: which of the plan's each is, where it begins and what it touches.
#pragma once

#include "runtime/Plan/plan.pb.h"
#include "runtime/Support/Status.h"

#include <cstddef>
#include <span>
#include <string>

namespace ft::plan {

/// What lies at the end of a CPU_BLOB: for each of its kernels a hash (u64) of its entry offset and its message, then a
/// magic. The plan's kernels of `image.host()`, and the image's offsets, are those that it vouches for.
std::string kernelSeal(const Plan &plan, const Image &image);

/// BadInput where `bytes`, the image, ends in a seal of other kernels than the plan's. One without a seal is taken: a
/// plan that somebody wrote by hand.
rt::Status checkKernelSeal(const Plan &plan, const Image &image, std::span<const std::byte> bytes);

} // namespace ft::plan
