// Training samples: a request and its answer.
#pragma once

#include "runtime/Support/Sha256.h"
#include "runtime/Support/Status.h"

#include <string>
#include <vector>

namespace ft::rt {

struct Sample {
  std::string instruction, input, output; ///< input may be empty
  uint64_t place = 0;                     ///< line from 1 (JSONL, tables), index from 0 (JSON array)
  bool plain = false;                     ///< instruction is the whole prompt: no template is put around it
};

struct SampleFile {
  std::string path;
  bool lines = false; ///< JSONL or a table; else one JSON array
  Sha256Digest digest{};
  std::vector<Sample> samples;
};

/// Reads a JSON array of objects, JSONL (one object a line; blank lines are skipped): the first character decides; or,
/// by the name's ending, a .csv or .tsv with a header. A file may be packed (see DataFile). A sample has `instruction`
/// and `output`, and may have `input` (Alpaca's form); or has `prompt` and `completion`, which are taken as they are.
/// Null counts as absent; other fields are not read, whatever they hold. Errors name file, line or index, field and
/// what was found.
Expected<SampleFile> readSamples(const std::string &path);

/// "line 7" of JSONL, "sample 7" of an array.
std::string placeName(bool lines, uint64_t place);

} // namespace ft::rt
