#include "runtime/Support/Checksum.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace ft::rt {

struct Checksum::State {
  XXH3_state_t xxh3; // aligned to 64 bytes by its own declaration
};

Checksum::Checksum() : state(std::make_unique<State>()) { XXH3_64bits_reset(&state->xxh3); }
Checksum::Checksum(Checksum &&) noexcept = default;
Checksum &Checksum::operator=(Checksum &&) noexcept = default;
Checksum::~Checksum() = default;

void Checksum::update(std::span<const std::byte> bytes) {
  XXH3_64bits_update(&state->xxh3, bytes.data(), bytes.size());
}

uint64_t Checksum::value() const { return XXH3_64bits_digest(&state->xxh3); }

uint64_t checksumOf(std::span<const std::byte> bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

} // namespace ft::rt
