#include "runtime/Weights/Fill.h"

#include "runtime/Support/Parallel.h"
#include "runtime/Weights/Convert.h"
#include "runtime/Weights/FillPiece.h"
#include "runtime/Weights/Send.h"

#include <fmt/format.h>

namespace ft::rt {

Status notFinite(const std::string &source, uint64_t element, uint64_t count, plan::DType dtype) {
  return badInput(
      fmt::format("{}: element {} of {} is not finite (NaN or infinity) as {}; nothing can be trained on it: "
                  "copy or download the file again, or use another",
                  source, element, count, dtypeName(dtype)));
}

Status LoadTarget::send(uint32_t buffer, uint64_t offset, std::span<const std::byte> bytes) const {
  FT_RETURN_IF_ERROR(sink(buffer, offset, bytes));
  return arrived ? arrived() : Status();
}

Status runFills(const std::vector<Fill> &fills, const LoadTarget &target, uint32_t threads) {
  std::vector<Placed> direct;
  std::vector<const Fill *> others;
  for (const Fill &fill : fills) {
    std::byte *base = target.hostBuffer ? target.hostBuffer(fill.buffer) : nullptr;
    if (!base) {
      others.push_back(&fill);
      continue;
    }
    const uint64_t begin = std::max(fill.layout.begin(), fill.share.begin),
                   end = std::min(fill.layout.end(), fill.share.end);
    if (begin < end)
      direct.push_back({&fill, base + fill.share.inBuffer(begin), begin, end});
  }
  if (!others.empty() && !target.sink)
    return failed(fmt::format(
        "{} tensors lie in buffers that the host cannot write, and there is no way to upload them", others.size()));
  FirstBad bad(fills);
  fillAll(direct, target, threadCount(threads), bad, AfterReading::Release);
  FT_RETURN_IF_ERROR(bad.status());
  FT_RETURN_IF_ERROR(sendFills(others, target, threadCount(threads), bad));
  return bad.status();
}

} // namespace ft::rt
