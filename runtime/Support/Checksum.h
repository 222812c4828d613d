// XXH3-64 of a stream of bytes: tells a damaged file from a whole one, at the speed of memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace ft::rt {

/// Input in any pieces gives the checksum of their concatenation.
class Checksum {
public:
  Checksum();
  Checksum(Checksum &&) noexcept;
  Checksum &operator=(Checksum &&) noexcept;
  ~Checksum();
  void update(std::span<const std::byte> bytes);
  /// Of all input so far.
  uint64_t value() const;

private:
  struct State;
  std::unique_ptr<State> state;
};

/// The same of bytes that lie together.
uint64_t checksumOf(std::span<const std::byte> bytes);

} // namespace ft::rt
