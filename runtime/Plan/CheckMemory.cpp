// checkPlan: arenas, buffers, kernels, images, inputs and outputs.
#include "runtime/Plan/CheckParts.h"
#include "runtime/Plan/SavedState.h"
#include "runtime/Plan/Shares.h"
#include "runtime/Plan/Staging.h"

#include <algorithm>
#include <bit>
#include <set>

namespace ft::rt::check {

namespace {

constexpr int maxArenas = 64;
constexpr uint32_t bufferAlignment = 16;

Status arena(const plan::Arena &arena) {
  FT_RETURN_IF_ERROR(text("name", arena.name()));
  if (arena.space() != plan::Arena::DEVICE && arena.space() != plan::Arena::PINNED &&
      arena.space() != plan::Arena::HOST)
    return bad("space is {}; must be DEVICE, PINNED or HOST", int(arena.space()));
  FT_RETURN_IF_ERROR(range("size", arena.size(), 0, maxPlanBytes - 1));
  if (!std::has_single_bit(arena.alignment()) || arena.alignment() < bufferAlignment || arena.alignment() > (1 << 21))
    return bad("alignment is {}; must be a power of two in [{}, 2097152]", arena.alignment(), bufferAlignment);
  if (arena.largest_live() > arena.size())
    return bad("largest_live is {}; must be at most the size, {}", arena.largest_live(), arena.size());
  return {};
}

/// Equal shares, each of whole vectors, for the members of a group; a buffer of one of them or of all.
Status shares(const plan::Plan &plan, const plan::Buffer &buffer) {
  const plan::Shares &shares = buffer.shares();
  if (shares.axes_size() == 0)
    return bad("shares has no axes; must have at least one");
  for (int i = 0; i < shares.axes_size(); ++i) {
    FT_RETURN_IF_ERROR(index(fmt::format("shares.axes[{}]", i), shares.axes(i), plan.mesh_size(), "axes of the mesh"));
    if (std::count(shares.axes().begin(), shares.axes().end(), shares.axes(i)) > 1)
      return bad("shares.axes names axis {} twice; must name it once", shares.axes(i));
  }
  const uint64_t members = plan::Mesh(plan).members(plan::axesOf(shares));
  if (shares.bytes() == 0 || shares.bytes() % (members * bufferAlignment) != 0)
    return bad("shares.bytes is {}; must be a positive multiple of {} for each of {} members", shares.bytes(),
               bufferAlignment, members);
  if (buffer.size() != shares.bytes() && buffer.size() != shares.bytes() / members)
    return bad("size is {}; must be {}, all shares, or {}, one of them", buffer.size(), shares.bytes(),
               shares.bytes() / members);
  if (buffer.class_() != plan::Buffer::WEIGHT && buffer.class_() != plan::Buffer::OPTIMIZER_STATE &&
      buffer.class_() != plan::Buffer::GRADIENT && buffer.class_() != plan::Buffer::CONSTANT)
    return bad("class is {} and the buffer has shares; must be WEIGHT, OPTIMIZER_STATE, GRADIENT or CONSTANT",
               plan::Buffer::Class_Name(buffer.class_()));
  return {};
}

Status buffer(const plan::Plan &plan, const plan::Buffer &buffer) {
  FT_RETURN_IF_ERROR(text("name", buffer.name()));
  FT_RETURN_IF_ERROR(index("arena", buffer.arena(), plan.arenas_size(), "arenas"));
  const plan::Arena &arena = plan.arenas(int(buffer.arena()));
  if (buffer.offset() % bufferAlignment != 0)
    return bad("offset is {}; must be a multiple of {}", buffer.offset(), bufferAlignment);
  if (buffer.size() == 0)
    return bad("size is 0; must be at least 1");
  if (buffer.offset() > arena.size() || buffer.size() > arena.size() - buffer.offset())
    return bad("{} bytes at offset {} end behind arena \"{}\" of {} bytes", buffer.size(), buffer.offset(),
               arena.name(), arena.size());
  if (buffer.class_() == plan::Buffer::CLASS_UNSPECIFIED || !plan::Buffer::Class_IsValid(buffer.class_()))
    return bad("class is {}; must be one of Buffer.Class", int(buffer.class_()));
  return buffer.has_shares() ? shares(plan, buffer) : Status();
}

/// One sweep in order of offsets. Where buffers may overlap, those that are filled before the first segment may not.
Status overlaps(const plan::Plan &plan) {
  std::vector<const plan::Buffer *> order;
  for (const plan::Buffer &buffer : plan.buffers())
    order.push_back(&buffer);
  std::sort(order.begin(), order.end(), [](const plan::Buffer *a, const plan::Buffer *b) {
    return std::pair(a->arena(), a->offset()) < std::pair(b->arena(), b->offset());
  });
  auto endOf = [](const plan::Buffer *b) { return b ? b->offset() + b->size() : 0; };
  const plan::Buffer *furthest = nullptr, *furthestFilled = nullptr;
  for (const plan::Buffer *buffer : order) {
    if (furthest && furthest->arena() != buffer->arena())
      furthest = furthestFilled = nullptr;
    const bool strict = buffer->initial_version() != 0 || !plan.arenas(int(buffer->arena())).transient();
    const plan::Buffer *before = strict ? furthest : furthestFilled;
    if (before && endOf(before) > buffer->offset())
      return bad("buffer \"{}\" at [{}, {}) overlaps \"{}\" at [{}, {}) of arena \"{}\"; only buffers without an "
                 "initial version, in transient arenas, may",
                 buffer->name(), buffer->offset(), endOf(buffer), before->name(), before->offset(), endOf(before),
                 plan.arenas(int(buffer->arena())).name());
    if (!furthest || endOf(buffer) > endOf(furthest))
      furthest = buffer;
    if (buffer->initial_version() != 0 && (!furthestFilled || endOf(buffer) > endOf(furthestFilled)))
      furthestFilled = buffer;
  }
  return {};
}

Status kernelOperand(const plan::KernelOperand &operand) {
  FT_RETURN_IF_ERROR(range("bytes", operand.bytes(), 1, maxPlanBytes - 1));
  if (!std::has_single_bit(operand.alignment()) || operand.alignment() > bufferAlignment)
    return bad("alignment is {}; must be a power of two in [1, {}], as buffers are at multiples of that",
               operand.alignment(), bufferAlignment);
  return {};
}

Status kernel(const plan::Plan &plan, const plan::Kernel &kernel) {
  FT_RETURN_IF_ERROR(text("name", kernel.name()));
  FT_RETURN_IF_ERROR(text("entry", kernel.entry()));
  FT_RETURN_IF_ERROR(range("items", kernel.items(), 1, uint64_t(1) << 40));
  for (int i = 0; i < kernel.operands_size(); ++i)
    FT_RETURN_IF_ERROR(at(kernelOperand(kernel.operands(i)), [&] { return fmt::format("operands[{}]", i); }));
  if (kernel.host() || plan.target().driver() != plan::CUDA)
    return {};
  FT_RETURN_IF_ERROR(range("threads", kernel.threads(), 1, 1024));
  FT_RETURN_IF_ERROR(range("items_per_block", kernel.items_per_block(), 1, 1 << 30));
  return range("shared_bytes", kernel.shared_bytes(), 0, 227 * 1024); // the most of any sm_80 to sm_90
}

Status image(const plan::Plan &plan, const plan::Image &image, std::span<const Section> sections) {
  FT_RETURN_IF_ERROR(text("arch", image.arch()));
  const bool blob = image.format() == plan::Image::CPU_BLOB;
  if (!blob && image.format() != plan::Image::PTX && image.format() != plan::Image::CUBIN)
    return bad("format is {}; must be CPU_BLOB, PTX or CUBIN", int(image.format()));
  if (blob != (image.host() || plan.target().driver() == plan::CPU))
    return bad("format is {}, which {} does not run", plan::Image::Format_Name(image.format()),
               image.host() ? "the host" : "the target's driver " + plan::Driver_Name(plan.target().driver()));
  FT_RETURN_IF_ERROR(index("section", image.section(), int(sections.size()), "sections"));
  const Section &section = sections[image.section()];
  if (section.kind != SectionKind::Image)
    return bad("section {} is not of kind IMAGE", image.section());
  if (image.format() == plan::Image::PTX && (section.bytes.empty() || section.bytes.back() != std::byte(0)))
    return bad("PTX in section {} does not end with NUL", image.section());
  if (!blob)
    return {};
  const std::vector<int> kernels = plan::kernelsFor(plan, image.host());
  if (size_t(image.entry_offsets_size()) != kernels.size())
    return bad("has {} entry_offsets; must have {}, one a kernel", image.entry_offsets_size(), kernels.size());
  for (int i = 0; i < image.entry_offsets_size(); ++i)
    if (image.entry_offsets(i) >= section.bytes.size())
      return bad("entry_offsets[{}] (\"{}\") is {}; must be below the image's {} bytes", i,
                 plan.kernels(kernels[size_t(i)]).name(), image.entry_offsets(i), section.bytes.size());
  return {};
}

/// Each processor that has kernels has an image that all of its kind run.
Status baseline(const plan::Plan &plan, bool host) {
  const std::string_view arch = host ? std::string_view(plan::hostArch) : plan.target().arch();
  const bool found = std::any_of(plan.images().begin(), plan.images().end(), [&](const plan::Image &image) {
    return image.host() == host && image.arch() == arch;
  });
  if (found || plan::kernelsFor(plan, host).empty())
    return {};
  return bad("no image is for {} \"{}\"; must be at least one, because there are kernels",
             host ? "the host's arch" : "the target's arch", arch);
}

} // namespace

Status arenasAndBuffers(const plan::Plan &plan) {
  std::set<std::string_view> names;
  if (plan.arenas_size() > maxArenas)
    return bad("has {} arenas; must be at most {}", plan.arenas_size(), maxArenas);
  for (int i = 0; i < plan.arenas_size(); ++i) {
    FT_RETURN_IF_ERROR(at(arena(plan.arenas(i)), [&] { return fmt::format("arenas[{}]", i); }));
    if (!names.insert(plan.arenas(i).name()).second)
      return bad("arenas[{}]: the name \"{}\" stands twice", i, plan.arenas(i).name());
  }
  for (int i = 0; i < plan.buffers_size(); ++i)
    FT_RETURN_IF_ERROR(at(buffer(plan, plan.buffers(i)),
                          [&] { return fmt::format("buffers[{}] \"{}\"", i, plan.buffers(i).name()); }));
  return overlaps(plan);
}

Status kernelsAndImages(const plan::Plan &plan, std::span<const Section> sections) {
  for (int i = 0; i < plan.kernels_size(); ++i)
    FT_RETURN_IF_ERROR(at(kernel(plan, plan.kernels(i)),
                          [&] { return fmt::format("kernels[{}] \"{}\"", i, plan.kernels(i).name()); }));
  for (int i = 0; i < plan.images_size(); ++i)
    FT_RETURN_IF_ERROR(at(image(plan, plan.images(i), sections), [&] { return fmt::format("images[{}]", i); }));
  FT_RETURN_IF_ERROR(baseline(plan, false));
  return baseline(plan, true);
}

static Status inputKinds(const plan::Plan &plan) {
  std::set<int> kinds;
  std::set<uint32_t> buffers;
  for (int i = 0; i < plan.inputs_size(); ++i) {
    const plan::BatchInput &input = plan.inputs(i);
    if (input.kind() == plan::BatchInput::KIND_UNSPECIFIED || !plan::BatchInput::Kind_IsValid(input.kind()))
      return bad("inputs[{}]: kind is {}; must be one of BatchInput.Kind", i, int(input.kind()));
    FT_RETURN_IF_ERROR(at(index("buffer", input.buffer(), plan.buffers_size(), "buffers"),
                          [&] { return fmt::format("inputs[{}]", i); }));
    const uint64_t bytes = plan::batchInputBytes(plan.batch(), input.kind());
    if (plan.buffers(int(input.buffer())).size() != bytes)
      return bad("inputs[{}]: {} needs {} bytes, its buffer \"{}\" has {}", i,
                 plan::BatchInput::Kind_Name(input.kind()), bytes, plan.buffers(int(input.buffer())).name(),
                 plan.buffers(int(input.buffer())).size());
    if (!kinds.insert(input.kind()).second || !buffers.insert(input.buffer()).second)
      return bad("inputs[{}]: {} or its buffer \"{}\" stands twice; each must stand once", i,
                 plan::BatchInput::Kind_Name(input.kind()), plan.buffers(int(input.buffer())).name());
  }
  return {};
}

static Status outputKinds(const plan::Plan &plan) {
  std::set<int> kinds;
  for (int i = 0; i < plan.outputs_size(); ++i) {
    const plan::Output &output = plan.outputs(i);
    if (output.kind() == plan::Output::KIND_UNSPECIFIED || !plan::Output::Kind_IsValid(output.kind()))
      return bad("outputs[{}]: kind is {}; must be one of Output.Kind", i, int(output.kind()));
    FT_RETURN_IF_ERROR(at(index("buffer", output.buffer(), plan.buffers_size(), "buffers"),
                          [&] { return fmt::format("outputs[{}]", i); }));
    const plan::Buffer &buffer = plan.buffers(int(output.buffer()));
    const uint64_t bytes = plan::outputBytes(plan.batch(), output.kind());
    if (output.offset() > buffer.size() || bytes > buffer.size() - output.offset())
      return bad("outputs[{}]: {} needs {} bytes at offset {}, its buffer \"{}\" has {}", i,
                 plan::Output::Kind_Name(output.kind()), bytes, output.offset(), buffer.name(), buffer.size());
    if (!kinds.insert(output.kind()).second)
      return bad("outputs[{}]: {} stands twice; each must stand once", i, plan::Output::Kind_Name(output.kind()));
    for (int j = 0; j < i; ++j) // few: each kind stands once
      if (const plan::Output &other = plan.outputs(j);
          other.buffer() == output.buffer() && other.offset() < output.offset() + bytes &&
          output.offset() < other.offset() + plan::outputBytes(plan.batch(), other.kind()))
        return bad("outputs[{}]: {} shares bytes of buffer \"{}\" with {}", i, plan::Output::Kind_Name(output.kind()),
                   buffer.name(), plan::Output::Kind_Name(other.kind()));
  }
  return {};
}

/// A batch record arrives by one copy, so all of the inputs lie side by side (Staging.h).
static Status inputsAreOneRecord(const plan::Plan &plan) {
  std::set<uint32_t> inputs;
  for (const plan::BatchInput &input : plan.inputs())
    inputs.insert(input.buffer());
  const plan::Buffer &first = plan.buffers(int(*inputs.begin()));
  uint64_t begin = first.offset(), end = begin;
  for (uint32_t index : inputs) {
    const plan::Buffer &buffer = plan.buffers(int(index));
    if (buffer.arena() != first.arena())
      return bad("inputs \"{}\" and \"{}\" lie in different arenas; must be in one", first.name(), buffer.name());
    begin = std::min(begin, buffer.offset());
    end = std::max(end, buffer.offset() + buffer.size());
  }
  for (int i = 0; i < plan.buffers_size(); ++i) {
    const plan::Buffer &other = plan.buffers(i);
    if (other.arena() == first.arena() && !inputs.contains(uint32_t(i)) && other.offset() < end &&
        other.offset() + other.size() > begin)
      return bad("buffer \"{}\" lies between the inputs; a batch record would overwrite it", other.name());
  }
  return {};
}

/// An arena for what the executor keeps there; no step may touch it.
static Status executorArena(const plan::Plan &plan, std::string_view what, std::string_view name,
                            plan::Arena::Space space, uint64_t bytes) {
  for (int i = 0; i < plan.arenas_size(); ++i) {
    const plan::Arena &arena = plan.arenas(i);
    if (arena.name() != name || arena.space() != space || arena.size() < bytes)
      continue;
    for (const plan::Buffer &buffer : plan.buffers())
      if (buffer.arena() == uint32_t(i))
        return bad("buffer \"{}\" lies in arena \"{}\"; it is the executor's and holds no buffers", buffer.name(),
                   name);
    return {};
  }
  return bad("{} need a {} arena \"{}\" of at least {} bytes; there is none", what, plan::Arena::Space_Name(space),
             name, bytes);
}

Status inputsAndOutputs(const plan::Plan &plan) {
  FT_RETURN_IF_ERROR(inputKinds(plan));
  FT_RETURN_IF_ERROR(outputKinds(plan));
  if (plan.inputs_size() > 0)
    FT_RETURN_IF_ERROR(inputsAreOneRecord(plan));
  const plan::StagingLayout layout = plan::stagingLayout(plan);
  if (layout.stagingBytes > 0)
    FT_RETURN_IF_ERROR(
        executorArena(plan, "inputs and outputs", plan::stagingArena, plan::Arena::PINNED, layout.stagingBytes));
  const bool slots = std::any_of(plan.arenas().begin(), plan.arenas().end(),
                                 [](const plan::Arena &arena) { return arena.name() == plan::slotsArena; });
  if (layout.slotsBytes > 0 && (slots || plan.target().driver() == plan::CUDA))
    FT_RETURN_IF_ERROR(
        executorArena(plan, "inputs and outputs", plan::slotsArena, plan::Arena::DEVICE, layout.slotsBytes));
  return {};
}

/// A plan may have room for what is being saved; then there is enough of it.
Status checkpointRoom(const plan::Plan &plan) {
  const bool any = std::any_of(plan.arenas().begin(), plan.arenas().end(),
                               [](const plan::Arena &arena) { return arena.name() == plan::checkpointArena; });
  return any ? executorArena(plan, "checkpoints", plan::checkpointArena, plan::Arena::PINNED,
                             plan::savedState(plan).bytes)
             : Status();
}

} // namespace ft::rt::check
