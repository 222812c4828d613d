// checkPlan: the shapes of a batch and the defaults of a run.
#include "runtime/Plan/CheckParts.h"

namespace ft::rt::check {

namespace {

constexpr uint64_t maxTokens = 0x7fffffff; // inputs index tokens with i32

Status batch(const plan::Batch &batch) {
  FT_RETURN_IF_ERROR(range("micro_batch_size", batch.micro_batch_size(), 1, maxTokens));
  FT_RETURN_IF_ERROR(range("sequence_len", batch.sequence_len(), 1, maxTokens));
  const uint64_t tokens = batch.micro_batch_size() * batch.sequence_len();
  FT_RETURN_IF_ERROR(range("micro_batch_size × sequence_len", tokens, 1, maxTokens - 1));
  FT_RETURN_IF_ERROR(range("vocab_size", batch.vocab_size(), 1, maxTokens));
  FT_RETURN_IF_ERROR(range("gradient_accumulation_steps", batch.gradient_accumulation_steps(), 1, maxTokens));
  FT_RETURN_IF_ERROR(range("max_document_len", batch.max_document_len(), 1, batch.sequence_len()));
  FT_RETURN_IF_ERROR(range("max_documents_per_row", batch.max_documents_per_row(), 1, batch.sequence_len()));
  FT_RETURN_IF_ERROR(range("max_documents", batch.max_documents(), 1, maxTokens - 1));
  FT_RETURN_IF_ERROR(range("max_target_tokens", batch.max_target_tokens(), 0, tokens - 1));
  FT_RETURN_IF_ERROR(range("max_eval_target_tokens", batch.max_eval_target_tokens(), 0, tokens - 1));
  return range("max_segments", batch.max_segments(), 1, tokens);
}

Status run(const plan::Run &run) {
  constexpr double many = 1e18;
  constexpr uint64_t maxSteps = uint64_t(1) << 53;  // schedules count in doubles
  constexpr double belowOne = 0x1.fffffffffffffp-1; // bias corrections divide by 1 − beta^t
  FT_RETURN_IF_ERROR(range("learning_rate", run.learning_rate(), 0, many));
  const std::string &schedule = run.lr_scheduler_type();
  if (schedule != "constant" && schedule != "linear" && schedule != "cosine")
    return bad("lr_scheduler_type is \"{}\"; must be constant, linear or cosine", schedule);
  FT_RETURN_IF_ERROR(range("warmup_ratio", run.warmup_ratio(), 0, 1));
  FT_RETURN_IF_ERROR(range("num_epochs", run.num_epochs(), 0, many));
  FT_RETURN_IF_ERROR(range("max_steps", run.max_steps(), 0, maxSteps));
  FT_RETURN_IF_ERROR(range("warmup_steps", run.warmup_steps(), 0, maxSteps));
  if (run.max_steps() == 0 && run.num_epochs() == 0)
    return bad("max_steps and num_epochs are both 0; one must be positive");
  FT_RETURN_IF_ERROR(range("adam_beta1", run.adam_beta1(), 0, belowOne));
  FT_RETURN_IF_ERROR(range("adam_beta2", run.adam_beta2(), 0, belowOne));
  FT_RETURN_IF_ERROR(range("val_set_size", run.val_set_size(), 0, many));
  const std::string &prompt = run.template_();
  if (!prompt.empty() && prompt != "alpaca" && prompt != "chatml" && prompt != "model" &&
      prompt.find_first_of("./") == std::string::npos)
    return bad("template is \"{}\"; must be alpaca, chatml, model or a file", prompt);
  if (const std::string &targets = run.data_targets(); !targets.empty() && targets != "all" && targets != "last")
    return bad("data_targets is \"{}\"; must be all or last", targets);
  return {};
}

} // namespace

Status batchAndRun(const plan::Plan &plan) {
  if (!plan.has_batch() || !plan.has_run())
    return bad("{} is missing", plan.has_batch() ? "run" : "batch");
  FT_RETURN_IF_ERROR(at(batch(plan.batch()), [] { return "batch"; }));
  return at(run(plan.run()), [] { return "run"; });
}

} // namespace ft::rt::check
