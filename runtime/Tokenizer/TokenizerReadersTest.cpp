#include "runtime/Tokenizer/Tokenizer.h"
#include "runtime/Weights/Gguf.h"

#include <cstdint>
#include <ctime>
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
  void reals(const std::string &key, const std::vector<float> &items) {
    std::string payload = raw(uint32_t(6)) + raw(uint64_t(items.size()));
    for (float item : items)
      payload += raw(item);
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
  EXPECT_EQ(tokenizer->prefix().size(), 1u);
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
  EXPECT_TRUE(tokenizer->prefix().empty());
}

TEST_F(TokenizerReaders, TextsEndWhereGgufAsks) {
  GgufBuilder gguf = tiny();
  gguf.integer("eos_token_id", 0);
  gguf.integer("eot_token_id", 4);
  gguf.flag("add_eos_token", true);
  write("m.gguf", gguf.file());
  auto tokenizer = loadTokenizer((folder / "m.gguf").string());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  EXPECT_EQ(std::vector<uint32_t>(tokenizer->suffix().begin(), tokenizer->suffix().end()), (std::vector<uint32_t>{0}));
}

TEST_F(TokenizerReaders, OtherFamiliesAreRefusedByName) {
  const std::string path = (folder / "m.gguf").string();
  write("m.gguf", tiny("t5").file());
  EXPECT_EQ(refusal(path), path + ": tokenizer.ggml.model is \"t5\"; must be \"gpt2\" (byte-level BPE) or \"llama\" "
                                  "(SentencePiece's BPE)");
  write("m.gguf", tiny("gpt2", "falcon").file());
  EXPECT_EQ(refusal(path), path + ": pre-tokenizer \"falcon\" is not known; those known are gpt-2, smollm, starcoder, "
                                  "llama-bpe, llama3, llama-v3, smaug-bpe, qwen2, deepseek-r1-qwen, deepseek-llm, "
                                  "deepseek-coder, tekken");
}

TEST_F(TokenizerReaders, BrokenGgufMetadataIsNamed) {
  const std::string path = (folder / "m.gguf").string();
  GgufBuilder gguf;
  gguf.string("model", "gpt2");
  write("m.gguf", gguf.file());
  EXPECT_EQ(refusal(path),
            path + ": metadata tokenizer.ggml.tokens is missing or of the wrong kind; must be an array of strings");
  gguf.string("pre", "gpt-2");
  gguf.strings("tokens", {"a"});
  gguf.integers("token_type", {6});
  write("m.gguf", gguf.file());
  EXPECT_EQ(refusal(path), path + ": tokenizer.ggml.token_type[0] is 6; must be 1 to 5 in this kind of vocabulary");
  gguf = tiny();
  gguf.integer("eos_token_id", 99);
  write("m.gguf", gguf.file());
  EXPECT_EQ(refusal(path), path + ": the end-of-text id is 99; must be below the vocabulary's 5 tokens");
  // Whoever writes a tokenizer of it believes its ids.
  gguf = tiny();
  gguf.integer("bos_token_id", 5);
  gguf.flag("add_bos_token", true);
  write("m.gguf", gguf.file());
  const auto file = GgufFile::open(path);
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(readGgufTokenizer(*file).status().message(),
            path + ": the beginning-of-text id is 5; must be below the vocabulary's 5 tokens");
  gguf = tiny();
  gguf.flag("add_space_prefix", true);
  write("m.gguf", gguf.file());
  EXPECT_EQ(refusal(path), path + ": tokenizer.ggml.add_space_prefix is true; must be false for byte-level BPE");
  for (const char *key : {"add_bos_token", "add_eos_token", "add_space_prefix"}) {
    gguf = tiny();
    gguf.integer(key, 1);
    write("m.gguf", gguf.file());
    EXPECT_EQ(refusal(path),
              path + ": metadata tokenizer.ggml." + key + " is missing or of the wrong kind; must be true or false");
  }
  gguf = tiny();
  gguf.flag("lowercase", true);
  write("m.gguf", gguf.file());
  EXPECT_TRUE(refusal(path).starts_with(path + ": metadata tokenizer.ggml.lowercase is not known, and may change "))
      << refusal(path);
}

