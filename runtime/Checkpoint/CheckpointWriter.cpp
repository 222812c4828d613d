#include "runtime/Checkpoint/CheckpointWriter.h"

#include <algorithm>
#include <iterator>
#include <system_error>

using namespace ft;
using namespace ft::rt;

CheckpointWriter::~CheckpointWriter() {
  if (thread.joinable())
    thread.join();
}

void CheckpointWriter::writeNow(const Order &order) {
  CheckpointState state = order.state;
  if (order.lateFacts)
    std::ranges::move(order.lateFacts(), std::back_inserter(state.facts));
  Outcome made{state.position.step, writeCheckpoint(order.plan, order.read, state, folder, files), {}};
  if (made.written.ok() && order.limit > 0)
    made.removed = removeOldCheckpoints(folder, order.limit, order.keep, files);
  outcome = std::move(made);
  done = true;
}

void CheckpointWriter::start(Order order) {
  (void)wait();
  done = false;
  auto work = [this, order = std::move(order)] { writeNow(order); };
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
