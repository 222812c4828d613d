// Training samples: a request and its answer, a chat, or a document.
#pragma once

#include "runtime/Support/Sha256.h"
#include "runtime/Support/Status.h"
#include "runtime/Template/Value.h"

#include <string>
#include <vector>

namespace ft::rt {

struct Sample {
  enum class Form : uint8_t {
    Instruction, ///< instruction, perhaps input, and output: a template makes a text of them
    Plain,       ///< instruction is the whole prompt: no template is put around it
    Chat,        ///< messages, perhaps tools
    Document     ///< output is a text of its own, all of which is trained
  };
  std::string instruction, input, output; ///< input may be empty
  uint64_t place = 0;                     ///< line from 1 (JSONL, tables), index from 0 (JSON array)
  Form form = Form::Instruction;
  std::vector<jinja::Value> messages;     ///< dicts with role and content, as templates see them
  std::vector<std::optional<bool>> train; ///< by message: what it says of itself
  jinja::Value tools = jinja::Value::none();
};

/// What the data calls a sample's fields; empty: its own name.
struct ColumnNames {
  std::string instruction, input, output, prompt, completion, messages, text, role, content;
  bool operator==(const ColumnNames &) const = default;
};

struct SampleFile {
  std::string path;
  bool lines = false; ///< JSONL or a table; else one JSON array
  Sha256Digest digest{};
  std::vector<Sample> samples;
};

/// Reads a JSON array of objects, JSONL (one object a line; blank lines are skipped): the first character decides; or,
/// by the name's ending, a .csv or .tsv with a header, or a .txt or .md, which is one document. A file may be packed
/// (see DataFile). A sample has `instruction` and `output`, and may have `input` (Alpaca's form); or has `prompt` and
/// `completion`, which are taken as they are; or `messages` (OpenAI's form) or `conversations` (ShareGPT's), and may
/// have `tools`; or `text`. Null counts as absent; other fields are not read, whatever they hold. Errors name file,
/// line or index, field and what was found.
Expected<SampleFile> readSamples(const std::string &path, const ColumnNames &columns = {});

/// "line 7" of JSONL, "sample 7" of an array.
std::string placeName(bool lines, uint64_t place);

} // namespace ft::rt
