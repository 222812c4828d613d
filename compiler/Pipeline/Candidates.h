// Choices that a recipe leaves open, fastest first.
#pragma once

#include "compiler/Pipeline/Choices.h"

#include <vector>

namespace ft {

class MeasuredCosts;

struct Candidate {
  Choices choices;
  double us = 0;      ///< of a step
  uint64_t needs = 0; ///< bytes of device memory
};

/// Whether the recipe leaves open what depends on memory and time: what backward makes again, what the host holds
/// meanwhile, or a micro-batch's rows.
bool isOpen(const Inputs &inputs);
/// Whether it leaves open what the host holds.
bool opensPark(const Inputs &inputs);

/// All that `choices` may become where the recipe says AUTO, by predicted time and counted memory (LayerCosts): a list
/// that depends on no amount of memory, so that with less of it never a faster one is the first that fits. `choices`
/// says what else is settled, determinism among it. Where the host may hold values, candidates whose transfers are
/// hidden stand behind their like that keeps them: they take the same time. Of rows with which nothing fits, by far,
/// only the fastest is there, or none where the host holds states. Refuses what planning refuses of each.
rt::Expected<std::vector<Candidate>> candidatesOf(const Inputs &inputs, const Choices &choices,
                                                  MeasuredCosts &measured);

/// Of what `choices` may become where the recipe says AUTO, those of which one needs the least memory of the device: as
/// much split, made again or parked as may be, of the fewest rows, or of all where gradients leave in one micro-batch.
/// What is parked may be no candidate, since computation waits for it.
std::vector<Choices> leastOf(const Inputs &inputs, const Choices &choices);

/// Whether so many bytes are too many even if they are counted too high: a plan has been within a layer of them. What
/// lies on the host in whole buckets is counted in other shares than it has.
bool surelyTooMuch(const Inputs &inputs, const Choices &choices, uint64_t needs);
/// Whether planning can be spared, since the plan would not fit: by two plans of shallow models.
bool isHopeless(const Inputs &inputs, const Choices &choices, MeasuredCosts &measured);

/// "layers 0 to 7 as FULL, the others as SELECTIVE".
std::string policyText(const RecomputePolicy &policy, int64_t layers);
/// "nothing", "inputs of blocks".
const char *parkText(Park park);

} // namespace ft
