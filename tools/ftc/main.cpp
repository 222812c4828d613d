// ftc: recipes to plans. One function a command; the work is in compiler/ and runtime/.
#include "runtime/Support/LastResort.h"
#include "runtime/Support/StandardStreams.h"
#include "runtime/Support/Strings.h"
#include "tools/ftc/Commands.h"

#include <CLI/CLI.hpp>
#include <llvm/Support/ErrorHandling.h>

#include <algorithm>
#include <cstdio>

using namespace ft;

/// An empty variable of a script is no wish.
static std::string named(const std::string &text) { return text.empty() ? "is empty; give it a value" : ""; }

static void addRecipeOptions(CLI::App &command, CompileRequest &request) {
  command.add_option("recipe", request.recipePath, "recipe (.textproto or .pb)")->required()->check(named);
  command.add_option("--set", request.overrides, "FIELD=VALUE, for example lora.r=16; may be repeated")->take_all();
  command.add_option("--gpu", request.gpu, "target, a name under recipes/targets")->check(named);
  command.add_option("--lora-form", request.loraForm, "adapters in one GEMM with their base, or in GEMMs of their own")
      ->check(CLI::IsMember({"auto", "folded", "unfolded"}));
  command
      .add_option("--head-lanes", request.headLanes,
                  "elements of an attention head in memory, above head_dim the rest is zero; 0: what the target takes")
      ->check(CLI::Range(0, 1024));
  command
      .add_option("--park", request.park,
                  "values on the host between forward and backward: inputs of blocks, or of the residual stream all")
      ->check(CLI::IsMember({"auto", "nothing", "inputs", "stream"}));
  command
      .add_option(
          "--gradients", request.gradients,
          "of what the host updates, where a step is one micro-batch: on the device until then, or there at once")
      ->check(CLI::IsMember({"auto", "stay", "leave"}));
  command
      .add_option("--bucket-bytes", request.mostExchangedBytes,
                  "of gradients, or of weights that are split, that ranks exchange, or the host takes, at once")
      ->check(CLI::Range(int64_t(1), int64_t(1) << 40));
  command
      .add_option("--host-memory", request.hostMemory,
                  "of each host, for all its ranks (\"256GiB\"): a plan that needs more of it does not fit")
      ->check(named);
  command.add_option("--dump-dir", request.dumpDir, "write numbered IR after each phase here")->check(named);
}

int main(int argc, char **argv) {
  rt::keepStandardStreams();
  rt::endOnUncaught("ftc", [] { return static_cast<int>(rt::Code::CannotRun); });
  llvm::install_bad_alloc_error_handler([](void *, const char *, bool) { std::terminate(); });
  CLI::App app{"ftc: a compiler for fine-tuning language models"};
  app.require_subcommand(1);
  app.set_version_flag("--version", "ftc " FTC_VERSION);
  CompileRequest request;
  request.recipesFolder = recipesFolder(argv[0]);
  std::string output = "plan.bin", cpuCode = "all", plan, model, dataOutput;

  CLI::App *compile = app.add_subcommand("compile", "recipe → plan.bin");
  addRecipeOptions(*compile, request);
  compile->add_option("-o", output, "plan file")->check(named);
  compile
      ->add_option("--cpu-code", cpuCode,
                   "for AVX2 and for AVX-512, or for AVX2 alone, in half the time: it runs on both, with the same bits")
      ->check(CLI::IsMember({"all", "avx2"}));
  CLI::App *check = app.add_subcommand("check", "does it fit, and what holds the memory? Exit 2 if not");
  addRecipeOptions(*check, request);
  CLI::App *explain = app.add_subcommand("explain", "a plan for people");
  explain->add_option("plan", plan, "plan file")->required()->check(named);
  CLI::App *data = app.add_subcommand("data", "samples → packed token file, with the data report");
  addRecipeOptions(*data, request);
  data->add_option("--model", model, "GGUF file, folder with tokenizer.json, or owner/name of the Hub's cache")
      ->required()
      ->check(named);
  data->add_option("-o", dataOutput, "token file; default: the cache")->check(named);
  bool decode = false;
  CLI::App *tokenize = app.add_subcommand("tokenize", "text of standard input → what the model sees of it");
  tokenize->add_option("--model", model, "GGUF file, or folder with tokenizer.json, tokenizer.model or tekken.json")
      ->required()
      ->check(named);
  tokenize->add_flag("--decode", decode, "token ids of standard input → text");
  const std::string_view first = argc > 1 ? argv[1] : "-";
  if (const std::string_view names[] = {"compile", "check", "explain", "data", "tokenize"};
      !first.starts_with('-') && std::find(std::begin(names), std::end(names), first) == std::end(names)) {
    std::fprintf(stderr, "ftc: there is no command %s; must be compile, check, explain, data or tokenize%s\n", argv[1],
                 rt::suggestion(first, std::span<const std::string_view>(names)).c_str());
    return 1;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &error) {
    return app.exit(error) == 0 ? 0 : 1;
  }

  const ProcessorCode code = cpuCode == "avx2" ? ProcessorCode::Avx2 : ProcessorCode::Avx2AndAvx512;
  rt::Status status = compile->parsed()   ? compileCommand(request, output, code)
                      : check->parsed()   ? checkCommand(request)
                      : explain->parsed() ? explainCommand(plan)
                      : data->parsed()    ? dataCommand(request, model, dataOutput)
                                          : tokenizeCommand(model, decode);
  // The verdict stands behind the table, wherever both go.
  if (rt::standardOutputIsLost() && status.ok())
    status = rt::failed("standard output cannot be written; is the disk full?");
  if (!status.ok())
    std::fprintf(stderr, "%s\n", rt::printable(status.message()).c_str());
  return static_cast<int>(status.code());
}
