#include "runtime/Rendezvous/Frames.h"
#include "runtime/Rendezvous/Rendezvous.h"

#include <algorithm>
#include <fmt/format.h>
#include <list>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

using namespace ft::rt;
using namespace std::chrono_literals;

namespace {
constexpr auto tick = 100ms;          // how late a stop is seen
constexpr auto helloPatience = 10s;   // for the first message of a connection
constexpr auto lingering = 10s;       // after a failure, for ranks that still come
constexpr size_t mostStrangers = 256; // connections that nobody has spoken on

/// A connection at the door, or of a rank that waits.
struct Caller {
  Connection connection;
  Clock::time_point since;
  std::string nonce;
  FrameReader frames;
  RollCall::Guest guest{};
  bool told = false;

  bool isRank() const { return guest.rank > 0; }
};

class Gathering {
public:
  Gathering(Descriptor listener, const Launch &launch, const Attendance &own, uint32_t channels)
      : listener(std::move(listener)), launch(launch), own(own), channels(channels), roll(own, channels, launch.secret),
        deadline(Clock::now() + launch.startTimeout) {}

  Expected<Company> run(const std::function<bool()> &stop) {
    while (!roll.complete() && roll.failure().ok()) {
      turn();
      if (stop())
        roll.fail({Code::Interrupted, "interrupted while ranks were coming; nothing was started"});
      else if (Clock::now() >= deadline && !roll.complete())
        roll.fail(cannotRun(roll.missing(fmt::format("{} s (FTRUN_START_TIMEOUT)", launch.startTimeout.count()))));
    }
    if (!roll.failure().ok())
      return refuseAll();
    listener = Descriptor();
    return begin();
  }

private:
  void turn();
  void accept();
  bool read(Caller &caller);
  bool tell(Caller &caller, const Status &what);
  Status refuseAll();
  Company begin();

  Descriptor listener;
  const Launch &launch;
  const Attendance &own;
  const uint32_t channels;
  RollCall roll;
  const Clock::time_point deadline;
  std::list<Caller> callers;
  size_t answers = 0; ///< refusals that were sent
  std::vector<pollfd> waits;
};

void Gathering::turn() {
  waits.assign(1, {listener.get(), POLLIN, 0});
  for (const Caller &caller : callers)
    waits.push_back({caller.connection.get(), POLLIN, 0});
  poll(waits.data(), waits.size(), int(tick / 1ms));
  size_t index = 1;
  for (auto caller = callers.begin(); caller != callers.end(); ++index) {
    const bool late = !caller->isRank() && !caller->told && Clock::now() - caller->since > helloPatience;
    if ((waits[index].revents && !read(*caller)) || late) {
      roll.gone(caller->guest);
      caller = callers.erase(caller);
    } else {
      ++caller;
    }
  }
  if (waits[0].revents)
    accept();
}

void Gathering::accept() {
  while (callers.size() < own.world * channels + mostStrangers) {
    Descriptor accepted(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!accepted)
      return;
    Caller caller{Connection(std::move(accepted)), Clock::now(), randomNonce(), {}};
    if (caller.connection.sendNow(frame(challenge(caller.nonce))))
      callers.push_back(std::move(caller));
  }
}

/// False where the connection is of no use any more.
bool Gathering::read(Caller &caller) {
  std::string bytes;
  if (!caller.connection.receiveSome(bytes, mostFrameBytes + 64) || !caller.frames.feed(bytes))
    return false;
  const auto sealed = caller.frames.next();
  if (!sealed)
    return true;
  if (caller.isRank() || caller.told) // has said what it has to say
    return false;
  if (const Status refused = roll.hear(caller.nonce, *sealed, caller.guest); !refused.ok()) {
    return tell(caller, refused); // it closes when it has read that, or is closed at the end
  }
  return true;
}

bool Gathering::tell(Caller &caller, const Status &what) {
  caller.told = true;
  ++answers;
  return caller.connection.sendNow(roll.answer(caller.nonce, caller.guest, what));
}

/// Ranks that come a little later hear the reason as well, and not that nobody is there.
Status Gathering::refuseAll() {
  const Status why = roll.failure();
  const Clock::time_point end =
      why.code() == Code::Interrupted ? Clock::now() : std::min(Clock::now() + lingering, deadline);
  while (true) {
    for (Caller &caller : callers)
      if (!caller.told && caller.isRank())
        tell(caller, why);
    if (answers >= size_t(own.world - 1) * channels || Clock::now() >= end)
      return why;
    turn();
  }
}

Company Gathering::begin() {
  Company company;
  company.ranksOnHost = roll.ranksOn(own.host);
  company.peers.resize(own.world);
  for (Peer &peer : company.peers)
    peer.channels.resize(&peer == &company.peers.front() ? 0 : channels);
  for (uint32_t rank = 0; rank < own.world; ++rank) {
    company.peers[rank].host = roll.member(rank).host;
    company.peers[rank].process = roll.member(rank).process;
  }
  for (Caller &caller : callers) {
    if (!caller.isRank())
      continue;
    caller.connection.sendNow(roll.answer(caller.nonce, caller.guest, {})); // a rank that is gone is seen behind this
    company.peers[caller.guest.rank].channels[caller.guest.channel] = std::move(caller.connection);
  }
  return company;
}

} // namespace

void ft::rt::raiseDescriptorLimit() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
}

Expected<Company> ft::rt::gather(Descriptor listener, const Launch &launch, const Attendance &own, uint32_t channels,
                                 const std::function<bool()> &stop) {
  raiseDescriptorLimit();
  return Gathering(std::move(listener), launch, own, channels).run(stop);
}
