// The container of a plan: one protobuf message and raw sections, with digests. Specification: docs/plan-format.md.
#pragma once

#include "runtime/Plan/plan.pb.h"
#include "runtime/Support/MappedFile.h"
#include "runtime/Support/Status.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace ft::rt {

inline constexpr uint32_t planContainerVersion = 1;

enum class SectionKind : uint32_t {
  Plan = 1,      ///< the serialised plan::Plan; always section 0, and only that
  Image = 2,     ///< bytes of one plan::Image
  Constants = 3, ///< initial values of tensors (plan::Init::CONSTANT)
};

struct Section {
  SectionKind kind = SectionKind::Image;
  std::span<const std::byte> bytes;
};

/// A plan as it lies in its file. Spans of `sections` point into the mapping, which lives as long as this object.
struct PlanFile {
  plan::Plan plan;
  std::string digest;            ///< SHA-256 of the file without its last 32 bytes, in hexadecimal
  std::vector<Section> sections; ///< indexed as Image.section and Init.section are; 0 is the message itself
  MappedFile file;

  std::span<const std::byte> section(uint32_t index) const { return sections[index].bytes; }
};

/// Reads the container, proves its digests, parses the message and runs checkPlan: after success every index, range
/// and enumeration of `plan` is legal. It does not run verifyPlan. BadInput for what is malformed, CannotRun for what
/// a newer version wrote.
Expected<PlanFile> readPlanFile(const std::string &path);

/// Writes `plan` as section 0 and `sections` as sections 1, 2, …; equal arguments give equal files. Does not check
/// the plan: read the file back for that.
Status writePlanFile(const std::string &path, const plan::Plan &plan, std::span<const Section> sections);

} // namespace ft::rt
