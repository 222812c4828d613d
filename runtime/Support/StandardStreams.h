// What a program may meet at its standard streams.
#pragma once

namespace ft::rt {

/// At the start of a program: a reader that goes away must not end it in the middle of its work, a file that may grow
/// no further (ulimit -f) is an error of the write, and a closed standard stream must not become a file of the program.
void keepStandardStreams();

/// Writes out what is held of standard output. Whether something was lost that somebody waits for: not where a reader
/// has gone, who has seen enough.
bool standardOutputIsLost();

} // namespace ft::rt
