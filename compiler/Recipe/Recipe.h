// Reading recipes: text proto or binary, with `--set` overrides, checked field by field.
#pragma once

#include "recipes/recipe.pb.h"
#include "runtime/Support/Status.h"

#include <map>
#include <string>
#include <vector>

namespace ft {

/// Where each field of a text recipe stands: "lora.r" → "recipe.textproto:14".
using FieldPlaces = std::map<std::string, std::string>;

/// The place of `field`; of a message that --set reached through one of its fields, that field's; else `file`.
std::string placeOf(const FieldPlaces &places, const std::string &field, const std::string &file);

/// A recipe as its file and overrides say it: nothing filled in, no value checked.
struct WrittenRecipe {
  std::string path; ///< of the file
  recipe::Recipe fields;
  FieldPlaces places;
  std::vector<std::string> notes; ///< names of other tools that were taken for ours
};

/// A recipe with every default filled in.
struct LoadedRecipe {
  WrittenRecipe written;
  recipe::Recipe fields;    ///< resolved: every field that has a default is set
  std::string name;         ///< the file's stem
  std::string folder;       ///< where relative paths start
  std::string resolvedText; ///< text proto of `fields`, what the run folder keeps and the digest is taken over
  std::vector<std::string> notes;

  /// The recipe says global_batch_size, and `fields` the accumulation that follows from it.
  bool globalBatch() const { return written.fields.has_global_batch_size(); }
  /// Where `field` was set, for messages of later phases: file and line, --set, or the file alone.
  std::string place(const std::string &field) const;
  /// Prints `fields` again, after a change.
  void printResolved();
};

/// The linears of a model that adapters may stand beside, by the last part of their names, and those that get one where
/// a recipe names none. compiler/Import knows them.
struct AdapterTargets {
  std::vector<std::string> linears, defaults;
};

/// Reads `path` (.textproto, or .pb) and applies `overrides` ("lora.r=16"). Unknown fields, wrong types and values out
/// of range are refused with BadInput: file, line, field, value, legal range, nearest name. lora.target_modules stays
/// as it is written until resolveTargets.
rt::Expected<LoadedRecipe> loadRecipe(const std::string &path, const std::vector<std::string> &overrides);

/// What loadRecipe would give for the recipe's file with these overrides behind its own, without reading the file.
rt::Expected<LoadedRecipe> withOverrides(const LoadedRecipe &recipe, const std::vector<std::string> &overrides);

/// Writes the names that lora.target_modules stands for: the default, or those of all-linear. BadInput for a name that
/// is none of the model's. Nothing to do without adapters.
rt::Status resolveTargets(LoadedRecipe &recipe, const AdapterTargets &model);

/// Data-parallel ranks of a resolved recipe.
uint64_t ranksOf(const recipe::Recipe &fields);

/// The most bytes of the target's memory that a resolved recipe allows; 0: all of it.
uint64_t memoryBudgetOf(const recipe::Recipe &fields);

/// "ADAMW, SGD".
std::string enumNames(const google::protobuf::EnumDescriptor &type);

/// Names of other tools whose values mean the same are taken, with a note.
rt::Expected<WrittenRecipe> parseRecipe(const std::string &path);
rt::Status applyOverrides(const std::vector<std::string> &overrides, WrittenRecipe &recipe);
/// Fills defaults, then checks ranges and what fields mean together.
rt::Status resolveRecipe(recipe::Recipe &fields, const FieldPlaces &places, const std::string &file);

} // namespace ft
