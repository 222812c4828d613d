#include "runtime/Weights/BitsAndBytes.h"

#include "runtime/Support/Json.h"
#include "runtime/Weights/Nf4.h"

#include <cmath>
#include <cstring>
#include <fmt/format.h>

namespace ft::rt {

namespace {

constexpr std::string_view nf4State = ".quant_state.bitsandbytes__nf4", fp4State = ".quant_state.bitsandbytes__fp4";

std::vector<float> floatsOf(std::span<const std::byte> bytes) {
  std::vector<float> values(bytes.size() / sizeof(float));
  if (!values.empty())
    std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

/// Reads one weight; every message begins with its place.
class PackedReader {
public:
  PackedReader(const TensorLookup &f, const std::string &n, std::span<const uint64_t> s, const std::string &p)
      : find(f), name(n), shape(s.begin(), s.end()), place(p) {}

  Expected<PackedNf4> read() {
    if (find(name + std::string(fp4State)))
      return problem("is quantised in FP4; only NF4 is supported: give the model's own weights");
    FT_RETURN_IF_ERROR(readState());
    const uint64_t elements = elementCount(shape);
    const plan::Nf4Layout layout(elements, packed.doubleQuant);
    packed.codes = find(name)->bytes; // of any type: bitsandbytes calls it quant_storage
    if (packed.codes.size() != (elements + 1) / 2)
      return problem(
          fmt::format("has {} bytes of codes; {} elements need {}", packed.codes.size(), elements, (elements + 1) / 2));
    FT_ASSIGN_OR_RETURN(const auto map, part(".quant_map", Encoding::F32, 16));
    if (std::memcmp(map.data(), plan::nf4Values, sizeof plan::nf4Values) != 0)
      return problem("has a quant_map that is not NF4's");
    FT_ASSIGN_OR_RETURN(packed.scales,
                        part(".absmax", packed.doubleQuant ? Encoding::U8 : Encoding::F32, layout.blocks));
    if (packed.doubleQuant) {
      FT_ASSIGN_OR_RETURN(packed.nestedScales, part(".nested_absmax", Encoding::F32, layout.nestedBlocks));
      FT_ASSIGN_OR_RETURN(packed.nestedValues, part(".nested_quant_map", Encoding::F32, plan::nf4NestedValues));
    }
    const std::vector<float> scales = packed.blockScales();
    for (uint64_t i = 0; i < scales.size(); ++i)
      if (!std::isfinite(scales[i]))
        return problem(fmt::format("the scale of block {} is not finite (NaN or infinity); nothing can be trained on "
                                   "it: copy or download the file again, or use another",
                                   i));
    return packed;
  }

private:
  Status problem(std::string_view what) const { return badInput(fmt::format("{}: {}", place, what)); }

  Expected<std::span<const std::byte>> part(std::string_view suffix, Encoding encoding, uint64_t elements) const {
    const TensorView *view = find(name + std::string(suffix));
    if (!view)
      return problem(fmt::format("lacks its \"{}{}\"", name, suffix));
    if (view->encoding != encoding || elementCount(view->shape) != elements)
      return problem(fmt::format("\"{}{}\" is {} {}; must be {} [{}]", name, suffix, encodingName(view->encoding),
                                 shapeText(view->shape), encodingName(encoding), elements));
    return view->bytes;
  }

  Status expect(const Json &state, std::string_view key, int64_t value) const {
    const Json *found = findMember(state, key);
    if (found && integerIn(*found, value, value))
      return {};
    return problem(
        fmt::format("{} of its quant_state is {}; must be {}", key, found ? shownJson(*found) : "missing", value));
  }

  Status readState() {
    const TensorView *view = find(name + std::string(nf4State));
    const std::string text(reinterpret_cast<const char *>(view->bytes.data()), view->bytes.size());
    FT_ASSIGN_OR_RETURN(const Json state, parseJson(text, place + ": quant_state"));
    const Json *type = state.is_object() ? findMember(state, "quant_type") : nullptr;
    if (!type || *type != "nf4")
      return problem(
          fmt::format("quant_type of its quant_state is {}; must be \"nf4\"", type ? shownJson(*type) : "missing"));
    FT_RETURN_IF_ERROR(expect(state, "blocksize", plan::nf4Block));
    const Json *found = findMember(state, "shape");
    if (!found || *found != Json(shape))
      return problem(fmt::format("shape of its quant_state is {}; the plan needs {}",
                                 found ? shownJson(*found) : "missing", shapeText(shape)));
    packed.doubleQuant = find(name + ".nested_absmax") != nullptr;
    if (!packed.doubleQuant)
      return {};
    FT_RETURN_IF_ERROR(expect(state, "nested_blocksize", plan::nf4NestedBlock));
    const Json *mean = findMember(state, "nested_offset");
    const std::optional<double> value = mean ? realOf(*mean) : std::nullopt;
    if (!value)
      return problem("its quant_state has no number nested_offset");
    packed.mean = float(*value);
    return {};
  }

  const TensorLookup &find;
  const std::string &name;
  std::vector<uint64_t> shape;
  const std::string &place;
  PackedNf4 packed;
};

} // namespace

std::vector<float> PackedNf4::blockScales() const {
  if (!doubleQuant)
    return floatsOf(scales);
  std::vector<float> result(scales.size());
  const std::vector<float> nested = floatsOf(nestedScales), values = floatsOf(nestedValues);
  nf4DequantizeScales(scales, nested, std::span<const float, plan::nf4NestedValues>(values.data(), values.size()), mean,
                      result);
  return result;
}

bool isPacked(const TensorLookup &find, const std::string &name) {
  return find(name) && (find(name + std::string(nf4State)) || find(name + std::string(fp4State)));
}

Expected<PackedNf4> openPacked(const TensorLookup &find, const std::string &name, std::span<const uint64_t> shape,
                               const std::string &place) {
  return PackedReader(find, name, shape, place).read();
}

std::vector<std::string> packedParts(const std::string &name) {
  std::vector<std::string> parts;
  for (std::string_view suffix :
       {std::string_view(".absmax"), std::string_view(".quant_map"), std::string_view(".nested_absmax"),
        std::string_view(".nested_quant_map"), nf4State, fp4State})
    parts.push_back(name + std::string(suffix));
  return parts;
}

} // namespace ft::rt