/// The vocabulary of a tokenizer.model as GGUF's kind "llama" has it.
std::string llamaGguf(const std::string &folder, bool prefix) {
  auto spec = readSentencePieceTokenizer(folder);
  EXPECT_TRUE(spec.ok()) << spec.status().message();
  const auto &pieces = std::get<PieceSpec>(spec->model);
  GgufBuilder gguf;
  gguf.string("model", "llama");
  gguf.strings("tokens", spec->tokens);
  std::vector<int32_t> types;
  for (PieceType type : pieces.types)
    types.push_back(int32_t(type));
  gguf.integers("token_type", types);
  gguf.reals("scores", pieces.scores);
  gguf.integer("bos_token_id", *spec->bos);
  gguf.integer("eos_token_id", *spec->eos);
  gguf.flag("add_space_prefix", prefix);
  return gguf.file();
}

TEST_F(TokenizerReaders, GgufLlamaIsItsSentencePieceModel) {
  for (const char *form : {"sp_llama", "sp_gemma"}) {
    const std::string path = std::string("test/goldens/text/forms/") + form;
    write("m.gguf", llamaGguf(path, std::string(form) == "sp_llama"));
    auto gguf = loadTokenizer((folder / "m.gguf").string()), own = loadTokenizer(path);
    ASSERT_TRUE(gguf.ok() && own.ok()) << gguf.status().message();
    EXPECT_EQ(gguf->bos(), own->bos());
    EXPECT_EQ(gguf->eos(), own->eos());
    ASSERT_EQ(gguf->prefix().size(), 1u);
    for (const char *text : {"Hello  world", " x\n\ny 12", "a</s> b<s>", "<mask>\u4e00\xff", ""}) {
      std::vector<uint32_t> a, b;
      ASSERT_TRUE(gguf->encode(text, a).ok() && own->encode(text, b).ok());
      EXPECT_EQ(a, b) << text;
    }
  }
}

TEST_F(TokenizerReaders, BrokenGgufLlamaIsNamed) {
  const std::string path = (folder / "m.gguf").string();
  GgufBuilder gguf;
  gguf.string("model", "llama");
  gguf.strings("tokens", {"<unk>", "a"});
  gguf.integers("token_type", {1, 1});
  write("m.gguf", gguf.file());
  EXPECT_EQ(refusal(path),
            path + ": metadata tokenizer.ggml.scores is missing or of the wrong kind; must be an array of 2 numbers");
  gguf.reals("scores", {0, 0});
  write("m.gguf", gguf.file());
  EXPECT_EQ(refusal(path),
            path + ": 0 tokens have type 2 (unknown), and tokenizer.ggml.unknown_token_id names none; one is needed");
  gguf.integer("unknown_token_id", 0);
  write("m.gguf", gguf.file());
  EXPECT_TRUE(loadTokenizer(path).ok());
}

/// Phi-3's file: what fills the vocabulary up has the type of unknown tokens, too.
TEST_F(TokenizerReaders, OfSeveralUnknownTokensTheFileNamesTheOne) {
  const std::string path = (folder / "m.gguf").string();
  GgufBuilder gguf;
  gguf.string("model", "llama");
  gguf.strings("tokens", {"<unk>", "a", "[PAD2]", "[PAD3]"});
  gguf.integers("token_type", {3, 1, 2, 2});
  gguf.reals("scores", {0, 0, -10000, -10000});
  gguf.flag("add_space_prefix", false);
  write("m.gguf", gguf.file());
  EXPECT_EQ(refusal(path), path +
                               ": 2 tokens have type 2 (unknown), and tokenizer.ggml.unknown_token_id names none; one "
                               "is needed");
  gguf.integer("unknown_token_id", 0);
  write("m.gguf", gguf.file());
  auto tokenizer = loadTokenizer(path);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  std::vector<uint32_t> ids;
  ASSERT_TRUE(tokenizer->encode("axa", ids).ok());
  EXPECT_EQ(ids, (std::vector<uint32_t>{1, 0, 1}));
}

