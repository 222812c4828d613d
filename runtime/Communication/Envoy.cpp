#include "runtime/Communication/Envoy.h"

#include "runtime/Communication/Progress.h"
#include "runtime/Communication/pulse.pb.h"
#include "runtime/Support/Strings.h"

#include <fmt/format.h>

using namespace ft;
using namespace ft::rt;

Envoy::End Envoy::serve() {
  while (true) {
    Request request;
    if (!data.receive(&request, sizeof request))
      return End::Closed;
    switch (take(request)) {
    case Next::Request:
      break;
    case Next::Closed:
      return End::Closed;
    case Next::Failed:
      return End::Failed;
    case Next::Misspoke:
      return End::Misspoke;
    }
  }
}

Envoy::Next Envoy::take(const Request &request) {
  switch (request.kind) {
  case Request::Prepare:
    return prepare(request);
  case Request::Run:
    return run(request);
  case Request::Agree: {
    if (request.handle > uint32_t(Agreement::Rank0))
      return Next::Misspoke;
    note(request, "an agreement");
    const auto agreed = seat->communicator().agree(Agreement(request.handle), request.value);
    return agreed.ok() ? reply(*agreed, {}) : Next::Failed;
  }
  case Request::Bring:
    return bring(request);
  default:
    return Next::Misspoke;
  }
}

Envoy::Next Envoy::prepare(const Request &request) {
  if (request.value > mostPrepareBytes)
    return Next::Misspoke;
  std::string bytes(request.value, '\0');
  if (!data.receive(bytes.data(), bytes.size()))
    return Next::Closed;
  pulse::Prepare message;
  plan::Collective collective;
  if (!message.ParseFromString(bytes) || !collective.ParseFromString(message.collective()))
    return Next::Misspoke;
  const std::string name = shown(message.name());
  note(request, fmt::format("the preparation of collective \"{}\"", name));
  const Status prepared = seat->prepare(name, collective);
  if (prepared.code() == Code::BadInput)
    return Next::Misspoke;
  return prepared.ok() ? reply(0, {}) : Next::Failed;
}

Envoy::Next Envoy::run(const Request &request) {
  if (!seat->takes(request.handle, request.value))
    return Next::Misspoke;
  note(request, fmt::format("collective {} \"{}\"", request.handle, seat->name(request.handle)));
  if (!data.receive(seat->gives(request.handle, request.value)))
    return Next::Closed;
  if (!seat->meet(request.handle).ok())
    return Next::Failed;
  return reply(0, seat->gets(request.handle, request.value));
}

Envoy::Next Envoy::bring(const Request &request) {
  Communicator &communicator = seat->communicator();
  if (request.handle >= communicator.size() || request.value > Pieces::mostStagedBytes)
    return Next::Misspoke;
  note(request, fmt::format("the collection of what rank {} holds", request.handle));
  const std::span<std::byte> bytes = seat->staged(request.value);
  if (request.handle == communicator.rank() && !data.receive(bytes.data(), bytes.size()))
    return Next::Closed;
  return communicator.toRank0(request.handle, bytes).ok() ? reply(0, {}) : Next::Failed;
}

Envoy::Next Envoy::reply(uint64_t value, std::span<const iovec> follows) {
  {
    std::lock_guard lock(mutex);
    ended = true;
  }
  Reply reply{value};
  const iovec head = {&reply, sizeof reply};
  return data.send({&head, 1}) && data.send(follows) ? Next::Request : Next::Closed;
}

void Envoy::note(const Request &request, std::string what) {
  std::lock_guard lock(mutex);
  last = request;
  doing = std::move(what);
  ended = false;
}

static std::string placeOf(const Request &request) {
  Progress::Place place;
  place.step = request.step;
  place.segment = plan::Segment::Kind_IsValid(int(request.segment)) ? int(request.segment) : 0;
  return describe(place);
}

std::string Envoy::lastSeen() const {
  std::lock_guard lock(mutex);
  return doing.empty() ? "before its first collective"
                       : fmt::format("{}, {} {}", placeOf(last), ended ? "behind" : "in", doing);
}

std::string Envoy::lastPlace() const {
  std::lock_guard lock(mutex);
  return placeOf(last);
}

uint64_t Envoy::step() const {
  std::lock_guard lock(mutex);
  return last.step;
}
