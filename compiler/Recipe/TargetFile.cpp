#include "compiler/Recipe/TargetFile.h"

#include "runtime/Support/MappedFile.h"
#include "runtime/Support/Strings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

using namespace ft;
namespace fs = std::filesystem;

std::vector<std::string> ft::targetNames(const std::string &folder) {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const fs::directory_entry &entry : fs::directory_iterator(fs::path(folder) / "targets", ignored))
    if (entry.path().extension() == ".textproto")
      names.push_back(entry.path().stem().string());
  std::sort(names.begin(), names.end());
  return names;
}

namespace {
/// The parser's first complaint and its line, from 1; 0: none.
class FirstError : public google::protobuf::io::ErrorCollector {
public:
  void AddError(int at, int, const std::string &message) override {
    if (line == 0)
      line = at + 1, text = message;
  }
  int line = 0;
  std::string text;
};
} // namespace

/// What phases divide by, step with or add up.
static rt::Status checkNumbers(const std::string &file, const recipe::TargetSpec &spec) {
  struct Number {
    const char *field;
    double value, low, high;
  };
  constexpr double huge = 1e12, mostBytes = 1e15;
  std::vector<Number> numbers{{"f32_tflops", spec.f32_tflops(), 1e-6, huge},
                              {"sustained_share", spec.sustained_share(), 1e-3, 1},
                              {"gemm_memory_share", spec.gemm_memory_share(), 1e-3, 1},
                              {"row_memory_share", spec.row_memory_share(), 1e-3, 1},
                              {"memory_gb_per_s", spec.memory_gb_per_s(), 1e-3, huge},
                              {"link_gb_per_s", spec.link_gb_per_s(), 1e-3, huge},
                              {"host_gb_per_s", spec.host_gb_per_s(), 1e-3, huge},
                              {"column_partials", double(spec.column_partials()), 1, 1 << 20},
                              {"head_chunk_tokens", double(spec.head_chunk_tokens()), 1, 1 << 30},
                              {"attention_tile_rows", double(spec.attention_tile_rows()), 1, 1 << 20},
                              {"documents_multiple", double(spec.documents_multiple()), 1, 1 << 20},
                              {"memory_bytes", double(spec.memory_bytes()), 0, mostBytes},
                              {"outside_arenas_bytes", double(spec.outside_arenas_bytes()), 0, mostBytes},
                              {"outside_bytes_per_exchange", double(spec.outside_bytes_per_exchange()), 0, 1e9},
                              {"gemm_workspace_bytes", double(spec.gemm_workspace_bytes()), 0, huge},
                              {"host_memory_bytes", double(spec.host_memory_bytes()), 0, mostBytes},
                              {"nccl_bytes", double(spec.nccl_bytes()), 0, mostBytes},
                              {"multiprocessors", double(spec.multiprocessors()), 0, 1 << 20},
                              {"padded_head_dim", double(spec.padded_head_dim()), 0, 1 << 16},
                              {"launch_us", spec.launch_us(), 0, 1e6},
                              {"bf16_tflops", spec.bf16_tflops(), 0, huge},
                              {"cards_per_host", double(spec.cards_per_host()), 0, 1 << 10},
                              {"collective_us", spec.collective_us(), 0, 1e6},
                              {"reduction_takes", spec.reduction_takes(), 0, 10},
                              {"gather_takes", spec.gather_takes(), 0, 10},
                              {"network_gb_per_s", spec.network_gb_per_s(), 0, huge},
                              {"network_hop_us", spec.network_hop_us(), 0, 1e6},
                              {"peer_hop_us", spec.peer_hop_us(), 0, 1e6}};
  if (spec.multiprocessors() > 0)
    numbers.insert(numbers.end(), {{"gemm_tile_rows", double(spec.gemm_tile_rows()), 1, 1 << 20},
                                   {"gemm_tile_columns", double(spec.gemm_tile_columns()), 1, 1 << 20}});
  if (spec.f16_tflops() != 0)
    numbers.push_back({"f16_tflops", spec.f16_tflops(), 1e-6, huge});
  if (spec.fp8_tflops() != 0)
    numbers.insert(numbers.end(),
                   {{"fp8_tflops", spec.fp8_tflops(), 1e-6, huge}, {"fp8_share", spec.fp8_share(), 1e-3, 1}});
  if (spec.library_attention())
    numbers.insert(numbers.end(), {{"attention_share", spec.attention_share(), 1e-3, 1},
                                   {"attention_softmax_lanes", spec.attention_softmax_lanes(), 0, 1 << 20},
                                   {"attention_measured_lanes", double(spec.attention_measured_lanes()), 1, 1 << 20},
                                   {"ragged_attention_share", spec.ragged_attention_share(), 1e-3, 1},
                                   {"library_head_multiple", double(spec.library_head_multiple()), 1, 1 << 20},
                                   {"library_head_most", double(spec.library_head_most()), 1, 1 << 20}});
  if (spec.cards_per_host() > 1)
    numbers.push_back({"peer_gb_per_s", spec.peer_gb_per_s(), 1e-3, huge});
  for (const Number &number : numbers)
    if (!(number.value >= number.low && number.value <= number.high))
      return rt::badInput(
          fmt::format("{}: {} is {}; must be in [{}, {}]", file, number.field, number.value, number.low, number.high));
  return rt::Status();
}

rt::Expected<recipe::TargetSpec> ft::loadTarget(const std::string &folder, const std::string &name) {
  std::vector<std::string> names = targetNames(folder);
  if (names.empty())
    return rt::badInput(
        fmt::format("target {} is not known: {} holds no target files; set FTC_RECIPES_DIR to the folder "
                    "recipes of ftc's sources, or unset it",
                    name, (fs::path(folder) / "targets").string()));
  if (std::find(names.begin(), names.end(), name) == names.end())
    return rt::badInput(fmt::format("target {} is not known; known are {}{}", name, fmt::join(names, ", "),
                                    rt::suggestion(name, std::span<const std::string>(names))));
  fs::path path = fs::path(folder) / "targets" / (name + ".textproto");
  FT_ASSIGN_OR_RETURN(const rt::MappedFile file, rt::MappedFile::open(path.string()));
  constexpr uint64_t mostFileBytes = 1 << 20;
  if (file.size() > mostFileBytes)
    return rt::badInput(
        fmt::format("{}: has {} bytes; a target file has at most {}", path.string(), file.size(), mostFileBytes));
  const std::string content(reinterpret_cast<const char *>(file.bytes().data()), file.size());
  recipe::TargetSpec spec;
  FirstError error;
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&error);
  if (!parser.ParseFromString(content, &spec))
    return rt::badInput(fmt::format("{}:{}: {}; recipes/target.proto says what a target file holds", path.string(),
                                    error.line, error.text));
  if (spec.name() != name)
    return rt::badInput(
        fmt::format("{}: name is \"{}\"; must be \"{}\" as the file's", path.string(), spec.name(), name));
  FT_RETURN_IF_ERROR(checkNumbers(path.string(), spec));
  return spec;
}

std::string ft::recipesFolder(const std::string &programPath) {
  if (const char *folder = std::getenv("FTC_RECIPES_DIR"))
    return folder;
  std::error_code ignored;
  fs::path program = fs::canonical(programPath, ignored);
  for (const char *beside : {"../share/ftc/recipes", "../../recipes"})
    if (fs::path folder = program.parent_path() / beside; fs::exists(folder / "targets", ignored))
      return folder.lexically_normal().string();
  return FTC_SOURCE_RECIPES;
}