TEST_F(TokenizerReaders, SentencePieceTakesItsFlagsFromTheConfiguration) {
  std::ifstream model("test/goldens/text/forms/sp_llama/tokenizer.model", std::ios::binary);
  write("tokenizer.model", std::string(std::istreambuf_iterator<char>(model), {}));
  EXPECT_EQ(loadTokenizer(folder.string())->prefix().size(), 1u);
  write("tokenizer_config.json", R"({"add_bos_token":false,"add_eos_token":true,"added_tokens_decoder":{
    "2":{"content":"</s>","special":true},"900":{"content":"<|im_start|>","special":true,"rstrip":true}}})");
  auto tokenizer = loadTokenizer(folder.string());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  EXPECT_TRUE(tokenizer->prefix().empty());
  EXPECT_EQ(tokenizer->suffix().size(), 1u);
  EXPECT_EQ(tokenizer->special("<|im_start|>"), 900u);
  std::vector<uint32_t> ids, plain;
  ASSERT_TRUE(tokenizer->encode("<|im_start|>  a</s>", ids).ok() && tokenizer->encode("a", plain).ok());
  plain.insert(plain.begin(), 900);
  plain.push_back(2);
  EXPECT_EQ(ids, plain);
  write("tokenizer_config.json", R"({"added_tokens_decoder":{"2":{"content":"</t>"}}})");
  EXPECT_EQ(refusal(folder), (folder / "tokenizer_config.json").string() +
                                 ": added token \"</t>\" is at 2, where tokenizer.model has \"</s>\"");
  write("tokenizer_config.json", R"({"added_tokens_decoder":{"-1":{"content":"x"}}})");
  EXPECT_NE(refusal(folder).find("added token \"-1\" is "), std::string::npos);
}

/// Every prefix and every flipped byte of a small model: read or refused, never more.
TEST_F(TokenizerReaders, DamagedSentencePieceModelsAreReadOrRefused) {
  std::ifstream file("test/goldens/text/forms/sp_unigram/tokenizer.model", std::ios::binary);
  const std::string whole(std::istreambuf_iterator<char>(file), {});
  size_t read = 0;
  for (size_t at = 0; at < whole.size(); at += 7)
    for (int damage = 0; damage < 2; ++damage) {
      std::string text = damage ? whole : whole.substr(0, at);
      if (damage)
        text[at] ^= char(1 << (at % 8));
      write("tokenizer.model", text);
      auto tokenizer = loadTokenizer(folder.string());
      std::vector<uint32_t> ids;
      read += tokenizer.ok() && tokenizer->encode("fi \uFB01 e\u0301\t\u3000word <mask>", ids).ok();
    }
  EXPECT_GT(read, 100u);
  write("tokenizer.model", "not a model");
  EXPECT_EQ(refusal(folder), (folder / "tokenizer.model").string() + ": is no model of SentencePiece, or damaged");
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
  EXPECT_EQ(tokenizer->prefix().size(), 1u);
}

TEST_F(TokenizerReaders, ABeginningThatNobodyNamesIsRefused) {
  write("tokenizer.json", GoodJson);
  write("tokenizer_config.json", R"({"add_bos_token":true})");
  EXPECT_EQ(
      loadTokenizer(folder.string()).status().message(),
      (folder / "tokenizer_config.json").string() +
          ": texts begin with a beginning-of-text token (add_bos_token), and no bos_token is named; name it, or set "
          "add_bos_token to false");
}

