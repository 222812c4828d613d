// Training samples: a request and its answer, a chat, or a document.
#pragma once

#include "runtime/Template/Value.h"
#include "runtime/Text/DataFile.h"
#include "runtime/Text/JsonCursor.h"
#include "runtime/Text/Table.h"

#include <optional>
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
  /// Of a document: whether the text starts and ends here, or goes on from the sample before and to the one behind.
  bool starts = true, ends = true;
  std::string unread; ///< the names of its other fields, "id, source"; cut where there are many
  /// What a user's turn of it says: the instruction, and the input below.
  std::string request() const { return input.empty() ? instruction : instruction + "\n" + input; }
};

/// What the data calls a sample's fields; empty: its own name.
struct ColumnNames {
  std::string instruction, input, output, prompt, completion, messages, text, role, content;
  bool operator==(const ColumnNames &) const = default;
};

/// Where a sample stands in its file.
struct Record {
  std::string_view text; ///< its JSON, its line of a table, or a stretch of a document
  uint64_t place = 0;    ///< see Sample
};

/// The samples of one file: a JSON array of objects, JSONL (one object a line; blank lines are skipped): the first
/// character decides; or, by the name's ending, a .csv or .tsv with a header, or a .txt or .md, which is one document.
/// A file may be packed (see DataFile). A sample has `instruction` and `output`, and may have `input` (Alpaca's form);
/// or has `prompt` and `completion`, which are taken as they are, or are lists of messages; or `messages` (OpenAI's
/// form) or `conversations` (ShareGPT's), and may have `tools`, `functions` or `system`; or `text`. Null counts as
/// absent; other fields are not read, whatever they hold. Errors name file, line or index, field and what was found.
///
/// Reading is in two: records are found one after the other, which is quick, and what they say may be read on several
/// threads. Nothing is kept.
class SampleSource {
public:
  static Expected<SampleSource> open(const std::string &path, const ColumnNames &columns = {});

  /// What a record says.
  Expected<Sample> sample(const Record &record) const;
  const std::string &path() const { return name; }
  /// Places are lines (JSONL, a table), else indices (an array).
  bool lines() const { return form == Form::Lines || form == Form::Table; }
  const Sha256Digest &digest() const { return data.digest(); }
  std::string_view text() const { return data.text(); }
  /// Nobody reads this part again soon.
  void release(std::string_view part) const { data.release(part); }

  /// Finds the records from front to back. The source outlives it and does not move.
  class Reader {
  public:
    explicit Reader(const SampleSource &source);
    /// False behind the last; a file without any is refused.
    Expected<bool> next(Record &record);

  private:
    Expected<bool> nextElement(Record &record);
    bool nextLine(Record &record);
    Expected<bool> nextRow(Record &record);
    bool nextStretch(Record &record);

    const SampleSource *source;
    JsonCursor json; ///< an array's
    TableReader table;
    size_t at = 0; ///< of lines and of a document
    uint64_t line = 0, count = 0;
  };

  /// A longer document is read in stretches that end with a line, each tokenised by itself.
  static constexpr size_t MaxStretch = size_t(4) << 20;

private:
  enum class Form : uint8_t { Array, Lines, Table, Text };
  SampleSource(DataFile data, std::string name, const ColumnNames &columns)
      : data(std::move(data)), name(std::move(name)), columns(columns), table("", ',') {}
  Status readHeader();
  Status notJson(size_t at, std::string_view reason) const;
  Expected<Sample> element(const Record &record) const;
  Expected<Sample> object(const Record &record) const;
  Expected<Sample> row(const Record &record) const;
  Expected<Sample> stretch(const Record &record) const;

  DataFile data;
  std::string name;
  ColumnNames columns;
  Form form = Form::Array;
  char separator = 0;
  std::vector<std::string> header;
  TableReader table; ///< behind the header
};

/// "line 7" of JSONL, "sample 7" of an array.
std::string placeName(bool lines, uint64_t place);

} // namespace ft::rt
