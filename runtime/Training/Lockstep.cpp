#include "runtime/Training/Lockstep.h"

using namespace ft::rt;

Expected<bool> Lockstep::ends(bool done) {
  FT_ASSIGN_OR_RETURN(const uint64_t ended, fromRankZero(done || interrupts.requested()));
  return ended != 0;
}

Expected<uint32_t> Lockstep::token(uint32_t mine) {
  FT_ASSIGN_OR_RETURN(const uint64_t taken, fromRankZero(mine));
  return static_cast<uint32_t>(taken);
}
