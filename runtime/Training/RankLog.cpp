#include "runtime/Training/RankLog.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

using namespace ft::rt;

RankLog::RankLog() : descriptor(open("/dev/null", O_WRONLY | O_CLOEXEC)) {}
RankLog::~RankLog() { close(descriptor); }

void RankLog::moveTo(const std::string &folder, uint32_t rank) const {
  const std::string path = fmt::format("{}/rank-{}.log", folder, rank);
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0)
    return;
  dup2(file, descriptor);
  close(file);
}
