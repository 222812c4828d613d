#include "runtime/Weights/Producer.h"

#include "runtime/Weights/Convert.h"

#include <algorithm>
#include <vector>

namespace ft::rt {

Producer Producer::madeInto(Make function) const {
  Producer other(std::move(function));
  other.view = view;
  return other;
}

std::span<const std::byte> Producer::fileBytes(uint64_t first, uint64_t count) const {
  if (!view || count == 0)
    return {};
  const uint64_t elements = blockElements(view->encoding), bytes = blockBytes(view->encoding);
  const uint64_t begin = std::min<uint64_t>(first / elements * bytes, view->bytes.size());
  const uint64_t end = std::min<uint64_t>((first + count + elements - 1) / elements * bytes, view->bytes.size());
  return view->bytes.subspan(begin, end - begin);
}

const std::byte *Producer::stored(uint64_t first) const {
  return isStored ? view->bytes.data() + first * blockBytes(view->encoding) : nullptr;
}

Producer fileProducer(const TensorView &view, plan::DType dtype, uint32_t ropeHeads) {
  if (ropeHeads == 0)
    return Producer([&view, dtype](uint64_t first, uint64_t count,
                                   std::byte *out) { convertElements(view, first, count, dtype, out); },
                    view, view.encoding == encodingOf(dtype));
  const uint64_t rows = view.shape.empty() ? 1 : view.shape[0];
  const uint64_t rowElements = elementCount(view.shape) / rows, perHead = rows / ropeHeads;
  return Producer(
      [&view, dtype, rowElements, perHead](uint64_t first, uint64_t count, std::byte *out) {
        const uint64_t bytes = dtypeBytes(dtype);
        while (count > 0) {
          const uint64_t row = first / rowElements, column = first % rowElements;
          const uint64_t n = std::min(rowElements - column, count);
          const uint64_t inHead = row % perHead, half = inHead / (perHead / 2), pair = inHead % (perHead / 2);
          const uint64_t fileRow = row - inHead + 2 * pair + half;
          convertElements(view, fileRow * rowElements + column, n, dtype, out);
          out += n * bytes;
          first += n;
          count -= n;
        }
      },
      view, /*isStored=*/false);
}

Producer shiftedProducer(const TensorView &view, plan::DType dtype, double offset) {
  return Producer(
      [&view, dtype, offset](uint64_t first, uint64_t count, std::byte *out) {
        std::vector<double> numbers(count);
        convertElements(view, first, count, plan::F64, reinterpret_cast<std::byte *>(numbers.data()));
        for (double &number : numbers)
          number += offset;
        TensorView shifted;
        shifted.encoding = Encoding::F64;
        shifted.shape = {count};
        shifted.bytes = std::as_bytes(std::span(numbers));
        convertElements(shifted, 0, count, dtype, out);
      },
      view, /*isStored=*/false);
}

} // namespace ft::rt
