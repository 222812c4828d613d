// Kernels compiled for GPUs: the PTX says what was promised, and ptxas, where there is one, assembles it without
// spills.
#include "compiler/Codegen/KernelHarness.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>
#include <unistd.h>

namespace ft {
namespace {

const char *norm = R"(
kernel.func @norm(%x: memref<64x$Nx$T, strided<[$P, 1]>>, %w: memref<$Nx$T>, %y: memref<64x$Nx$T, strided<[$P, 1]>>,
    %rstd: memref<64xf32>) item %i {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %n = arith.constant $N.0 : f32
  %xb = vector.load %x[%i, %c0] : memref<64x$Nx$T, strided<[$P, 1]>>, vector<$Nx$T>
  %v = $EXT(%xb)
  %square = arith.mulf %v, %v : vector<$Nxf32>
  %s = vector.reduction <add>, %square, %zero : vector<$Nxf32> into f32
  %mean = arith.divf %s, %n : f32
  %r = math.rsqrt %mean : f32
  %rr = vector.broadcast %r : f32 to vector<$Nxf32>
  %scaled = arith.mulf %v, %rr : vector<$Nxf32>
  %wb = vector.load %w[%c0] : memref<$Nx$T>, vector<$Nx$T>
  %ww = $EXT(%wb)
  %out = arith.mulf %scaled, %ww : vector<$Nxf32>
  %ob = $TRUNC(%out)
  vector.store %ob, %y[%i, %c0] : memref<64x$Nx$T, strided<[$P, 1]>>, vector<$Nx$T>
  memref.store %r, %rstd[%i] : memref<64xf32>
  kernel.return
})";

const char *softmax = R"(
kernel.func @softmax(%x: memref<64x$Nx$T, strided<[$P, 1]>>, %y: memref<64x$Nx$T, strided<[$P, 1]>>)
    attributes {inplace = [[0, 1]]} item %i {
  %c0 = arith.constant 0 : index
  %xb = vector.load %x[%i, %c0] : memref<64x$Nx$T, strided<[$P, 1]>>, vector<$Nx$T>
  %v = $EXT(%xb)
  %m = vector.reduction <maximumf>, %v : vector<$Nxf32> into f32
  %mm = vector.broadcast %m : f32 to vector<$Nxf32>
  %shifted = arith.subf %v, %mm : vector<$Nxf32>
  %e = math.exp %shifted : vector<$Nxf32>
  %s = vector.reduction <add>, %e : vector<$Nxf32> into f32
  %one = arith.constant 1.0 : f32
  %q = arith.divf %one, %s : f32
  %qq = vector.broadcast %q : f32 to vector<$Nxf32>
  %p = arith.mulf %e, %qq : vector<$Nxf32>
  %ob = $TRUNC(%p)
  vector.store %ob, %y[%i, %c0] : memref<64x$Nx$T, strided<[$P, 1]>>, vector<$Nx$T>
  kernel.return
})";

std::string typed(std::string text, const std::string &type, int64_t length, int64_t pitch) {
  std::string wide = "vector<$Nxf32>", narrow = "vector<$Nx" + type + ">";
  bool f32 = type == "f32";
  std::string ext = f32 ? "arith.addf $1, $1 : " + wide : "arith.extf $1 : " + narrow + " to " + wide;
  std::string trunc = f32 ? "arith.addf $1, $1 : " + wide : "arith.truncf $1 : " + wide + " to " + narrow;
  text = std::regex_replace(text, std::regex(R"(\$EXT\((%\w+)\))"), ext);
  text = std::regex_replace(text, std::regex(R"(\$TRUNC\((%\w+)\))"), trunc);
  text = std::regex_replace(text, std::regex(R"(\$T)"), type);
  return instantiate(text, length, pitch);
}

/// Output of `ptxas -v` on `ptx`; empty if there is no ptxas.
std::string assemble(const std::string &ptx, const std::string &arch, bool &found, bool &accepted) {
  std::string tool = std::filesystem::exists("/usr/local/cuda/bin/ptxas") ? "/usr/local/cuda/bin/ptxas" : "ptxas";
  found = std::system((tool + " --version > /dev/null 2>&1").c_str()) == 0;
  if (!found)
    return "";
  std::filesystem::path base = std::filesystem::temp_directory_path() / ("ftc-ptx-" + std::to_string(getpid()));
  std::ofstream(base.string() + ".ptx") << ptx;
  std::string command = tool + " -v -arch=" + arch + " " + base.string() + ".ptx -o " + base.string() + ".cubin > " +
                        base.string() + ".log 2>&1";
  accepted = std::system(command.c_str()) == 0;
  std::ifstream log(base.string() + ".log");
  std::string text((std::istreambuf_iterator<char>(log)), {});
  for (const char *suffix : {".ptx", ".cubin", ".log"})
    std::filesystem::remove(base.string() + suffix);
  return text;
}

struct Case {
  const char *name, *text, *type;
  int64_t length, pitch;
  uint32_t threads, items;
  bool wide;
};
std::ostream &operator<<(std::ostream &os, const Case &c) { return os << c.name; }

class Ptx : public testing::TestWithParam<Case> {};

