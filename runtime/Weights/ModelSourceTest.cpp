#include "runtime/Config/ModelConfig.h"
#include "runtime/Weights/Load.h"
#include "runtime/Weights/Model.h"
#include "runtime/Weights/NamePrefix.h"
#include "runtime/Weights/SafetensorsWriter.h"
#include "runtime/Weights/WeightsTesting.h"

namespace ft::rt {
namespace {

using namespace testing;

TEST(ModelSource, RefusesWhatIsNoModel) {
  ScratchFolder scratch;
  expectError(ModelSource::open(scratch.path("absent")).status(), "no such file or folder");
  expectError(ModelSource::open(scratch.write("model.bin", "x")).status(), "must end in .safetensors or .gguf");
  expectError(ModelSource::open(scratch.write("m-00001-of-00003.safetensors", "x")).status(),
              "is one part of several; name the folder");
  expectError(ModelSource::open(scratch.write("m-00001-of-00001.safetensors", "x")).status(), "too short");
  for (const char *seed : {"seeded:", "seeded:-1", "seeded:1x", "seeded:18446744073709551616"})
    expectError(ModelSource::open(seed).status(), "must be an integer in 0..2^64-1");
}

/// A folder with the named tensors, each [4], and a plan of the tensors "model.a.weight", "model.b.weight" and
/// "lm_head.weight".
struct TinyModel {
  ScratchFolder scratch;
  plan::Plan plan;

