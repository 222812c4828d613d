// Rank 0's end, and the meeting place of all.
#include "runtime/Communication/Envoy.h"
#include "runtime/Communication/PiecewiseRank.h"
#include "runtime/Communication/Sockets.h"
#include "runtime/Communication/Threads.h"
#include "runtime/Support/Strings.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <fmt/format.h>
#include <map>
#include <mutex>
#include <poll.h>
#include <thread>

using namespace ft;
using namespace ft::rt;
using namespace std::chrono_literals;

namespace {
constexpr auto tick = 100ms;          // how late a failure inside the room is seen at most
constexpr auto leavePatience = 2s;    // between the ends of a rank's two connections
constexpr auto farewellPatience = 3s; // for ranks to read why all have failed

/// A rank in another process, as rank 0 sees it.
struct Far {
  Far(Peer &peer, std::unique_ptr<Seat> seat, const Patience &patience)
      : who(fmt::format("host {}, process {}", peer.host, peer.process)),
        envoy(std::move(seat), std::move(peer.channels[DataChannel])),
        pulse(std::move(peer.channels[PulseChannel]), patience) {}

  const std::string who;
  Envoy envoy;
  std::thread thread;
  Pulse pulse;      ///< the watcher's
  bool open = true; ///< likewise
  std::mutex mutex;
  std::string place = "before its first heartbeat"; ///< as it says, under the mutex
  uint64_t step = 0;
  bool onDevice = false;
  std::string waitsIn; ///< on its device

  std::string lastSeen() const;
  Clock::time_point changed;      ///< the place, last; the watcher's
  std::atomic<bool> left = false; ///< it said that it needs nobody any more
};

/// Under the mutex. What a rank's requests say is newer than its heartbeats, which alone know the step of the plan.
std::string Far::lastSeen() const {
  if (onDevice || step > envoy.step())
    return place;
  const size_t at = place.find(", at \"");
  const bool same = at != std::string::npos && place.compare(0, at, envoy.lastPlace()) == 0;
  return envoy.lastSeen() + (same ? fmt::format(", last heard{}", place.substr(at + 1)) : "");
}

class MeetingPlace final : public PiecewiseRank {
public:
  MeetingPlace(const plan::Mesh &mesh, Company company, SocketOptions options);
  ~MeetingPlace() override;

  Expected<uint64_t> agree(Agreement how, uint64_t value) override {
    const Progress::Wait wait(progress);
    auto agreed = own->communicator().agree(how, value);
    (void)heard(agreed.status());
    return agreed;
  }
  void abort(std::string reason) override {
    own->communicator().abort(std::move(reason));
    waker.wake();
  }
  void whenFailed(std::function<void()> what) override { own->communicator().whenFailed(std::move(what)); }

protected:
  Status announce(std::string_view name, const plan::Collective &collective) override {
    return heard(own->prepare(name, collective));
  }
  Status exchange(uint32_t handle, uint64_t bytes, std::span<const iovec> gives, Pieces &pieces,
                  const Pieces::Memory &memory) override;
  Status bring(uint32_t from, std::span<std::byte> piece) override {
    return heard(own->communicator().toRank0(from, piece));
  }

private:
  /// A failure has come to the rank's thread; the watcher tells the others.
  Status heard(Status status) {
    if (!status.ok()) {
      overdue.heard();
      waker.wake();
    }
    return status;
  }
  void speakFor(uint32_t rank);
  void fail(uint32_t rank, std::string_view what);
  void watch();
  std::string waitingOnDevices(uint32_t lost);
  void hear(uint32_t rank);
  void judge(Clock::time_point now);
  bool devicesStandStill(Clock::time_point now);
  void sayOwn(Clock::time_point now);
  bool mayEnd(Clock::time_point now) const;

  const SocketOptions options;
  const std::shared_ptr<Room> room;
  std::unique_ptr<Seat> own;
  std::vector<std::unique_ptr<Far>> others; ///< by rank; null for 0
  std::atomic<bool> closing = false;
  Waker waker;

