// Messages on a connection: bounded, and while a run starts sealed with what only its ranks know.
#pragma once

#include "runtime/Support/Status.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ft::rt {

/// Of a frame. No rank sends more, whatever the world: nobody makes another reserve memory.
inline constexpr uint32_t mostFrameBytes = 1 << 16;

/// Four bytes of length, little-endian, and the payload.
std::string frame(std::string_view payload);

/// Puts frames together from the pieces in which they arrive.
class FrameReader {
public:
  /// False where a length is beyond `mostFrameBytes`: what comes is no frame, and nothing that follows is read.
  bool feed(std::string_view bytes);
  /// The oldest whole frame's payload.
  std::optional<std::string> next();

private:
  bool whole() const;
  uint32_t length() const;

  std::string pending;
};

/// A payload whose first 32 bytes are the code (HMAC-SHA256 under the secret) of `context` and the rest.
std::string seal(std::string_view secret, std::string_view context, std::string_view payload);
/// What was sealed; nothing where the secret, the context or a byte differs.
std::optional<std::string> unseal(std::string_view secret, std::string_view context, std::string_view sealed);

/// What rank 0 sends first: magic, version of the protocol, and a nonce that every hello must be sealed with.
inline constexpr size_t nonceBytes = 16;
std::string challenge(std::string_view nonce);
/// The nonce. CannotRun where something else than this version of ftrun speaks.
Expected<std::string> readChallenge(std::string_view payload);

/// Random bytes of the operating system.
std::string randomNonce();

} // namespace ft::rt
