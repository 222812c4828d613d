// Target files: what ftc knows of a machine that it does not look at.
#pragma once

#include "recipes/target.pb.h"
#include "runtime/Support/Status.h"

#include <string>
#include <vector>

namespace ft {

/// Reads recipes/targets/<name>.textproto under `recipesFolder`; an unknown name is refused with the known ones.
rt::Expected<recipe::TargetSpec> loadTarget(const std::string &recipesFolder, const std::string &name);

/// Names under recipes/targets, sorted.
std::vector<std::string> targetNames(const std::string &recipesFolder);

/// The folder `recipes` of this installation: FTC_RECIPES_DIR, beside the program's folder, or the source tree that it
/// was built in.
std::string recipesFolder(const std::string &programPath);

} // namespace ft