/// As transformers has it: each text's ids are its.
TEST_F(TokenizerReaders, FilesBesideAJsonChangeItsTokens) {
  auto idsOf = [&](const char *text) {
    auto tokenizer = loadTokenizer(folder.string());
    EXPECT_TRUE(tokenizer.ok()) << tokenizer.status().message();
    std::vector<uint32_t> ids;
    EXPECT_TRUE(!tokenizer.ok() || tokenizer->encode(text, ids).ok());
    return ids;
  };
  using Ids = std::vector<uint32_t>;
  write("tokenizer.json", replaced(GoodJson, "\"b\":1", "\"b\":1,\"\u0120\":4"));
  EXPECT_EQ(idsOf("ab <e> ab"), (Ids{2, 4, 3, 4, 2}));
  const std::string config = (folder / "tokenizer_config.json").string() + ": ";
  // The flags of added_tokens_decoder go before those of tokenizer.json.
  write("tokenizer_config.json", R"({"added_tokens_decoder":{"3":{"content":"<e>","special":true,"rstrip":true}}})");
  EXPECT_EQ(idsOf("ab <e> ab"), (Ids{2, 4, 3, 2}));
  write("special_tokens_map.json", R"({"eos_token":"a","additional_special_tokens":["<new>"]})"); // does not count then
  EXPECT_EQ(idsOf("ab <e> ab"), (Ids{2, 4, 3, 2}));
  write("tokenizer_config.json", R"({"added_tokens_decoder":{"5":{"content":"<new>"}}})");
  EXPECT_TRUE(refusal(folder).starts_with(config + "added_tokens_decoder.5 is \"<new>\", which ")) << refusal(folder);
  // Without that member it does, and goes before the configuration.
  write("tokenizer_config.json", R"({"eos_token":"<e>"})");
  EXPECT_TRUE(refusal(folder).starts_with(config + "additional_special_tokens.0 is \"<new>\"")) << refusal(folder);
  write("special_tokens_map.json", R"({"eos_token":{"content":"a"},"pad_token":"<pad>"})");
  EXPECT_EQ(loadTokenizer(folder.string())->eos(), 0u);
  EXPECT_EQ(idsOf("ab"), (Ids{0, 1})); // a token that is named stands for itself wherever it is
  fs::remove(folder / "special_tokens_map.json");
  EXPECT_EQ(idsOf("ab"), (Ids{2}));
  write("added_tokens.json", R"({"<e>":3,"b":1})");
  EXPECT_EQ(idsOf("ab <e>"), (Ids{2, 4, 3}));
  write("added_tokens.json", R"({"<new>":5})");
  EXPECT_NE(refusal(folder).find("added_tokens.json: token 5 is \"<new>\", which "), std::string::npos)
      << refusal(folder);
  fs::remove(folder / "added_tokens.json");
  write("tokenizer_config.json", R"({"eos_token":"<new>"})");
  EXPECT_TRUE(refusal(folder).starts_with(config + "eos_token is \"<new>\"")) << refusal(folder);
  write("tokenizer_config.json", R"({"extra_special_tokens":{"image":"<new>"}})");
  EXPECT_TRUE(refusal(folder).starts_with(config + "extra_special_tokens.image is \"<new>\"")) << refusal(folder);
  write("tokenizer_config.json", R"({"split_special_tokens":true})");
  EXPECT_TRUE(refusal(folder).starts_with(config + "split_special_tokens is true")) << refusal(folder);
  write("tokenizer_config.json", R"({"added_tokens.json":7,"added_tokens_decoder":[7]})");
  EXPECT_TRUE(refusal(folder).starts_with(config + "added_tokens_decoder.0 is 7; must be")) << refusal(folder);
}

TEST_F(TokenizerReaders, SentencePieceHasTokensOfFilesOfOld) {
  std::ifstream model("test/goldens/text/forms/sp_llama/tokenizer.model", std::ios::binary);
  write("tokenizer.model", std::string(std::istreambuf_iterator<char>(model), {}));
  write("special_tokens_map.json", R"({"eos_token":"<|im_end|>"})");
  write("added_tokens.json", R"({"<|im_end|>":900})");
  auto tokenizer = loadTokenizer(folder.string());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  EXPECT_EQ(tokenizer->special("<|im_end|>"), 900u);
  EXPECT_EQ(tokenizer->eos(), 900u);
  write("added_tokens.json", R"({"<|im_end|>":"x"})");
  EXPECT_TRUE(refusal(folder).starts_with((folder / "added_tokens.json").string() + ": added token "))
      << refusal(folder);
}

TEST_F(TokenizerReaders, AddedTokensAreNormalizedUnlessSpecialOrSaidOtherwise) {
  write("tokenizer.json", replaced(GoodJson, "true}]",
                                   "true},{\"id\":4,\"content\":\"x\"},{\"id\":5,\"content\":"
                                   "\"y\",\"normalized\":false}]"));
  auto spec = readJsonTokenizer(folder.string());
  ASSERT_TRUE(spec.ok()) << spec.status().message();
  ASSERT_EQ(spec->added.size(), 3u);
  EXPECT_FALSE(spec->added[0].normalized);
  EXPECT_TRUE(spec->added[1].normalized);
  EXPECT_FALSE(spec->added[2].normalized);
}

