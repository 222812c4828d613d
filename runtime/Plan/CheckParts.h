// The parts of checkPlan. Each trusts what the ones declared above it have checked.
#pragma once

#include "runtime/Plan/ByteRegion.h"
#include "runtime/Plan/PlanFile.h"

#include <concepts>
#include <fmt/format.h>
#include <string>
#include <string_view>

namespace ft::rt::check {

/// `status` with its place in front; `place` is called only for a failure.
template <typename Place> Status at(Status status, Place &&place) {
  if (status.ok())
    return status;
  return {status.code(), fmt::format("{}: {}", place(), status.message())};
}

template <typename... Args> Status bad(fmt::format_string<Args...> format, Args &&...args) {
  return badInput(fmt::format(format, std::forward<Args>(args)...));
}

/// "name is 7; must be below 3 (the number of buffers)".
inline Status index(std::string_view name, uint64_t value, int count, std::string_view what) {
  if (value < uint64_t(count))
    return {};
  return bad("{} is {}; must be below {}, the number of {}", name, value, count, what);
}

inline bool floating(plan::DType type) {
  return type == plan::F64 || type == plan::F32 || type == plan::BF16 || type == plan::F16;
}

/// A name that can be printed: UTF-8 without control characters, not empty.
Status text(std::string_view field, std::string_view value);
/// A file name without a folder, not longer than file systems take: letters, digits, '.', '_', '-', not starting with
/// '.'.
Status fileName(std::string_view field, std::string_view value);
/// low <= value <= high, and finite.
Status range(std::string_view field, double value, double low, double high);
Status integerRange(std::string_view field, uint64_t value, uint64_t low, uint64_t high);
template <std::unsigned_integral T> Status range(std::string_view field, T value, uint64_t low, uint64_t high) {
  return integerRange(field, value, low, high);
}

Status batchAndRun(const plan::Plan &plan);
Status arenasAndBuffers(const plan::Plan &plan);
Status kernelsAndImages(const plan::Plan &plan, std::span<const Section> sections);
Status inputsAndOutputs(const plan::Plan &plan);
/// Behind tensors.
Status checkpointRoom(const plan::Plan &plan);
Status tensors(const plan::Plan &plan, std::span<const Section> sections);
Status exportsAndFacts(const plan::Plan &plan);
Status segments(const plan::Plan &plan);
Status renames(const plan::Plan &plan);
/// Behind segments: those for micro-batches of few targets.
Status targets(const plan::Plan &plan);

/// The region of an operand in its arena, on rank 0; it lies inside its buffer, on every rank.
Expected<ByteRegion> operandRegion(const plan::Plan &plan, const plan::Operand &operand);
/// rank_pitch has its form and keeps an operand that ends at byte `end` of its buffer on rank 0 inside on all others.
Status rankPitch(const plan::Plan &plan, const plan::Operand &operand, uint64_t end);
/// Its lowest bit set is the alignment of the operand in its buffer, over all ranks.
inline uint64_t placesOf(const plan::Operand &operand) {
  uint64_t places = operand.offset();
  for (uint64_t pitch : operand.rank_pitch())
    places |= pitch;
  return places;
}
/// Read and not written, written (read as well where `read` says so, or whatever the operand says).
enum class Access { Read, Write, Update, WriteOrUpdate };
Status access(const plan::Operand &operand, Access access);
/// The operand declares exactly `rows` × `rowBytes` at `pitch`, `batch` times at `batchPitch`.
Status sameBytes(const plan::Plan &plan, const plan::Operand &operand, uint64_t rows, uint64_t rowBytes, uint64_t pitch,
                 uint64_t batch, uint64_t batchPitch);
/// One run of bytes, written: how libraries and communicators take a workspace.
Status workspace(const plan::Plan &plan, const plan::Operand &operand);
Status collective(const plan::Plan &plan, const plan::Collective &collective);
/// Of a launch or host launch. `rows`: of a batch, as many as the segment works on.
Status launch(const plan::Plan &plan, const plan::Step &step, uint64_t rows);
/// The regions of two launches of one kernel, which both fit it: its code is made for one shape.
Status sameShape(const plan::Launch &launch, const plan::Launch &other);
Status gemm(const plan::Plan &plan, const plan::Gemm &gemm);
Status attention(const plan::Plan &plan, const plan::Attention &attention, uint64_t rows);

} // namespace ft::rt::check
