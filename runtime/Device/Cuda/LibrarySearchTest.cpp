#include "runtime/Device/Cuda/LibrarySearch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

using namespace ft::rt;
namespace fs = std::filesystem;

namespace {

/// A machine of its own in a temporary folder.
class LibrarySearchTest : public testing::Test {
protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "ftcSearchXXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root = fs::canonical(pattern);
    places.binaryFolder = root / "app" / "bin";
    places.systemFolders = {root / "system"};
    spec.title = "cuDNN";
    spec.files = {"libx.so.13", "libx.so.12"};
    spec.variable = "FTC_X_DIR";
    spec.wheelFolders = {"nvidia/x/lib"};
    spec.advice = "pip install x";
  }
  void TearDown() override { fs::remove_all(root); }

  fs::path touch(const fs::path &relative) {
    fs::create_directories((root / relative).parent_path());
    std::ofstream(root / relative) << "x";
    return root / relative;
  }
  std::string found() {
    auto path = findLibrary(spec, places);
    return path.ok() ? path->string() : "none: " + path.status().message();
  }

  fs::path root;
  SearchPlaces places;
  LibrarySpec spec;
};

} // namespace

TEST_F(LibrarySearchTest, TakesTheFirstPlaceThatHasOne) {
  // From the last place of the search to the first: each one wins over all before.
  EXPECT_EQ(found(), (touch("system/libx.so.12"), (root / "system/libx.so.12").string()));
  const fs::path loader = touch("loader/libx.so.12");
  places.variables["LD_LIBRARY_PATH"] = "/nonexistent:" + (root / "loader").string();
  EXPECT_EQ(found(), loader.string());
  const fs::path home = touch("cuda/lib64/libx.so.12");
  places.variables["CUDA_HOME"] = (root / "cuda").string();
  EXPECT_EQ(found(), home.string());
  touch("usr/bin/python3");
  const fs::path wheel = touch("usr/lib/python3.11/site-packages/nvidia/x/lib/libx.so.12");
  places.variables["PATH"] = (root / "nowhere").string() + ":" + (root / "usr/bin").string();
  EXPECT_EQ(found(), wheel.string());
  const fs::path extra = touch("extra/nvidia/x/lib/libx.so.12");
  places.variables["PYTHONPATH"] = (root / "extra").string();
  EXPECT_EQ(found(), extra.string());
  const fs::path venv = touch("venv/lib/python3.12/site-packages/nvidia/x/lib/libx.so.12");
  places.variables["VIRTUAL_ENV"] = (root / "venv").string();
  EXPECT_EQ(found(), venv.string());
  const fs::path beside = touch("app/bin/libx.so.12");
  EXPECT_EQ(found(), beside.string());
  const fs::path named = touch("named/libx.so.12");
  places.variables["FTC_X_DIR"] = (root / "named").string();
  EXPECT_EQ(found(), named.string());
}

TEST_F(LibrarySearchTest, PrefersTheNewerFileInsideAFolder) {
  touch("system/libx.so.12");
  EXPECT_EQ(found(), touch("system/libx.so.13").string());
}

TEST_F(LibrarySearchTest, LooksBehindAVirtualEnvironmentsLink) {
  touch("base/bin/python3");
  const fs::path wheel = touch("base/lib/python3.11/dist-packages/nvidia/x/lib/libx.so.13");
  fs::create_directories(root / "env/bin");
  fs::create_symlink(root / "base/bin/python3", root / "env/bin/python3");
  places.variables["PATH"] = (root / "env/bin").string();
  EXPECT_EQ(found(), wheel.string());
}

TEST_F(LibrarySearchTest, SearchesOnlyTheFolderOfTheVariable) {
  touch("system/libx.so.13");
  places.variables["FTC_X_DIR"] = (root / "empty").string();
  auto path = findLibrary(spec, places);
  ASSERT_FALSE(path.ok());
  EXPECT_EQ(path.status().code(), Code::CannotRun);
  EXPECT_EQ(path.status().message(), "cuDNN: FTC_X_DIR is " + (root / "empty").string() +
                                         ", which holds none of libx.so.13, libx.so.12; correct or unset it");
}

TEST_F(LibrarySearchTest, SaysWhatIsMissingAndTheWayOut) {
  auto path = findLibrary(spec, places);
  ASSERT_FALSE(path.ok());
  EXPECT_EQ(path.status().code(), Code::CannotRun);
  EXPECT_EQ(path.status().message(),
            "cuDNN: none of libx.so.13, libx.so.12 found beside the binary, in Python's packages, CUDA_HOME, "
            "LD_LIBRARY_PATH and the system's folders; pip install x, or set FTC_X_DIR to its folder");
}
