// Seeded initialisation: every element is a pure function of (seed, tensor key, index).
#pragma once

#include "runtime/Plan/plan.pb.h"

#include <cstddef>
#include <string_view>

namespace ft::rt {

/// What NORMAL and UNIFORM mean, exactly (test/goldens/weights/seeded.py is the same in numpy):
///   key = philoxKey(seed, "init", tensor key); elements are counted in the checkpoint's dense row-major order.
///   Element i uses Philox block i/4 (counter = low and high word of i/4, 0, 0) with words w0..w3. All arithmetic is
///   f32, each operation rounded once, in the order written; the result is rounded to the stored dtype at the end.
///   UNIFORM  k = w[i%4] >> 8; scale · ((2k + 1 − 2²⁴) · 2⁻²⁴), never ±scale itself.
///   NORMAL   Box-Muller on (w0, w1) for elements 0, 1 and on (w2, w3) for 2, 3, cosine first. With a = first >> 8,
///            b = second >> 8: r = √(−2·ln((a + 1)·2⁻²⁴))·scale, times cosine and sine; the angle is a quarter turn
///            times (q + f − ½), q = b >> 22, f = (b mod 2²²)·2⁻²²; ln, sin and cos are the polynomials of Seeded.cpp
///            (absolute error below 2e-7).
/// No library function takes part, so bits do not depend on layout, threads, compiler flags or processor.
///
/// Writes elements [first, first + count) as `dtype`, a float type, densely at `out`. `kind` is ZEROS, ONES, NORMAL or
/// UNIFORM.
void seededElements(plan::Init::Kind kind, double scale, uint64_t seed, std::string_view key, uint64_t first,
                    uint64_t count, plan::DType dtype, std::byte *out);

} // namespace ft::rt
