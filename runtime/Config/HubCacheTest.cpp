#include "runtime/Config/HubCache.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace ft::rt {
namespace {

namespace fs = std::filesystem;

TEST(HubCache, TellsNamesFromPaths) {
  const auto plain = parseHubName("Qwen/Qwen3-0.6B");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->id, "Qwen/Qwen3-0.6B");
  EXPECT_EQ(plain->revision, "main");
  EXPECT_EQ(parseHubName("a/b@refs/pr/1")->revision, "refs/pr/1");
  for (const char *text : {"",         "name",   "/a/b",    "a/b/c", "./b",    "../b",   "a/",      "a/b@",
                           "a/b@../x", "a/b@/x", "a/b@x/",  "a/b c", "a--b/c", "a/b..c", "a/.b",    "a/b-",
                           "seeded:1", "a\\b/c", "a/b@x@y", "a/b\n", "a/b@.",  "a/b@.x", "a/b@x/.y"})
    EXPECT_FALSE(parseHubName(text)) << text;
  EXPECT_FALSE(parseHubName("a/" + std::string(97, 'b')));
}

TEST(HubCache, SaysWhatFetchesAModel) {
  EXPECT_EQ(downloadLine({"a/b"}), "hf download a/b");
  EXPECT_EQ(downloadLine({"a/b", "v1"}, "config.json"), "hf download a/b config.json --revision v1");
}

class HubCacheTest : public testing::Test {
protected:
  static constexpr const char *variables[] = {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME",
                                              "HOME"};
  void SetUp() override {
    for (const char *name : variables) {
      const char *value = getenv(name);
      before.push_back(value ? std::optional<std::string>(value) : std::nullopt);
      unsetenv(name);
    }
    fs::remove_all(folder);
    fs::create_directories(model / "snapshots" / commit);
    refer("main", commit + "\n");
  }
  void TearDown() override {
    for (size_t i = 0; i < before.size(); ++i)
      before[i] ? setenv(variables[i], before[i]->c_str(), 1) : unsetenv(variables[i]);
    fs::remove_all(folder);
  }
  void refer(const std::string &revision, const std::string &text) const {
    const fs::path file = model / "refs" / revision;
    fs::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  static std::string found(const HubName &name) {
    const auto snapshot = findSnapshot(name);
    return snapshot.ok() ? *snapshot : snapshot.status().message();
  }

  std::vector<std::optional<std::string>> before;
  const fs::path folder = testing::TempDir() + "hub-cache", hub = folder / "hub", model = hub / "models--a--b";
  const std::string commit = std::string(40, '7'), snapshot = (model / "snapshots" / commit).string();
};

TEST_F(HubCacheTest, FindsARevisionAndACommit) {
  setenv("HF_HOME", folder.c_str(), 1);
  refer("refs/pr/1", commit);
  for (const char *revision : {"main", "refs/pr/1"})
    EXPECT_EQ(found({"a/b", revision}), snapshot);
  EXPECT_EQ(found({"a/b", commit}), snapshot);
}

TEST_F(HubCacheTest, LooksWhereTheHubsToolsLook) {
  setenv("HOME", folder.c_str(), 1);
  EXPECT_NE(found({"a/b"}).find((folder / ".cache/huggingface/hub").string() + "; fetch it: hf download a/b"),
            std::string::npos);
  setenv("HF_HOME", "~", 1);
  EXPECT_EQ(found({"a/b"}), snapshot);
  setenv("HF_HOME", "/nowhere", 1);
  setenv("HF_HUB_CACHE", "~/hub", 1);
  EXPECT_EQ(found({"a/b"}), snapshot);
}

TEST_F(HubCacheTest, RefusesWhatIsNotThere) {
  setenv("HF_HUB_CACHE", hub.c_str(), 1);
  EXPECT_EQ(found({"a/c"}),
            "main of a/c is not in the cache of the Hugging Face Hub, " + hub.string() + "; fetch it: hf download a/c");
  EXPECT_NE(found({"a/b", "v2"}).find("hf download a/b --revision v2"), std::string::npos);
  refer("gone", std::string(40, '8'));
  refer("outside", "../../..");
  refer("empty", "");
  for (const char *revision : {"gone", "outside", "empty"})
    EXPECT_NE(found({"a/b", revision}).find("is not in the cache"), std::string::npos) << revision;
}

} // namespace
} // namespace ft::rt
