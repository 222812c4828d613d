// Weights on their way to memory that the host cannot write.
#include "runtime/Weights/Load.h"
#include "runtime/Weights/SafetensorsWriter.h"
#include "runtime/Weights/SlotQueue.h"
#include "runtime/Weights/WeightsTesting.h"

#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <thread>

namespace ft::rt {
namespace {

using namespace testing;

constexpr uint64_t mebi = 1 << 20;

/// A device whose copies are made when it is waited for: what is overwritten before arrives wrong.
struct LateDevice {
  struct Copy {
    uint32_t buffer;
    uint64_t offset;
    std::span<const std::byte> bytes;
  };
  std::vector<Bytes> buffers;
  std::vector<Copy> underWay;
  size_t most = 0, waits = 0;

  explicit LateDevice(const plan::Plan &plan) {
    for (const plan::Buffer &buffer : plan.buffers())
      buffers.emplace_back(buffer.size(), std::byte(0x55)); // what is sent says all of its range, zeros too
  }
  LoadTarget target(std::span<std::byte> staging) {
    LoadTarget target;
    target.staging = staging;
    target.sink = [this](uint32_t buffer, uint64_t offset, std::span<const std::byte> bytes) {
      underWay.push_back({buffer, offset, bytes});
      return Status();
    };
    target.arrived = [this] {
      for (const Copy &copy : underWay)
        std::copy(copy.bytes.begin(), copy.bytes.end(), buffers[copy.buffer].begin() + ptrdiff_t(copy.offset));
      most = std::max(most, underWay.size());
      ++waits;
      underWay.clear();
      return Status();
    };
    return target;
  }
  /// With a mark for each slot: only what lies in front of one arrives.
  LoadTarget marked(std::span<std::byte> staging) {
    LoadTarget made = target(staging);
    made.mark = [this](uint32_t slot) {
      EXPECT_LT(slot, SlotQueue::MostSlots);
      EXPECT_FALSE(marks.contains(slot)) << "marked again before it was reached";
      marks[slot] = sent + underWay.size();
      return Status();
    };
    made.reached = [this](uint32_t slot) {
      for (; sent < marks.at(slot); ++sent) {
        const Copy copy = underWay.front();
        std::copy(copy.bytes.begin(), copy.bytes.end(), buffers[copy.buffer].begin() + ptrdiff_t(copy.offset));
        underWay.erase(underWay.begin());
      }
      marks.erase(slot);
      return Status();
    };
    made.arrived = [this, all = made.arrived] { // asked for what no slot holds alone
      EXPECT_TRUE(marks.empty()) << "everything is waited for";
      sent += underWay.size();
      return all();
    };
    return made;
  }
  std::map<uint32_t, size_t> marks; ///< by slot: how many copies are in front
  size_t sent = 0;
};

/// A model of bf16: an embedding of 3 MiB, one weight bordered by adapters, one that needs other bytes, a norm.
struct Model {
  static constexpr uint64_t rows = 700, columns = 1024, rank = 8, pitch = columns + rank;
  ScratchFolder scratch;
  plan::Plan plan;

