// A rank that is not in rank 0's process.
#include "runtime/Communication/PiecewiseRank.h"
#include "runtime/Communication/Requests.h"
#include "runtime/Communication/Sockets.h"

#include <condition_variable>
#include <fmt/format.h>
#include <mutex>
#include <poll.h>
#include <thread>

using namespace ft;
using namespace ft::rt;
using namespace std::chrono_literals;

namespace {
constexpr auto tick = 100ms;        // how late an interrupt is seen
constexpr auto reasonPatience = 5s; // from the end of the data connection to the reason, on the other one

class FarRank final : public PiecewiseRank {
public:
  FarRank(const plan::Mesh &mesh, uint32_t number, Company company, SocketOptions given)
      : PiecewiseRank(mesh, number, given.progress), options(std::move(given)),
        zero(fmt::format("host {}, process {}", company.peers[0].host, company.peers[0].process)),
        data(std::move(company.peers[0].channels[DataChannel])),
        pulse(std::move(company.peers[0].channels[PulseChannel]), options.patience),
        stall(options.progress, options.patience), overdue(options.progress, options.patience),
        watcher([this] { watch(); }) {}
  ~FarRank() override;

  Expected<uint64_t> agree(Agreement how, uint64_t value) override {
    const Progress::Wait wait(progress);
    return call({Request::Agree, uint32_t(how), value}, {}, [](const Reply &) { return true; });
  }
  void abort(std::string reason) override;
  void whenFailed(std::function<void()> what) override;

protected:
  Status announce(std::string_view name, const plan::Collective &collective) override;
  Status exchange(uint32_t handle, uint64_t bytes, std::span<const iovec> gives, Pieces &pieces,
                  const Pieces::Memory &memory) override;
  Status bring(uint32_t from, std::span<std::byte> piece) override {
    const iovec own = {piece.data(), from == number ? piece.size() : 0};
    return call({Request::Bring, from, piece.size()}, {&own, 1}, [](const Reply &) { return true; }).status();
  }

private:
  /// Sends the request and what follows, waits for the reply, and lets `rest` read what follows that.
  template <typename Rest> Expected<uint64_t> call(Request request, std::span<const iovec> follows, Rest rest);
  Status reason();
  void watch();
  void take(const pulse::Beat &beat);
  void fail(std::string reason);
  std::string whyAll();
  void sayOwn(Clock::time_point now, bool leaves);

  const SocketOptions options;
  const std::string zero;
  const Connection data;

  std::mutex mutex;
  std::condition_variable changed;
  std::string failure, wanted; ///< of all, and what this rank wants all to fail for
  std::function<void()> alarm;
  bool closing = false;

