// The fields of a recipe as ftc resolves it, for what is said of two that differ.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace ft::rt {

/// By path ("lora.r"), with their values as they are written; a repeated field's behind each other. Comments are none.
std::map<std::string, std::string> recipeFields(std::string_view resolved);

struct FieldDifference {
  std::string name, then, now; ///< empty where it is not there
};
/// Of the fields that shape what a plan computes: not of names, folders, reports and saving.
std::vector<FieldDifference> planFieldDifferences(std::string_view then, std::string_view now);

} // namespace ft::rt