  Model() {
    auto *wide = addTensor(plan, "wide.weight", plan::Tensor::FROZEN, plan::BF16, {1536, 1024},
                           addBuffer(plan, 3 * mebi + 4096), 2048);
    const uint32_t bordered = addBuffer(plan, (rows + rank) * pitch * 2);
    auto *w = addTensor(plan, "w.weight", plan::Tensor::FROZEN, plan::BF16, {rows, columns}, bordered);
    setLayout(*w, {rows, columns}, {pitch, 1});
    auto *b =
        addTensor(plan, "w.lora_B.weight", plan::Tensor::ADAPTER, plan::BF16, {rows, rank}, bordered, columns * 2);
    setLayout(*b, {rows, rank}, {pitch, 1});
    b->mutable_init()->set_kind(plan::Init::NORMAL), b->mutable_init()->set_scale(1);
    auto *a = addTensor(plan, "w.lora_A.weight", plan::Tensor::ADAPTER, plan::BF16, {rank, columns}, bordered,
                        rows * pitch * 2);
    setLayout(*a, {rank, columns}, {pitch, 1});
    a->mutable_init()->set_kind(plan::Init::UNIFORM), a->mutable_init()->set_scale(1);
    auto *master = addTensor(plan, "master.weight", plan::Tensor::TRAINABLE, plan::F32, {rows, columns},
                             addBuffer(plan, rows * columns * 4));
    auto *turned = addTensor(plan, "turned.weight", plan::Tensor::FROZEN, plan::BF16, {rows, columns},
                             addBuffer(plan, rows * columns * 2));
    setLayout(*turned, {rows, columns}, {1, rows});
    auto *norm =
        addTensor(plan, "norm.weight", plan::Tensor::FROZEN, plan::BF16, {columns}, addBuffer(plan, columns * 2));
    std::vector<SafetensorsEntry> entries;
    for (const plan::Tensor *tensor : {wide, w, master, turned, norm})
      entries.push_back({tensor->key(), plan::BF16, {tensor->shape().begin(), tensor->shape().end()}});
    auto writer = SafetensorsWriter::create(scratch.path("model.safetensors"), entries);
    std::mt19937 random(3);
    for (const SafetensorsEntry &entry : entries) {
      std::vector<uint16_t> numbers(elementCount(entry.shape));
      for (uint16_t &number : numbers)
        number = uint16_t(random()) & 0xbfff; // below 2
      FT_EXPECT_OK(writer->write(std::as_bytes(std::span(numbers))));
    }
    FT_EXPECT_OK(writer->finish());
  }
  Status load(const LoadTarget &target, uint32_t threads) const {
    auto model = ModelSource::open(scratch.path());
    LoadOptions options;
    options.threads = threads;
    return model.ok() ? loadModel(plan, *model, options, target) : model.status();
  }
  std::vector<Bytes> direct() const {
    std::vector<Bytes> buffers;
    for (const plan::Buffer &buffer : plan.buffers())
      buffers.emplace_back(buffer.size());
    LoadTarget target;
    target.hostBuffer = [&](uint32_t buffer) { return buffers[buffer].data(); };
    FT_EXPECT_OK(load(target, 1));
    return buffers;
  }
};

TEST(Send, SlotsAreFilledAgainOnlyWhenTheirBytesHaveArrived) {
  const Model model;
  const std::vector<Bytes> expected = model.direct();
  for (const uint32_t threads : {1, 3, 8}) {
    Bytes staging(4 * mebi);
    LateDevice device(model.plan);
    FT_EXPECT_OK(model.load(device.target(staging), threads));
    for (size_t i = 1; i < expected.size(); ++i) // the last corner of what is bordered is behind all that is sent
      EXPECT_TRUE(std::equal(expected[i].begin(), expected[i].end() - (i == 1 ? 2 * Model::rank : 0),
                             device.buffers[i].begin()))
          << "buffer " << i << " by " << threads;
    EXPECT_TRUE(std::equal(expected[0].begin() + 2048, expected[0].begin() + 2048 + 3 * mebi,
                           device.buffers[0].begin() + 2048));
    EXPECT_EQ(device.buffers[0][0], std::byte(0x55)); // nothing is sent but what tensors hold
    EXPECT_GT(device.waits, 2u);
  }
}

TEST(Send, ASlotIsFilledAgainWhenItsOwnMarkIsReached) {
  const Model model;
  const std::vector<Bytes> expected = model.direct();
  for (const uint32_t threads : {1, 3, 8}) {
    Bytes staging(4 * mebi);
    LateDevice device(model.plan);
    FT_EXPECT_OK(model.load(device.marked(staging), threads));
    EXPECT_TRUE(device.underWay.empty() && device.marks.empty());
    for (const size_t whole : {2, 3, 4})
      EXPECT_TRUE(device.buffers[whole] == expected[whole]) << "buffer " << whole << " by " << threads;
    EXPECT_TRUE(std::equal(expected[1].begin(), expected[1].end() - 2 * Model::rank, device.buffers[1].begin()));
  }
}

TEST(Send, LittleMemoryChangesNothing) {
  const Model model;
  const std::vector<Bytes> expected = model.direct();
  for (const uint64_t bytes : {uint64_t(0), mebi, mebi + 12345}) {
    Bytes staging(bytes);
    LateDevice device(model.plan);
    FT_EXPECT_OK(model.load(device.target(staging), 4));
    EXPECT_TRUE(device.buffers[2] == expected[2] && device.buffers[3] == expected[3]) << bytes;
  }
}

TEST(Send, FailsAsTheDeviceDoes) {
  const Model model;
  for (const bool late : {false, true}) {
    LateDevice device(model.plan);
    LoadTarget target = device.target({});
    if (late)
      target.arrived = [] { return failed("the GPU is gone"); };
    else
      target.sink = [](uint32_t, uint64_t, std::span<const std::byte>) { return failed("the GPU is gone"); };
    expectError(model.load(target, 4), "the GPU is gone");
  }
}

TEST(SlotQueue, MakesAndSendsEachItemOnce) {
  for (const uint32_t threads : {0, 1, 7}) { // 0: nobody but the one who sends
    Bytes memory(mebi);
    SlotQueue slots(memory);
    EXPECT_EQ(slots.slotBytes(), mebi / 4);
    std::multiset<uint64_t> sent;
    std::set<uint32_t> marked;
    size_t most = 0;
    const Status status =
        slots.run(threads, 100, [](uint64_t item, std::byte *slot) { std::memcpy(slot, &item, sizeof(item)); },
                  {[&](uint64_t item, std::byte *slot) {
                     EXPECT_EQ(std::memcmp(slot, &item, sizeof(item)), 0);
                     sent.insert(item);
                     return Status();
                   },
                   [&](uint32_t slot) {
                     EXPECT_TRUE(marked.insert(slot).second) << "marked again before it was reached";
                     most = std::max(most, marked.size());
                     return Status();
                   },
                   [&](uint32_t slot) {
                     EXPECT_EQ(marked.erase(slot), 1u);
                     return Status();
                   }});
    FT_EXPECT_OK(status);
    EXPECT_TRUE(marked.empty());
    EXPECT_LE(most, 3u); // of four, one is free for whoever fills
    if (threads == 0) {
      EXPECT_EQ(most, 3u) << "others stay on their way while one is filled";
    }
    EXPECT_EQ(sent.size(), 100u);
    EXPECT_EQ(std::set<uint64_t>(sent.begin(), sent.end()).size(), 100u);
  }
}

TEST(SlotQueue, EachThreadFillsSlotsOfItsOwn) {
  constexpr uint32_t threads = 3;
  Bytes memory(8 * mebi);
  SlotQueue slots(memory);
  std::mutex mutex;
  std::map<std::byte *, std::set<std::thread::id>> fillers;
  FT_EXPECT_OK(slots.run(threads, 200,
                         [&](uint64_t, std::byte *slot) {
                           const std::lock_guard lock(mutex);
                           fillers[slot].insert(std::this_thread::get_id());
                         },
                         {[](uint64_t, std::byte *) { return Status(); }, [](uint32_t) { return Status(); },
                          [](uint32_t) { return Status(); }}));
  EXPECT_LE(fillers.size(), memory.size() / slots.slotBytes());
  for (const auto &[slot, who] : fillers)
    EXPECT_EQ(who.size(), 1u) << "the slot at " << (slot - memory.data()) / mebi << " MiB wanders between cores";
}

TEST(SlotQueue, MoreThreadsThanSlotsShareTheWork) {
  Bytes memory(mebi); // four slots
  SlotQueue slots(memory);
  std::atomic<uint64_t> made = 0;
  uint64_t sent = 0;
  const Status status = slots.run(64, 300, [&](uint64_t, std::byte *) { ++made; },
                                  {[&](uint64_t, std::byte *) {
                                     ++sent;
                                     return Status();
                                   },
                                   [](uint32_t) { return Status(); },
                                   [&](uint32_t) { return sent < 250 ? Status() : failed("the GPU is gone"); }});
  expectError(status, "the GPU is gone"); // and nobody waits for ever
  EXPECT_LE(made, 300u);
}

} // namespace
} // namespace ft::rt
