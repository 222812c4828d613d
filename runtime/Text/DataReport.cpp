#include "runtime/Text/DataReport.h"

#include "runtime/Support/Strings.h"

#include <algorithm>
#include <bit>
#include <fmt/format.h>

namespace ft::rt {

namespace {
constexpr size_t LongestSample = 2000; // bytes shown

/// Every line of `text` behind a bar, cut where it gets too long (never inside a character). What would steer a
/// terminal is spelled out.
std::string quoted(std::string text) {
  if (text.size() > LongestSample) {
    size_t end = LongestSample;
    while (end > 0 && (uint8_t(text[end]) & 0xC0) == 0x80)
      --end;
    text = text.substr(0, end) + " …";
  }
  std::string out = "    | ";
  for (char c : printable(text))
    out += c == '\n' ? std::string("\n    | ") : std::string(1, c);
  return out + "\n";
}
/// "32–63 120 ████" for each power of two that occurs, the longest bar of 40.
std::string histogram(const std::vector<uint64_t> &lengths) {
  const uint64_t most = lengths.empty() ? 0 : *std::max_element(lengths.begin(), lengths.end());
  std::string out;
  for (size_t i = 0; i < lengths.size(); ++i) {
    if (lengths[i] == 0)
      continue;
    std::string bar;
    for (uint64_t j = 0; j < (lengths[i] * 40 + most - 1) / most; ++j)
      bar += "█";
    out += fmt::format("    {:>9} {:>9}  {}\n", fmt::format("{}–{}", uint64_t(1) << i, (uint64_t(2) << i) - 1),
                       lengths[i], bar);
  }
  return out.empty() ? out : "  tokens a document:\n" + out;
}

std::string sourceLine(const SourceStats &source) {
  std::string out = fmt::format("  {}: samples {}, documents {}, tokens {}, targets {}, truncated {}", source.name,
                                source.samples, source.documents, source.tokens, source.targets, source.truncated);
  if (source.tooLong)
    out += fmt::format(", dropped {} whose prompt alone fills max_document_len", source.tooLong);
  if (source.untrained)
    out += fmt::format(", dropped {} of which nothing is trained", source.untrained);
  out += fmt::format(", end trained in {}", source.endTrained);
  if (source.duplicates)
    out += fmt::format(", duplicates {}", source.duplicates);
  if (!source.unread.empty())
    out += fmt::format(", not read: {}", shown(source.unread, 240));
  return out + "\n";
}
} // namespace

std::string markedText(const TokenRow &row, uint32_t document, const Tokenizer &tokenizer) {
  uint32_t begin = 0;
  for (uint32_t d = 0; d < document; ++d)
    begin += row.documentLens[d];
  const uint32_t end = begin + row.documentLens[document];
  // Token t is trained where position t − 1 has a target; nothing predicts a document's first token.
  auto trained = [&](uint32_t t) { return t > begin && row.isTarget(t - 1); };
  std::string out;
  for (uint32_t from = begin; from < end;) {
    uint32_t to = from + 1;
    while (to < end && trained(to) == trained(from))
      ++to;
    const std::string text = tokenizer.decode(row.tokens.subspan(from, to - from), /*skipControl=*/false);
    out += trained(from) ? text : "⟦" + text + "⟧";
    from = to;
  }
  return out;
}

DataReport dataReport(const TokenFile &file, const Tokenizer *tokenizer) {
  DataReport report;
  report.file = file.name();
  report.stats = file.stats();
  report.documents = file.documents();
  report.rows = file.rows();
  report.sequenceLen = file.identity().shape.sequenceLen;
  report.packing = file.identity().shape.packing;
  for (uint64_t row = 0; row < file.rows(); ++row)
    for (const uint32_t length : file.row(row).documentLens) {
      const auto power = size_t(std::bit_width(length)) - 1;
      report.lengths.resize(std::max(report.lengths.size(), power + 1));
      ++report.lengths[power];
    }
  if (tokenizer) // rows start with their longest document, and the fullest come first: one from the middle
    report.sample = markedText(file.row(file.rows() / 2), 0, *tokenizer);
  return report;
}

std::string formatReport(const DataReport &report, std::string_view title) {
  const PackingStats &stats = report.stats;
  std::string dropped = std::to_string(stats.dropped);
  for (uint64_t i = 0; i < std::min<uint64_t>(stats.dropped, 3); ++i)
    dropped += (i ? ", " : " (first: ") + placeName(stats.lines, stats.droppedPlaces[i]);
  dropped += stats.dropped ? ")" : "";
  std::string out = fmt::format("{}: {}\n", title, report.file);
  out +=
      fmt::format("  samples {}, truncated {}, dropped without a target {}\n", stats.samples, stats.truncated, dropped);
  out += fmt::format("  target tokens {} of {} ({:.1f} %), end of turn trained in {} of {}\n", stats.targets,
                     stats.tokens, 100 * report.targetShare(), stats.endTrained, report.documents);
  out += fmt::format("  rows {} of {} tokens, {}, filled to {:.1f} %, {:.2f} documents a row\n", report.rows,
                     report.sequenceLen, report.packing ? "packed" : "one sample each", 100 * report.efficiency(),
                     report.documentsPerRow());
  if (stats.targets > 0 && stats.targets == stats.endTrained)
    out +=
        "  note: every answer is empty, and nothing but ends of turns is trained; do the data call answers otherwise "
        "(data { columns { output: … } })?\n";
  if (stats.truncated * 10 > stats.samples)
    out += fmt::format(
        "  note: {:.0f} % of the samples are longer than a document may be, and lose their end, which would "
        "teach where an answer ends; raise sequence_len, and max_document_len where it is set\n",
        100 * double(stats.truncated) / double(stats.samples));
  for (const SourceStats &source : stats.sources)
    out += sourceLine(source);
  out += histogram(report.lengths);
  if (!report.sample.empty())
    out += "  one sample; what stands between ⟦ and ⟧ is not trained:\n" + quoted(report.sample);
  return out;
}

} // namespace ft::rt