  // The watcher's.
  Pulse pulse;
  StallWatch stall;
  Overdue overdue;
  std::string zerosPlace = "before the first heartbeat";
  Clock::time_point lastBeat;
  bool saidAbort = false, saidInterrupt = false;
  Waker waker;
  std::thread watcher; ///< last: it uses all of the above
};

FarRank::~FarRank() {
  {
    std::lock_guard lock(mutex);
    closing = true;
  }
  waker.wake();
  watcher.join();
}

void FarRank::abort(std::string reason) {
  {
    std::lock_guard lock(mutex);
    if (wanted.empty())
      wanted = reason.empty() ? "failed" : std::move(reason);
    if (alarm) // rank 0 may be what is lost
      alarm();
  }
  waker.wake();
}

void FarRank::whenFailed(std::function<void()> what) {
  std::lock_guard lock(mutex);
  alarm = std::move(what);
  if (alarm && !(failure.empty() && wanted.empty()))
    alarm();
}

template <typename Rest> Expected<uint64_t> FarRank::call(Request request, std::span<const iovec> follows, Rest rest) {
  if (progress) {
    const Progress::Place place = progress->place();
    request.step = place.step, request.segment = uint64_t(place.segment);
  }
  const iovec head = {&request, sizeof request};
  Reply reply;
  if (data.send({&head, 1}) && data.send(follows) && data.receive(&reply, sizeof reply) && rest(reply)) {
    std::lock_guard lock(mutex);
    if (wanted.empty()) // or rank 0 answered before it heard
      return reply.value;
  }
  return reason();
}

Status FarRank::announce(std::string_view name, const plan::Collective &collective) {
  pulse::Prepare message;
  message.set_name(std::string(name));
  message.set_collective(collective.SerializeAsString());
  std::string bytes = message.SerializeAsString();
  if (bytes.size() > mostPrepareBytes)
    return badInput(fmt::format("collective \"{}\" has {} runs; too many for ranks in several processes", name,
                                collective.whole_size()));
  const iovec follows = {bytes.data(), bytes.size()};
  return call({Request::Prepare, 0, bytes.size()}, {&follows, 1}, [](const Reply &) { return true; }).status();
}

Status FarRank::exchange(uint32_t handle, uint64_t bytes, std::span<const iovec> gives, Pieces &pieces,
                         const Pieces::Memory &memory) {
  return call({Request::Run, handle, bytes}, gives,
              [&](const Reply &) { return data.receive(pieces.gets(memory, bytes)); })
      .status();
}

/// Why the data connection ended: the watcher hears it at about the same time.
Status FarRank::reason() {
  overdue.heard();
  std::unique_lock lock(mutex);
  if (!changed.wait_for(lock, reasonPatience, [&] { return !failure.empty(); })) {
    failure = fmt::format("rank 0: its data connection closed ({})", zero);
    wanted = fmt::format("its data connection to rank 0 closed");
    if (alarm)
      alarm();
    waker.wake();
  }
  return failed(failure);
}

void FarRank::fail(std::string why) {
  {
    std::lock_guard lock(mutex);
    if (failure.empty())
      failure = std::move(why);
    if (alarm)
      alarm();
  }
  data.end();
  changed.notify_all();
}

std::string FarRank::whyAll() {
  std::lock_guard lock(mutex);
  return failure;
}

void FarRank::take(const pulse::Beat &beat) {
  if (!beat.place().empty())
    zerosPlace = beat.place();
  if (!beat.failure().empty())
    fail(beat.failure());
}

/// Heartbeats, and what cannot wait for the next.
void FarRank::sayOwn(Clock::time_point now, bool leaves) {
  pulse::Beat beat = beatOf(progress);
  {
    std::lock_guard lock(mutex);
    if (!saidAbort && !wanted.empty())
      beat.set_abort(wanted);
    beat.set_leaves(leaves);
  }
  beat.set_interrupted(!saidInterrupt && options.interrupted && options.interrupted());
  saidAbort |= !beat.abort().empty();
  saidInterrupt |= beat.interrupted();
  if (!leaves && beat.abort().empty() && !beat.interrupted() && now - lastBeat < options.patience.beat)
    return;
  lastBeat = now;
  pulse.send(beat); // where it is broken, reading says so
}

void FarRank::watch() {
  for (bool open = true, last = false; !last;) {
    pollfd waits[] = {{waker.descriptor(), POLLIN, 0}, {open ? pulse.descriptor() : -1, POLLIN, 0}};
    poll(waits, 2, int(tick / 1ms));
    waker.clear();
    {
      std::lock_guard lock(mutex);
      last = closing;
    }
    // What has come is read before anything is judged: this process may have been stopped meanwhile.
    if (open && !pulse.read([this](const pulse::Beat &beat) { take(beat); })) {
      open = false;
      fail(fmt::format("rank 0: its connection closed ({}); it was in {}", zero, zerosPlace));
    }
    const Clock::time_point now = Clock::now();
    if (open && pulse.silent(now))
      fail(fmt::format("rank 0: no heartbeat for {:.0f} s ({}); it was in {}",
                       std::chrono::duration<double>(options.patience.silence).count(), zero, zerosPlace));
    if (std::string why = stall.check(now); !why.empty())
      abort(std::move(why));
    if (open)
      sayOwn(now, last);
    if (const std::string why = whyAll(); !why.empty() && !last && overdue.check(now) && options.onOverdue)
      options.onOverdue(why);
  }
  pulse.endSending();
}
} // namespace

std::unique_ptr<Communicator> ft::rt::openFarRank(const plan::Mesh &mesh, uint32_t rank, Company company,
                                                  SocketOptions options) {
  return std::make_unique<FarRank>(mesh, rank, std::move(company), std::move(options));
}
