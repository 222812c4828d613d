#include "runtime/Weights/ModelPath.h"
#include "runtime/Weights/Model.h"
#include "runtime/Weights/WeightsTesting.h"

namespace ft::rt {
namespace {

using namespace testing;
namespace fs = std::filesystem;

TEST(ModelPath, NumbersParts) {
  const auto part = partNumber("dir/x-00002-of-00013.gguf", ".gguf");
  ASSERT_TRUE(part);
  EXPECT_EQ(part->part, 2u);
  EXPECT_EQ(part->count, 13u);
  for (const char *name : {"x.gguf", "x-2-of-13.gguf", "x-00002-of-00013.safetensors", "-0000a-of-00013.gguf", ".gguf"})
    EXPECT_FALSE(partNumber(name, ".gguf")) << name;
}

TEST(ModelPath, TakesWhatIsThereAsItIs) {
  ScratchFolder scratch;
  const std::string file = scratch.write("a.safetensors", "x");
  for (const std::string &named : {file, scratch.path(), std::string("seeded:1")}) {
    auto found = ModelPath::find(named);
    ASSERT_TRUE(found.ok()) << found.status().message();
    EXPECT_EQ(found->path, named);
    EXPECT_FALSE(found->hub);
  }
  expectError(ModelPath::find(scratch.path("none")).status(),
              "no such file or folder; give a Hugging Face model folder");
}

TEST(ModelPath, AFolderStandsForItsOneGgufModel) {
  ScratchFolder scratch;
  scratch.write("m-00001-of-00002.gguf", "x");
  scratch.write("m-00002-of-00002.gguf", "x");
  scratch.write("mmproj-m.gguf", "x");
  EXPECT_EQ(ModelPath::find(scratch.path())->path, scratch.path("m-00001-of-00002.gguf"));
  scratch.write("n.gguf", "x");
  expectError(ModelPath::find(scratch.path()).status(),
              "holds several models; name one of them: m-00001-of-00002.gguf, "
              "n.gguf");
  scratch.write("model.safetensors", "x");
  EXPECT_EQ(ModelPath::find(scratch.path())->path, scratch.path());
}

TEST(ModelPath, SaysWhatIsNamedInAModelsPlace) {
  ScratchFolder scratch;
  const std::string adapter = scratch.write("adapter_model.safetensors", "x");
  scratch.write("adapter_config.json", "{}");
  expectError(ModelPath::find(scratch.path()).status(), "holds an adapter, not a model; name it with --adapter");
  expectError(ModelPath::find(adapter).status(), "is an adapter, not a model; name its folder with --adapter");
  const std::string config = scratch.write("config.json", "{}");
  const std::string index = scratch.write("model.safetensors.index.json", "{}");
  for (const std::string &part : {config, index})
    expectError(ModelPath::find(part).status(), "is one file of a model; name the folder that holds it");
  EXPECT_TRUE(ModelPath::find(scratch.path()).ok()); // a model, and an adapter beside it
  fs::create_directories(scratch.path("models--a--b/snapshots"));
  expectError(ModelPath::find(scratch.path("models--a--b")).status(),
              "is where the Hub's cache keeps all revisions of a model; name the model as owner/name");
  expectError(ModelPath::find("https://example.org/a/b").status(), "seeded:SEED; nothing is fetched from an address");
}

TEST(ModelPath, FindsAModelOfTheHub) {
  ScratchFolder scratch;
  const char *before = getenv("HF_HUB_CACHE");
  const std::string kept = before ? before : "";
  setenv("HF_HUB_CACHE", scratch.path().c_str(), 1);
  const std::string commit(40, '1'), snapshot = scratch.path("models--no--such/snapshots/" + commit);
  expectError(ModelSource::open("no/such").status(),
              "model no/such: there is no such file or folder, and main of no/such "
              "is not in the cache of the Hugging Face Hub");
  fs::create_directories(snapshot);
  fs::create_directories(scratch.path("models--no--such/refs"));
  scratch.write("models--no--such/refs/main", commit);
  expectError(ModelSource::open("no/such").status(), "fetch it again: hf download no/such");
  fs::copy(goldens + "tiny.safetensors", snapshot + "/model.safetensors");
  auto model = ModelSource::open("no/such");
  ASSERT_TRUE(model.ok()) << model.status().message();
  EXPECT_EQ(model->path(), snapshot);
  EXPECT_EQ(model->name(), "no/such");
  before ? setenv("HF_HUB_CACHE", kept.c_str(), 1) : unsetenv("HF_HUB_CACHE");
}

} // namespace
} // namespace ft::rt