  // The watcher's.
  StallWatch stall;
  Overdue overdue;
  Clock::time_point lastBeat;
  std::optional<Clock::time_point> told; ///< all, why they have failed
  Progress::Place place;                 ///< this rank's, and since when
  Clock::time_point placed;
  std::thread watcher;
};

MeetingPlace::MeetingPlace(const plan::Mesh &mesh, Company company, SocketOptions given)
    : PiecewiseRank(mesh, 0, given.progress), options(std::move(given)), room(std::make_shared<Room>(mesh.ranks())),
      stall(options.progress, options.patience), overdue(options.progress, options.patience) {
  auto ends = openThreads(mesh, room);
  own = std::make_unique<Seat>(std::move(ends[0]), mesh);
  others.resize(mesh.ranks());
  for (uint32_t rank = 1; rank < mesh.ranks(); ++rank)
    others[rank] = std::make_unique<Far>(company.peers[rank], std::make_unique<Seat>(std::move(ends[rank]), mesh),
                                         options.patience);
  for (uint32_t rank = 1; rank < mesh.ranks(); ++rank)
    others[rank]->thread = std::thread([this, rank] { speakFor(rank); });
  watcher = std::thread([this] { watch(); });
}

MeetingPlace::~MeetingPlace() {
  overdue.heard();
  own.reset(); // this rank has left; others may go on without it
  for (uint32_t rank = 1; rank < size(); ++rank)
    others[rank]->thread.join();
  closing = true;
  waker.wake();
  watcher.join();
}

Status MeetingPlace::exchange(uint32_t handle, uint64_t bytes, std::span<const iovec> gives, Pieces &pieces,
                              const Pieces::Memory &memory) {
  const std::span<const iovec> there = own->gives(handle, bytes);
  for (size_t i = 0; i < gives.size(); ++i)
    std::memcpy(there[i].iov_base, gives[i].iov_base, gives[i].iov_len);
  FT_RETURN_IF_ERROR(heard(own->meet(handle)));
  const std::span<const iovec> from = own->gets(handle, bytes), to = pieces.gets(memory, bytes);
  for (size_t i = 0; i < to.size(); ++i)
    std::memcpy(to[i].iov_base, from[i].iov_base, to[i].iov_len);
  return {};
}

void MeetingPlace::speakFor(uint32_t rank) {
  Far &far = *others[rank];
  const Envoy::End end = far.envoy.serve();
  if (end == Envoy::End::Misspoke)
    fail(rank, "sent what no rank of this plan sends");
  // The watcher hears on the other connection whether it left or is lost.
  const Clock::time_point until = Clock::now() + leavePatience;
  while (!far.left && room->reason().ok() && Clock::now() < until)
    std::this_thread::sleep_for(1ms);
  if (!far.left)
    fail(rank, "its data connection closed");
  waker.wake();
  far.envoy.leave();
}

void MeetingPlace::fail(uint32_t rank, std::string_view what) {
  std::string text(what);
  if (Far *far = others[rank].get()) {
    std::lock_guard lock(far->mutex);
    text += fmt::format(" ({}); it was in {}", far->who, far->lastSeen());
  }
  const std::string onDevices = waitingOnDevices(rank), waits = onDevices.empty() ? room->waiting() : onDevices;
  room->fail(rank, text + (waits.empty() ? "" : "; " + waits));
}

/// In what the others wait, as their last heartbeats say; empty where none does.
std::string MeetingPlace::waitingOnDevices(uint32_t lost) {
  std::map<std::string, uint32_t> waiting;
  if (progress && lost != 0)
    if (const Progress::Place own = progress->place(); own.onDevice && own.waits)
      ++waiting[own.name];
  for (uint32_t rank = 1; rank < size(); ++rank) {
    std::lock_guard lock(others[rank]->mutex);
    if (rank != lost && !others[rank]->waitsIn.empty())
      ++waiting[others[rank]->waitsIn];
  }
  const auto most = std::max_element(waiting.begin(), waiting.end(),
                                     [](const auto &a, const auto &b) { return a.second < b.second; });
  return most == waiting.end() ? "" : fmt::format("{} of {} ranks wait in {}", most->second, size(), most->first);
}

void MeetingPlace::hear(uint32_t rank) {
  Far &far = *others[rank];
  const bool open = far.pulse.read([&](const pulse::Beat &beat) {
    if (!beat.place().empty()) {
      std::lock_guard lock(far.mutex);
      const std::string place = shown(beat.place());
      if (place != far.place)
        far.changed = Clock::now();
      far.place = place, far.step = beat.step();
      far.onDevice = beat.on_device(), far.waitsIn = shown(beat.waits_in());
    }
    if (!beat.abort().empty())
      room->fail(rank, beat.abort());
    if (beat.interrupted() && options.onInterrupt)
      options.onInterrupt();
    if (beat.leaves())
      far.left = true;
  });
  if (open)
    return;
  far.open = false;
  if (!far.left)
    fail(rank, "its connection closed");
}

void MeetingPlace::judge(Clock::time_point now) {
  for (uint32_t rank = 1; rank < size(); ++rank)
    if (const Far &far = *others[rank]; far.open && !far.left && far.pulse.silent(now))
      fail(rank,
           fmt::format("no heartbeat for {:.0f} s", std::chrono::duration<double>(options.patience.silence).count()));
  if (const std::string why = stall.check(now); !why.empty())
    fail(0, why);
  if (devicesStandStill(now))
    fail(0, fmt::format("all devices wait for each other, for {:.0f} s now: {}",
                        std::chrono::duration<double>(now - placed).count(), describe(place)));
}

/// Each of them in a collective, for so long that none is behind: then whoever carries it has lost it.
bool MeetingPlace::devicesStandStill(Clock::time_point now) {
  if (!progress)
    return false;
  if (Progress::Place last = progress->place(); last != place) {
    place = std::move(last);
    placed = now;
  }
  const auto least = now - 2 * options.patience.leastStall;
  bool all = place.onDevice && place.waits && placed < least;
  for (uint32_t rank = 1; rank < size(); ++rank)
    all &= !others[rank]->waitsIn.empty() && others[rank]->changed < least;
  return all;
}

/// Heartbeats; and once all have failed, why, and the end of their data connections.
void MeetingPlace::sayOwn(Clock::time_point now) {
  const Status failure = room->reason();
  const bool tells = !failure.ok() && !told;
  if (!tells && now - lastBeat < options.patience.beat)
    return;
  lastBeat = now;
  pulse::Beat beat = beatOf(progress);
  if (tells)
    beat.set_failure(failure.message());
  for (uint32_t rank = 1; rank < size(); ++rank) {
    Far &far = *others[rank];
    if (far.open && !told)
      far.pulse.send(beat);
    if (tells) {
      far.pulse.endSending();
      far.envoy.end();
    }
  }
  if (tells)
    told = now;
}

/// Where all have failed their processes shall read why: a connection that is closed too early may take that along.
bool MeetingPlace::mayEnd(Clock::time_point now) const {
  if (!closing)
    return false;
  for (uint32_t rank = 1; rank < size(); ++rank)
    if (others[rank]->open && !others[rank]->left)
      return told && now - *told > farewellPatience;
  return told || room->reason().ok();
}

void MeetingPlace::watch() {
  std::vector<pollfd> waits;
  while (!mayEnd(Clock::now())) {
    waits.assign(1, {waker.descriptor(), POLLIN, 0});
    for (uint32_t rank = 1; rank < size(); ++rank)
      waits.push_back({others[rank]->open ? others[rank]->pulse.descriptor() : -1, POLLIN, 0});
    poll(waits.data(), waits.size(), int(tick / 1ms));
    waker.clear();
    // All that has come is read before anything is judged: this process may have been stopped meanwhile.
    for (uint32_t rank = 1; rank < size(); ++rank)
      if (others[rank]->open)
        hear(rank);
    const Clock::time_point now = Clock::now();
    judge(now);
    sayOwn(now);
    if (told && !closing && overdue.check(now) && options.onOverdue)
      options.onOverdue(room->reason().message());
  }
}
} // namespace

std::unique_ptr<Communicator> ft::rt::openMeetingPlace(const plan::Mesh &mesh, Company company, SocketOptions options) {
  return std::make_unique<MeetingPlace>(mesh, std::move(company), std::move(options));
}
