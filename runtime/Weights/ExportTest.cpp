#include "runtime/Weights/Export.h"

#include "runtime/Weights/Load.h"
#include "runtime/Weights/WeightsTesting.h"

namespace ft::rt {
namespace {

using namespace testing;

constexpr const char *keyA = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight";
constexpr const char *keyB = "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight";
constexpr const char *config =
    R"({"peft_type":"LORA","r":4,"lora_alpha":8,"target_modules":["v_proj","q_proj"],"use_rslora":false,"bias":"none"})";

/// A of [4, 24] in f32 with padded rows, B of [6, 4] in f64, transposed; a gradient of two halves `gap` bytes apart.
struct Fixture {
  plan::Plan plan;
  std::vector<Bytes> buffers;
  uint64_t reads = 0, largestRead = 0;

  explicit Fixture(uint64_t gap = 1024) {
    uint32_t buffer = addBuffer(plan, 4096), wide = addBuffer(plan, gap + 4096, plan::Buffer::GRADIENT);
    plan.set_name("toy");
    setLayout(*addTensor(plan, keyA, plan::Tensor::ADAPTER, plan::F32, {4, 24}, buffer, 16), {4, 24}, {32, 1});
    setLayout(*addTensor(plan, keyB, plan::Tensor::ADAPTER, plan::F64, {6, 4}, buffer, 1024), {6, 4}, {1, 6});
    setLayout(*addTensor(plan, keyA, plan::Tensor::GRADIENT, plan::F32, {4, 24}, wide, 4), {2, 48}, {gap / 4, 1});
    plan::ExportFile *file = plan.add_exports();
    file->set_file("adapter_model.safetensors");
    (*file->mutable_metadata())["format"] = "pt";
    for (uint32_t i = 0; i < 2; ++i) {
      plan::ExportTensor *tensor = file->add_tensors();
      tensor->set_key(i ? keyB : keyA);
      tensor->set_tensor(i);
      tensor->set_dtype(plan::F32);
    }
    plan::Text *text = plan.add_texts();
    text->set_file("adapter_config.json");
    text->set_content(config);
    std::mt19937 random(6);
    for (const plan::Buffer &b : plan.buffers())
      buffers.emplace_back(b.size());
    for (uint64_t i = 0; i < 1024; i += 4)
      put(0, i, std::normal_distribution<float>()(random));
    for (uint64_t i = 1024; i < 4096; i += 8)
      put(0, i, std::normal_distribution<double>()(random));
    for (uint64_t i = 0; i < 96; ++i)
      put(1, 4 + i / 48 * gap + i % 48 * 4, float(i));
  }
  template <typename T> void put(uint32_t buffer, uint64_t offset, T value) {
    std::memcpy(buffers[buffer].data() + offset, &value, sizeof(T));
  }
  template <typename T> T get(uint32_t buffer, uint64_t offset) const {
    T value;
    std::memcpy(&value, buffers[buffer].data() + offset, sizeof(T));
    return value;
  }
  BufferReader reader() {
    return [this](uint32_t buffer, uint64_t offset, std::span<std::byte> out) {
      ++reads;
      largestRead = std::max<uint64_t>(largestRead, out.size());
      std::memcpy(out.data(), buffers[buffer].data() + offset, out.size());
      return Status();
    };
  }
};

float at(const TensorView &view, uint64_t i) {
  float value;
  std::memcpy(&value, view.bytes.data() + i * 4, 4);
  return value;
}

TEST(Export, WritesTensorsWithoutPadsAndTexts) {
  Fixture f;
  ScratchFolder scratch;
  FT_EXPECT_OK(exportFiles(f.plan, f.reader(), scratch.path()));
  EXPECT_EQ(readAll(scratch.path("adapter_config.json")), config);
  auto file = SafetensorsFile::open(scratch.path("adapter_model.safetensors"));
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(file->metadata().at("format"), "pt");
  ASSERT_EQ(file->tensor(keyA)->shape, (std::vector<uint64_t>{4, 24}));
  for (uint64_t r = 0; r < 4; ++r)
    for (uint64_t c = 0; c < 24; ++c)
      EXPECT_EQ(at(*file->tensor(keyA), r * 24 + c), f.get<float>(0, 16 + (r * 32 + c) * 4));
  for (uint64_t r = 0; r < 6; ++r)
    for (uint64_t c = 0; c < 4; ++c)
      EXPECT_EQ(at(*file->tensor(keyB), r * 4 + c), float(f.get<double>(0, 1024 + (c * 6 + r) * 8)));
  EXPECT_EQ(f.reads, 2u) << "neighbouring runs share a read";
}

TEST(Export, ARankWithoutAFolderReadsTheSameAndWritesNothing) {
  Fixture f;
  FT_EXPECT_OK(exportFiles(f.plan, f.reader(), ""));
  EXPECT_EQ(f.reads, 2u);
  FT_EXPECT_OK(dumpGradients(f.plan, f.reader(), ""));
  EXPECT_GT(f.reads, 2u);
}

TEST(Export, DumpsGradientsUnderTheirKeys) {
  Fixture f(65 << 20); // wider than one read may be
  ScratchFolder scratch;
  FT_EXPECT_OK(dumpGradients(f.plan, f.reader(), scratch.path()));
  auto file = SafetensorsFile::open(scratch.path("gradients.safetensors"));
  ASSERT_TRUE(file.ok()) << file.status().message();
  ASSERT_EQ(file->tensors().size(), 1u);
  for (uint64_t i = 0; i < 96; ++i)
    EXPECT_EQ(at(*file->tensor(keyA), i), float(i));
  EXPECT_LE(f.largestRead, uint64_t(64) << 20);
  f.plan.mutable_tensors()->RemoveLast();
  expectError(dumpGradients(f.plan, f.reader(), scratch.path()), "plan \"toy\" has no gradient tensors");
}

TEST(Export, RefusesPlansThatLeadOutside) {
  ScratchFolder scratch;
  auto statusFor = [&](auto change) {
    Fixture f;
    change(f.plan);
    return exportFiles(f.plan, f.reader(), scratch.path());
  };
  for (const char *name : {"../x", "/etc/x", "..", "", "a/b"}) {
    expectError(statusFor([&](plan::Plan &p) { p.mutable_texts(0)->set_file(name); }), "must be a plain file name");
    expectError(statusFor([&](plan::Plan &p) { p.mutable_exports(0)->set_file(name); }), "must be a plain file name");
  }
  auto exported = [](plan::Plan &p) { return p.mutable_exports(0)->mutable_tensors(0); };
  expectError(statusFor([&](plan::Plan &p) { exported(p)->set_tensor(9); }), "names tensor 9 of 3");
  expectError(statusFor([&](plan::Plan &p) { exported(p)->set_dtype(plan::I32); }), "F32 cannot be written as dtype 5");
  expectError(statusFor([&](plan::Plan &p) { exported(p)->set_dtype(plan::DType(88)); }), "dtype 88");
  expectError(statusFor([&](plan::Plan &p) { p.mutable_tensors(0)->set_offset(4000); }), "leave buffer");
  Fixture f;
  BufferReader broken = [](uint32_t, uint64_t, std::span<std::byte>) { return failed("device lost"); };
  std::filesystem::remove(scratch.path("adapter_model.safetensors"));
  expectError(exportFiles(f.plan, broken, scratch.path()), "device lost");
  EXPECT_FALSE(std::filesystem::exists(scratch.path("adapter_model.safetensors")));
}

TEST(Adapter, ReadsWhatExportWrote) {
  Fixture f;
  ScratchFolder scratch;
  FT_EXPECT_OK(exportFiles(f.plan, f.reader(), scratch.path()));
  auto adapter = AdapterSource::open(scratch.path(), f.plan);
  ASSERT_TRUE(adapter.ok()) << adapter.status().message();
  std::vector<double> b(24);
  adapter->producer(1, f.plan.tensors(1))(0, 24, reinterpret_cast<std::byte *>(b.data()));
  for (uint64_t r = 0; r < 6; ++r)
    for (uint64_t c = 0; c < 4; ++c)
      EXPECT_EQ(b[r * 4 + c], double(float(f.get<double>(0, 1024 + (c * 6 + r) * 8))));
  EXPECT_FALSE(adapter->producer(2, f.plan.tensors(2)));
}

TEST(Adapter, LoadingStartsFromIt) {
  Fixture f;
  ScratchFolder scratch;
  FT_EXPECT_OK(exportFiles(f.plan, f.reader(), scratch.path()));
  auto adapter = AdapterSource::open(scratch.path(), f.plan);
  auto model = ModelSource::open("seeded:1");
  ASSERT_TRUE(adapter.ok() && model.ok());
  LoadOptions options;
  options.before = &*adapter;
  Bytes loaded(4096), gradients(8192);
  LoadTarget target;
  target.hostBuffer = [&](uint32_t buffer) { return buffer ? gradients.data() : loaded.data(); };
  FT_EXPECT_OK(loadModel(f.plan, *model, options, target));
  for (uint64_t r = 0; r < 4; ++r)
    EXPECT_EQ(std::memcmp(&loaded[16 + r * 128], &f.buffers[0][16 + r * 128], 96), 0);
  for (uint64_t i = 0; i < 24; ++i) {
    double got;
    std::memcpy(&got, &loaded[1024 + i * 8], 8);
    EXPECT_EQ(got, double(float(f.get<double>(0, 1024 + i * 8))));
  }
  EXPECT_EQ(gradients, Bytes(8192));
  options.before = nullptr;
  expectError(loadModel(f.plan, *model, options, target), std::string(keyA) + "\": init kind 0");
}

TEST(Adapter, ComparesTheConfigFieldByField) {
  Fixture f;
  ScratchFolder scratch;
  FT_EXPECT_OK(exportFiles(f.plan, f.reader(), scratch.path()));
  auto statusFor = [&](std::string_view text) {
    scratch.write("adapter_config.json", text);
    return AdapterSource::open(scratch.path(), f.plan).status();
  };
  // PEFT's own spelling: other order, unused fields present, names and dropout free.
  FT_EXPECT_OK(statusFor(R"({"peft_type":"LORA","r":4,"lora_alpha":8,"target_modules":["q_proj","v_proj"],"bias":"none",
                             "use_dora":false,"modules_to_save":null,"rank_pattern":{},"lora_dropout":0.5,
                             "base_model_name_or_path":"x","task_type":"CAUSAL_LM","init_lora_weights":"gaussian"})"));
  Status status = statusFor(R"({"peft_type":"LORA","r":8,"lora_alpha":16,"use_dora":true})");
  expectError(status, "adapter_config.json: r is 8; the plan was compiled for 4");
  expectError(status, "lora_alpha is 16; the plan was compiled for 8");
  expectError(status, "use_dora is true; the plan was compiled without: no recipe makes such adapters");
  expectError(status, "3 problems");
  expectError(statusFor("[]"), "must be an object");
  const std::string plain = R"({"peft_type":"LORA","r":4,"lora_alpha":8,)";
  for (const char *init : {"pissa", "pissa_niter_16", "olora", "loftq"})
    expectError(statusFor(plain + R"("init_lora_weights":")" + init + "\"}"),
                std::string("init_lora_weights is \"") + init + "\", which changes the base's weights");
  expectError(statusFor(plain + R"("alora_invocation_tokens":[1]})"), "alora_invocation_tokens is [1]");
}

TEST(Adapter, TensorsSayWhichModulesHaveAdapters) {
  Fixture f;
  ScratchFolder scratch;
  FT_EXPECT_OK(exportFiles(f.plan, f.reader(), scratch.path()));
  plan::Plan narrower = f.plan;
  narrower.mutable_exports(0)->mutable_tensors()->RemoveLast();
  const std::string plain = R"({"peft_type":"LORA","r":4,"lora_alpha":8,"target_modules":)";
  // What PEFT makes of "all-linear" in a small model, and an expression.
  for (const char *targets : {R"(["model.layers.0.self_attn.q_proj"])", R"(".*(q|v)_proj")"}) {
    scratch.write("adapter_config.json", plain + targets + "}");
    FT_EXPECT_OK(AdapterSource::open(scratch.path(), f.plan).status());
    expectError(AdapterSource::open(scratch.path(), narrower).status(),
                std::string("target_modules is ") + targets + "; the plan was compiled for [\"q_proj\",\"v_proj\"]");
  }
}

TEST(Adapter, NamesTensorsThatDoNotFit) {
  Fixture f;
  ScratchFolder scratch;
  FT_EXPECT_OK(exportFiles(f.plan, f.reader(), scratch.path()));
  auto statusFor = [&](auto change) {
    plan::Plan plan = f.plan;
    change(plan);
    return AdapterSource::open(scratch.path(), plan).status();
  };
  expectError(statusFor([](plan::Plan &p) { p.mutable_exports(0)->mutable_tensors()->RemoveLast(); }),
              std::string("tensor \"") + keyB + "\" [6, 4] is not in the plan");
  expectError(statusFor([](plan::Plan &p) { p.mutable_exports(0)->mutable_tensors(0)->set_key("x"); }),
              "tensor \"x\" [4, 24] is missing");
  expectError(statusFor([](plan::Plan &p) { p.mutable_tensors(0)->set_shape(0, 5); }),
              "has shape [4, 24]; the plan needs [5, 24]");
  expectError(statusFor([](plan::Plan &p) { p.clear_texts(); }), "trains no adapter");
  expectError(AdapterSource::open(scratch.path("absent"), f.plan).status(),
              "holds no adapter_config.json; name the folder of an adapter that PEFT or ftrun saved");
  expectError(AdapterSource::open(scratch.path("adapter_config.json"), f.plan).status(),
              "is a file; name the folder that holds it");
}

} // namespace
} // namespace ft::rt
