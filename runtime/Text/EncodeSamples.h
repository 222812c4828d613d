// Samples to token ids, on all cores.
#pragma once

#include "runtime/Support/WorkProgress.h"
#include "runtime/Text/EncodedDocuments.h"
#include "runtime/Text/TokenFile.h"

namespace ft::rt {

/// Tokenised samples of one split, in the data's order; those without a target are left out and counted.
struct EncodedData {
  EncodedDocuments documents;
  PackingStats stats;
};

/// Reads each source once, and once more where a split must know first how many samples there are; what has been read
/// is released. Memory: a batch of samples for each core, and 20 bytes a document. The first error in the order of the
/// data is returned. `scratchFolder`: see EncodedDocuments; `progress` may be null.
Expected<EncodedData> encodeSamples(std::span<const SampleSource> sources, const TokenFileIdentity &identity,
                                    const TextCodec &codec, const std::string &scratchFolder, WorkProgress *progress);

} // namespace ft::rt
