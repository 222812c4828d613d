// Random tokens for measurements: "synthetic:SEED", "synthetic:SEED:MASKED".
#pragma once

#include "runtime/Support/SyntheticSource.h"
#include "runtime/Text/TokenFile.h"

namespace ft::rt {

/// Rows of uniform random tokens, in memory; Philox stream "data". About a million tokens, at least 16 and at most 256
/// rows. With packing every row is full, in one document (in as few as max_document_len allows); without, a row's one
/// document has a length drawn from 32 to max_document_len. Every token is a target but each
/// document's first, and those in front that the source masks.
/// `identity` gives shape, vocabulary and split; its digests are set to say what the data is.
Expected<TokenFile> syntheticData(TokenFileIdentity identity, const SyntheticSource &source);

} // namespace ft::rt
