#include "runtime/Training/StepVerifier.h"

#include "runtime/Plan/Kinds.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

using namespace ft;
using namespace ft::rt;

static Status differs(uint64_t step, const std::string &what) {
  return failed(
      fmt::format("step {} gave other bits when it was run again from the same state: {}; memory, processor or "
                  "driver of this machine is not to be trusted: continue from a checkpoint before it, on "
                  "another",
                  step, what));
}

StepVerifier::StepVerifier(RankProgram &rankProgram, uint64_t every, uint32_t rank)
    : program(rankProgram), every(every), snapshot(program.plan(), program.arenas(), program.device(), rank),
      records(std::max<uint64_t>(1, program.plan().batch().gradient_accumulation_steps())), kinds(records.size()) {
  for (std::vector<char> &record : records)
    record.resize(program.staging().record(0).size());
}

Status StepVerifier::begin() {
  kept = 0;
  active = true;
  FT_RETURN_IF_ERROR(program.finish());
  return snapshot.capture();
}

void StepVerifier::keep(plan::Segment::Kind kind) {
  const std::span<const char> record = program.staging().record(program.staging().turn());
  kinds[kept] = kind;
  std::copy(record.begin(), record.end(), records[kept++].begin());
}

Status StepVerifier::end(uint64_t step, uint32_t slot) {
  active = false;
  FT_RETURN_IF_ERROR(program.finish());
  FT_RETURN_IF_ERROR(program.waitOutputs(slot));
  FT_RETURN_IF_ERROR(snapshot.exchange());
  FT_ASSIGN_OR_RETURN(const uint32_t second, replay());
  FT_RETURN_IF_ERROR(program.waitOutputs(second));
  FT_RETURN_IF_ERROR(compareOutputs(step, slot, second));
  FT_ASSIGN_OR_RETURN(const std::string difference, snapshot.compare());
  return difference.empty() ? Status() : differs(step, difference);
}

/// Working copies are made anew from what they are copies of, as at the start of a run.
Expected<uint32_t> StepVerifier::replay() {
  if (program.has(plan::Segment::INITIALIZE))
    FT_RETURN_IF_ERROR(program.run(plan::Segment::INITIALIZE));
  for (size_t i = 0; i < kept; ++i) {
    FT_RETURN_IF_ERROR(program.beginRecord());
    std::copy(records[i].begin(), records[i].end(), program.staging().record(program.staging().turn()).begin());
    FT_RETURN_IF_ERROR(program.submitRecord());
    FT_RETURN_IF_ERROR(program.run(kinds[i]));
  }
  FT_RETURN_IF_ERROR(program.run(plan::Segment::UPDATE));
  FT_RETURN_IF_ERROR(program.finish());
  return program.endOutputs();
}

Status StepVerifier::compareOutputs(uint64_t step, uint32_t first, uint32_t second) const {
  for (const auto &[kind, name] : {std::pair(plan::Output::LOSS, "loss"), {plan::Output::GRAD_NORM, "grad_norm"}}) {
    const double a = program.number(kind, first), b = program.number(kind, second);
    if (std::memcmp(&a, &b, sizeof a) != 0)
      return differs(step, fmt::format("{} was {}, then {}", name, a, b));
  }
  return {};
}