TEST_F(TokenizerReaders, AWeightsFileHasTheTokenizerOfItsFolder) {
  write("tokenizer.json", GoodJson);
  write("model.safetensors", "");
  auto tokenizer = loadTokenizer((folder / "model.safetensors").string());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  EXPECT_EQ(tokenizer->source(), (folder / "tokenizer.json").string());
}

TEST_F(TokenizerReaders, TemplateProcessingAsksForBos) {
  auto tokenizer = loadTokenizer("test/goldens/text/llama3");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  EXPECT_EQ(tokenizer->prefix().size(), 1u);
  EXPECT_EQ(tokenizer->bos(), tokenizer->special("<|im_start|>"));
  EXPECT_EQ(tokenizer->eos(), tokenizer->special("<|im_end|>"));
}

TEST_F(TokenizerReaders, BrokenUnigramModelsAreNamed) {
  auto written = [&](const std::string &model) {
    write("tokenizer.json",
          R"({"added_tokens":[],"normalizer":null,"pre_tokenizer":null,"decoder":null,"model":)" + model + "}");
  };
  auto refuses = [&](const std::string &model, const std::string &expected) {
    written(model);
    EXPECT_EQ(refusal(folder), (folder / "tokenizer.json").string() + ": " + expected);
  };
  written(R"({"unk_id":0,"vocab":[["<unk>",0],["a",-1.5]]})"); // files of old say no type
  EXPECT_TRUE(loadTokenizer(folder.string()).ok());
  refuses(R"({"type":"Unigram","unk_id":null,"vocab":[["a",0]]})",
          "model.unk_id is null; must be the id of a token, below 1");
  refuses(R"({"type":"Unigram","unk_id":1,"vocab":[["a",0]]})",
          "model.unk_id is 1; must be the id of a token, below 1");
  refuses(R"({"type":"Unigram","unk_id":0,"vocab":[["a"]]})",
          R"(model.vocab[0] is ["a"]; must be a token and its score)");
  refuses(R"({"type":"Unigram","unk_id":0,"vocab":{"a":0}})", "model.vocab is not an array of at most 16777216 tokens");
  refuses(R"({"type":"Unigram","unk_id":0,"vocab":[["",0]]})", "token 0 has 0 bytes; must have 1 to 1024");
  refuses(R"({"type":"Unigram","unk_id":0,"vocab":[["a",0]],"alpha":0.1})",
          "\"alpha\" is 0.1, which is not supported there");
}

/// What `tokenizers` 0.23 makes of "ab": the nearest numbers would decide otherwise in the first two, and its first and
/// third scores are read a bit off.
TEST_F(TokenizerReaders, ScoresAreReadAsTokenizersReadsThem) {
  auto idsOf = [&](const std::string &whole, const std::string &b, const std::string &a) {
    write("tokenizer.json", R"({"added_tokens":[],"model":{"type":"Unigram","unk_id":0,"vocab":[["<unk>",-50],["ab",)" +
                                whole + R"(],["a",)" + a + R"(],["b",)" + b + "]]}}");
    std::vector<uint32_t> ids;
    auto tokenizer = loadTokenizer(folder.string());
    EXPECT_TRUE(tokenizer.ok() && tokenizer->encode("ab", ids).ok());
    return ids;
  };
  const std::vector<uint32_t> one = {1}, two = {2, 3};
  EXPECT_EQ(idsOf("-1.5042079513954076", "-0.033968649365112014", "-1.4702393020302957"), two);
  EXPECT_EQ(idsOf("-3.6212518255110004", "-1.201110696384441", "-2.4201411291265593"), one);
  EXPECT_EQ(idsOf("-1e-320", "-1.5e10", "0"), one); // of any magnitude
  EXPECT_EQ(idsOf("-1.5e10", "-1e-320", "-0.0"), two);
}

