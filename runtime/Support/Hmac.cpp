#include "runtime/Support/Hmac.h"

#include <algorithm>

using namespace ft::rt;

namespace {
std::string_view textOf(const Sha256Digest &digest) {
  return {reinterpret_cast<const char *>(digest.data()), digest.size()};
}
} // namespace

Sha256Digest ft::rt::hmacSha256(std::string_view key, std::initializer_list<std::string_view> parts) {
  constexpr size_t block = 64;
  std::string inner(block, '\x36'), outer(block, '\x5c');
  const Sha256Digest shortened = sha256(key);
  const std::string_view used = key.size() > block ? textOf(shortened) : key;
  for (size_t i = 0; i < used.size(); ++i) {
    inner[i] = static_cast<char>(inner[i] ^ used[i]);
    outer[i] = static_cast<char>(outer[i] ^ used[i]);
  }
  Sha256 hash;
  hash.update(inner);
  for (const std::string_view part : parts)
    hash.update(part);
  const Sha256Digest digest = hash.finish();
  Sha256 again;
  again.update(outer);
  again.update(textOf(digest));
  return again.finish();
}

bool ft::rt::sameDigest(std::string_view a, std::string_view b) {
  unsigned difference = a.size() != b.size();
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    difference |= static_cast<unsigned char>(a[i] ^ b[i]);
  return difference == 0;
}
