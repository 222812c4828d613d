#include "runtime/Rendezvous/Frames.h"
#include "runtime/Rendezvous/Rendezvous.h"

#include <algorithm>
#include <fmt/format.h>
#include <poll.h>
#include <thread>

using namespace ft::rt;
using namespace std::chrono_literals;

namespace {
constexpr auto tick = 100ms;            // how late a stop is seen
constexpr auto challengePatience = 10s; // for what rank 0 sends first
constexpr auto longestPause = 1000ms;   // between two attempts

class Joining {
public:
  Joining(const Launch &launch, const Attendance &own, uint32_t channels, const std::function<bool()> &stop)
      : launch(launch), own(own), channels(channels), stop(stop), deadline(Clock::now() + launch.startTimeout) {}

  /// Attempts fail with Failed where a further one may succeed: rank 0 is not there yet, or was and is started anew.
  Expected<Company> run() {
    for (auto pause = 20ms;; pause = std::min(2 * pause, longestPause)) {
      auto company = attempt();
      if (company.ok() || company.status().code() != Code::Failed)
        return company;
      if (Clock::now() + pause >= deadline)
        return cannotRun(fmt::format("rank {} does not reach rank 0 at {} within {} s (FTRUN_START_TIMEOUT): {}; is it "
                                     "started, and is its port open?",
                                     own.rank, place(), launch.startTimeout.count(), company.status().message()));
      if (stop())
        return Status(Code::Interrupted, "interrupted on the way to rank 0; nothing was started");
      std::this_thread::sleep_for(pause);
    }
  }

private:
  struct Channel {
    Connection connection;
    FrameReader frames;
    std::string challenge, nonce;
  };

  std::string place() const { return fmt::format("{}:{}", launch.host, launch.port); }
  Expected<Company> attempt();
  Expected<Channel> open(uint32_t channel);
  Expected<std::string> nextFrame(Channel &channel, Clock::time_point until);

  const Launch &launch;
  const Attendance &own;
  const uint32_t channels;
  const std::function<bool()> &stop;
  const Clock::time_point deadline;
};

Expected<std::string> Joining::nextFrame(Channel &channel, Clock::time_point until) {
  while (true) {
    if (auto payload = channel.frames.next())
      return *payload;
    if (Clock::now() >= until)
      return failed("it takes the connection and does not answer");
    if (stop())
      return Status(Code::Interrupted, "interrupted while ranks were coming; nothing was started");
    pollfd waits = {channel.connection.get(), POLLIN, 0};
    if (poll(&waits, 1, int(tick / 1ms)) != 1)
      continue;
    std::string bytes;
    if (!channel.connection.receiveSome(bytes, mostFrameBytes))
      return failed("it closed the connection");
    if (!channel.frames.feed(bytes))
      return cannotRun(
          fmt::format("{}: something answers there that is no ftrun; FTRUN_PORT names another port", place()));
  }
}

Expected<Joining::Channel> Joining::open(uint32_t number) {
  Channel channel;
  FT_ASSIGN_OR_RETURN(channel.connection, connectTo(launch.host, launch.interface, launch.port, 5s));
  FT_ASSIGN_OR_RETURN(const std::string first,
                      nextFrame(channel, std::min(deadline, Clock::now() + challengePatience)));
  auto nonce = readChallenge(first);
  if (!nonce.ok())
    return cannotRun(fmt::format("{}: {}", place(), nonce.status().message()));
  channel.challenge = *nonce;
  channel.nonce = randomNonce();
  if (!channel.connection.send(makeHello(own, number, channel.nonce, channel.challenge, launch.secret)))
    return failed("it closed the connection");
  return channel;
}

Expected<Company> Joining::attempt() {
  std::vector<Channel> opened;
  for (uint32_t number = 0; number < channels; ++number) {
    FT_ASSIGN_OR_RETURN(Channel channel, open(number));
    opened.push_back(std::move(channel));
  }
  Company company;
  company.peers.resize(1);
  for (Channel &channel : opened) {
    // Rank 0 gives up at its own deadline, and says so: its answer comes first.
    FT_ASSIGN_OR_RETURN(const std::string sealed, nextFrame(channel, deadline + 5s));
    auto answer = readAnswer(sealed, channel.nonce, channel.challenge, launch.secret);
    FT_RETURN_IF_ERROR(answer.status());
    if (answer->code() != 0)
      return Status(answer->code() <= uint32_t(Code::Interrupted) ? Code(answer->code()) : Code::Failed,
                    answer->problem());
    company.peers[0].host = answer->host(), company.peers[0].process = answer->process();
    company.peers[0].channels.push_back(std::move(channel.connection));
    company.ranksOnHost = std::max(1u, answer->ranks_on_host());
  }
  return company;
}
} // namespace

Expected<Company> ft::rt::join(const Launch &launch, const Attendance &own, uint32_t channels,
                               const std::function<bool()> &stop) {
  return Joining(launch, own, channels, stop).run();
}
