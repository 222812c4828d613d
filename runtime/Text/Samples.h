// Training samples in Alpaca's form: instruction, input, output.
#pragma once

#include "runtime/Support/Sha256.h"
#include "runtime/Support/Status.h"

#include <string>
#include <vector>

namespace ft::rt {

struct Sample {
  std::string instruction, input, output; ///< input may be empty
  uint64_t place = 0;                     ///< line from 1 (JSONL), index from 0 (JSON array)
};

struct SampleFile {
  std::string path;
  bool lines = false; ///< JSONL; else one JSON array
  Sha256Digest digest{};
  std::vector<Sample> samples;
};

/// Reads a JSON array of objects, or JSONL (one object a line; blank lines are skipped): the first character decides. A
/// file may be packed (see DataFile). `instruction` and `output` are required strings, `input` an optional one (null
/// counts as absent); other fields are not read, whatever they hold. Errors name file, line or index, field and what
/// was found.
Expected<SampleFile> readSamples(const std::string &path);

/// "line 7" of JSONL, "sample 7" of an array.
std::string placeName(bool lines, uint64_t place);

} // namespace ft::rt
