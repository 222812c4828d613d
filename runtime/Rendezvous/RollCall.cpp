#include "runtime/Rendezvous/RollCall.h"

#include "runtime/Rendezvous/Frames.h"
#include "runtime/Support/Strings.h"

#include <algorithm>
#include <fmt/format.h>

using namespace ft;
using namespace ft::rt;

namespace {
constexpr size_t mostShown = 200;

Code codeOf(uint32_t number) {
  return number >= 1 && number <= uint32_t(Code::Interrupted) ? Code(number) : Code::Failed;
}

/// Nothing that a message brings reaches a terminal or a file as it came.
Attendance attendanceOf(const rendezvous::Hello &hello) {
  Attendance guest;
  guest.rank = hello.rank(), guest.world = hello.world();
  guest.host = shown(hello.host(), 64), guest.process = hello.process();
  guest.facts.assign(hello.facts().begin(), hello.facts().end());
  if (hello.code() != 0)
    guest.problem = Status(codeOf(hello.code()), shown(hello.problem(), 2000));
  return guest;
}

std::string answerContext(std::string_view challenge, std::string_view helloNonce) {
  return std::string("answer").append(challenge).append(helloNonce);
}
} // namespace

std::string ft::rt::describe(const Attendance &member) {
  return fmt::format("rank {} (host {}, process {})", member.rank, member.host, member.process);
}

RollCall::RollCall(Attendance rankZero, uint32_t channels, std::string secret)
    : own(std::move(rankZero)), channels(channels), secret(std::move(secret)),
      channelOf(own.world, std::vector<bool>(channels)), members(own.world) {
  members[0] = own;
  if (!own.problem.ok())
    fail(Status(own.problem.code(), fmt::format("{}: {}", describe(own), own.problem.message())));
}

void RollCall::fail(Status why) {
  if (trouble.ok())
    trouble = std::move(why);
}

Status RollCall::refuse(Status why) {
  ++refusals;
  refused = why.message();
  return why;
}

Status RollCall::compare(const Attendance &guest) const {
  if (guest.world != own.world)
    return badInput(
        fmt::format("{} was started in a world of {} ranks and rank 0 in one of {}; start all with the same",
                    describe(guest), guest.world, own.world));
  if (!guest.problem.ok())
    return Status(guest.problem.code(), fmt::format("{}: {}", describe(guest), guest.problem.message()));
  for (size_t i = 0; i < own.facts.size(); ++i) {
    const rendezvous::Fact &mine = own.facts[i];
    const std::string value = i < guest.facts.size() ? guest.facts[i].value() : "absent";
    if (value != mine.value())
      return Status(codeOf(mine.code()),
                    fmt::format("{} has another {} than rank 0: {} and not {}; {}", describe(guest), mine.name(),
                                shown(value, mostShown), shown(mine.value(), mostShown), mine.way_out()));
  }
  return {};
}

Status RollCall::hear(std::string_view nonce, std::string_view sealed, Guest &guest) {
  guest = {};
  const auto payload = unseal(secret, nonce, sealed);
  rendezvous::Hello hello;
  if (!payload)
    return refuse(cannotRun("a process came whose FTRUN_SECRET is another; give every rank the same"));
  if (!hello.ParseFromString(*payload) || hello.nonce().size() != nonceBytes)
    return refuse(cannotRun("a process sent a first message that cannot be read; run the same ftrun on every host"));
  guest.nonce = hello.nonce();
  const Attendance said = attendanceOf(hello);
  if (said.world == own.world && (said.rank == 0 || said.rank >= own.world || hello.channel() >= channels))
    return refuse(cannotRun(fmt::format("{} has no place in a world of {} ranks with {} connections each",
                                        describe(said), own.world, channels)));
  if (said.world == own.world && channelOf[said.rank][hello.channel()])
    return refuse(
        cannotRun(fmt::format("a second rank {} (host {}, process {}) has come beside {}; start each rank once",
                              said.rank, said.host, said.process, describe(members[said.rank]))));
  if (Status differs = compare(said); !differs.ok()) {
    fail(differs);
    return differs;
  }
  guest.rank = said.rank, guest.channel = hello.channel();
  channelOf[guest.rank][guest.channel] = true;
  members[guest.rank] = said;
  members[guest.rank].facts.clear(); // a large world must not cost memory
  ++come;
  return {};
}

void RollCall::gone(const Guest &guest) {
  if (guest.rank == 0)
    return;
  channelOf[guest.rank][guest.channel] = false;
  --come;
}

std::string RollCall::missing(std::string_view time) const {
  std::vector<uint32_t> absent;
  for (uint32_t rank = 1; rank < own.world; ++rank)
    if (std::count(channelOf[rank].begin(), channelOf[rank].end(), true) < ptrdiff_t(channels))
      absent.push_back(rank);
  std::string text = absent.size() == 1 ? "rank " : "ranks ";
  constexpr size_t most = 8;
  for (size_t i = 0; i < std::min(absent.size(), most); ++i)
    text += fmt::format("{}{}", i == 0 ? "" : i + 1 == absent.size() ? " and " : ", ", absent[i]);
  if (absent.size() > most)
    text += fmt::format(" and {} more", absent.size() - most);
  text += fmt::format(" {} not come within {}", absent.size() == 1 ? "has" : "have", time);
  if (refusals > 0)
    text += fmt::format("; {} refused, the last since {}",
                        refusals == 1 ? "a connection was" : fmt::format("{} connections were", refusals), refused);
  return text;
}

uint32_t RollCall::ranksOn(const std::string &host) const {
  return uint32_t(std::count_if(members.begin(), members.end(), [&](const Attendance &m) { return m.host == host; }));
}

std::string RollCall::answer(std::string_view nonce, const Guest &guest, const Status &refusal) const {
  rendezvous::Answer answer;
  answer.set_code(uint32_t(refusal.code()));
  answer.set_problem(refusal.message());
  answer.set_host(own.host);
  answer.set_process(own.process);
  answer.set_ranks_on_host(refusal.ok() ? ranksOn(members[guest.rank].host) : 0);
  return frame(seal(secret, answerContext(nonce, guest.nonce), answer.SerializeAsString()));
}

std::string ft::rt::makeHello(const Attendance &own, uint32_t channel, std::string_view helloNonce,
                              std::string_view challenge, std::string_view secret) {
  rendezvous::Hello hello;
  hello.set_nonce(std::string(helloNonce));
  hello.set_rank(own.rank);
  hello.set_world(own.world);
  hello.set_channel(channel);
  hello.set_host(own.host);
  hello.set_process(own.process);
  for (const rendezvous::Fact &fact : own.facts)
    *hello.add_facts() = fact;
  hello.set_code(uint32_t(own.problem.code()));
  hello.set_problem(own.problem.message());
  return frame(seal(secret, challenge, hello.SerializeAsString()));
}

Expected<rendezvous::Answer> ft::rt::readAnswer(std::string_view sealed, std::string_view helloNonce,
                                                std::string_view challenge, std::string_view secret) {
  const auto payload = unseal(secret, answerContext(challenge, helloNonce), sealed);
  rendezvous::Answer answer;
  if (!payload || !answer.ParseFromString(*payload))
    return cannotRun("rank 0 has another FTRUN_SECRET; give every rank the same");
  return answer;
}
