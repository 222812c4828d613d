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
