// Structural checks of a plan: after them no index, range or enumeration needs a second look.
#pragma once

#include "runtime/Plan/PlanFile.h"

namespace ft::rt {

inline constexpr uint32_t planOpSetVersion = 4;     ///< Step, its kinds, and the memory that they work in
inline constexpr uint32_t planKernelAbiVersion = 3; ///< Launch, Kernel and the images

/// Checks each message by itself and against the tables it points into: versions, features, indices, sizes, offsets,
/// strides, dtypes, tensors inside buffers inside arenas, persistent buffers apart, operands inside buffers on
/// every rank, library calls and collectives against the bytes that their operands declare, segments, and the legal
/// ranges of `batch` and `run`. What steps read and in which order is verifyPlan's part. `sections` is
/// PlanFile.sections, 0 being the message.
///
/// One message: where, value, what is legal. BadInput, or CannotRun for what a newer version may allow.
Status checkPlan(const plan::Plan &plan, std::span<const Section> sections);

} // namespace ft::rt