  explicit TinyModel(const std::vector<std::string> &names = {"lm_head.weight", "model.a.weight", "model.b.weight"}) {
    std::vector<SafetensorsEntry> entries;
    for (const std::string &name : names)
      entries.push_back({name, plan::F32, {4}});
    auto writer = SafetensorsWriter::create(scratch.path("model.safetensors"), entries);
    const std::vector<std::byte> zeros(16 * names.size());
    FT_EXPECT_OK(writer->write(zeros));
    FT_EXPECT_OK(writer->finish());
    const uint32_t buffer = addBuffer(plan, 1024);
    uint64_t offset = 0;
    for (const char *key : {"model.a.weight", "model.b.weight", "lm_head.weight"})
      addTensor(plan, key, plan::Tensor::FROZEN, plan::F32, {4}, buffer, std::exchange(offset, offset + 64));
  }
  void addFacts(const ModelConfig &config) {
    for (const ModelFact &fact : modelFacts(config)) {
      plan::ModelFact *added = plan.add_facts();
      added->set_config_key(fact.configKey);
      added->set_gguf_key(fact.ggufKey);
      added->set_may_be_absent(fact.mayBeAbsent);
      if (auto integer = std::get_if<int64_t>(&fact.expected))
        added->set_integer(*integer);
      else if (auto real = std::get_if<double>(&fact.expected))
        added->set_real(*real);
      else if (auto text = std::get_if<std::string>(&fact.expected))
        added->set_text(*text);
      else
        added->set_flag(std::get<bool>(fact.expected));
    }
  }
  Status check(const std::string &name = "") const {
    auto source = ModelSource::open(scratch.path(name));
    return source.ok() ? source->check(plan) : source.status();
  }
  Status checkWith(const Json &config) const {
    scratch.write("config.json", config.dump());
    return check();
  }
};

const Json config = {{"model_type", "llama"},         {"vocab_size", 160},      {"hidden_size", 64},
                     {"intermediate_size", 96},       {"num_hidden_layers", 2}, {"num_attention_heads", 4},
                     {"max_position_embeddings", 128}};

Json with(const char *name, const Json &value) {
  Json changed = config;
  changed[name] = value;
  return changed;
}

TEST(ModelSource, ComparesWhatConfigJsonSays) {
  TinyModel model;
  FT_EXPECT_OK(model.check()); // a plan that expects nothing
  model.addFacts(*parseModelConfig("c", config.dump()));
  expectError(model.check(), "config.json: cannot open");
  FT_EXPECT_OK(model.checkWith(config));
  FT_EXPECT_OK(model.checkWith(with("rope_theta", 10000)));
  FT_EXPECT_OK(model.checkWith(with("num_key_value_heads", 4)));
  FT_EXPECT_OK(model.checkWith(with("rope_parameters", {{"rope_theta", 10000.0}})));
  FT_EXPECT_OK(model.checkWith(with("max_position_embeddings", 256))); // bounds nothing in a plan
  FT_EXPECT_OK(model.checkWith(with("rms_norm_eps", double(1e-6f))));  // from a GGUF file
  expectError(model.checkWith(with("rms_norm_eps", 1.0000001e-6)), "rms_norm_eps is 1.0000001e-06; the plan");
  FT_EXPECT_OK(model.checkWith(with("_model_name_or_path", "Tiny")));
  expectError(model.checkWith(with("hidden_size", 128)), "hidden_size is 128; the plan was compiled for 64");
  expectError(model.checkWith(with("rope_theta", 5e5)), "rope_theta is 500000; the plan was compiled for 10000");
  expectError(model.checkWith(with("rope_parameters", {{"rope_theta", 5e5}})), "rope_theta is 500000; the plan");
  expectError(model.checkWith(with("num_key_value_heads", 2)), "num_key_value_heads is 2; the plan was compiled for 4");
  expectError(model.checkWith(with("tie_word_embeddings", true)), "tie_word_embeddings is true; the plan");
  Json several = with("rms_norm_eps", 1e-5);
  several["intermediate_size"] = 100;
  expectError(model.checkWith(several), "2 problems");
}

TEST(ModelSource, RefusesWhatTheCompilerRefuses) {
  TinyModel model;
  model.addFacts(*parseModelConfig("c", config.dump()));
  FT_EXPECT_OK(model.checkWith(with("rope_scaling", {{"rope_type", "default"}})));
  expectError(model.checkWith(with("rope_parameters", {{"rope_type", "yarn"}, {"factor", 8.0}})),
              "rope_scaling.rope_type is \"yarn\"; the plan was compiled for \"default\"");
  expectError(model.checkWith(with("rope_scaling", {{"rope_type", "dynamic"}, {"factor", 8.0}})),
              "must be of rope_type \"default\"");
  expectError(model.checkWith(with("attention_bias", true)), "attention_bias is true");
  expectError(model.checkWith(with("something_new", 1)), "something_new is 1; must be absent");
  model.scratch.write("config.json", R"({"vocab_size":160,"vocab_size":160})");
  expectError(model.check(), "config.json: the key \"vocab_size\" appears twice");
  model.scratch.write("config.json", "version https://git-lfs.github.com/spec/v1\n");
  expectError(model.check(), "config.json: must be JSON, and is a pointer of Git LFS");
}

TEST(ModelSource, SaysWhatNamesHaveInCommon) {
  auto problemsOf = [](const std::vector<std::string> &names) { return TinyModel(names).check(); };
  expectError(problemsOf({"base_model.model.lm_head.weight", "base_model.model.model.a.weight",
                          "base_model.model.model.b.weight"}),
              "1 problem\n");
  expectError(problemsOf({"base_model.model.lm_head.weight", "base_model.model.model.a.weight",
                          "base_model.model.model.b.weight"}),
              "3 tensors have names that begin with \"base_model.model.\": ");
  expectError(problemsOf({"lm_head.weight", "a.weight", "b.weight"}),
              "2 tensors have names that lack \"model.\": \"a.weight\" should be \"model.a.weight\"");
  const Status some = problemsOf({"module.lm_head.weight", "module.model.a.weight", "other"});
  expectError(some, "2 tensors have names that begin with \"module.\"");
  expectError(some, "tensor \"model.b.weight\" [4] is missing");
  expectError(some, "tensor \"other\" [4] is not in the plan");
  expectError(some, "3 problems");
  expectError(problemsOf({"lm_head.weight", "model.a.weight"}), "tensor \"model.b.weight\" [4] is missing");
  expectError(problemsOf({"x", "y", "z"}), "6 problems");
}

GgufDraft &addText(GgufDraft &draft, std::string_view key, std::string_view value) {
  return draft.name(key).add<uint32_t>(8).name(value);
}
GgufDraft &addInteger(GgufDraft &draft, std::string_view key, uint32_t value) {
  return draft.name(key).add<uint32_t>(4).add(value);
}
GgufDraft &addReal(GgufDraft &draft, std::string_view key, float value) {
  return draft.name(key).add<uint32_t>(6).add(value);
}

/// A GGUF file of the model of `config`, with one key more.
std::string ggufText(const std::function<void(GgufDraft &)> &more, uint32_t hidden = 64, float eps = 1e-6f) {
  GgufDraft draft;
  draft.header(3, 8);
  addText(draft, "general.architecture", "llama");
  addInteger(draft, "llama.embedding_length", hidden);
  addInteger(draft, "llama.feed_forward_length", 96);
  addInteger(draft, "llama.block_count", 2);
  addInteger(draft, "llama.attention.head_count", 4);
  addInteger(draft, "llama.context_length", 128);
  addReal(draft, "llama.attention.layer_norm_rms_epsilon", eps);
  more(draft);
  draft.tensor("a.weight", 4, 0).tensor("b.weight", 4, 32).tensor("output.weight", 4, 64).data(80);
  return draft.text;
}

TEST(ModelSource, ComparesWhatGgufMetadataSays) {
  TinyModel model;
  model.addFacts(*parseModelConfig("c", config.dump()));
  int index = 0;
  for (const char *key : {"a.weight", "b.weight", "output.weight"})
    model.plan.mutable_tensors(index++)->set_gguf_key(key);
  auto check = [&](const std::string &text) {
    model.scratch.write("m.gguf", text);
    return model.check("m.gguf");
  };
  FT_EXPECT_OK(check(ggufText([](auto &d) { addText(d, "llama.rope.scaling.type", "none"); })));
  FT_EXPECT_OK(check(ggufText([](auto &d) { addReal(d, "llama.rope.freq_base", 10000); })));
  FT_EXPECT_OK(check(ggufText([](auto &d) { addInteger(d, "llama.vocab_size", 160); })));
  expectError(check(ggufText([](auto &d) { addInteger(d, "llama.vocab_size", 161); })),
              "llama.vocab_size is 161; the plan was compiled for 160");
  expectError(check(ggufText([](auto &d) { addReal(d, "llama.rope.freq_base", 5e5f); })),
              "llama.rope.freq_base is 500000; the plan was compiled for 10000");
  expectError(check(ggufText([](auto &d) { addText(d, "general.name", "x"); }, 128)),
              "llama.embedding_length is 128; the plan was compiled for 64");
  expectError(check(ggufText([](auto &d) { addText(d, "general.name", "x"); }, 64, 1e-5f)),
              "llama.attention.layer_norm_rms_epsilon is 1e-05; the plan was compiled for 1e-06");
  expectError(check(ggufText([](auto &d) { addText(d, "llama.rope.scaling.type", "longrope"); })),
              "llama.rope.scaling.type is \"longrope\"; must be \"none\"");
  expectError(check(ggufText([](auto &d) { addReal(d, "llama.rope.scaling.factor", 4); })),
              "llama.rope.scaling.type is \"linear\"; the plan was compiled for \"default\"");
  expectError(check(ggufText([](auto &d) { addInteger(d, "llama.expert_count", 8); })), "experts are not supported");
  expectError(check(ggufText([](auto &d) { addInteger(d, "split.count", 3); })), "is part 1 of 3 of a model");
}

/// The same with the tensor that scales the eight frequencies of heads of 16.
std::string scaledGguf(const std::vector<float> &divisors) {
  GgufDraft draft;
  draft.header(4, 7);
  addText(draft, "general.architecture", "llama");
  addInteger(draft, "llama.embedding_length", 64);
  addInteger(draft, "llama.feed_forward_length", 96);
  addInteger(draft, "llama.block_count", 2);
  addInteger(draft, "llama.attention.head_count", 4);
  addInteger(draft, "llama.context_length", 128);
  addReal(draft, "llama.attention.layer_norm_rms_epsilon", 1e-6f);
  draft.tensor("a.weight", 4, 0).tensor("b.weight", 4, 32).tensor("output.weight", 4, 64);
  draft.tensor("rope_freqs.weight", divisors.size(), 96).data(96);
  draft.text.append(reinterpret_cast<const char *>(divisors.data()), divisors.size() * sizeof(float));
  return draft.text;
}

TEST(ModelSource, ComparesTheTensorThatScalesRopes) {
  TinyModel model;
  int index = 0;
  for (const char *key : {"a.weight", "b.weight", "output.weight"})
    model.plan.mutable_tensors(index++)->set_gguf_key(key);
  const plan::Plan withoutFacts = model.plan;
  auto check = [&](const std::string &text) {
    model.scratch.write("m.gguf", text);
    return model.check("m.gguf");
  };
  // Turns in 16 tokens: 2.55, 0.81 and fewer; below 1 a frequency is divided by 8, above 4 by nothing.
  const std::vector<float> right{1.7359411f, 8, 8, 8, 8, 8, 8, 8};
  model.addFacts(*parseModelConfig("c", config.dump()));
  expectError(check(scaledGguf(right)), "it scales rotary embeddings, and the plan's are not scaled so");
  model.plan = withoutFacts;
  const Json llama3 = {{"rope_type", "llama3"},
                       {"factor", 8.0},
                       {"low_freq_factor", 1.0},
                       {"high_freq_factor", 4.0},
                       {"original_max_position_embeddings", 16}};
  model.addFacts(*parseModelConfig("c", with("rope_scaling", llama3).dump()));
  EXPECT_EQ(check(scaledGguf(right)).message(), "");
  expectError(check(ggufText([](auto &d) { addText(d, "general.name", "x"); })),
              "tensor \"rope_freqs.weight\" is missing: the plan's rotary embeddings are scaled as Llama 3's");
  std::vector<float> wrong = right;
  wrong[3] = 4;
  expectError(check(scaledGguf(wrong)), "divides frequency 3 by 4; the plan was compiled for 8");
  wrong.resize(4);
  expectError(check(scaledGguf(wrong)), "has 4 elements of F32; the plan's rotary embeddings have 8 frequencies");
}

/// As transformers writes them today, and did before.
TEST(ModelSource, TakesTheTextPartOfAModelOfTextAndImages) {
  for (const auto &[model, head] : {std::pair("language_model.model.", "language_model.lm_head.weight"),
                                    std::pair("model.language_model.", "lm_head.weight")}) {
    const std::string prefix = model;
    TinyModel both({prefix + "a.weight", prefix + "b.weight", head, "vision_tower.x.weight"});
    EXPECT_EQ(both.check().message(), "");
    EXPECT_TRUE(ModelSource::open(both.scratch.path(""))->isTextPart());
    TinyModel lacking({prefix + "a.weight", head, "vision_tower.x.weight"});
    expectError(lacking.check(), "tensor \"model.b.weight\" [4] is missing");
  }
  EXPECT_FALSE(ModelSource::open(TinyModel().scratch.path(""))->isTextPart());
}

/// llama.cpp keeps a Gemma's norms as what they multiply by.
TEST(ModelSource, TakesTheOffsetOfNormsBack) {
  ScratchFolder scratch;
  const std::vector<float> stored{1, 1.5, 0.75, 1 + 1.0f / 1024};
  GgufDraft draft;
  draft.header(2, 1);
  addText(draft, "general.architecture", "gemma3");
  draft.tensor("output_norm.weight", 4, 0).tensor("blk.0.attn_q.weight", 4, 32).data(0);
  const std::string bytes(reinterpret_cast<const char *>(stored.data()), 16);
  draft.text += bytes + std::string(16, '\0') + bytes + std::string(16, '\0');
  plan::Plan plan;
  const uint32_t buffer = addBuffer(plan, 64);
  addTensor(plan, "model.norm.weight", plan::Tensor::FROZEN, plan::BF16, {4}, buffer, 0)
      ->set_gguf_key("output_norm.weight");
  addTensor(plan, "q.weight", plan::Tensor::FROZEN, plan::F32, {4}, buffer, 32)->set_gguf_key("blk.0.attn_q.weight");
  auto model = ModelSource::open(scratch.write("m.gguf", draft.text));
  ASSERT_TRUE(model.ok()) << model.status().message();
  FT_EXPECT_OK(model->check(plan));
  Bytes loaded(64);
  LoadTarget target;
  target.hostBuffer = [&](uint32_t) { return loaded.data(); };
  FT_EXPECT_OK(loadModel(plan, *model, LoadOptions(), target));
  const uint16_t norms[] = {0, 0x3F00, 0xBE80, 0x3A80}; // 0, 1/2, −1/4, 1/1024
  EXPECT_EQ(std::memcmp(loaded.data(), norms, sizeof norms), 0);
  EXPECT_EQ(std::memcmp(loaded.data() + 32, stored.data(), 16), 0);
}

TEST(ModelSource, LoadsEveryTypeOfGgufTensors) {
  plan::Plan plan;
  uint32_t buffer = addBuffer(plan, 1 << 16);
  auto model = ModelSource::open(goldens + "types.gguf");
  ASSERT_TRUE(model.ok());
  uint64_t offset = 0;
  for (const TensorView &view : model->gguf()->tensors()) {
    auto *tensor = addTensor(plan, "hf." + view.name, plan::Tensor::FROZEN, plan::F32, view.shape, buffer, offset);
    tensor->set_gguf_key(view.name);
    offset += elementCount(view.shape) * 4;
    if (view.name.starts_with("blk.0.attn_q"))
      tensor->set_gguf_rope_heads(3);
  }
  FT_EXPECT_OK(model->check(plan));
  Bytes bytes(1 << 16);
  LoadTarget target;
  target.hostBuffer = [&](uint32_t) { return bytes.data(); };
  FT_EXPECT_OK(loadModel(plan, *model, LoadOptions(), target));
  auto expected = SafetensorsFile::open(goldens + "types.expected.safetensors");
  for (const plan::Tensor &tensor : plan.tensors()) {
    const TensorView *want = expected->tensor(tensor.gguf_key());
    EXPECT_EQ(std::memcmp(bytes.data() + tensor.offset(), want->bytes.data(), want->bytes.size()), 0);
  }
  plan.mutable_tensors(0)->set_gguf_rope_heads(2);
  expectError(loadModel(plan, *model, LoadOptions(), target),
              "has 6 rows, which 2 rope heads do not divide into pairs");
  plan.mutable_tensors(0)->clear_gguf_key();
  expectError(model->check(plan), "GGUF files do not hold the tensor \"hf.BF16\"");
  expectError(model->check(plan), "tensor \"BF16\" [6, 96] is not in the plan");
}

} // namespace
} // namespace ft::rt
