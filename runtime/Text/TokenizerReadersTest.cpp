#include "runtime/Text/Tokenizer.h"

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <unistd.h>

using namespace ft::rt;
namespace fs = std::filesystem;

namespace {

class TokenizerReaders : public testing::Test {
protected:
  void SetUp() override {
    folder = fs::temp_directory_path() / ("ftc-readers-" + std::to_string(getpid()));
    fs::create_directories(folder);
  }
  void TearDown() override { fs::remove_all(folder); }
  void write(const std::string &name, const std::string &content) {
    std::ofstream(folder / name, std::ios::binary) << content;
  }
  std::string refusal(const fs::path &path) {
    auto result = loadTokenizer(path.string());
    EXPECT_FALSE(result.ok());
    EXPECT_EQ(result.status().code(), Code::BadInput);
    return result.status().message();
  }
  fs::path folder;
};

/// A GGUF file without tensors: version 3, little-endian.
struct GgufBuilder {
  std::string values;
  uint64_t count = 0;

  template <typename T> static std::string raw(T value) {
    return std::string(reinterpret_cast<const char *>(&value), sizeof value);
  }
  static std::string text(const std::string &s) { return raw(uint64_t(s.size())) + s; }
  void add(const std::string &key, uint32_t type, const std::string &payload) {
    values += text(key) + raw(type) + payload;
    ++count;
  }
  void string(const std::string &key, const std::string &value) { add("tokenizer.ggml." + key, 8, text(value)); }
  void integer(const std::string &key, uint32_t value) { add("tokenizer.ggml." + key, 4, raw(value)); }
  void flag(const std::string &key, bool value) { add("tokenizer.ggml." + key, 7, raw(uint8_t(value))); }
  void strings(const std::string &key, const std::vector<std::string> &items) {
    std::string payload = raw(uint32_t(8)) + raw(uint64_t(items.size()));
    for (const auto &item : items)
      payload += text(item);
    add("tokenizer.ggml." + key, 9, payload);
  }
  void integers(const std::string &key, const std::vector<int32_t> &items) {
    std::string payload = raw(uint32_t(5)) + raw(uint64_t(items.size()));
    for (int32_t item : items)
      payload += raw(item);
    add("tokenizer.ggml." + key, 9, payload);
  }
  std::string file() const { return "GGUF" + raw(uint32_t(3)) + raw(uint64_t(0)) + raw(count) + values; }
};

GgufBuilder tiny(const std::string &model = "gpt2", const std::string &pre = "smollm") {
  GgufBuilder gguf;
  gguf.string("model", model);
  gguf.string("pre", pre);
  gguf.strings("tokens", {"<e>", "a", "b", "ab", "<u>"});
  gguf.integers("token_type", {3, 1, 1, 1, 4});
  gguf.strings("merges", {"a b"});
  return gguf;
}

TEST_F(TokenizerReaders, GgufGivesVocabularyKindsAndFlags) {
  GgufBuilder gguf = tiny();
  gguf.integer("eos_token_id", 0);
  gguf.integer("bos_token_id", 4);
  gguf.flag("add_bos_token", true);
  write("m.gguf", gguf.file());
  auto tokenizer = loadTokenizer((folder / "m.gguf").string());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  EXPECT_EQ(tokenizer->eos(), 0u);
  EXPECT_EQ(tokenizer->bos(), 4u);
  EXPECT_TRUE(tokenizer->addBos());
  std::vector<uint32_t> ids;
  ASSERT_TRUE(tokenizer->encode("ab<u>a<e>", ids).ok());
  EXPECT_EQ(ids, (std::vector<uint32_t>{3, 4, 1, 0}));
  EXPECT_EQ(tokenizer->decode(ids, true), "ab<u>a");
}

TEST_F(TokenizerReaders, BosIsOffWhereGgufDoesNotAsk) {
  GgufBuilder gguf = tiny();
  gguf.integer("bos_token_id", 4);
  write("m.gguf", gguf.file());
  auto tokenizer = loadTokenizer((folder / "m.gguf").string());
  ASSERT_TRUE(tokenizer.ok());
  EXPECT_FALSE(tokenizer->addBos());
}

TEST_F(TokenizerReaders, OtherFamiliesAreRefusedByName) {
  const std::string path = (folder / "m.gguf").string();
  write("m.gguf", tiny("llama").file());
  EXPECT_EQ(refusal(path), path + ": tokenizer.ggml.model is \"llama\" (SentencePiece, which follows later); only "
                                  "\"gpt2\" (byte-level BPE) is supported");
  write("m.gguf", tiny("gpt2", "qwen2").file());
  EXPECT_EQ(refusal(path), path + ": pre-tokenizer \"qwen2\" is not known; those known are gpt-2, smollm, starcoder, "
                                  "llama-bpe");
}

TEST_F(TokenizerReaders, BrokenGgufMetadataIsNamed) {
  const std::string path = (folder / "m.gguf").string();
  GgufBuilder gguf;
  gguf.string("model", "gpt2");
  write("m.gguf", gguf.file());
  EXPECT_EQ(refusal(path),
            path + ": metadata tokenizer.ggml.tokens is missing or of the wrong kind; must be an array of strings");
  gguf.strings("tokens", {"a"});
  gguf.integers("token_type", {6});
  write("m.gguf", gguf.file());
  EXPECT_EQ(refusal(path), path + ": tokenizer.ggml.token_type[0] is 6; must be 1 to 5 in a byte-level vocabulary");
  gguf = tiny();
  gguf.integer("eos_token_id", 99);
  write("m.gguf", gguf.file());
  EXPECT_EQ(refusal(path), path + ": the end-of-text id is 99; must be below the vocabulary's 5 tokens");
  gguf = tiny();
  gguf.flag("add_space_prefix", true);
  write("m.gguf", gguf.file());
  EXPECT_EQ(refusal(path), path + ": tokenizer.ggml.add_space_prefix is true; must be false for byte-level BPE");
}

const char *GoodJson = R"({"added_tokens":[{"id":3,"content":"<e>","special":true}],"normalizer":null,
  "pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"use_regex":true},
  "model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]}})";

std::string replaced(std::string text, const std::string &from, const std::string &to) {
  return text.replace(text.find(from), from.size(), to);
}

TEST_F(TokenizerReaders, JsonWithTokenizerConfig) {
  write("tokenizer.json", GoodJson);
  write("tokenizer_config.json", R"({"eos_token":{"content":"<e>"},"bos_token":"<e>","add_bos_token":true})");
  auto tokenizer = loadTokenizer(folder.string());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  EXPECT_EQ(tokenizer->eos(), 3u);
  EXPECT_TRUE(tokenizer->addBos());
}

TEST_F(TokenizerReaders, AddedTokensAreNormalizedUnlessSpecialOrSaidOtherwise) {
  write("tokenizer.json", replaced(GoodJson, "true}]",
                                   "true},{\"id\":4,\"content\":\"x\"},{\"id\":5,\"content\":"
                                   "\"y\",\"normalized\":false}]"));
  auto spec = readJsonTokenizer(folder.string());
  ASSERT_TRUE(spec.ok()) << spec.status().message();
  EXPECT_EQ(spec->normalized, std::set<uint32_t>{4});
}

TEST_F(TokenizerReaders, AWeightsFileHasTheTokenizerOfItsFolder) {
  write("tokenizer.json", GoodJson);
  auto tokenizer = loadTokenizer((folder / "model.safetensors").string());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  EXPECT_EQ(tokenizer->source(), (folder / "tokenizer.json").string());
}

TEST_F(TokenizerReaders, TemplateProcessingAsksForBos) {
  auto tokenizer = loadTokenizer("test/goldens/text/llama3");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  EXPECT_TRUE(tokenizer->addBos());
  EXPECT_EQ(tokenizer->bos(), tokenizer->special("<|im_start|>"));
  EXPECT_EQ(tokenizer->eos(), tokenizer->special("<|im_end|>"));
}

TEST_F(TokenizerReaders, JsonOfOtherFamiliesIsRefused) {
  const std::string path = (folder / "tokenizer.json").string();
  auto refuses = [&](const std::string &from, const std::string &to, const std::string &expected) {
    write("tokenizer.json", replaced(GoodJson, from, to));
    EXPECT_EQ(refusal(folder), path + ": " + expected);
  };
  refuses("\"BPE\"", "\"WordPiece\"",
          "model is WordPiece; only byte-level BPE is supported (SentencePiece follows later)");
  refuses("\"BPE\",", "\"BPE\",\"byte_fallback\":true,",
          "model is BPE with byte_fallback; only byte-level BPE is supported (SentencePiece follows later)");
  refuses("\"normalizer\":null", "\"normalizer\":{\"type\":\"NFC\"}",
          "normalizer {\"type\":\"NFC\"} is not supported; must be null");
  refuses("\"use_regex\":true", "\"use_regex\":false",
          "pre_tokenizer {\"add_prefix_space\":false,\"type\":\"ByteLevel\",\"use_regex\":false} is not known; those "
          "known are GPT-2's ByteLevel, SmolLM's Digits and ByteLevel, and Llama 3's Split and ByteLevel");
  refuses("\"special\":true", "\"lstrip\":true",
          "added token \"<e>\" has lstrip: true, which is not supported; must be false");
  refuses("\"id\":3", "\"id\":1032", "token \"<e>\" has id 1032; must be an integer below 1032");
  refuses("\"a b\"", "7", "model.merges[0] is 7; must be two tokens");
  refuses("\"type\":\"BPE\"", "\"unk_token\":\"a\"", "model.unk_token is \"a\"; must be null");
}

TEST_F(TokenizerReaders, DeepAndBrokenJsonIsRefused) {
  write("tokenizer.json", "{\"normalizer\":" + std::string(1000000, '['));
  EXPECT_EQ(refusal(folder), (folder / "tokenizer.json").string() + ": is not a JSON object");
  write("tokenizer.json", "{\"normalizer\":" + std::string(1000000, '[') + std::string(1000000, ']') + "}");
  refusal(folder);
}

TEST_F(TokenizerReaders, FolderWithoutTokenizerSaysWhatToDo) {
  EXPECT_EQ(refusal(folder), folder.string() + ": holds no tokenizer.json; put the model's tokenizer files there");
  write("tokenizer.model", "");
  EXPECT_EQ(refusal(folder), folder.string() +
                                 ": holds no tokenizer.json, but a tokenizer.model (SentencePiece), which is not "
                                 "supported yet");
}

} // namespace
