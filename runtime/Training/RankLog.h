// Where a rank that is not rank 0 tells what it does.
#pragma once

#include <cstdint>
#include <string>

namespace ft::rt {

/// A descriptor that leads nowhere, until there is a folder.
class RankLog {
public:
  RankLog();
  ~RankLog();
  RankLog(const RankLog &) = delete;
  RankLog &operator=(const RankLog &) = delete;

  int get() const { return descriptor; }
  /// From here on to "rank-N.log" in the folder. What a rank says of itself is not the result: without its log it goes
  /// on, as on a host that does not see the folder.
  void moveTo(const std::string &folder, uint32_t rank) const;

private:
  const int descriptor;
};

} // namespace ft::rt
