// Greedy generation through a plan's segment `generate`.
#pragma once

#include "runtime/Text/TextCodec.h"
#include "runtime/Training/BatchFeed.h"
#include "runtime/Training/Lockstep.h"

namespace ft::rt {

struct Answer {
  std::vector<uint32_t> ids; ///< without prompt and end of turn
  bool ended = false;        ///< by an end of turn; else by a limit or because the run ends
};

/// The most likely token at a time, each from a whole forward pass over one row. All memory is taken by create. All
/// ranks generate together, and go on with the token that rank 0 chose.
class Generator {
public:
  static Expected<Generator> create(RankProgram &program);

  /// Continues `prompt` until `isEnd` holds for a token, `maxNewTokens` are made, or the document reaches
  /// max_document_len. Fails with BadInput for a prompt that is empty or longer than that.
  Expected<Answer> generate(std::span<const uint32_t> prompt, uint64_t maxNewTokens,
                            const std::function<bool(uint32_t)> &isEnd, Lockstep &lockstep);

  /// The logits [vocab_size] of the token that follows `ids`, until the next call.
  Expected<std::span<const float>> logits(std::span<const uint32_t> ids);

private:
  Generator(RankProgram &program, const BatchShape &shape)
      : program(&program), filler(shape), record(program.plan(), shape) {}

  RankProgram *program;
  BatchFiller filler;
  HostRecord record;
};

} // namespace ft::rt
