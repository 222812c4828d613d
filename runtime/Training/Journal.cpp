#include "runtime/Training/Journal.h"

#include "runtime/Support/AtomicFile.h"
#include "runtime/Support/Json.h"
#include "runtime/Support/MappedFile.h"

#include <fmt/format.h>

using namespace ft::rt;

Status Journal::keepMetrics(const std::string &path) {
  FT_ASSIGN_OR_RETURN(lines, JsonLines::create(path));
  return {};
}

/// The lines that are whole and of what is not done again.
static std::string linesUntil(std::string_view text, uint64_t step, bool evaluated) {
  std::string kept;
  for (size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    const auto json = parseJson(line, "metrics.jsonl");
    if (!json.ok() || !json->is_object())
      continue;
    const Json *at = findMember(*json, "step");
    if (!at || !at->is_number_unsigned())
      continue;
    const bool isStep = findMember(*json, "loss") != nullptr;
    if (const uint64_t found = at->get<uint64_t>();
        found < step || (found == step && (isStep || evaluated || step == 0)))
      kept += fmt::format("{}\n", line);
  }
  return kept;
}

Status Journal::continueMetrics(const std::string &path, uint64_t step, bool evaluated) {
  std::string kept;
  if (const auto file = MappedFile::open(path); file.ok())
    kept = linesUntil({reinterpret_cast<const char *>(file->bytes().data()), file->size()}, step, evaluated);
  FT_RETURN_IF_ERROR(writeFileAtomically(path, kept));
  FT_ASSIGN_OR_RETURN(lines, JsonLines::append(path));
  return {};
}

void Journal::step(const StepMetrics &metrics) {
  console.step(metrics, loggingSteps);
  keep(toJson(metrics));
}

void Journal::evaluation(const EvaluationMetrics &metrics) {
  console.line(formatEvaluation(metrics));
  keep(toJson(metrics));
}

void Journal::keep(const std::string &object) {
  if (!lines)
    return;
  if (const Status status = lines->write(object); !status.ok() && lost++ == 0)
    console.line(fmt::format("note: {}; training goes on without these lines", status.message()));
}
