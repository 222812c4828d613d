// What a program says when it ends by an exception: no memory, no thread, whatever a library throws.
#pragma once

#include <functional>

namespace ft::rt {

/// From now on an exception that nobody catches, on whichever thread, ends the process with one line "PROGRAM: …" on
/// standard error and the exit code that `code` gives, instead of a signal. `code` may clean up; it runs once. So does
/// an abort() of a library, behind what that says.
void endOnUncaught(const char *program, std::function<int()> code);

} // namespace ft::rt
