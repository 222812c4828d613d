// What the verifier keeps of an arena, against a list of touches for each byte.
#include "runtime/Plan/LiveRegions.h"
#include "runtime/Plan/TestRegions.h"

#include <array>
#include <gtest/gtest.h>
#include <map>
#include <optional>

using namespace ft::rt;
using namespace ft::rt::test;

namespace {

constexpr uint32_t streams = 3, buffers = 3;

/// How far each stream has seen each, as steps and events make it: a true order, over which one may conclude.
struct Seen {
  std::array<std::array<int32_t, streams>, streams> of{};

  static bool ordered(const void *context, const Touch &earlier, const Touch &later) {
    const Seen &seen = *static_cast<const Seen *>(context);
    return earlier.run != later.run || earlier.stream == later.stream ||
           earlier.position <= seen.of[later.stream][earlier.stream];
  }
  void wait(uint32_t stream, uint32_t other) {
    for (uint32_t i = 0; i < streams; ++i)
      of[stream][i] = std::max(of[stream][i], of[other][i]);
  }
};

/// Each byte remembers who has touched it.
class Bytes {
public:
  explicit Bytes(const Seen &seen) : seen(seen) {}

  bool mayRead(const Touch &touch) const {
    for (const int64_t at : bytesOf(touch.region)) {
      const auto byte = bytes.find(at);
      if (byte == bytes.end() || !byte->second.written)
        return false;
      const Touch &last = *byte->second.written;
      if (byte->second.dead || last.buffer != touch.buffer || last.version != touch.version ||
          !Seen::ordered(&seen, last, touch))
        return false;
    }
    return true;
  }
  bool mayWrite(const Touch &touch) const {
    for (const int64_t at : bytesOf(touch.region))
      if (const auto byte = bytes.find(at); byte != bytes.end())
        for (const Touch &earlier : byte->second.touches)
          if (!Seen::ordered(&seen, earlier, touch))
            return false;
    return true;
  }
  void add(const Touch &touch, bool writes) {
    for (const int64_t at : bytesOf(touch.region)) {
      Byte &byte = bytes[at];
      byte.touches.push_back(touch);
      if (writes)
        byte.written = touch, byte.dead = false;
    }
  }
  void rename(uint32_t buffer, uint32_t from, uint32_t to) {
    for (auto &[at, byte] : bytes)
      if (byte.written && byte.written->buffer == buffer && byte.written->version == from)
        byte.written->version = to;
  }
  void forgetReads() { // those of earlier runs are over
    for (auto &[at, byte] : bytes)
      byte.touches.clear();
  }
  void forgetValues(const std::vector<bool> &dead) {
    for (auto &[at, byte] : bytes)
      byte.dead |= byte.written && dead[byte.written->buffer];
  }

private:
  struct Byte {
    std::vector<Touch> touches;
    std::optional<Touch> written;
    bool dead = false;
  };
  const Seen &seen;
  std::map<int64_t, Byte> bytes;
};

/// Both, and steps until one is refused.
class World {
public:
  explicit World(uint32_t seed) : random(seed), naive(seen), live(Seen::ordered, &seen, budget) {}

  /// What was allowed and refused, of reads and of writes.
  int reads = 0, writes = 0, badReads = 0, badWrites = 0, tiledReads = 0;

  void run() {
    for (int i = 0; i < 60 && goOn; ++i) {
      switch (below(12)) {
      case 0:
        seen.wait(below(streams), below(streams));
        break;
      case 1:
        endRun();
        break;
      case 2:
      case 3:
        writeAndReadTiles();
        break;
      case 4:
      case 5:
      case 6:
        touchAgain();
        break;
      default:
        touch(randomRegion(random), below(buffers), 1 + below(2), below(2) == 0, below(streams));
      }
    }
  }

private:
  uint32_t below(uint32_t n) { return uint32_t(random() % n); }

  void endRun() {
    ++currentRun;
    seen = {};
    std::vector<bool> dead(buffers);
    dead[below(buffers)] = below(2);
    live.forgetReads(), naive.forgetReads();
    live.forgetValues(dead), naive.forgetValues(dead);
    const uint32_t buffer = below(buffers);
    live.rename({0, 1 << 20}, buffer, 1, 2), naive.rename(buffer, 1, 2);
  }

  /// A matrix as tiles of one version, some written by another stream, one perhaps not at all or of another version;
  /// then parts of it are read.
  void writeAndReadTiles() {
    const uint64_t pitch = 8 + 4 * below(3), start = below(40), columns = 1 + below(2), rows = 1 + below(4);
    const uint64_t width = pitch / 2 / columns, height = 1 + below(3);
    const uint32_t buffer = below(buffers), version = 3 + below(2), odd = below(4 * uint32_t(columns * rows));
    const uint32_t stream = below(streams), other = below(3) ? stream : below(streams);
    for (uint32_t tile = 0; tile < columns * rows && goOn; ++tile) {
      const uint64_t row = tile / columns * height, column = tile % columns * width;
      if (tile != odd || below(2))
        touch(*makeRegion(start + row * pitch + column, width, height, pitch, 1, 0), buffer,
              tile == odd ? version + 1 : version, true, tile % 2 ? other : stream);
    }
    if (below(2))
      seen.wait(stream, other);
    const uint64_t from = below(uint32_t(rows * height)), count = 1 + below(uint32_t(rows * height - from));
    const int before = reads;
    if (goOn)
      touch(*makeRegion(start + from * pitch, columns * width, count, pitch, 1, 0), buffer, version, false, stream);
    tiledReads += reads - before;
  }

