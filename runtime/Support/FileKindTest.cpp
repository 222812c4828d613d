#include "runtime/Support/FileKind.h"

#include <gtest/gtest.h>
#include <string_view>

using namespace ft::rt;

static std::string kindOf(std::string_view text) { return foreignKind(std::as_bytes(std::span(text))); }

TEST(FileKind, NamesWhatIsKnown) {
  EXPECT_EQ(kindOf("version https://git-lfs.github.com/spec/v1\noid sha256:4665\nsize 269060552\n"),
            "a pointer of Git LFS that stands for the 269060552 bytes of the file itself; fetch it with git lfs pull, "
            "or download it");
  EXPECT_NE(kindOf("version https://git-lfs.github.com/spec/v1\n").find("stands for the file itself"),
            std::string::npos);
  EXPECT_NE(kindOf("/annex/objects/SHA256E-s3--x").find("git annex get"), std::string::npos);
  EXPECT_NE(kindOf("\x1f\x8b\x08").find("gunzip"), std::string::npos);
  EXPECT_NE(kindOf("PK\x03\x04").find("safetensors"), std::string::npos);
  EXPECT_NE(kindOf("<!DOCTYPE html>").find("a web page"), std::string::npos);
  EXPECT_NE(kindOf("\xff\xfe{").find("UTF-16"), std::string::npos);
  EXPECT_NE(kindOf({"\xff\xfe\0\0{", 5}).find("UTF-32"), std::string::npos);
  EXPECT_NE(kindOf("PAR1").find("read_parquet"), std::string::npos);
}

TEST(FileKind, SaysNothingOfOthers) {
  for (std::string_view text : {"", "{", "{\"a\":1}", "version 3", "PK", "\x80"})
    EXPECT_EQ(kindOf(text), "") << text;
}
