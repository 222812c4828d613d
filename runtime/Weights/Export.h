// What a finished run writes: safetensors files, texts, gradient dumps.
#pragma once

#include "runtime/Weights/SafetensorsWriter.h"

#include <cstddef>
#include <functional>
#include <span>

namespace ft::rt {

/// Copies bytes [offset, offset + out.size()) of plan buffer `buffer`, or of the whole that buffers of several ranks
/// are shares of, to the host.
using BufferReader = std::function<Status(uint32_t buffer, uint64_t offset, std::span<std::byte> out)>;

/// Writes Plan.texts, then Plan.exports, into `folder`, which must exist: tensors are gathered out of their layouts, so
/// that pads and borders stay behind, and rounded to the export's dtype. Each file appears whole or not at all; equal
/// state gives equal bytes. Errors: BadInput for names or tensors that a plan must not have, Failed where writing
/// fails, whatever `read` returns. An empty `folder`: makes the same calls of `read`, and writes nothing, on a rank
/// that only gives its shares.
Expected<std::vector<WrittenFile>> exportFiles(const plan::Plan &plan, const BufferReader &read,
                                               const std::string &folder, Files &files = systemFiles());

/// What a checkpoint holds beside them.
inline constexpr char momentsFile[] = "optimizer.safetensors";
/// "model.norm.weight.exp_avg_sq"; the key itself where the role is no moment's.
std::string savedName(const plan::Tensor &tensor);
/// Writes all moments, in their stored dtypes, under their saved names, to `folder`/optimizer.safetensors. Shapes are
/// those of the whole tensors.
Expected<WrittenFile> exportMoments(const plan::Plan &plan, const BufferReader &read, const std::string &folder,
                                    Files &files = systemFiles());

/// Writes all GRADIENT tensors under their keys, in their stored dtypes, to `folder`/gradients.safetensors; an empty
/// `folder` as above.
Status dumpGradients(const plan::Plan &plan, const BufferReader &read, const std::string &folder);

} // namespace ft::rt
