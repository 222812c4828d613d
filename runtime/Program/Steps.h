// One class per kind of plan::Step: prepared once, enqueued many times.
#pragma once

#include "runtime/Communication/Communicator.h"
#include "runtime/Communication/Progress.h"
#include "runtime/Program/StagingArea.h"

namespace ft::rt {

/// A step whose addresses, handles and arguments are final. Whatever may fail or allocate happens in makeStep.
class ExecutableStep {
public:
  virtual ~ExecutableStep() = default;
  /// Puts the work on its stream; neither waits nor allocates.
  virtual Status enqueue(Device &device) = 0;

  const plan::Step &source() const { return *step; }

protected:
  explicit ExecutableStep(const plan::Step &step) : step(&step), stream(step.stream()) {}

  const plan::Step *step;
  const uint32_t stream;
};

/// Who does the work of steps.
struct Executors {
  Device &device;
  Communicator *communicator = nullptr; ///< null in a world of one
  Progress *progress = nullptr;         ///< may be null
};

/// Makes the step of whatever kind. `plan`, `arenas` and `staging` must outlive it. Fails as Device::prepareGemm and
/// prepareAttention do, with the step's name before the message.
Expected<std::unique_ptr<ExecutableStep>> makeStep(const plan::Plan &plan, const plan::Step &step, const Arenas &arenas,
                                                   const StagingArea &staging, const Executors &executors);

} // namespace ft::rt