TEST_F(TokenizerReaders, WhatIsNotUnderstoodIsNamed) {
  const std::string path = (folder / "tokenizer.json").string();
  auto refuses = [&](const std::string &from, const std::string &to, const std::string &expected) {
    write("tokenizer.json", replaced(GoodJson, from, to));
    EXPECT_EQ(refusal(folder), path + ": " + expected);
  };
  refuses("\"BPE\"", "\"WordPiece\"", "model is WordPiece; must be BPE or Unigram");
  refuses("\"BPE\",", "\"BPE\",\"dropout\":0.1,", "model.dropout is 0.1; must be null");
  refuses("\"BPE\",", "\"BPE\",\"max_input\":1,", "\"max_input\" is 1, which is not supported there");
  refuses("\"normalizer\":null", "\"normalizer\":{\"type\":\"Nmt\"}",
          "normalizer Nmt: is not supported; those supported are NFC, NFD, NFKC, NFKD, Lowercase, Strip, Prepend, "
          "Replace, Precompiled and Sequence");
  refuses("\"normalizer\":null", "\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AAA\"}",
          "normalizer Precompiled: \"precompiled_charsmap\" is of 3 characters; must be a character map in base 64");
  refuses("\"normalizer\":null", "\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AAAA\"}",
          "precompiled_charsmap of 3 bytes claims an array of 0; must be a multiple of 4 above 0 that leaves room for "
          "the replacements");
  refuses("\"normalizer\":null", "\"normalizer\":{\"type\":\"NFC\",\"form\":1}",
          "normalizer NFC: \"form\" is 1, which is not supported there");
  refuses("\"normalizer\":null", "\"normalizer\":{\"type\":\"Strip\",\"strip_left\":1}",
          "normalizer Strip: \"strip_left\" is 1; must be true or false");
  refuses("{\"type\":\"ByteLevel\"", "{\"type\":\"Bert\"",
          "pre_tokenizer Bert: is not supported; those supported are Split, ByteLevel, Metaspace, Digits, Punctuation, "
          "Whitespace, WhitespaceSplit and Sequence");
  refuses("{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":true}",
          R"({"type":"Split","pattern":{"Regex":"\\w+"},"behavior":"Isolated","invert":false})",
          "the expression \"\\w+\" has \"\\w\" at byte 0, an escape, which is not supported");
  refuses("{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":true}",
          R"({"type":"Split","pattern":{"String":"x"},"behavior":"Glued","invert":false})",
          "pre_tokenizer Split: \"behavior\" is \"Glued\"; must be one of Removed, Isolated, MergedWithPrevious, "
          "MergedWithNext, Contiguous");
  write("tokenizer.json",
        replaced(replaced(GoodJson, "\"normalizer\":null", R"("normalizer":{"type":"NFKC"})"),
                 R"({"type":"ByteLevel","add_prefix_space":false,"use_regex":true})",
                 R"({"type":"Sequence","pretokenizers":[{"type":"WhitespaceSplit"},)"
                 R"({"type":"Metaspace","replacement":"\u2581","prepend_scheme":"first","split":true}]})"));
  EXPECT_EQ(refusal(folder),
            path + ": pre_tokenizer Metaspace: \"prepend_scheme\" is \"first\" behind another pre-tokenizer and a "
                   "normaliser that may make several characters of one, which is not supported; give the model's "
                   "tokenizer.model where it has one");
  refuses("\"id\":3", "\"id\":1032", "token \"<e>\" has id 1032; must be an integer below 1032");
  refuses("\"id\":3", "\"id\":2", "added token \"<e>\" has id 2, which is \"ab\" in the vocabulary");
  write("tokenizer.json", replaced(replaced(GoodJson, "\"normalizer\":null",
                                            R"("normalizer":{"type":"Strip","strip_left":true,"strip_right":true})"),
                                   R"({"id":3)", R"({"id":4,"content":"\n ","normalized":true},{"id":3)"));
  EXPECT_EQ(refusal(folder), path + ": added token 4 (\"\\x0a \") is empty once it is normalised, and would be found "
                                    "everywhere; set its \"normalized\" to false");
  refuses("\"a b\"", "7", "model.merges[0] is 7; must be two tokens");
  refuses("\"normalizer\":null", "\"post_processor\":{\"type\":\"Custom\"}",
          "post_processor: Custom is not supported; those supported are TemplateProcessing, ByteLevel, BertProcessing, "
          "RobertaProcessing and Sequence");
  refuses("\"normalizer\":null",
          R"("post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<e>"}}]})",
          "post_processor: the template names <e>, of which special_tokens has no ids");
  refuses("\"normalizer\":null", "\"steps\":[1]", "\"steps\" is [1], which is not supported there");
}

