#include "runtime/Plan/Kinds.h"

#include <algorithm>

namespace ft::plan {

uint64_t dtypeBytes(DType type) {
  switch (type) {
  case F64:
  case I64:
    return 8;
  case F32:
  case I32:
    return 4;
  case BF16:
  case F16:
  case I16:
    return 2;
  case U8:
  case F8E4M3:
    return 1;
  default:
    return 0;
  }
}

static std::string mapped(std::string_view text, char first, char last, int shift) {
  std::string result(text);
  for (char &c : result)
    if (c >= first && c <= last)
      c = char(c + shift);
  return result;
}

std::string segmentName(Segment::Kind kind) { return mapped(Segment::Kind_Name(kind), 'A', 'Z', 'a' - 'A'); }

Segment::Kind segmentKind(std::string_view name) {
  Segment::Kind kind = Segment::KIND_UNSPECIFIED;
  // A name in capitals is no segment's.
  if (Segment::Kind_Parse(mapped(name, 'a', 'z', 'A' - 'a'), &kind) && segmentName(kind) == name)
    return kind;
  return Segment::KIND_UNSPECIFIED;
}

namespace {
struct Pair {
  Segment::Kind whole, targets;
};
constexpr Pair pairs[] = {{Segment::ACCUMULATE_FIRST, Segment::ACCUMULATE_FIRST_TARGETS},
                          {Segment::FINISH_FIRST, Segment::FINISH_FIRST_TARGETS},
                          {Segment::ACCUMULATE_NEXT, Segment::ACCUMULATE_NEXT_TARGETS},
                          {Segment::ACCUMULATE_LAST, Segment::ACCUMULATE_LAST_TARGETS},
                          {Segment::EVALUATE, Segment::EVALUATE_TARGETS}};
} // namespace

Segment::Kind targetsKindOf(Segment::Kind kind) {
  for (const Pair &pair : pairs)
    if (pair.whole == kind)
      return pair.targets;
  return Segment::KIND_UNSPECIFIED;
}

Segment::Kind wholeKindOf(Segment::Kind kind) {
  for (const Pair &pair : pairs)
    if (pair.targets == kind)
      return pair.whole;
  return kind;
}

Segment::Kind finishingKindOf(Segment::Kind kind) {
  switch (kind) {
  case Segment::ACCUMULATE_FIRST:
    return Segment::FINISH_FIRST;
  case Segment::ACCUMULATE_FIRST_TARGETS:
    return Segment::FINISH_FIRST_TARGETS;
  default:
    return Segment::KIND_UNSPECIFIED;
  }
}

bool has(const Plan &plan, Segment::Kind kind) {
  return std::any_of(plan.segments().begin(), plan.segments().end(),
                     [&](const Segment &segment) { return segment.kind() == kind; });
}

Segment::Kind microBatchKind(const Plan &plan, uint64_t index) {
  if (index == 0)
    return Segment::ACCUMULATE_FIRST;
  const bool last = index + 1 == plan.batch().gradient_accumulation_steps();
  return last && has(plan, Segment::ACCUMULATE_LAST) ? Segment::ACCUMULATE_LAST : Segment::ACCUMULATE_NEXT;
}

uint64_t runsPerStep(const Plan &plan, Segment::Kind kind) {
  const bool last = has(plan, Segment::ACCUMULATE_LAST);
  if (kind == Segment::ACCUMULATE_NEXT)
    return plan.batch().gradient_accumulation_steps() - (last ? 2 : 1);
  const Segment::Kind first = has(plan, Segment::FINISH_FIRST) ? Segment::FINISH_FIRST : Segment::ACCUMULATE_FIRST;
  return kind == first || kind == Segment::ACCUMULATE_LAST || kind == Segment::UPDATE;
}

bool mayWrite(Segment::Kind kind, Buffer::Class written) {
  switch (written) {
  case Buffer::WEIGHT:
  case Buffer::OPTIMIZER_STATE:
    return kind == Segment::INITIALIZE || kind == Segment::UPDATE || finishes(kind);
  case Buffer::CONSTANT:
    return kind == Segment::INITIALIZE;
  case Buffer::GRADIENT:
    return !runsBetweenSteps(kind);
  default:
    return true;
  }
}

bool isReadBehind(Segment::Kind kind, Output::Kind output) {
  switch (output) {
  case Output::LOSS:
    return kind == Segment::UPDATE || wholeKindOf(kind) == Segment::EVALUATE;
  case Output::LOGITS:
    return kind == Segment::GENERATE;
  default:
    return kind == Segment::UPDATE;
  }
}

BatchInput::Kind inputKind(std::string_view name) {
  BatchInput::Kind kind = BatchInput::KIND_UNSPECIFIED;
  return BatchInput::Kind_Parse(std::string(name), &kind) ? kind : BatchInput::KIND_UNSPECIFIED;
}

Output::Kind outputKind(std::string_view name) {
  Output::Kind kind = Output::KIND_UNSPECIFIED;
  return Output::Kind_Parse(std::string(name), &kind) ? kind : Output::KIND_UNSPECIFIED;
}

uint64_t targetRows(const Batch &batch) { return std::max(batch.max_target_tokens(), batch.max_eval_target_tokens()); }

uint64_t batchInputBytes(const Batch &batch, BatchInput::Kind kind, uint64_t rows) {
  const uint64_t index = dtypeBytes(I32);
  switch (kind) {
  case BatchInput::DOCUMENT_OFFSETS:
    return index * (batch.max_documents() + 1);
  case BatchInput::DOCUMENT_LENS:
    return index * batch.max_documents();
  case BatchInput::SEGMENT_STARTS:
    return index * (batch.max_segments() + 1);
  case BatchInput::SEGMENT_IDS:
    return index * batch.max_segments();
  case BatchInput::SCALARS:
    return dtypeBytes(F64) * SCALAR_COUNT;
  case BatchInput::ROW_INDEX:
    return index;
  case BatchInput::TARGET_ROWS:
  case BatchInput::TARGET_LABELS:
    return index * targetRows(batch);
  default:
    return index * rows * batch.sequence_len();
  }
}

uint64_t batchInputLimit(const Batch &batch, BatchInput::Kind kind, uint64_t rows) {
  const uint64_t tokens = rows * batch.sequence_len();
  switch (kind) {
  case BatchInput::TOKENS:
  case BatchInput::LABELS:
  case BatchInput::TARGET_LABELS:
  case BatchInput::SEGMENT_IDS:
    return batch.vocab_size();
  case BatchInput::POSITIONS:
  case BatchInput::DOCUMENT_START:
    return batch.sequence_len();
  case BatchInput::DOCUMENT_LENS:
    return batch.sequence_len() + 1;
  case BatchInput::SORTED_POSITIONS:
  case BatchInput::TARGET_ROWS:
  case BatchInput::ROW_INDEX:
    return tokens;
  case BatchInput::DOCUMENT_OFFSETS:
  case BatchInput::SEGMENT_STARTS:
    return tokens + 1;
  case BatchInput::TARGET_SLOTS:
    return targetRows(batch) + 1;
  default:
    return 0;
  }
}

uint64_t outputBytes(const Batch &batch, Output::Kind kind) {
  switch (kind) {
  case Output::STATUS:
    return 4 * dtypeBytes(I32);
  case Output::LOGITS:
    return dtypeBytes(F32) * batch.vocab_size();
  case Output::LOSS_SCALES:
    return dtypeBytes(F64) * LOSS_SCALE_COUNT;
  default:
    return dtypeBytes(F64);
  }
}

std::vector<int> kernelsFor(const Plan &plan, bool host) {
  std::vector<int> kernels;
  for (int i = 0; i < plan.kernels_size(); ++i)
    if (plan.kernels(i).host() == host)
      kernels.push_back(i);
  return kernels;
}

const Launch *launchOf(const Step &step) {
  return step.has_launch() ? &step.launch() : step.has_host_launch() ? &step.host_launch() : nullptr;
}

const char *stepKindName(const Step &step) {
  switch (step.kind_case()) {
  case Step::kLaunch:
    return "launch";
  case Step::kHostLaunch:
    return "host_launch";
  case Step::kGemm:
    return "gemm";
  case Step::kAttention:
    return "attention";
  case Step::kCopy:
    return "copy";
  case Step::kTranspose:
    return "transpose";
  case Step::kMemset:
    return "memset";
  case Step::kReceive:
    return "receive";
  case Step::kEmit:
    return "emit";
  case Step::kCollective:
    return "collective";
  case Step::KIND_NOT_SET:
    break;
  }
  return "unknown";
}

} // namespace ft::plan
