#include "runtime/Support/Checksum.h"
#include "runtime/Text/TokenFile.h"
#include "runtime/Text/TokenFileLayout.h"

namespace ft::rt {

uint64_t headerChecksum(const TokenFileHeader &header, std::span<const std::byte> report) {
  TokenFileHeader bare = header;
  bare.checksum = 0;
  Checksum checksum;
  checksum.update(std::as_bytes(std::span(&bare, 1)));
  checksum.update(report);
  return checksum.value();
}

uint64_t rowChecksum(uint64_t index, const TokenRow &row) {
  Checksum checksum;
  checksum.update(std::as_bytes(std::span(&index, 1)));
  checksum.update(std::as_bytes(row.tokens));
  checksum.update(std::as_bytes(row.documentLens));
  checksum.update(std::as_bytes(row.targetMask));
  checksum.update(std::as_bytes(std::span(&row.targets, 1)));
  return checksum.value();
}

} // namespace ft::rt
