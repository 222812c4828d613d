#include "runtime/Rendezvous/Frames.h"

#include "runtime/Support/Hmac.h"

#include <cstdlib>
#include <fmt/format.h>
#include <sys/random.h>

using namespace ft::rt;

namespace {
constexpr std::string_view magic = "ftrun-rendezvous";
constexpr char version = 1;
constexpr size_t codeBytes = 32, lengthBytes = 4;

std::string codeOf(std::string_view secret, std::string_view context, std::string_view payload) {
  const Sha256Digest code = hmacSha256(secret, {context, payload});
  return {reinterpret_cast<const char *>(code.data()), code.size()};
}
} // namespace

std::string ft::rt::frame(std::string_view payload) {
  std::string bytes;
  for (size_t i = 0; i < lengthBytes; ++i)
    bytes += static_cast<char>(payload.size() >> (8 * i));
  return bytes += payload;
}

uint32_t FrameReader::length() const {
  uint32_t length = 0;
  for (size_t i = 0; i < lengthBytes; ++i)
    length |= static_cast<uint32_t>(static_cast<unsigned char>(pending[i])) << (8 * i);
  return length;
}

bool FrameReader::whole() const { return pending.size() >= lengthBytes && pending.size() - lengthBytes >= length(); }

bool FrameReader::feed(std::string_view bytes) {
  pending += bytes;
  return pending.size() < lengthBytes || length() <= mostFrameBytes;
}

std::optional<std::string> FrameReader::next() {
  if (!whole() || length() > mostFrameBytes)
    return std::nullopt;
  const size_t end = lengthBytes + length();
  std::string payload = pending.substr(lengthBytes, end - lengthBytes);
  pending.erase(0, end);
  return payload;
}

std::string ft::rt::seal(std::string_view secret, std::string_view context, std::string_view payload) {
  return codeOf(secret, context, payload).append(payload);
}

std::optional<std::string> ft::rt::unseal(std::string_view secret, std::string_view context, std::string_view sealed) {
  if (sealed.size() < codeBytes)
    return std::nullopt;
  const std::string_view payload = sealed.substr(codeBytes);
  if (!sameDigest(codeOf(secret, context, payload), sealed.substr(0, codeBytes)))
    return std::nullopt;
  return std::string(payload);
}

std::string ft::rt::challenge(std::string_view nonce) { return std::string(magic).append(1, version).append(nonce); }

Expected<std::string> ft::rt::readChallenge(std::string_view payload) {
  if (!payload.starts_with(magic) || payload.size() < magic.size() + 1)
    return cannotRun("something answers there that is no ftrun; FTRUN_PORT names another port");
  if (payload[magic.size()] != version)
    return cannotRun(fmt::format("the ftrun there speaks version {} of the protocol and this one version {}: run the "
                                 "same ftrun on every host",
                                 int(payload[magic.size()]), int(version)));
  if (payload.size() != magic.size() + 1 + nonceBytes)
    return cannotRun("what rank 0 sent first is cut; start the run again");
  return std::string(payload.substr(magic.size() + 1));
}

std::string ft::rt::randomNonce() {
  std::string nonce(nonceBytes, '\0');
  if (getrandom(nonce.data(), nonce.size(), 0) != ssize_t(nonce.size()))
    std::abort(); // cannot happen for so few bytes; going on would be unsafe
  return nonce;
}
