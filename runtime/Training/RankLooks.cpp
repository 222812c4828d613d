// What a model says of itself before, during and after training.
#include "runtime/Training/Rank.h"

#include "runtime/Training/Generator.h"

#include <fmt/format.h>

using namespace ft;
using namespace ft::rt;

/// Answers the recipe's instruction; every rank computes, and each has the answer.
static Expected<std::string> answer(Rank &rank, uint64_t step) {
  const plan::Generate &generate = rank.plan().run().generate();
  const TextCodec &codec = *rank.inputs.codec;
  FT_ASSIGN_OR_RETURN(Generator generator, Generator::create(*rank.program));
  FT_ASSIGN_OR_RETURN(const Answer made, generator.generate(
                                             rank.inputs.prompt, generate.max_new_tokens(),
                                             [&](uint32_t id) { return codec.isEndOfTurn(id); }, rank.lockstep));
  const std::string text = codec.decode(made.ids);
  rank.journal.line(fmt::format("answer after step {} to \"{}{}{}\":\n  {}{}", step, generate.instruction(),
                                generate.input().empty() ? "" : " ", generate.input(), text, made.ended ? "" : " …"));
  return text;
}

Expected<ModelView> ft::rt::look(Rank &rank, uint64_t step) {
  ModelView view;
  if (rank.heldFeed) {
    FT_ASSIGN_OR_RETURN(view.evaluation, evaluate(*rank.program, *rank.heldFeed, step, rank.lockstep));
    if (view.evaluation)
      rank.journal.evaluation(*view.evaluation);
  }
  if (!rank.inputs.generates())
    return view;
  FT_ASSIGN_OR_RETURN(const bool ended, rank.lockstep.ends());
  if (!ended) {
    FT_ASSIGN_OR_RETURN(view.answer, answer(rank, step));
  }
  return view;
}

Expected<ModelView> ft::rt::lookBefore(Rank &rank) {
  if (rank.inputs.resume)
    return ModelView{rank.inputs.resume->state().before, rank.inputs.resume->state().answerBefore};
  FT_ASSIGN_OR_RETURN(ModelView view, look(rank, 0));
  if (rank.outputs && rank.outputs->checkpoints())
    rank.outputs->checkpoints()->setBefore(view.evaluation, view.answer);
  return view;
}