TEST_P(Ptx, KeepsItsPromises) {
  const Case &c = GetParam();
  CompiledKernels compiled =
      compileText(typed(c.text, c.type, c.length, c.pitch), {CodegenTarget::Driver::Cuda, {"sm_80", "sm_90"}});
  ASSERT_EQ(compiled.images.size(), 2u);
  EXPECT_EQ(compiled.kernels[0].threads, c.threads);
  EXPECT_EQ(compiled.kernels[0].itemsPerBlock, c.items);
  uint32_t alignment = 0;
  for (const kernel::OperandFacts &operand : compiled.kernels[0].operands)
    alignment = std::max(alignment, operand.alignment);
  EXPECT_EQ(alignment == 16, c.wide) << alignment;
  EXPECT_EQ(compiled.kernels[0].sharedBytes, 0u);
  for (const KernelImage &image : compiled.images) {
    const std::string &ptx = image.bytes;
    EXPECT_EQ(image.format, KernelImage::Format::Ptx);
    EXPECT_NE(ptx.find(image.arch == "sm_80" ? ".version 7.0" : ".version 7.8"), std::string::npos);
    for (const char *forbidden : {".approx", ".ftz", ".extern", "\tmul.f32", "\tadd.f32"})
      EXPECT_EQ(ptx.find(forbidden), std::string::npos) << forbidden;
    if (c.text == norm) { // read-only operands go through the read-only cache
      EXPECT_NE(ptx.find("ld.global.nc"), std::string::npos);
    }
    if (c.wide) { // all but the scalars' accesses are 16 bytes wide
      std::regex access(R"((ld|st)\.global(\.nc)?\.(v\d\.)?b(\d+))");
      for (std::sregex_iterator it(ptx.begin(), ptx.end(), access), end; it != end; ++it) {
        int bits = std::stoi((*it)[4]) * ((*it)[3].matched ? (*it)[3].str()[1] - '0' : 1);
        bool scalar = !(*it)[3].matched && (*it)[4] == "32"; // rstd
        EXPECT_TRUE(bits == 128 || scalar) << it->str();
      }
    }
    bool found, accepted = false;
    std::string log = assemble(ptx, image.arch, found, accepted);
    if (!found)
      GTEST_SKIP() << "no ptxas in /usr/local/cuda/bin or PATH";
    EXPECT_TRUE(accepted) << log << ptx;
    EXPECT_NE(log.find("0 bytes spill stores, 0 bytes spill loads"), std::string::npos) << log;
    EXPECT_EQ(log.find("0 bytes spill stores, 0 bytes spill loads"), log.rfind("bytes spill stores") - 2) << log;
    std::smatch registers;
    if (std::regex_search(log, registers, std::regex(R"(Used (\d+) registers)")))
      RecordProperty("registers_" + image.arch, registers[1].str());
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, Ptx,
                         testing::Values(Case{"norm_f32_576", norm, "f32", 576, 624, 128, 4, true},
                                         Case{"norm_bf16_4096", norm, "bf16", 4096, 4096, 256, 1, true},
                                         Case{"norm_f32_1536", norm, "f32", 1536, 1536, 96, 1, true},
                                         Case{"norm_bf16_11008", norm, "bf16", 11008, 11008, 512, 1, true},
                                         Case{"norm_f32_50", norm, "f32", 50, 50, 128, 4, false},
                                         Case{"norm_f32_7", norm, "f32", 7, 9, 128, 16, false},
                                         Case{"norm_bf16_pitch", norm, "bf16", 2048, 2050, 128, 1, false},
                                         Case{"softmax_bf16_49152", softmax, "bf16", 49152, 49152, 256, 1, true},
                                         Case{"softmax_f32_32000", softmax, "f32", 32000, 32000, 256, 1, true},
                                         Case{"softmax_f32_1024", softmax, "f32", 1024, 1024, 128, 4, true},
                                         Case{"softmax_bf16_151936", softmax, "bf16", 151936, 151936, 256, 1, true}),
                         [](const auto &info) { return info.param.name; });

// Eight codes a thread: four bytes in, sixteen out.
TEST(PtxCodes, AreLoadedAsWords) {
  const char *text = R"(
kernel.func @codes(%bytes: memref<9x32xi8>, %y: memref<9x64xbf16, strided<[80, 1]>>) item %i {
  %c0 = arith.constant 0 : index
  %codes = kernel.load_codes %bytes[%i, %c0] : memref<9x32xi8>, vector<64xi32>
  %numbers = arith.sitofp %codes : vector<64xi32> to vector<64xf32>
  %narrow = arith.truncf %numbers : vector<64xf32> to vector<64xbf16>
  vector.store %narrow, %y[%i, %c0] : memref<9x64xbf16, strided<[80, 1]>>, vector<64xbf16>
  kernel.return
})";
  CompiledKernels compiled = compileText(text, {CodegenTarget::Driver::Cuda, {"sm_90"}});
  ASSERT_EQ(compiled.images.size(), 1u);
  EXPECT_EQ(compiled.kernels[0].itemsPerBlock, 16u);
  EXPECT_EQ(compiled.kernels[0].operands[0].alignment, 4u);
  EXPECT_EQ(compiled.kernels[0].operands[1].alignment, 16u);
  const std::string &ptx = compiled.images[0].bytes;
  std::regex access(R"((ld|st)\.global(\.nc)?\.(v\d\.)?[bu](\d+))");
  int seen = 0;
  for (std::sregex_iterator it(ptx.begin(), ptx.end(), access), end; it != end; ++it, ++seen) {
    const int bits = std::stoi((*it)[4]) * ((*it)[3].matched ? (*it)[3].str()[1] - '0' : 1);
    EXPECT_EQ(bits, (*it)[1] == "ld" ? 32 : 128) << it->str();
  }
  EXPECT_EQ(seen, 2) << ptx;
}

} // namespace
} // namespace ft
