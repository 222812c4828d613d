#include "runtime/Plan/CheckPlan.h"

#include "runtime/Plan/CheckParts.h"
#include "runtime/Plan/Fp8.h"
#include "runtime/Plan/Nf4.h"
#include "runtime/Plan/RankRegions.h"
#include "runtime/Plan/Shares.h"
#include "runtime/Plan/Targets.h"
#include "runtime/Support/Strings.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace ft::rt {

namespace check {

Status text(std::string_view field, std::string_view value) {
  if (value.empty())
    return bad("{} is empty", field);
  for (unsigned char c : value)
    if (c < 0x20 || c == 0x7f)
      return bad("{} holds the control character {:#04x}", field, c);
  return {};
}

Status fileName(std::string_view field, std::string_view value) {
  FT_RETURN_IF_ERROR(text(field, value));
  if (!isFileName(value))
    return bad("{} is \"{}\"; must be a file name: UTF-8 of at most 200 bytes, without '/' and without '.' in front",
               field, shown(value));
  return {};
}

Status range(std::string_view field, double value, double low, double high) {
  if (std::isfinite(value) && value >= low && value <= high)
    return {};
  return bad("{} is {}; must be in [{}, {}]", field, value, low, high);
}

Status integerRange(std::string_view field, uint64_t value, uint64_t low, uint64_t high) {
  if (value >= low && value <= high)
    return {};
  return bad("{} is {}; must be in [{}, {}]", field, value, low, high);
}

} // namespace check

namespace {

/// The features that this version knows: tensors with a Quantization, also of FP8, buffers with shares, segments for
/// micro-batches of few targets, updates that end beside the next step.
bool knownFeature(std::string_view feature) {
  return feature == plan::quantizedFeature || feature == plan::fp8Feature || feature == plan::sharesFeature ||
         feature == plan::targetsFeature || feature == plan::finishFeature;
}

/// A reader that does not know quantised tensors or shares would load and save the wrong bytes, and must not come so
/// far.
Status checkFeatures(const plan::Plan &plan) {
  const auto says = [&plan](std::string_view feature) {
    return std::find(plan.features().begin(), plan.features().end(), feature) != plan.features().end();
  };
  const bool quantized = std::any_of(plan.tensors().begin(), plan.tensors().end(),
                                     [](const plan::Tensor &tensor) { return tensor.has_quantization(); });
  if (quantized && !says(plan::quantizedFeature))
    return check::bad("holds quantised tensors without the feature \"{}\"", plan::quantizedFeature);
  const bool codes = std::any_of(plan.tensors().begin(), plan.tensors().end(),
                                 [](const plan::Tensor &tensor) { return tensor.dtype() == plan::F8E4M3; });
  if (codes && !says(plan::fp8Feature))
    return check::bad("holds tensors of F8E4M3 without the feature \"{}\"", plan::fp8Feature);
  if (plan::hasShares(plan) && !says(plan::sharesFeature))
    return check::bad("has a buffer with shares, and features do not name \"{}\"", plan::sharesFeature);
  if (plan::hasTargets(plan) && !says(plan::targetsFeature))
    return check::bad("has a bound on targets, and features do not name \"{}\"", plan::targetsFeature);
  if (plan::has(plan, plan::Segment::FINISH) && !says(plan::finishFeature))
    return check::bad("has FINISH, and features do not name \"{}\"", plan::finishFeature);
  return Status();
}

Status checkVersions(const plan::Plan &plan) {
  for (const std::string &feature : plan.features())
    if (!knownFeature(feature))
      return cannotRun(fmt::format("needs the feature \"{}\", which this program does not know; use the ftrun of the "
                                   "ftc that made it ({})",
                                   feature, plan.compiler()));
  if (plan.op_set_version() != planOpSetVersion)
    return cannotRun(fmt::format("op_set_version is {}; this program runs version {}; compile the recipe again",
                                 plan.op_set_version(), planOpSetVersion));
  if (plan.kernel_abi_version() != planKernelAbiVersion)
    return cannotRun(fmt::format("kernel_abi_version is {}; this program runs version {}; compile the recipe again",
                                 plan.kernel_abi_version(), planKernelAbiVersion));
  return checkFeatures(plan);
}

Status checkIdentity(const plan::Plan &plan) {
  FT_RETURN_IF_ERROR(check::text("compiler", plan.compiler()));
  FT_RETURN_IF_ERROR(check::fileName("name", plan.name()));
  if (plan.recipe_sha256().size() != 32 || plan.model_sha256().size() != 32)
    return check::bad("recipe_sha256 and model_sha256 have {} and {} bytes; must have 32", plan.recipe_sha256().size(),
                      plan.model_sha256().size());
  const plan::Target &target = plan.target();
  FT_RETURN_IF_ERROR(check::text("target.name", target.name()));
  FT_RETURN_IF_ERROR(check::text("target.arch", target.arch()));
  if (target.driver() != plan::CPU && target.driver() != plan::CUDA)
    return check::bad("target.driver is {}; must be CPU ({}) or CUDA ({})", int(target.driver()), int(plan::CPU),
                      int(plan::CUDA));
  FT_RETURN_IF_ERROR(check::range("target.memory", target.memory(), 0, maxPlanBytes - 1));
  FT_RETURN_IF_ERROR(check::range("target.outside_arenas", target.outside_arenas(), 0, maxPlanBytes - 1));
  FT_RETURN_IF_ERROR(check::range("target.reduction_takes", target.reduction_takes(), 0, 10));
  FT_RETURN_IF_ERROR(check::range("target.gather_takes", target.gather_takes(), 0, 10));
  if (target.attention() != "library" && target.attention() != "tiled")
    return check::bad("target.attention is \"{}\"; must be \"library\" or \"tiled\"", target.attention());
  return {};
}

Status checkMesh(const plan::Plan &plan) {
  std::set<std::string_view> names;
  uint64_t ranks = 1;
  FT_RETURN_IF_ERROR(check::range("the number of mesh axes", uint64_t(plan.mesh_size()), 0, maxMeshAxes));
  for (const plan::MeshAxis &axis : plan.mesh()) {
    FT_RETURN_IF_ERROR(check::text("mesh axis", axis.name()));
    if (axis.size() == 0 || !names.insert(axis.name()).second)
      return check::bad("mesh axis \"{}\" has size {} or stands twice; must stand once, with a size of at least 1",
                        axis.name(), axis.size());
    ranks = std::min(ranks * axis.size(), maxRanks + 1);
  }
  return check::range("the number of ranks", ranks, 1, maxRanks);
}

} // namespace

Status checkPlan(const plan::Plan &plan, std::span<const Section> sections) {
  FT_RETURN_IF_ERROR(checkVersions(plan));
  FT_RETURN_IF_ERROR(checkFeatures(plan));
  FT_RETURN_IF_ERROR(checkIdentity(plan));
  FT_RETURN_IF_ERROR(checkMesh(plan));
  FT_RETURN_IF_ERROR(check::batchAndRun(plan));
  FT_RETURN_IF_ERROR(check::arenasAndBuffers(plan));
  FT_RETURN_IF_ERROR(check::kernelsAndImages(plan, sections));
  FT_RETURN_IF_ERROR(check::inputsAndOutputs(plan));
  FT_RETURN_IF_ERROR(check::tensors(plan, sections));
  FT_RETURN_IF_ERROR(check::checkpointRoom(plan));
  FT_RETURN_IF_ERROR(check::exportsAndFacts(plan));
  FT_RETURN_IF_ERROR(check::segments(plan));
  FT_RETURN_IF_ERROR(check::targets(plan));
  return check::renames(plan);
}

} // namespace ft::rt
