// Room on the disk for what a run leaves at its end.
#pragma once

#include "runtime/Plan/plan.pb.h"
#include "runtime/Support/Status.h"

#include <cstdint>
#include <string>

namespace ft::rt {

/// What the results of a run of the plan take, in whole blocks of a file system: tensors with what stands in front of
/// them, and texts. At least so many bytes, as file systems differ.
uint64_t resultBytes(const plan::Plan &plan);

/// Whether the results find room: CannotRun where the disk has less, or where the process may write no file as long
/// (ulimit -f). `there` is the folder, or the one that it will be made in; `replaced` are bytes in it that make room.
Status checkResultRoom(const std::string &path, const std::string &there, uint64_t replaced, const plan::Plan &plan);

/// Bytes of a disk that nothing else gets meanwhile. They belong to a file without a name: they are free again with
/// release(), or when the process ends, however it does.
class ReservedRoom {
public:
  /// Holds nothing where the file system cannot reserve, or has less.
  ReservedRoom(const std::string &folder, uint64_t bytes);
  ~ReservedRoom() { release(); }
  ReservedRoom(const ReservedRoom &) = delete;
  ReservedRoom &operator=(const ReservedRoom &) = delete;

  void release();
  /// What is held.
  uint64_t bytes() const { return descriptor < 0 ? 0 : held; }

private:
  int descriptor;
  uint64_t held;
};

} // namespace ft::rt