TEST_F(TokenizerReaders, DeepAndBrokenJsonIsRefused) {
  const std::string path = (folder / "tokenizer.json").string();
  write("tokenizer.json", "{\"normalizer\":" + std::string(1000000, '['));
  EXPECT_EQ(refusal(folder), path + ": nests deeper than 64 levels; no file of a model does");
  write("tokenizer.json", "{\"padding\":1e999}");
  EXPECT_EQ(refusal(folder),
            path + ": padding: a value is 1e999; must be a number that a double holds, at most 1.8e308");
  write("tokenizer.json", "{\"padding\":\"[[[\\\"[\"");
  EXPECT_NE(refusal(folder).find(": not valid JSON: parse error at line 1"), std::string::npos);
  write("tokenizer.json", "[]");
  EXPECT_EQ(refusal(folder), path + ": the root is a JSON array; must be an object");
}

/// What made readers quadratic: members under one parent, post-processors times the vocabulary, added tokens that start
/// with the same byte.
TEST_F(TokenizerReaders, LargeFilesTakeLinearTime) {
  std::string padding = "[", processors = "[", added = "[", vocabulary = "{\"a\":0,\"b\":1,\"ab\":2";
  for (int i = 0; i < 100000; ++i) {
    padding += i ? ",{}" : "{}";
    processors += std::string(i ? "," : "") + R"({"type":"TemplateProcessing","single":[{"Sequence":{"id":"A"}}]})";
    vocabulary += ",\"v" + std::to_string(i) + "\":" + std::to_string(i + 3);
    added += (i ? ",{\"content\":\"<" : "{\"content\":\"<") + std::to_string(i) +
             "\",\"id\":" + std::to_string(i + 100003) + "}";
  }
  write("tokenizer.json", "{\"padding\":" + padding + "],\"added_tokens\":" + added +
                              "],\"post_processor\":{\"type\":\"Sequence\",\"processors\":" + processors +
                              "]},\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false},\"model\":{"
                              "\"vocab\":" +
                              vocabulary + "},\"merges\":[\"a b\"]}}");
  const std::clock_t start = std::clock(); // of this process alone, however busy the machine is
  auto tokenizer = loadTokenizer(folder.string());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  std::vector<uint32_t> ids;
  std::string text;
  for (int i = 0; i < 300000; ++i)
    text += "<ab";
  ASSERT_TRUE(tokenizer->encode(text, ids).ok());
  EXPECT_EQ(ids.size(), 300000u);
  EXPECT_LT(double(std::clock() - start) / CLOCKS_PER_SEC, 20);
}

/// 256 bytes, "ab" and what a test adds; `config` and `more` in front of the vocabulary.
std::string tekken(const std::string &config, const std::string &more = "", const std::string &last = "") {
  std::string text = "{\"config\":{\"pattern\":\".+\"," + config + "}," + more + "\"vocab\":[";
  constexpr char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (int byte = 0; byte < 256; ++byte)
    text += "{\"rank\":" + std::to_string(byte) + ",\"token_str\":null,\"token_bytes\":\"" + letters[byte >> 2] +
            letters[(byte & 3) << 4] + "==\"},";
  return text + (last.empty() ? R"({"rank":256,"token_bytes":"YWI="})" : last) + "]}";
}
const std::string TekkenSizes = R"("default_vocab_size":260,"default_num_special_tokens":3,"version":"v3")";

