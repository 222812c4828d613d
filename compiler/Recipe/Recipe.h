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

/// A recipe with every default filled in.
struct LoadedRecipe {
  recipe::Recipe fields;    ///< resolved: every field that has a default is set
  std::string name;         ///< the file's stem
  std::string folder;       ///< where relative paths start
  std::string resolvedText; ///< text proto of `fields`, what the run folder keeps and the digest is taken over
  bool globalBatch = false; ///< the recipe says global_batch_size, and `fields` the accumulation that follows from it
  std::vector<std::string> notes;
  std::string path; ///< of the file
  FieldPlaces places;

  /// Where `field` was set, for messages of later phases: file and line, --set, or the file alone.
  std::string place(const std::string &field) const;
  /// Prints `fields` again, after a change.
  void printResolved();
};

/// Reads `path` (.textproto, or .pb) and applies `overrides` ("lora.r=16"). Unknown fields, wrong types and values out
/// of range are refused with BadInput: file, line, field, value, legal range, nearest name.
rt::Expected<LoadedRecipe> loadRecipe(const std::string &path, const std::vector<std::string> &overrides);

/// "ADAMW, SGD".
std::string enumNames(const google::protobuf::EnumDescriptor &type);

/// Parses without checking values; fills `places`. Names of other tools whose values mean the same are taken, with a
/// note.
rt::Status parseRecipe(const std::string &path, const std::vector<std::string> &overrides, recipe::Recipe &fields,
                       FieldPlaces &places, std::vector<std::string> &notes);
/// Fills defaults, then checks ranges and what fields mean together.
rt::Status resolveRecipe(recipe::Recipe &fields, const FieldPlaces &places, const std::string &file);

} // namespace ft
