// From a file, or from a recipe and overrides, to a recipe with every default filled in.
#include "compiler/Recipe/Recipe.h"

#include "runtime/Support/Strings.h"

#include <fmt/format.h>
#include <google/protobuf/text_format.h>

#include <cmath>
#include <filesystem>

using namespace ft;
using rt::Expected;

std::string ft::placeOf(const FieldPlaces &places, const std::string &field, const std::string &file) {
  if (auto found = places.find(field); found != places.end())
    return found->second;
  auto inner = places.lower_bound(field + ".");
  return inner != places.end() && inner->first.rfind(field + ".", 0) == 0 ? inner->second : file;
}

std::string LoadedRecipe::place(const std::string &field) const { return placeOf(written.places, field, written.path); }

void LoadedRecipe::printResolved() { google::protobuf::TextFormat::PrintToString(fields, &resolvedText); }

/// "" where the rate reaches its peak, as far as a recipe tells: how many steps num_epochs come to, data say.
static std::string warmUpNote(const recipe::Recipe &r) {
  const double steps = static_cast<double>(r.max_steps()), ratio = r.warmup_ratio();
  const bool whole = r.warmup_steps() ? steps > 0 && static_cast<double>(r.warmup_steps()) >= steps
                                      : ratio >= 1 || (steps > 0 && std::ceil(ratio * steps) >= steps);
  return whole
             ? "warm-up takes as long as the run: the learning rate never reaches learning_rate; shorten warmup_steps "
               "or warmup_ratio"
             : "";
}

/// Numbers with which a run goes through and nothing comes of it: most are slips of an exponent.
static void noteWhatTrainsNothing(const recipe::Recipe &r, std::vector<std::string> &notes) {
  if (r.learning_rate() < 1e-9)
    notes.push_back(
        fmt::format("learning_rate is {}: next to no weight moves; is its exponent right?", r.learning_rate()));
  if (r.max_grad_norm() > 0 && r.max_grad_norm() < 1e-6)
    notes.push_back(fmt::format("max_grad_norm is {}: next to nothing is left of a gradient that is clipped to it; 0 "
                                "does not clip",
                                r.max_grad_norm()));
  if (!r.has_lora())
    return;
  if (r.lora().lora_dropout() > 0.9)
    notes.push_back(
        fmt::format("lora.lora_dropout is {}: next to nothing reaches the adapters", r.lora().lora_dropout()));
  if (r.lora().lora_alpha() < 1e-3)
    notes.push_back(fmt::format("lora.lora_alpha is {}: the adapters add next to nothing", r.lora().lora_alpha()));
}

static Expected<LoadedRecipe> resolve(WrittenRecipe written) {
  LoadedRecipe loaded;
  loaded.fields = written.fields;
  loaded.notes = written.notes;
  FT_RETURN_IF_ERROR(resolveRecipe(loaded.fields, written.places, written.path));
  const std::filesystem::path file(written.path);
  loaded.name = file.stem().string();
  if (!rt::isFileName(loaded.name)) // the plan's, and that of the run's folder
    return rt::badInput(
        fmt::format("{}: the recipe's name is \"{}\"; must be UTF-8 of at most 200 bytes, without '.' in "
                    "front: rename the file",
                    written.path, rt::shown(loaded.name)));
  loaded.folder = file.parent_path().empty() ? "." : file.parent_path().string();
  loaded.written = std::move(written);
  loaded.printResolved();
  if (std::string note = warmUpNote(loaded.fields); !note.empty())
    loaded.notes.push_back(std::move(note));
  noteWhatTrainsNothing(loaded.fields, loaded.notes);
  return loaded;
}

Expected<LoadedRecipe> ft::loadRecipe(const std::string &path, const std::vector<std::string> &overrides) {
  FT_ASSIGN_OR_RETURN(WrittenRecipe written, parseRecipe(path));
  FT_RETURN_IF_ERROR(applyOverrides(overrides, written));
  return resolve(std::move(written));
}

Expected<LoadedRecipe> ft::withOverrides(const LoadedRecipe &recipe, const std::vector<std::string> &overrides) {
  WrittenRecipe written = recipe.written;
  FT_RETURN_IF_ERROR(applyOverrides(overrides, written));
  return resolve(std::move(written));
}
