#include "runtime/Training/Generator.h"

#include <fmt/format.h>

#include <algorithm>

using namespace ft;
using namespace ft::rt;

Expected<Generator> Generator::create(RankProgram &plan) {
  FT_ASSIGN_OR_RETURN(const BatchShape shape, BatchShape::from(plan.plan().batch()));
  if (!plan.has(plan::Segment::GENERATE))
    return badInput("the plan has no segment GENERATE; compile it from a recipe with generate { max_new_tokens: … }");
  return Generator(plan, shape);
}

Expected<std::span<const float>> Generator::logits(std::span<const uint32_t> ids) {
  FT_RETURN_IF_ERROR(plan->beginRecord());
  FT_RETURN_IF_ERROR(filler.fillPrompt(ids, record.pointers()));
  record.copyTo(plan->staging());
  BatchScalars().writeTo(plan->staging());
  FT_RETURN_IF_ERROR(plan->submitRecord());
  FT_RETURN_IF_ERROR(plan->run(plan::Segment::GENERATE));
  FT_ASSIGN_OR_RETURN(const uint32_t slot, plan->endOutputs());
  FT_RETURN_IF_ERROR(plan->waitOutputs(slot));
  const auto *values = static_cast<const float *>(plan->staging().output(plan::Output::LOGITS, slot));
  if (!values)
    return badInput("the plan's segment GENERATE emits no LOGITS: compile the plan again");
  return std::span(values, plan->plan().batch().vocab_size());
}

Expected<Answer> Generator::generate(std::span<const uint32_t> prompt, uint64_t maxNewTokens,
                                     const std::function<bool(uint32_t)> &isEnd, const Interrupts &interrupts) {
  std::vector<uint32_t> ids(prompt.begin(), prompt.end());
  Answer answer;
  while (answer.ids.size() < maxNewTokens && !interrupts.requested()) {
    if (!answer.ids.empty() && ids.size() >= plan->plan().batch().max_document_len())
      break;
    FT_ASSIGN_OR_RETURN(const std::span<const float> scores, logits(ids));
    const auto token = static_cast<uint32_t>(std::max_element(scores.begin(), scores.end()) - scores.begin());
    if (isEnd(token)) {
      answer.ended = true;
      break;
    }
    ids.push_back(token);
    answer.ids.push_back(token);
  }
  return answer;
}
