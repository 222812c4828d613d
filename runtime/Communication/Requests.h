// What a rank sends to its seat on the data connection.
#pragma once

#include <cstdint>
#include <type_traits>

namespace ft::rt {

/// Little-endian, as the bytes of collectives are: plans are for one kind of processor.
struct Request {
  enum Kind : uint32_t {
    Prepare = 1, ///< value: bytes of the pulse::Prepare that follows; its handle is the next
    Run = 2,     ///< value: bytes of a slice; what the rank gives follows
    Agree = 3,   ///< handle: the Agreement
    Bring = 4,   ///< value: bytes for rank 0, which follow where handle is this rank
  };
  uint32_t kind = 0, handle = 0;
  uint64_t value = 0;
  uint64_t step = 0; ///< where the rank is, as in Progress::Place
  uint64_t segment = 0;
};

/// Follows when all have come; what the rank gets of a piece follows. None comes where all have failed.
struct Reply {
  uint64_t value = 0; ///< what was agreed
};

static_assert(sizeof(Request) == 32 && sizeof(Reply) == 8 && std::is_trivially_copyable_v<Request>);

/// Of a pulse::Prepare.
inline constexpr uint64_t mostPrepareBytes = 1 << 22;

} // namespace ft::rt
