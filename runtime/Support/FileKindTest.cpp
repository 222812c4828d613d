#include "runtime/Support/FileKind.h"
#include "runtime/Support/MappedFile.h"

#include <filesystem>
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

TEST(FileKind, WhatIsLostIsNotAbsent) {
  const std::string folder = testing::TempDir() + "lost-test", link = folder + "/link", loop = folder + "/loop";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directory(folder);
  EXPECT_FALSE(isNamed(link));
  EXPECT_FALSE(isNamed(link + "/inner"));
  EXPECT_FALSE(isNamed(std::string(5000, 'a')));
  std::filesystem::create_symlink("blobs/4f", link);
  std::filesystem::create_symlink("loop", loop);
  EXPECT_TRUE(isNamed(link));
  EXPECT_TRUE(isNamed(loop));
  EXPECT_EQ(lostTarget(link), "blobs/4f");
  EXPECT_EQ(lostTarget(loop), "");
  EXPECT_EQ(lostTarget(folder), "");
  EXPECT_EQ(lostTarget(folder + "/absent"), "");
  EXPECT_EQ(MappedFile::open(link).status().message(),
            link + ": is a link to blobs/4f, where nothing is; copy or download it again");
  EXPECT_NE(MappedFile::open(loop).status().message().find("levels of symbolic links"), std::string::npos);
}
