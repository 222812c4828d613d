#include "runtime/Plan/Memory.h"

#include "runtime/Plan/Mesh.h"
#include "runtime/Plan/Nf4.h"
#include "runtime/Plan/SavedState.h"
#include "runtime/Plan/Staging.h"
#include "runtime/Support/Strings.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <numeric>

using namespace ft;
using namespace ft::rt;

bool ft::rt::takesDeviceMemory(const plan::Plan &plan, const plan::Arena &arena) {
  return plan.target().driver() == plan::CPU || arena.space() == plan::Arena::DEVICE;
}

/// Ranks whose arenas lie in one memory.
static uint64_t ranksOfMemory(const plan::Plan &plan) {
  return plan.target().driver() == plan::CPU ? plan::Mesh(plan).ranks() : 1;
}

uint64_t ft::rt::allowedOf(uint64_t memory, uint64_t budget) {
  return memory && budget ? std::min(memory, budget) : memory + budget;
}

uint64_t ft::rt::weightBytes(const plan::Plan &plan) {
  uint64_t bytes = 0;
  for (const plan::Tensor &tensor : plan.tensors())
    if (tensor.role() == plan::Tensor::FROZEN || tensor.role() == plan::Tensor::TRAINABLE) {
      const uint64_t elements =
          std::accumulate(tensor.shape().begin(), tensor.shape().end(), uint64_t(1), std::multiplies<uint64_t>());
      bytes += tensor.dtype() == plan::U4 ? plan::Nf4Layout(elements, tensor.quantization().double_quant()).bytes
                                          : elements * plan::dtypeBytes(tensor.dtype());
    }
  return bytes;
}

uint64_t ft::rt::weightStagingBytes(const plan::Plan &plan) {
  constexpr uint64_t least = 1 << 20, most = 64 << 20; // 32 slots of 2 MiB, see SlotQueue
  return plan.target().driver() == plan::CPU ? 0 : std::clamp(weightBytes(plan), least, most);
}

Fit ft::rt::fitOf(const plan::Plan &plan) {
  Fit fit;
  for (const plan::Arena &arena : plan.arenas())
    if (takesDeviceMemory(plan, arena))
      fit.arenas += arena.size() * ranksOfMemory(plan);
    else
      fit.host += arena.size() * plan::Mesh(plan).ranks();
  fit.host += weightStagingBytes(plan) * plan::Mesh(plan).ranks();
  fit.hostHas = plan.target().host_memory();
  fit.outside = plan.target().outside_arenas();
  fit.has = allowedOf(plan.target().memory(), plan.target().memory_budget());
  return fit;
}

bool ft::rt::countsNccl(const plan::Plan &plan) {
  bool exchanges = false;
  for (const plan::Segment &segment : plan.segments())
    for (const plan::Step &step : segment.steps()) {
      exchanges |= step.has_collective();
      if (step.has_collective() && step.collective().kernels_size() > 0)
        return false;
    }
  return exchanges && plan.target().driver() == plan::CUDA;
}

namespace {

std::string className(plan::Buffer::Class kind) {
  switch (kind) {
  case plan::Buffer::WEIGHT:
    return "weights";
  case plan::Buffer::OPTIMIZER_STATE:
    return "optimizer states";
  case plan::Buffer::GRADIENT:
    return "gradients";
  case plan::Buffer::ACTIVATION:
    return "activations";
  case plan::Buffer::WORKSPACE:
    return "library workspaces";
  case plan::Buffer::INPUT:
    return "batch inputs";
  case plan::Buffer::OUTPUT:
    return "outputs";
  case plan::Buffer::CONSTANT:
    return "constant tables";
  default:
    return "other";
  }
}

class Table {
public:
  Table() : text(fmt::format("  {:<16}{:<22}{:>16}{:>12}\n", "arena", "holds", "bytes", "GiB")) {}

  void add(const std::string &arena, const std::string &holds, uint64_t bytes, const std::string &note = "") {
    text += fmt::format("  {:<16}{:<22}{:>16}{:>12.3f}{}\n", arena, holds, bytes, bytes / 0x1p30, note);
  }
  void addArena(const plan::Plan &plan, int index);

