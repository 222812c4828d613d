#include "runtime/Support/Sha256.h"

#include <gtest/gtest.h>
#include <random>

using namespace ft::rt;

// Vectors of FIPS 180-4's examples (NIST cryptographic standards, SHA256.pdf and SHA2_Additional.pdf).
TEST(Sha256, KnownAnswers) {
  EXPECT_EQ(toHex(sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(toHex(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(toHex(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(toHex(sha256(std::string(1000000, 'a'))),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, PaddingBoundaries) {
  // Values of sha256sum for n times 'a': one block or two behind the message.
  EXPECT_EQ(toHex(sha256(std::string(55, 'a'))), "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318");
  EXPECT_EQ(toHex(sha256(std::string(56, 'a'))), "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a");
  EXPECT_EQ(toHex(sha256(std::string(64, 'a'))), "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb");
}

TEST(Sha256, PiecesGiveTheSameDigest) {
  std::mt19937 random(7);
  std::string text(1000, ' ');
  for (char &c : text)
    c = char(random());
  for (int trial = 0; trial < 50; ++trial) {
    Sha256 hash;
    for (size_t at = 0; at < text.size();) {
      const size_t n = std::min<size_t>(random() % 150, text.size() - at);
      hash.update(std::string_view(text).substr(at, n));
      at += n;
    }
    EXPECT_EQ(hash.finish(), sha256(text));
  }
}
