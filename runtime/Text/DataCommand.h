// Behind `ftc data`.
#pragma once

#include "runtime/Text/PreparedData.h"

namespace ft::rt {

struct DataCommand {
  plan::Run run;                    ///< data_train, data_eval, val_set_size, seed, template, train_on_prompt
  plan::Batch batch;                ///< sequence_len, caps, vocabulary, packing
  std::string modelPath;            ///< GGUF file, or folder with tokenizer.json
  std::string baseFolder;           ///< of the recipe: relative data paths start here
  std::string outputFile;           ///< token file of the training data; empty: the cache
  uint32_t world = 1;               ///< ranks that share a micro-batch
  WorkProgress *progress = nullptr; ///< may be null
};

/// Tokenises and packs the training data (into `outputFile` or the cache) and the held-out data (into the cache).
/// Appends the reports, what bounds on targets the micro-batches would need, and where the files are to `output`.
/// Recipes with synthetic data are refused: there is nothing to prepare.
Status runDataCommand(const DataCommand &command, std::string &output);

} // namespace ft::rt
