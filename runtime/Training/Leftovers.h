// What lies beside a run's files because a process ended while it wrote them: "<name>.tmp.<process>.<number>".
#pragma once

#include <span>
#include <string>

namespace ft::rt {

/// Removes what this process is still writing aside in the folder and below it, for one that ends at once.
void removeUnfinishedFiles(const std::string &folder);

/// Removes what earlier processes have left of files of these names; the folder is the caller's alone.
void removeLeftovers(const std::string &folder, std::span<const std::string> names);

} // namespace ft::rt
