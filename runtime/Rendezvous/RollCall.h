// What rank 0 decides while a run starts: who has come, who may, and whether all are the same. Knows no sockets.
#pragma once

#include "runtime/Rendezvous/rendezvous.pb.h"
#include "runtime/Support/Status.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ft::rt {

/// What a process says of itself.
struct Attendance {
  uint32_t rank = 0, world = 1;
  std::string host;
  uint64_t process = 0;
  std::vector<rendezvous::Fact> facts; ///< the same names on every rank
  Status problem;                      ///< why it cannot run
};

class RollCall {
public:
  /// `own`: rank 0's. Every other rank comes over `channels` connections.
  RollCall(Attendance own, uint32_t channels, std::string secret);

  /// Who came over a connection.
  struct Guest {
    uint32_t rank = 0, channel = 0;
    std::string nonce;
  };
  /// Judges the first message of a connection on which the challenge `nonce` was sent. Where it is refused the status
  /// says why, and `guest.rank` is 0; whether it is refused alone or nobody can run says failure(). A stranger can do
  /// no more than be refused.
  Status hear(std::string_view nonce, std::string_view sealed, Guest &guest);
  /// The connection that it came over is gone, and it may come again.
  void gone(const Guest &guest);

  bool complete() const { return come == (own.world - 1) * channels; }
  /// Why the run cannot start; ok while it may.
  const Status &failure() const { return trouble; }
  /// It cannot, for this reason unless there is an earlier one.
  void fail(Status why);
  /// "ranks 2 and 3 have not come within 600 s", and who was refused.
  std::string missing(std::string_view time) const;

  /// What to send to the guest: that the run begins, or `refusal`.
  std::string answer(std::string_view nonce, const Guest &guest, const Status &refusal) const;
  const Attendance &member(uint32_t rank) const { return members[rank]; }
  uint32_t ranksOn(const std::string &host) const;

private:
  Status refuse(Status why);
  Status compare(const Attendance &guest) const;

  const Attendance own;
  const uint32_t channels;
  const std::string secret;
  Status trouble;
  uint32_t come = 0;                        ///< connections
  std::vector<std::vector<bool>> channelOf; ///< by rank: which of its connections are here
  std::vector<Attendance> members;          ///< by rank; what its first connection said
  std::string refused;                      ///< the last
  uint32_t refusals = 0;
};

/// The other end's part: a hello, and what the answer says.
std::string makeHello(const Attendance &own, uint32_t channel, std::string_view helloNonce, std::string_view challenge,
                      std::string_view secret);
/// CannotRun where rank 0 does not know the secret or is none.
Expected<rendezvous::Answer> readAnswer(std::string_view sealed, std::string_view helloNonce,
                                        std::string_view challenge, std::string_view secret);

/// "rank 3 (host node-b, process 4711)".
std::string describe(const Attendance &member);

} // namespace ft::rt
