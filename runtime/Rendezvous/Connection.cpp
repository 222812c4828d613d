#include "runtime/Rendezvous/Connection.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace ft::rt;

Descriptor &Descriptor::operator=(Descriptor &&other) noexcept {
  std::swap(number, other.number);
  return *this;
}

Descriptor::~Descriptor() {
  if (number >= 0)
    close(number);
}

Connection::Connection(Descriptor connected) : socket(std::move(connected)) {
  const int one = 1; // small messages decide when a rank goes on
  setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

namespace {
/// Moves all of `parts`, a few at a time, with calls that may move less.
template <typename Move> bool moveAll(std::span<const iovec> parts, Move &&move) {
  size_t part = 0, offset = 0; // what is moved
  while (true) {
    while (part < parts.size() && offset == parts[part].iov_len)
      ++part, offset = 0;
    if (part == parts.size())
      return true;
    std::array<iovec, 16> some;
    const size_t count = std::min(some.size(), parts.size() - part);
    std::copy_n(parts.begin() + ptrdiff_t(part), count, some.begin());
    some[0].iov_base = static_cast<char *>(some[0].iov_base) + offset;
    some[0].iov_len -= offset;
    msghdr message = {};
    message.msg_iov = some.data(), message.msg_iovlen = count;
    const ssize_t moved = move(message);
    if (moved < 0 && errno == EINTR)
      continue;
    if (moved <= 0)
      return false;
    offset += size_t(moved);
    while (part < parts.size() && offset >= parts[part].iov_len)
      offset -= parts[part++].iov_len;
  }
}
} // namespace

bool Connection::send(std::span<const iovec> parts) const {
  return moveAll(parts, [&](msghdr &message) { return sendmsg(get(), &message, MSG_NOSIGNAL); });
}

bool Connection::send(std::string_view bytes) const {
  const iovec part = {const_cast<char *>(bytes.data()), bytes.size()};
  return send({&part, 1});
}

bool Connection::receive(std::span<const iovec> parts) const {
  return moveAll(parts, [&](msghdr &message) { return recvmsg(get(), &message, 0); });
}

bool Connection::receive(void *to, size_t bytes) const {
  const iovec part = {to, bytes};
  return receive({&part, 1});
}

bool Connection::receiveSome(std::string &into, size_t most) const {
  into.resize(most);
  ssize_t got = 0;
  do
    got = recv(get(), into.data(), most, MSG_DONTWAIT);
  while (got < 0 && errno == EINTR);
  into.resize(size_t(std::max<ssize_t>(got, 0)));
  return got > 0 || (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK));
}

bool Connection::sendNow(std::string_view bytes) const {
  return ::send(get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT) == ssize_t(bytes.size());
}

void Connection::end() const { shutdown(get(), SHUT_RDWR); }
void Connection::endSending() const { shutdown(get(), SHUT_WR); }

std::string ft::rt::hostName() {
  char name[256] = {};
  return gethostname(name, sizeof name - 1) == 0 ? name : "unknown";
}
