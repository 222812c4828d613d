// Names that differ from the expected ones by what stands before all of them.
#pragma once

#include <set>
#include <string>
#include <vector>

namespace ft::rt {

/// Where at least two, and all but a few, of the names `missing` are in `extra` behind one more prefix (wrappers leave
/// "base_model.model.", "module.", "_orig_mod.") or without the one that they have (a model without its head lacks
/// "model."): says so in one line and takes those names out of both. Else empty.
std::string explainPrefix(std::vector<std::string> &missing, std::set<std::string, std::less<>> &extra);

} // namespace ft::rt
