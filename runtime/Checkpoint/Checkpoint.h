// A checkpoint as a run continues from it.
#pragma once

#include "runtime/Checkpoint/CheckpointFolder.h"
#include "runtime/Weights/Safetensors.h"
#include "runtime/Weights/TensorSource.h"

namespace ft::rt {

/// Read-only; may be used by several threads. Its files are mapped: nobody may change them while it lives, though they
/// may be removed.
class Checkpoint final : public TensorSource {
public:
  /// Reads the folder, and compares the size and the checksum of every file with the state. Fails with BadInput, naming
  /// what is damaged or missing.
  static Expected<std::unique_ptr<Checkpoint>> open(const std::string &folder);
  /// Compares the tensors with what the plan saves: by name, and by shape, which is the whole tensor's whatever ranks
  /// held of it. Fails with BadInput, naming what is missing or another's; only then may producers be asked for.
  Status match(const plan::Plan &plan);
  /// Both.
  static Expected<std::unique_ptr<Checkpoint>> open(const std::string &folder, const plan::Plan &plan);

  const std::string &path() const { return folder; }
  const CheckpointState &state() const { return held; }

  Producer producer(int index, const plan::Tensor &tensor) const override;
  std::string fileOf(int index) const override;

private:
  Checkpoint() = default;

  std::string folder;
  CheckpointState held;
  std::vector<SafetensorsFile> files;
  struct Found {
    const TensorView *view;
    std::string file;
  };
  std::map<int, Found> found; ///< by index of Plan.tensors
};

} // namespace ft::rt