TEST_F(TokenizerReaders, TekkenFilesNameTheirSpecialTokens) {
  write("tekken.json", tekken(R"("default_vocab_size":260,"default_num_special_tokens":3,"version":"v13")",
                              R"("image":{"max_image_size":1},"special_tokens":[{"rank":0,"token_str":"<s>"},
                                 {"rank":1,"token_str":"[X]","is_control":false}],)"));
  auto tokenizer = loadTokenizer(folder.string());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  EXPECT_EQ(tokenizer->vocabSize(), 260u);
  EXPECT_EQ(tokenizer->bos(), 0u);
  EXPECT_EQ(tokenizer->eos(), std::nullopt);
  EXPECT_FALSE(tokenizer->isControl(1));
  EXPECT_EQ(tokenizer->special("<SPECIAL_2>"), 2u);
  std::vector<uint32_t> ids;
  ASSERT_TRUE(tokenizer->encode("ab[X]c", ids).ok());
  EXPECT_EQ(ids, (std::vector<uint32_t>{3 + 256, 1, 3 + 'c'}));
  write("tokenizer_config.json", R"({"eos_token":"[X]","add_bos_token":false})");
  tokenizer = loadTokenizer(folder.string());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  EXPECT_EQ(tokenizer->eos(), 1u);
  EXPECT_TRUE(tokenizer->prefix().empty());
}

TEST_F(TokenizerReaders, BrokenTekkenFilesAreNamed) {
  const std::string place = (folder / "tekken.json").string() + ": ";
  auto refused = [&](const std::string &text) {
    write("tekken.json", text);
    const std::string message = refusal(folder);
    EXPECT_TRUE(message.starts_with(place)) << message;
    return message.substr(std::min(place.size(), message.size()));
  };
  EXPECT_EQ(refused(tekken(replaced(TekkenSizes, "v3", "x"))), "config.version is \"x\"; must be \"v\" and a number");
  EXPECT_EQ(refused(tekken(replaced(TekkenSizes, "v3", "v11"))),
            "special_tokens is missing; files of version v11 must list them, only those up to v7 need not");
  EXPECT_EQ(refused(tekken(replaced(TekkenSizes, "260", "261"))),
            "vocab has 257 tokens; must have 256 for the bytes, and 258 as config.default_vocab_size less "
            "config.default_num_special_tokens");
  EXPECT_EQ(refused(tekken(replaced(TekkenSizes, ":3", ":261"))),
            "config.default_vocab_size is 260 and config.default_num_special_tokens is 261; must be at most 16777216, "
            "and at most 16384 and the former");
  EXPECT_EQ(refused(tekken(TekkenSizes, "", R"({"rank":256,"token_bytes":"Y"})")),
            "vocab[256] has rank 256 and token_bytes \"Y\"; must have rank 256, and 1 to 1024 bytes in base 64");
  EXPECT_EQ(refused(tekken(TekkenSizes, "", R"({"rank":7,"token_bytes":"YWI="})")),
            "vocab[256] has rank 7 and token_bytes \"YWI=\"; must have rank 256, and 1 to 1024 bytes in base 64");
  EXPECT_EQ(refused(tekken(TekkenSizes, "", R"({"rank":256,"token_bytes":"YQ=="})")),
            "vocab[97] and vocab[256] have the same bytes; each token must be there once");
  EXPECT_EQ(refused(replaced(tekken(TekkenSizes), "AQ==", "Ag==")),
            "vocab[1] is not the byte 1; the first 256 tokens must be the bytes");
  EXPECT_EQ(refused(tekken(TekkenSizes, R"("special_tokens":[{"rank":0,"token_str":""}],)")),
            "special_tokens[0] is \"\"; must have a text that no other has");
  EXPECT_EQ(refused(tekken(TekkenSizes, R"("special_tokens":[{"rank":1,"token_str":"<s>"}],)")),
            "special_tokens[0] has rank 1; must be 0");
  EXPECT_EQ(refused(tekken(TekkenSizes, R"("special_tokens":[1,2,3,4],)")),
            "special_tokens is not an array of at most config.default_num_special_tokens = 3 tokens");
  EXPECT_NE(refused(tekken(TekkenSizes, R"("merges":[],)")).find("merges"), std::string::npos);
}

TEST_F(TokenizerReaders, FolderWithoutTokenizerSaysWhatToDo) {
  EXPECT_EQ(refusal(folder), folder.string() +
                                 ": holds no tokenizer.json, tokenizer.model or tekken.json; put the model's tokenizer "
                                 "files there");
}

} // namespace
