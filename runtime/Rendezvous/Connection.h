// A TCP connection between two processes of a run.
#pragma once

#include "runtime/Support/Status.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <sys/uio.h>

namespace ft::rt {

using Clock = std::chrono::steady_clock;

/// Owns a descriptor: −1 is none.
class Descriptor {
public:
  Descriptor() = default;
  explicit Descriptor(int number) : number(number) {}
  Descriptor(Descriptor &&other) noexcept : number(std::exchange(other.number, -1)) {}
  Descriptor &operator=(Descriptor &&other) noexcept;
  ~Descriptor();

  int get() const { return number; }
  explicit operator bool() const { return number >= 0; }

private:
  int number = -1;
};

/// Bytes in order. Where the peer or the way to it is gone, calls fail instead of raising SIGPIPE.
class Connection {
public:
  Connection() = default;
  explicit Connection(Descriptor connected);

  int get() const { return socket.get(); }
  explicit operator bool() const { return bool(socket); }
  /// All bytes, or false. They wait as long as it takes: end() from another thread ends that.
  bool send(std::span<const iovec> parts) const;
  bool send(std::string_view bytes) const;
  bool receive(std::span<const iovec> parts) const;
  bool receive(void *to, size_t bytes) const;
  /// What there is, without waiting: false where the peer has closed or the connection is broken. `most` bounds it.
  bool receiveSome(std::string &into, size_t most) const;
  /// False where it cannot be sent now and whole.
  bool sendNow(std::string_view bytes) const;
  /// The peer and whoever waits here see the end of it.
  void end() const;
  /// The peer reads what was sent, and then the end.
  void endSending() const;

private:
  Descriptor socket;
};

/// Listens on `port` at the address of `interface` (a name or an address), or at that of `host` where it is one of this
/// machine's, or at all. CannotRun, naming port and place, where that is not possible. Port 0 takes a free one.
Expected<Descriptor> listenAt(const std::string &host, const std::string &interface, uint16_t port);
uint16_t portOf(const Descriptor &listener);
/// An address at which this machine reaches it.
std::string hostOf(const Descriptor &listener);

/// Connects once. CannotRun where the interface or the name is not there; Failed where the other end is not there yet.
Expected<Connection> connectTo(const std::string &host, const std::string &interface, uint16_t port,
                               std::chrono::milliseconds patience);

std::string hostName();

} // namespace ft::rt
