#include "runtime/Support/Base64.h"

#include <gtest/gtest.h>

using namespace ft::rt;

TEST(Base64, GivesBytesOrNothing) {
  EXPECT_EQ(base64Bytes(""), "");
  EXPECT_EQ(base64Bytes("Zg=="), "f");
  EXPECT_EQ(base64Bytes("Zm8="), "fo");
  EXPECT_EQ(base64Bytes("Zm9v"), "foo");
  EXPECT_EQ(base64Bytes("Zm9vYmFy+/8="), "foobar\xfb\xff");
  for (const char *text : {"Zg=", "Zg", "Z===", "====", "Zm9_", "Zm9v\n", "Zg==Zg=="})
    EXPECT_FALSE(base64Bytes(text)) << text;
}
