// From a data file to a token file: tokenise, pack, keep in the cache.
#pragma once

#include "runtime/Support/WorkProgress.h"
#include "runtime/Text/BatchRecord.h"
#include "runtime/Text/TextCodec.h"

namespace ft::rt {

/// What to prepare. `sources` are one of
///  - "synthetic:SEED": random tokens, made in memory (see SyntheticData.h);
///  - a token file: compared with this request, refused with both values where anything differs;
///  - data files and folders of them (see Samples.h, DataSources.h): tokenised and packed once, into
///    ${XDG_CACHE_HOME:-~/.cache}/ftc/data under the digest of everything that fixes the result; taken from there while
///    nothing differs, made again otherwise.
struct DataRequest {
  std::vector<std::string> sources;
  std::string baseFolder;                   ///< relative paths start here, then at the working folder
  std::vector<std::string> comparedSources; ///< data whose digest a token file is compared with, where it exists
  ColumnNames columns;
  std::string outputFile;           ///< where the token file goes instead of the cache; empty: the cache
  WorkProgress *progress = nullptr; ///< hears of data that is made; may be null
  TokenFileIdentity identity;       ///< shape, vocabulary, seed, train_on_prompt, split; digests are filled in here

  bool synthetic() const;

  /// `dataArgument`: what --data says, "" without it; it stands for the recipe's training data.
  static DataRequest train(const plan::Run &run, const BatchShape &shape, std::string baseFolder,
                           const std::string &dataArgument);
  /// Synthetic training data brings synthetic held-out data with it. Needs hasEvaluation(run).
  static DataRequest evaluation(const plan::Run &run, const BatchShape &shape, std::string baseFolder,
                                const std::string &dataArgument);
};

/// The recipe names held-out data: data.eval, or a val_set_size above 0.
bool hasEvaluation(const plan::Run &run);
bool isSynthetic(std::string_view source);

struct PreparedData {
  std::shared_ptr<const TokenFile> file;
  std::vector<std::string> notes; ///< what the user should know: made or found, cache not writable, …
};

/// Needs `codec` unless the source is synthetic: then it may be null. Errors: a missing file (every place tried), a
/// malformed one, more than 1 % of the samples or all of them without a target, ids outside the model's vocabulary.
Expected<PreparedData> preparedData(const DataRequest &request, const TextCodec *codec);

} // namespace ft::rt
