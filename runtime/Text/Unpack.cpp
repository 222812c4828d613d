#include "runtime/Text/Unpack.h"

#include <algorithm>
#include <climits>
#include <fmt/format.h>
#include <memory>
#include <vector>
#include <zlib.h>
#include <zstd.h>

namespace ft::rt {

namespace {
constexpr size_t Step = size_t(1) << 18;

Status tooLarge(uint64_t limit) {
  return badInput(fmt::format("unpacks to more than {} bytes, which is the most; split it into several files", limit));
}
} // namespace

Status unpackGzip(std::string_view packed, uint64_t limit, const UnpackSink &sink) {
  const size_t size = packed.size();
  z_stream stream{};
  if (inflateInit2(&stream, 15 + 16) != Z_OK)
    return failed("zlib has no memory");
  std::unique_ptr<z_stream, decltype(&inflateEnd)> guard(&stream, inflateEnd);
  uint64_t written = 0;
  std::vector<Bytef> buffer(Step);
  bool ended = true;
  while (!packed.empty() || !ended) {
    if (ended && written > 0 && packed.find_first_not_of('\0') == std::string_view::npos)
      return {}; // what fills a block of a tape, as gzip has it
    if (ended && inflateReset(&stream) != Z_OK)
      return failed("zlib cannot start again");
    stream.next_in = reinterpret_cast<Bytef *>(const_cast<char *>(packed.data()));
    stream.avail_in = uInt(std::min<size_t>(packed.size(), INT_MAX));
    const size_t before = stream.avail_in;
    stream.next_out = buffer.data();
    stream.avail_out = uInt(buffer.size());
    const int result = inflate(&stream, Z_NO_FLUSH);
    packed.remove_prefix(before - stream.avail_in);
    const std::string_view text(reinterpret_cast<const char *>(buffer.data()), buffer.size() - stream.avail_out);
    if ((written += text.size()) > limit)
      return tooLarge(limit);
    FT_RETURN_IF_ERROR(sink(text, size - packed.size()));
    if (result == Z_BUF_ERROR && packed.empty())
      return badInput("is cut off in the middle of its gzip data; copy it again");
    if (result != Z_OK && result != Z_STREAM_END)
      return badInput(fmt::format("is damaged gzip data ({}); copy it again", stream.msg ? stream.msg : "no reason"));
    ended = result == Z_STREAM_END;
  }
  return {};
}

Status unpackZstandard(std::string_view packed, uint64_t limit, const UnpackSink &sink) {
  std::unique_ptr<ZSTD_DStream, decltype(&ZSTD_freeDStream)> stream(ZSTD_createDStream(), ZSTD_freeDStream);
  if (!stream)
    return failed("zstd has no memory");
  uint64_t written = 0;
  std::vector<char> buffer(Step);
  ZSTD_inBuffer input{packed.data(), packed.size(), 0};
  size_t left = 1;
  while (input.pos < input.size || left != 0) {
    ZSTD_outBuffer output{buffer.data(), buffer.size(), 0};
    const size_t before = input.pos;
    left = ZSTD_decompressStream(stream.get(), &output, &input);
    if (ZSTD_isError(left))
      return badInput(fmt::format("is damaged Zstandard data ({}); copy it again", ZSTD_getErrorName(left)));
    if ((written += output.pos) > limit)
      return tooLarge(limit);
    FT_RETURN_IF_ERROR(sink({buffer.data(), output.pos}, input.pos));
    if (left != 0 && input.pos == before && output.pos == 0)
      return badInput("is cut off in the middle of its Zstandard data; copy it again");
  }
  return {};
}

} // namespace ft::rt
