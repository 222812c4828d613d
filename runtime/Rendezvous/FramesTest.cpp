#include "runtime/Rendezvous/Frames.h"

#include <gtest/gtest.h>

using namespace ft::rt;

TEST(FramesTest, AnyPiecesGiveTheSameFrames) {
  const std::string large(mostFrameBytes, 'x'), stream = frame("") + frame("abc") + frame(large) + frame("end");
  for (size_t piece : {size_t(1), size_t(7), size_t(1000), stream.size()}) {
    FrameReader reader;
    std::vector<std::string> got;
    for (size_t i = 0; i < stream.size(); i += piece) {
      ASSERT_TRUE(reader.feed(stream.substr(i, piece)));
      while (auto payload = reader.next())
        got.push_back(*payload);
    }
    EXPECT_EQ(got, (std::vector<std::string>{"", "abc", large, "end"}));
  }
}

TEST(FramesTest, RefusesALengthBeyondTheBound) {
  FrameReader reader;
  EXPECT_TRUE(reader.feed(std::string("\x01\x00\x01", 3)));
  EXPECT_FALSE(reader.feed(std::string(1, '\0'))); // 65537
  EXPECT_FALSE(reader.next());
  FrameReader http;
  EXPECT_FALSE(http.feed("GET / HTTP/1.1\r\n"));
}

TEST(FramesTest, ASealHoldsForOneSecretContextAndText) {
  const std::string sealed = seal("secret", "nonce", "text");
  EXPECT_EQ(unseal("secret", "nonce", sealed), "text");
  EXPECT_EQ(unseal("", "", seal("", "", "")), "");
  EXPECT_FALSE(unseal("other", "nonce", sealed));
  EXPECT_FALSE(unseal("secret", "other", sealed));
  EXPECT_FALSE(unseal("secret", "nonc", seal("secret", "nonce", "etext")));
  for (size_t i = 0; i < sealed.size(); ++i) {
    std::string changed = sealed;
    changed[i] = char(changed[i] ^ 1);
    EXPECT_FALSE(unseal("secret", "nonce", changed));
    EXPECT_FALSE(unseal("secret", "nonce", sealed.substr(0, i)));
  }
}

TEST(FramesTest, AChallengeIsOfThisVersion) {
  const std::string nonce = randomNonce(), text = challenge(nonce);
  EXPECT_NE(nonce, randomNonce());
  ASSERT_TRUE(readChallenge(text).ok());
  EXPECT_EQ(*readChallenge(text), nonce);
  for (size_t i = 0; i < text.size(); ++i)
    EXPECT_FALSE(readChallenge(text.substr(0, i)).ok());
  EXPECT_NE(readChallenge("SSH-2.0-OpenSSH_9.2").status().message().find("no ftrun"), std::string::npos);
  std::string newer = text;
  ++newer[16];
  EXPECT_NE(readChallenge(newer).status().message().find("version 2"), std::string::npos);
}
