#include "runtime/Training/Generator.h"

#include <fmt/format.h>

#include <algorithm>

using namespace ft;
using namespace ft::rt;

Expected<Generator> Generator::create(RankProgram &program) {
  FT_ASSIGN_OR_RETURN(const BatchShape shape, BatchShape::from(program.plan().batch()));
  if (!program.has(plan::Segment::GENERATE))
    return badInput("the plan has no segment GENERATE; compile it from a recipe with generate { max_new_tokens: … }");
  return Generator(program, shape);
}

Expected<std::span<const float>> Generator::logits(std::span<const uint32_t> ids) {
  FT_RETURN_IF_ERROR(program->beginRecord());
  FT_RETURN_IF_ERROR(filler.fillPrompt(ids, record.pointers()));
  record.copyTo(program->staging());
  BatchScalars().writeTo(program->staging());
  FT_RETURN_IF_ERROR(program->submitRecord());
  FT_RETURN_IF_ERROR(program->run(plan::Segment::GENERATE));
  FT_ASSIGN_OR_RETURN(const uint32_t slot, program->endOutputs());
  FT_RETURN_IF_ERROR(program->waitOutputs(slot));
  const auto *values = static_cast<const float *>(program->staging().output(plan::Output::LOGITS, slot));
  if (!values)
    return badInput("the plan's segment GENERATE emits no LOGITS: compile the plan again");
  return std::span(values, program->plan().batch().vocab_size());
}

Expected<Answer> Generator::generate(std::span<const uint32_t> prompt, uint64_t maxNewTokens,
                                     const std::function<bool(uint32_t)> &isEnd, Lockstep &lockstep) {
  std::vector<uint32_t> ids(prompt.begin(), prompt.end());
  Answer answer;
  while (answer.ids.size() < maxNewTokens) {
    const bool full = !answer.ids.empty() && ids.size() >= program->plan().batch().max_document_len();
    FT_ASSIGN_OR_RETURN(const bool ended, lockstep.ends(full));
    if (ended)
      break;
    FT_ASSIGN_OR_RETURN(const std::span<const float> scores, logits(ids));
    const auto likeliest = static_cast<uint32_t>(std::max_element(scores.begin(), scores.end()) - scores.begin());
    FT_ASSIGN_OR_RETURN(const uint32_t token, lockstep.token(likeliest));
    if (isEnd(token)) {
      answer.ended = true;
      break;
    }
    ids.push_back(token);
    answer.ids.push_back(token);
  }
  return answer;
}
