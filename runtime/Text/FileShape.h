// What a file of data is, by its name and its first lines.
#pragma once

#include <string>
#include <string_view>

namespace ft::rt {

/// What people save that is neither an array nor lines: samples prettily printed, or a list inside of one object, with
/// the way out. Empty: none of these. Linear in the first object's length.
std::string asObjects(std::string_view text);
/// A file's name in small letters, without a packer's ending: "A.CSV.gz" is "a.csv".
std::string unpackedName(std::string_view path);
/// What stands between the cells of a table of such a name; zero: it is no table. A .csv whose header has no
/// comma may have semicolons, as where the comma marks decimals, or tabs.
char separatorOf(std::string_view name, std::string_view text);

} // namespace ft::rt
