// Where rank 0 listens and how the others get there.
#include "runtime/Rendezvous/Connection.h"

#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <memory>
#include <netdb.h>
#include <netinet/in.h>
#include <optional>
#include <poll.h>
#include <sys/socket.h>
#include <vector>

using namespace ft::rt;

namespace {
struct Address {
  sockaddr_storage bytes = {};
  socklen_t size = 0;

  static Address from(const sockaddr *address) {
    Address copy;
    copy.size = address->sa_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
    std::memcpy(&copy.bytes, address, copy.size);
    return copy;
  }
  int family() const { return bytes.ss_family; }
  bool isLoopback() const {
    if (family() == AF_INET6)
      return IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6 &>(bytes).sin6_addr);
    return ntohl(reinterpret_cast<const sockaddr_in &>(bytes).sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
  }
  const sockaddr *get() const { return reinterpret_cast<const sockaddr *>(&bytes); }
  void setPort(uint16_t port) {
    if (family() == AF_INET6)
      reinterpret_cast<sockaddr_in6 &>(bytes).sin6_port = htons(port);
    else
      reinterpret_cast<sockaddr_in &>(bytes).sin_port = htons(port);
  }
  uint16_t port() const {
    return ntohs(family() == AF_INET6 ? reinterpret_cast<const sockaddr_in6 &>(bytes).sin6_port
                                      : reinterpret_cast<const sockaddr_in &>(bytes).sin_port);
  }
  std::string text() const {
    char text[INET6_ADDRSTRLEN] = {};
    const void *from = family() == AF_INET6
                           ? static_cast<const void *>(&reinterpret_cast<const sockaddr_in6 &>(bytes).sin6_addr)
                           : &reinterpret_cast<const sockaddr_in &>(bytes).sin_addr;
    inet_ntop(family(), from, text, sizeof text);
    return text;
  }
};

Expected<std::vector<Address>> resolve(const std::string &host) {
  addrinfo hints = {}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  const int error = getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (error != 0)
    return cannotRun(fmt::format("host {} is not found: {}", host, gai_strerror(error)));
  std::vector<Address> addresses;
  for (const addrinfo *each = found; each; each = each->ai_next)
    if (each->ai_family == AF_INET || each->ai_family == AF_INET6)
      addresses.push_back(Address::from(each->ai_addr));
  freeaddrinfo(found);
  return addresses;
}

struct Interface {
  std::string name;
  Address address;
};

std::vector<Interface> interfaces() {
  std::vector<Interface> all;
  ifaddrs *list = nullptr;
  if (getifaddrs(&list) != 0)
    return all;
  for (const ifaddrs *each = list; each; each = each->ifa_next)
    if (each->ifa_addr && (each->ifa_addr->sa_family == AF_INET || each->ifa_addr->sa_family == AF_INET6))
      all.push_back({each->ifa_name, Address::from(each->ifa_addr)});
  freeifaddrs(list);
  return all;
}

/// The first address of an interface; IPv4 comes first in the system's list.
Expected<Address> addressOf(const std::string &interface) {
  std::string names;
  for (const Interface &each : interfaces()) {
    if (each.name == interface || each.address.text() == interface)
      return each.address;
    if (names.find(each.name) == std::string::npos)
      names += (names.empty() ? "" : ", ") + each.name;
  }
  return cannotRun(fmt::format("FTRUN_INTERFACE={}: this host has no such interface; it has {}", interface, names));
}

bool isNumber(const std::string &host) {
  in6_addr address;
  return inet_pton(AF_INET, host.c_str(), &address) == 1 || inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

/// Where rank 0 is reached, if that is one of this machine's addresses: not so behind a service or a forwarded port.
/// Nor where the machine knows its own name as its loopback (/etc/hosts), for others know it by an address.
std::optional<Address> ownAddress(const std::string &host) {
  const bool mayBeLoopback = isNumber(host) || host == "localhost";
  const auto wanted = resolve(host);
  if (!wanted.ok())
    return std::nullopt;
  const std::vector<Interface> own = interfaces();
  for (const Address &address : *wanted)
    for (const Interface &each : own)
      if (each.address.text() == address.text() && (mayBeLoopback || !address.isLoopback()))
        return address;
  return std::nullopt;
}

Descriptor openSocket(int family) { return Descriptor(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)); }

Address everywhere() {
  Address any;
  const bool six = bool(openSocket(AF_INET6)); // takes IPv4 as well; a kernel may be without
  any.bytes.ss_family = six ? AF_INET6 : AF_INET;
  any.size = six ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  return any;
}

Expected<Connection> connectOnce(Address address, const std::optional<Address> &from,
                                 std::chrono::milliseconds patience) {
  Descriptor made = openSocket(address.family());
  if (!made)
    return cannotRun(fmt::format("no socket: {}", std::strerror(errno)));
  if (from && bind(made.get(), from->get(), from->size) != 0)
    return failed(std::strerror(errno));
  fcntl(made.get(), F_SETFL, O_NONBLOCK);
  if (connect(made.get(), address.get(), address.size) != 0) {
    if (errno != EINPROGRESS)
      return failed(std::strerror(errno));
    pollfd waits = {made.get(), POLLOUT, 0};
    if (poll(&waits, 1, int(patience.count())) != 1)
      return failed("no answer");
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(made.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0)
      return failed(std::strerror(error));
  }
  fcntl(made.get(), F_SETFL, 0);
  return Connection(std::move(made));
}
} // namespace

Expected<Descriptor> ft::rt::listenAt(const std::string &host, const std::string &interface, uint16_t port) {
  Address address = everywhere();
  if (!interface.empty()) {
    FT_ASSIGN_OR_RETURN(address, addressOf(interface));
  } else if (const std::optional<Address> own = ownAddress(host)) {
    address = *own;
  }
  address.setPort(port);
  Descriptor listener = openSocket(address.family());
  const int one = 1, zero = 0;
  setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (address.family() == AF_INET6)
    setsockopt(listener.get(), IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
  if (!listener || bind(listener.get(), address.get(), address.size) != 0 || listen(listener.get(), 1024) != 0)
    return cannotRun(fmt::format("rank 0 cannot listen on port {} of {}: {}; FTRUN_PORT names another port", port,
                                 address.text(), std::strerror(errno)));
  fcntl(listener.get(), F_SETFL, O_NONBLOCK);
  return listener;
}

static Address addressOf(const Descriptor &listener) {
  Address address;
  address.size = sizeof address.bytes;
  getsockname(listener.get(), reinterpret_cast<sockaddr *>(&address.bytes), &address.size);
  return address;
}

uint16_t ft::rt::portOf(const Descriptor &listener) { return addressOf(listener).port(); }

std::string ft::rt::hostOf(const Descriptor &listener) {
  const std::string text = addressOf(listener).text();
  return text == everywhere().text() ? "127.0.0.1" : text;
}

Expected<Connection> ft::rt::connectTo(const std::string &host, const std::string &interface, uint16_t port,
                                       std::chrono::milliseconds patience) {
  std::optional<Address> from;
  if (!interface.empty()) {
    FT_ASSIGN_OR_RETURN(from, addressOf(interface));
    from->setPort(0);
  }
  auto addresses = resolve(host);
  if (!addresses.ok()) // a name may be known later: a pod's, once it runs
    return failed(addresses.status().message());
  Status last = failed(fmt::format("host {} has no address of the interface's kind", host));
  for (Address &address : *addresses) {
    if (from && from->family() != address.family())
      continue;
    address.setPort(port);
    auto connected = connectOnce(address, from, patience);
    if (connected.ok())
      return connected;
    last = connected.status();
  }
  return last;
}
