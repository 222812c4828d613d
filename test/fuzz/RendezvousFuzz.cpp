// What comes over a run's connections before and after its ranks know each other: frames, hellos, answers, heartbeats
// and collectives. Any bytes are refused or understood, and no message about them drives a terminal or has no end.
#include "runtime/Communication/Pieces.h"
#include "runtime/Communication/pulse.pb.h"
#include "runtime/Rendezvous/Frames.h"
#include "runtime/Rendezvous/RollCall.h"

#include <algorithm>
#include <cstdlib>

using namespace ft;
using namespace ft::rt;

namespace {
const std::string nonce(nonceBytes, 'n'), secret = "secret";

void check(const Status &status) {
  const std::string &text = status.message();
  if (text.size() > 8000 || std::any_of(text.begin(), text.end(), [](char c) { return c == '\x1b' || c == '\n'; }))
    std::abort();
}

Attendance rankZero() {
  Attendance own;
  own.world = 4, own.host = "a";
  own.facts.resize(2);
  own.facts[0].set_name("plan"), own.facts[0].set_value("1"), own.facts[0].set_code(1);
  return own;
}

/// As a stranger's and as from somebody who knows the secret; two hellos, of which the first connection then goes.
void hear(std::string_view payload) {
  for (const std::string &sealed : {std::string(payload), seal(secret, nonce, payload)}) {
    RollCall roll(rankZero(), 2, secret);
    RollCall::Guest first, second;
    check(roll.hear(nonce, sealed, first));
    check(roll.hear(nonce, sealed, second));
    if (second.rank != 0) // the same rank and connection twice
      std::abort();
    roll.gone(first);
    check(roll.failure());
    check(cannotRun(roll.missing("1 s")));
    if (roll.complete())
      std::abort();
  }
}
} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char *>(data), size);
  FrameReader reader;
  for (size_t i = 0; i < size && reader.feed(bytes.substr(i, 7)); i += 7)
    while (const auto payload = reader.next())
      hear(*payload);
  hear(bytes);
  check(readChallenge(bytes).status());
  check(readAnswer(bytes, nonce, nonce, secret).status());
  check(readAnswer(seal(secret, "answer" + nonce + nonce, bytes), nonce, nonce, secret).status());
  pulse::Beat beat;
  (void)beat.ParseFromArray(data, int(size));
  plan::Collective collective;
  if (collective.ParseFromArray(data, int(size)))
    for (const plan::Mesh &mesh : {plan::Mesh({4}), plan::Mesh({2, 2}), plan::Mesh(std::vector<uint32_t>())}) {
      auto pieces = Pieces::make(mesh, mesh.ranks() - 1, collective);
      check(pieces.status());
      if (pieces.ok() && pieces->slice() * mesh.ranks() > Pieces::mostStagedBytes * mesh.ranks())
        std::abort();
    }
  return 0;
}
