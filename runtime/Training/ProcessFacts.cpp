#include "runtime/Training/ProcessFacts.h"

#include "runtime/Device/Device.h"
#include "runtime/Support/Sha256.h"

#include <fmt/format.h>

#include <utility>

using namespace ft;
using namespace ft::rt;

namespace {
class Facts {
public:
  void add(std::string name, std::string value, Code code, std::string wayOut) {
    rendezvous::Fact &fact = all.emplace_back();
    fact.set_name(std::move(name));
    fact.set_value(std::move(value));
    fact.set_code(static_cast<uint32_t>(code));
    fact.set_way_out(std::move(wayOut));
  }
  std::vector<rendezvous::Fact> all;
};

std::string hexOf(const std::string &bytes) {
  return toHex({reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()});
}

/// What this rank was told beside the plan, as far as it changes what ranks compute or when they meet.
std::string optionsOf(const RunOptions &options) {
  std::string text;
  for (const std::string &setting : options.settings)
    text += fmt::format("--set {} ", setting);
  if (options.maxSteps)
    text += fmt::format("--max-steps {} ", *options.maxSteps);
  if (options.verifySteps)
    text += fmt::format("--verify-steps {} ", options.verifySteps);
  if (options.initAdaptersNormal)
    text += "--init-adapters normal ";
  for (const auto &[name, given] : {std::pair("--dump-gradients", !options.dumpGradients.empty()),
                                    std::pair("--poison", options.poison), std::pair("--profile", options.profile)})
    if (given)
      text += fmt::format("{} ", name);
  if (!options.collectives.empty())
    text += fmt::format("--collectives {} ", options.collectives);
  return text.empty() ? "none" : text.substr(0, text.size() - 1);
}

std::string dataOf(const PreparedData &data) { return data.file ? toHex(sha256(data.file->bytes())) : "none"; }

std::string adapterOf(const RunInputs &inputs) { return inputs.adapter ? toHex(inputs.adapter->digest()) : "none"; }

std::string algorithmsDigest(const RunInputs &inputs) {
  return inputs.algorithms ? toHex(sha256(toJson(*inputs.algorithms))) : "none";
}

/// Those of a processor, or of the GPU. Their paths may differ from host to host.
std::string librariesOf(const PeerDevices *gpu) {
  std::vector<std::string> all;
  if (gpu)
    all = gpu->libraries();
  else
    for (const DeviceInfo &device : listCpuDevices().devices)
      all.insert(all.end(), device.libraries.begin(), device.libraries.end());
  return all.empty() ? "none" : fmt::format("{}", fmt::join(withoutPaths(all), ", "));
}

/// Every rank opens the checkpoint for itself, and all must find the same one.
std::string checkpointOf(const RunInputs &inputs) {
  if (!inputs.resume)
    return "none";
  const CheckpointState &state = inputs.resume->state();
  return fmt::format("{}{} ({})", checkpointName(state.position.step), inputs.isFinished() ? " of a finished run" : "",
                     toHex(sha256(toJson(state))));
}
} // namespace

std::vector<rendezvous::Fact> ft::rt::factsOf(const RunInputs &inputs, const PeerDevices *gpu) {
  Facts facts;
  const char *samePlan = "compile once, and give every rank that plan.bin";
  facts.add("ftrun", FTC_VERSION, Code::CannotRun, "run the same ftrun on every host");
  facts.add("recipe", hexOf(inputs.plan().recipe_sha256()), Code::BadInput, samePlan);
  facts.add("plan", inputs.file->digest, Code::BadInput, samePlan);
  facts.add("set of options", optionsOf(inputs.options), Code::BadInput, "give every rank the same");
  facts.add("model", toHex(inputs.model->digest()), Code::BadInput, "give every rank the same files with --model");
  facts.add("adapter", adapterOf(inputs), Code::BadInput, "give every rank the same with --adapter, or none");
  facts.add("algorithms", algorithmsDigest(inputs), Code::BadInput,
            "give every rank the same with --algorithms, or none");
  facts.add("packed training data", dataOf(inputs.train), Code::BadInput, "give every rank the same data");
  facts.add("packed held-out data", dataOf(inputs.held), Code::BadInput, "give every rank the same data");
  facts.add("checkpoint to continue from", checkpointOf(inputs), Code::BadInput,
            "give every rank the same --resume, and an output folder that all hosts see");
  facts.add("library", librariesOf(gpu), Code::CannotRun, "install the same version on every host");
  return std::move(facts.all);
}
