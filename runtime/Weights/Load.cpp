#include "runtime/Weights/Load.h"

#include "runtime/Support/Philox.h"
#include "runtime/Weights/Convert.h"
#include "runtime/Weights/FillFp8.h"
#include "runtime/Weights/Seeded.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <map>
#include <mutex>

namespace ft::rt {

namespace {

Status problem(const plan::Tensor &tensor, std::string_view what) {
  return badInput(fmt::format("plan: tensor \"{}\": {}; compile the plan again", tensor.key(), what));
}

Expected<Producer> constantProducer(const plan::Tensor &tensor, const LoadOptions &options) {
  std::span<const std::byte> bytes;
  if (options.section)
    bytes = options.section(tensor.init().section());
  uint64_t offset = tensor.init().section_offset(),
           size = elementCount(spanOf(tensor.shape())) * dtypeBytes(tensor.dtype());
  if (offset > bytes.size() || size > bytes.size() - offset)
    return problem(tensor, fmt::format("its {} bytes at offset {} leave section {} of {} bytes", size, offset,
                                       tensor.init().section(), bytes.size()));
  bytes = bytes.subspan(offset, size);
  return Producer([bytes, width = dtypeBytes(tensor.dtype())](uint64_t first, uint64_t count, std::byte *out) {
    std::memcpy(out, bytes.data() + first * width, count * width);
  });
}

Expected<Producer> keyProducer(const plan::Tensor &tensor, const LoadOptions &options) {
  if (tensor.dtype() != plan::I64 || elementCount(spanOf(tensor.shape())) != uint64_t(tensor.init().key_names_size()))
    return problem(tensor, fmt::format("random keys must be I64 and have one name each; it is {} {} with {} names",
                                       dtypeName(tensor.dtype()), shapeText(spanOf(tensor.shape())),
                                       tensor.init().key_names_size()));
  const std::string stream = tensor.init().key_stream().empty() ? "dropout" : tensor.init().key_stream();
  return Producer([&tensor, stream, seed = options.seed](uint64_t first, uint64_t count, std::byte *out) {
    for (uint64_t i = 0; i < count; ++i) {
      uint64_t key = philoxKey64(seed, stream, tensor.init().key_names(int(first + i)));
      std::memcpy(out + i * 8, &key, 8);
    }
  });
}

/// An empty producer: the tensor stays zero.
Expected<Producer> initProducer(const plan::Tensor &tensor, const LoadOptions &options) {
  plan::Init::Kind kind = tensor.init().kind();
  double scale = tensor.init().scale();
  if (tensor.role() == plan::Tensor::ADAPTER && kind == plan::Init::ZEROS && options.initAdaptersNormal) {
    kind = plan::Init::NORMAL;
    scale = 0.02;
  }
  switch (kind) {
  case plan::Init::CONSTANT:
    return constantProducer(tensor, options);
  case plan::Init::RANDOM_KEYS:
    return keyProducer(tensor, options);
  case plan::Init::ZEROS:
    return Producer();
  case plan::Init::ONES:
  case plan::Init::NORMAL:
  case plan::Init::UNIFORM:
    if (!isConvertible(Encoding::F32, tensor.dtype()))
      return problem(tensor, fmt::format("{} cannot be initialised with numbers", dtypeName(tensor.dtype())));
    return Producer([&tensor, kind, scale, seed = options.seed](uint64_t first, uint64_t count, std::byte *out) {
      seededElements(kind, scale, seed, tensor.key(), first, count, tensor.dtype(), out);
    });
  default:
    return problem(tensor, fmt::format("init kind {} is unknown or missing", int(kind)));
  }
}

/// By key, the trained tensors that have a remainder.
using SplitMasters = std::map<std::string_view, const plan::Tensor *>;

SplitMasters splitMastersOf(const plan::Plan &plan) {
  SplitMasters masters;
  for (const plan::Tensor &tensor : plan.tensors())
    if (tensor.role() == plan::Tensor::REMAINDER)
      masters[tensor.key()] = nullptr;
  for (const plan::Tensor &tensor : plan.tensors())
    if (auto master = masters.find(tensor.key()); master != masters.end() && tensor.role() == plan::Tensor::TRAINABLE)
      master->second = &tensor;
  return masters;
}

/// Half of each f32 that `master` makes: the upper, rounded, or what the master is more than that.
Producer halfOf(Producer master, bool remainder) {
  return [master = std::move(master), remainder](uint64_t first, uint64_t count, std::byte *out) {
    constexpr uint64_t chunk = 1024;
    float numbers[chunk];
    for (uint64_t done = 0; done < count; done += chunk) {
      const uint64_t n = std::min(chunk, count - done);
      master(first + done, n, reinterpret_cast<std::byte *>(numbers));
      for (uint64_t i = 0; i < n; ++i) {
        const F32Halves halves = splitF32(numbers[i]);
        const uint16_t half = remainder ? uint16_t(halves.remainder) : halves.bf16;
        std::memcpy(out + 2 * (done + i), &half, 2);
      }
    }
  };
}

Expected<Producer> producerOf(const plan::Tensor &tensor, int index, const ModelSource &model,
                              const SplitMasters &split, const LoadOptions &options) {
  if (options.before)
    if (Producer saved = options.before->producer(index, tensor))
      return saved;
  switch (tensor.role()) {
  case plan::Tensor::FROZEN:
    return model.producer(tensor);
  case plan::Tensor::TRAINABLE:
  case plan::Tensor::REMAINDER: {
    const auto master = split.find(tensor.key());
    if (master == split.end())
      return model.producer(tensor);
    if (!master->second)
      return problem(tensor, "is the remainder of no trained tensor");
    FT_ASSIGN_OR_RETURN(Producer numbers, model.numbers(*master->second, plan::F32));
    return halfOf(std::move(numbers), tensor.role() == plan::Tensor::REMAINDER);
  }
  case plan::Tensor::ADAPTER:
    return initProducer(tensor, options);
  case plan::Tensor::GRADIENT:
  case plan::Tensor::EXP_AVG:
  case plan::Tensor::EXP_AVG_SQ:
  case plan::Tensor::EXP_AVG_SCALES:
  case plan::Tensor::EXP_AVG_SQ_SCALES:
  case plan::Tensor::LOSS_SCALE:
    if (tensor.init().kind() == plan::Init::KIND_UNSPECIFIED)
      return Producer();
    return initProducer(tensor, options);
  case plan::Tensor::CONSTANT_TABLE:
  case plan::Tensor::RANDOM_KEYS:
    return initProducer(tensor, options);
  default:
    return problem(tensor, fmt::format("role {} is unknown", int(tensor.role())));
  }
}

/// Where the numbers of a tensor come from, where that is a file.
std::string sourceOf(const plan::Tensor &tensor, int index, const ModelSource &model, const LoadOptions &options) {
  if (options.before)
    if (const std::string file = options.before->fileOf(index); !file.empty())
      return fmt::format("{}: tensor \"{}\"", file, tensor.key());
  const bool isBase = tensor.role() == plan::Tensor::FROZEN || tensor.role() == plan::Tensor::TRAINABLE;
  return isBase && !model.isSeeded() ? model.place(tensor) : "";
}

uint64_t bytesOf(const std::vector<Fill> &fills, const std::vector<QuantizedFill> &quantized,
                 const std::vector<Fp8Fill> &inFp8) {
  uint64_t bytes = 0;
  for (const Fill &fill : fills)
    bytes += fill.layout.count() * fill.layout.elementBytes();
  for (const QuantizedFill &fill : quantized)
    bytes +=
        plan::Nf4Layout(elementCount(spanOf(fill.tensor->shape())), fill.tensor->quantization().double_quant()).bytes;
  for (const Fp8Fill &fill : inFp8)
    bytes += fill.layout.count();
  return bytes;
}

} // namespace

Status loadModel(const plan::Plan &plan, const ModelSource &model, const LoadOptions &options,
                 const LoadTarget &target) {
  FT_RETURN_IF_ERROR(model.check(plan));
  const plan::Mesh mesh(plan);
  const plan::Coordinates rank = mesh.coordinates(options.rank);
  std::vector<Fill> fills;
  std::vector<QuantizedFill> quantized;
  std::vector<Fp8Fill> inFp8;
  const SplitMasters split = splitMastersOf(plan);
  for (int i = 0; i < plan.tensors_size(); ++i) {
    const plan::Tensor &tensor = plan.tensors(i);
    if (tensor.dtype() == plan::F8E4M3) {
      FT_ASSIGN_OR_RETURN(Layout layout, Layout::of(plan, tensor));
      FT_ASSIGN_OR_RETURN(Producer numbers, model.numbers(tensor, plan::F32));
      inFp8.push_back({&tensor, std::move(layout), std::move(numbers), model.isSeeded() ? "" : model.place(tensor)});
      continue;
    }
    if (tensor.has_quantization()) {
      FT_ASSIGN_OR_RETURN(QuantizedFill fill, model.quantized(tensor));
      quantized.push_back(std::move(fill));
      continue;
    }
    FT_ASSIGN_OR_RETURN(Layout layout, Layout::of(plan, tensor));
    FT_ASSIGN_OR_RETURN(Producer produce, producerOf(tensor, i, model, split, options));
    const plan::Share share = plan::shareOf(mesh, plan.buffers(int(tensor.buffer())), rank);
    if (produce)
      fills.push_back({tensor.buffer(), std::move(layout), share, std::move(produce), tensor.dtype(),
                       sourceOf(tensor, i, model, options)});
  }
  LoadTarget heard = target;
  std::mutex mutex;
  if (options.progress)
    heard.made = [&, done = uint64_t(0), total = bytesOf(fills, quantized, inFp8)](uint64_t bytes) mutable {
      const std::lock_guard lock(mutex);
      options.progress->at("loading", done += bytes, total);
    };
  FT_RETURN_IF_ERROR(runFills(fills, heard, options.threads));
  FT_RETURN_IF_ERROR(runFp8Fills(inFp8, heard, options.threads));
  return runQuantizedFills(quantized, heard, options.threads);
}

} // namespace ft::rt
