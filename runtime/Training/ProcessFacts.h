// What must be the same in every process of a run.
#pragma once

#include "runtime/Device/PeerDevices.h"
#include "runtime/Rendezvous/RollCall.h"
#include "runtime/Training/RunInputs.h"

#include <vector>

namespace ft::rt {

/// Of this process, in the order of importance: the first that differs is named. `gpu`: what its ranks run on; null
/// where that is processors.
std::vector<rendezvous::Fact> factsOf(const RunInputs &inputs, const PeerDevices *gpu);

} // namespace ft::rt
