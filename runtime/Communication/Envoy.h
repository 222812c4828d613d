// Who speaks for a far rank at the meeting place.
#pragma once

#include "runtime/Communication/Requests.h"
#include "runtime/Communication/Seat.h"
#include "runtime/Rendezvous/Connection.h"

#include <mutex>

namespace ft::rt {

/// Reads requests, does at the rank's seat what they ask for, and replies. What comes is checked before it is used: a
/// process that sends something else is a failure of its rank, and of nothing else.
class Envoy {
public:
  Envoy(std::unique_ptr<Seat> seat, Connection data) : seat(std::move(seat)), data(std::move(data)) {}

  enum class End { Closed, Failed, Misspoke };
  /// Returns when the connection ends or the ranks have failed. On a thread of its own.
  End serve();
  /// Behind serve: gives the seat up.
  void leave() { seat.reset(); }
  /// From any thread: serve returns soon.
  void end() const { data.end(); }

  /// Where the rank was last, as far as its requests say. From any thread.
  std::string lastSeen() const;
  /// The same without what it was at there: "step 17, segment UPDATE".
  std::string lastPlace() const;
  uint64_t step() const;

private:
  enum class Next { Request, Closed, Failed, Misspoke };
  Next take(const Request &request);
  Next prepare(const Request &request);
  Next run(const Request &request);
  Next bring(const Request &request);
  Next reply(uint64_t value, std::span<const iovec> follows);
  void note(const Request &request, std::string what);

  std::unique_ptr<Seat> seat;
  const Connection data;
  mutable std::mutex mutex;
  std::string doing; ///< the collective or agreement
  bool ended = true; ///< all have come to it
  Request last;
};

} // namespace ft::rt