  std::string text;
};

/// One row where buffers share bytes or the arena has none, else a row for each class.
void Table::addArena(const plan::Plan &plan, int index) {
  const plan::Arena &arena = plan.arenas(index);
  if (arena.transient()) {
    const double over = arena.largest_live() ? 100.0 * (double(arena.size()) / arena.largest_live() - 1) : 0;
    add(arena.name(), "transient values", arena.size(),
        fmt::format("   largest live set {} (+{:.2f} %)", arena.largest_live(), over));
    return;
  }
  if (arena.name() == plan::slotsArena || arena.name() == plan::stagingArena) {
    add(arena.name(), "batch records", arena.size());
    return;
  }
  if (arena.name() == plan::checkpointArena) {
    add(arena.name(), "what is being saved", arena.size());
    return;
  }
  constexpr uint64_t alignment = 256; // of buffers, for which padding counts
  std::map<plan::Buffer::Class, uint64_t> classes;
  for (const plan::Buffer &buffer : plan.buffers())
    if (buffer.arena() == static_cast<uint32_t>(index))
      classes[buffer.class_()] += (buffer.size() + alignment - 1) / alignment * alignment;
  for (auto [kind, bytes] : classes)
    add(arena.name(), className(kind), bytes);
}

/// What a host's memory holds beside a device: rows where steps work there, else a line for each of the executor's.
void addHost(const plan::Plan &plan, const Fit &fit, Table &table) {
  const auto worksThere = [&](int index) {
    return std::any_of(plan.buffers().begin(), plan.buffers().end(),
                       [&](const plan::Buffer &buffer) { return buffer.arena() == static_cast<uint32_t>(index); });
  };
  bool any = false;
  for (int i = 0; i < plan.arenas_size(); ++i)
    if (const plan::Arena &arena = plan.arenas(i); !takesDeviceMemory(plan, arena)) {
      if (worksThere(i))
        table.addArena(plan, i);
      else
        table.text += fmt::format("  pinned host memory{}: {} bytes\n",
                                  arena.name() == plan::checkpointArena ? " for checkpoints" : "", arena.size());
      any |= worksThere(i);
    }
  if (const uint64_t bytes = weightStagingBytes(plan))
    table.text += fmt::format("  pinned host memory for weights on their way: {} bytes\n", bytes);
  if (!any)
    return;
  const uint32_t ranks = plan::Mesh(plan).ranks();
  table.add("host needs", ranks > 1 ? fmt::format("for {} ranks", ranks) : "", fit.host);
  if (fit.hostHas != 0)
    table.add("host has", "", fit.hostHas);
}

} // namespace

std::string ft::rt::memoryTable(const plan::Plan &plan) {
  const plan::Target &target = plan.target();
  const Fit fit = fitOf(plan);
  Table table;
  for (int i = 0; i < plan.arenas_size(); ++i)
    if (takesDeviceMemory(plan, plan.arenas(i)))
      table.addArena(plan, i);
  if (const uint64_t ranks = ranksOfMemory(plan); ranks > 1)
    table.add("other ranks", fmt::format("the same, {} ×", ranks - 1), fit.arenas / ranks * (ranks - 1));
  table.add("outside", target.driver() == plan::CPU ? "program, libraries" : "driver, libraries", fit.outside,
            target.outside_measured() ? "   measured" : "   estimate");
  table.add("needs", "", fit.needs());
  if (fit.has != 0)
    table.add(fit.has == target.memory_budget() ? "may have" : "has", "", fit.has);
  if (const uint32_t ranks = plan::Mesh(plan).ranks(); ranks > 1 && target.driver() != plan::CPU)
    table.text += fmt::format("  on each of {} GPUs\n", ranks);
  addHost(plan, fit, table);
  return table.text;
}

template <typename Wanted> static std::string describe(const plan::Plan &plan, Wanted wanted) {
  std::string text;
  for (const plan::Arena &arena : plan.arenas())
    if (wanted(arena))
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", arena.name(), formatBytes(arena.size()));
  return text;
}

std::string ft::rt::describeArenas(const plan::Plan &plan) {
  return describe(plan, [](const plan::Arena &) { return true; });
}

std::string ft::rt::describeHostArenas(const plan::Plan &plan) {
  return describe(plan, [&](const plan::Arena &arena) { return !takesDeviceMemory(plan, arena); });
}
