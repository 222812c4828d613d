#include "runtime/Checkpoint/CheckpointWriter.h"

#include <system_error>

using namespace ft;
using namespace ft::rt;

CheckpointWriter::~CheckpointWriter() {
  if (thread.joinable())
    thread.join();
}

void CheckpointWriter::start(const plan::Plan &plan, BufferReader read, CheckpointState state, uint64_t limit,
                             std::optional<uint64_t> keep) {
  (void)wait();
  done = false;
  auto work = [this, &plan, read = std::move(read), state = std::move(state), limit, keep] {
    Outcome made{state.position.step, writeCheckpoint(plan, read, state, folder, files), {}};
    if (made.written.ok() && limit > 0)
      made.removed = removeOldCheckpoints(folder, limit, keep, files);
    outcome = std::move(made);
    done = true;
  };
  try {
    thread = std::thread(work);
  } catch (const std::system_error &) {
    work();
  }
}

std::optional<CheckpointWriter::Outcome> CheckpointWriter::wait() {
  if (thread.joinable())
    thread.join();
  return std::exchange(outcome, std::nullopt);
}

std::optional<CheckpointWriter::Outcome> CheckpointWriter::poll() { return done ? wait() : std::nullopt; }