  /// What was touched before, or what lies around its first rows.
  void touchAgain() {
    if (known.empty())
      return;
    const Touch &before = known[known.size() - 1 - below(std::min<uint32_t>(uint32_t(known.size()), 6))];
    ByteRegion region = before.region;
    if (region.outerCount == 1 && region.count > 2 && below(2))
      --region.count;
    touch(region, before.buffer, before.version, below(4) == 0, below(streams));
  }

  void touch(const ByteRegion &region, uint32_t buffer, uint32_t version, bool writes, uint32_t stream) {
    Touch touch;
    touch.region = region, touch.buffer = buffer, touch.version = version;
    touch.run = currentRun, touch.stream = stream, touch.position = seen.of[stream][stream] + 1;
    const bool may = writes ? naive.mayWrite(touch) : naive.mayRead(touch);
    const auto conflict = writes ? live.write(touch) : live.checkRead(touch);
    ASSERT_EQ(!conflict, may) << describe(region, 0) << (writes ? " written" : " read") << " as version " << version
                              << " of buffer " << buffer << " on stream " << stream;
    (writes ? (may ? this->writes : badWrites) : (may ? reads : badReads)) += 1;
    if (!may) {
      goOn = !writes; // a write that is refused may have dropped what it covers
      return;
    }
    if (!writes)
      live.addRead(touch);
    naive.add(touch, writes);
    known.push_back(touch);
    ++seen.of[stream][stream];
  }

  std::mt19937 random;
  WorkBudget budget;
  Seen seen;
  Bytes naive;
  LiveRegions live;
  std::vector<Touch> known;
  uint32_t currentRun = 0;
  bool goOn = true;
};

} // namespace

TEST(LiveRegions, AgreeWithAListForEachByte) {
  int reads = 0, writes = 0, badReads = 0, badWrites = 0, tiledReads = 0;
  for (uint32_t seed = 0; seed < 8000; ++seed) {
    World world(seed);
    world.run();
    if (testing::Test::HasFatalFailure())
      FAIL() << "seed " << seed;
    reads += world.reads, writes += world.writes, tiledReads += world.tiledReads;
    badReads += world.badReads, badWrites += world.badWrites;
  }
  EXPECT_GT(reads, 5000);
  EXPECT_GT(tiledReads, 4000);
  EXPECT_GT(writes, 30000);
  EXPECT_GT(badReads, 5000);
  EXPECT_GT(badWrites, 2000);
}

/// Tiles that hide each other in part have more bytes than they cover.
TEST(LiveRegions, TilesThatOverlapAreNotCounted) {
  Seen seen;
  WorkBudget budget;
  LiveRegions live(Seen::ordered, &seen, budget);
  Touch touch;
  touch.version = 1;
  for (const int64_t start : {0, 4}) { // 12 bytes, as many as are read below
    touch.region = {start, 6};
    ASSERT_FALSE(live.write(touch));
  }
  touch.region = {0, 12};
  const auto conflict = live.checkRead(touch);
  ASSERT_TRUE(conflict);
  EXPECT_EQ(conflict->kind, Conflict::Undefined);
  EXPECT_EQ(conflict->region, (ByteRegion{10, 2}));
}

/// A value of 4096 tiles, each read beside all others: the budget is what looking at each pair would cost many times.
TEST(LiveRegions, ATensorOfManyTilesIsReadInOneGo) {
  constexpr uint64_t heads = 32, tiles = 128, rows = 64, width = 128, pitch = heads * width;
  Seen seen;
  WorkBudget budget{20 * heads * tiles};
  LiveRegions live(Seen::ordered, &seen, budget);
  Touch touch;
  touch.version = 1;
  for (uint64_t tile = 0; tile < tiles; ++tile)
    for (uint64_t head = 0; head < heads; ++head) {
      touch.region = *makeRegion(tile * rows * pitch + head * width, width, rows, pitch, 1, 0);
      ASSERT_FALSE(live.write(touch));
    }
  touch.region = *makeRegion(0, tiles * rows * pitch, 1, 0, 1, 0);
  EXPECT_FALSE(live.checkRead(touch));
  EXPECT_FALSE(budget.exhausted());
  touch.region = *makeRegion(0, tiles * rows * pitch + 1, 1, 0, 1, 0);
  EXPECT_TRUE(live.checkRead(touch)); // one byte more
}
