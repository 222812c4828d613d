#include "runtime/Weights/Export.h"

#include "runtime/Plan/SavedState.h"
#include "runtime/Weights/Convert.h"
#include "runtime/Weights/Layout.h"
#include "runtime/Weights/SafetensorsWriter.h"

#include <filesystem>
#include <fmt/format.h>

namespace ft::rt {

namespace fs = std::filesystem;

namespace {

/// Elements gathered at a time, and the most bytes of a buffer that one read covers where strides are wide.
constexpr uint64_t chunkElements = 1 << 20;
constexpr uint64_t widestRead = 64 << 20;

/// A path out of the folder would let a plan overwrite any file of its user.
Status checkName(const std::string &file) {
  fs::path path(file);
  if (file.empty() || path.filename() != path || file == "." || file == "..")
    return badInput(fmt::format("plan: output file \"{}\" must be a plain file name; compile the plan again", file));
  return {};
}

/// One buffer range read at a time, elements of runs gathered from it.
class TensorStream {
public:
  TensorStream(const plan::Tensor &tensor, Layout layout, const BufferReader &read)
      : tensor(tensor), layout(std::move(layout)), read(read) {}

  /// Null: what is collected goes nowhere.
  Status writeTo(SafetensorsWriter *writer, plan::DType dtype) {
    for (uint64_t first = 0; first < layout.count(); first += chunkElements) {
      uint64_t count = std::min(chunkElements, layout.count() - first);
      FT_RETURN_IF_ERROR(collect(first, count));
      if (!writer)
        continue;
      TensorView view{tensor.key(), encodingOf(tensor.dtype()), {count}, dense};
      converted.resize(count * dtypeBytes(dtype));
      convertElements(view, 0, count, dtype, converted.data());
      FT_RETURN_IF_ERROR(writer->write(converted));
    }
    return {};
  }

private:
  /// Fills `dense` with elements [first, first + count): runs that lie near each other share a read.
  Status collect(uint64_t first, uint64_t count) {
    uint64_t width = layout.elementBytes();
    dense.resize(count * width);
    struct Run {
      uint64_t offset, index, bytes;
    };
    std::vector<Run> group;
    uint64_t low = 0, high = 0;
    auto flush = [&]() -> Status {
      if (group.empty())
        return {};
      piece.resize(high - low);
      FT_RETURN_IF_ERROR(read(tensor.buffer(), low, piece));
      for (const Run &run : group)
        std::copy_n(piece.data() + (run.offset - low), run.bytes, dense.data() + (run.index - first) * width);
      group.clear();
      return {};
    };
    Status status;
    layout.forRuns(first, count, [&](uint64_t offset, uint64_t index, uint64_t n) {
      if (!status.ok())
        return;
      uint64_t newLow = group.empty() ? offset : std::min(low, offset);
      uint64_t newHigh = group.empty() ? offset + n * width : std::max(high, offset + n * width);
      if (!group.empty() && newHigh - newLow > widestRead) {
        status = flush();
        newLow = offset, newHigh = offset + n * width;
      }
      low = newLow, high = newHigh;
      group.push_back({offset, index, n * width});
    });
    FT_RETURN_IF_ERROR(status);
    return flush();
  }

  const plan::Tensor &tensor;
  Layout layout;
  const BufferReader &read;
  std::vector<std::byte> piece, dense, converted;
};

struct Item {
  std::string key;
  const plan::Tensor *tensor;
  plan::DType dtype;
};

/// The file's name is empty, and nothing is written, where the folder is.
Expected<WrittenFile> writeTensors(const plan::Plan &plan, const std::vector<Item> &items, const BufferReader &read,
                                   const std::string &folder, const std::string &file,
                                   const std::map<std::string, std::string> &metadata, Files &files) {
  std::vector<SafetensorsEntry> entries;
  std::vector<Layout> layouts;
  for (const Item &item : items) {
    FT_ASSIGN_OR_RETURN(Layout layout, Layout::of(plan, *item.tensor));
    layouts.push_back(std::move(layout));
    if (!plan::DType_IsValid(item.dtype) || item.dtype == plan::DTYPE_UNSPECIFIED ||
        !isConvertible(encodingOf(item.tensor->dtype()), item.dtype))
      return badInput(fmt::format("plan: export of \"{}\": {} cannot be written as dtype {}; compile the plan again",
                                  item.key, dtypeName(item.tensor->dtype()), int(item.dtype)));
    entries.push_back({item.key, item.dtype, {item.tensor->shape().begin(), item.tensor->shape().end()}});
  }
  std::optional<SafetensorsWriter> writer;
  if (!folder.empty()) {
    FT_ASSIGN_OR_RETURN(writer,
                        SafetensorsWriter::create((fs::path(folder) / file).string(), entries, metadata, files));
  }
  for (size_t i = 0; i < items.size(); ++i)
    FT_RETURN_IF_ERROR(
        TensorStream(*items[i].tensor, layouts[i], read).writeTo(writer ? &*writer : nullptr, items[i].dtype));
  return writer ? writer->finish() : Expected<WrittenFile>(WrittenFile());
}

} // namespace

Expected<std::vector<WrittenFile>> exportFiles(const plan::Plan &plan, const BufferReader &read,
                                               const std::string &folder, Files &files) {
  for (const plan::Text &text : plan.texts())
    FT_RETURN_IF_ERROR(checkName(text.file()));
  for (const plan::ExportFile &file : plan.exports())
    FT_RETURN_IF_ERROR(checkName(file.file()));
  std::vector<WrittenFile> written;
  for (const plan::Text &text : plan.texts()) {
    if (folder.empty())
      continue;
    FT_RETURN_IF_ERROR(writeFileAtomically((fs::path(folder) / text.file()).string(), text.content(), files));
    Checksum checksum;
    checksum.update(std::as_bytes(std::span(text.content())));
    written.push_back({text.file(), text.content().size(), checksum.value()});
  }
  for (const plan::ExportFile &file : plan.exports()) {
    std::vector<Item> items;
    for (const plan::ExportTensor &item : file.tensors()) {
      if (item.tensor() >= uint32_t(plan.tensors_size()))
        return badInput(fmt::format("plan: export \"{}\" names tensor {} of {}; compile the plan again", item.key(),
                                    item.tensor(), plan.tensors_size()));
      items.push_back({item.key(), &plan.tensors(int(item.tensor())), item.dtype()});
    }
    std::map<std::string, std::string> metadata(file.metadata().begin(), file.metadata().end());
    FT_ASSIGN_OR_RETURN(WrittenFile made, writeTensors(plan, items, read, folder, file.file(), metadata, files));
    written.push_back(std::move(made));
  }
  return written;
}

std::string savedName(const plan::Tensor &tensor) {
  switch (tensor.role()) {
  case plan::Tensor::EXP_AVG:
    return tensor.key() + ".exp_avg";
  case plan::Tensor::EXP_AVG_SQ:
    return tensor.key() + ".exp_avg_sq";
  case plan::Tensor::EXP_AVG_SCALES:
    return tensor.key() + ".exp_avg.absmax";
  case plan::Tensor::EXP_AVG_SQ_SCALES:
    return tensor.key() + ".exp_avg_sq.absmax";
  case plan::Tensor::REMAINDER:
    return tensor.key() + ".remainder";
  default:
    return tensor.key();
  }
}

Expected<WrittenFile> exportMoments(const plan::Plan &plan, const BufferReader &read, const std::string &folder,
                                    Files &files) {
  std::vector<Item> items;
  for (const plan::Tensor &tensor : plan.tensors())
    if (plan::isState(tensor.role()))
      items.push_back({savedName(tensor), &tensor, tensor.dtype()});
  return writeTensors(plan, items, read, folder, momentsFile, {{"format", "pt"}}, files);
}

Status dumpGradients(const plan::Plan &plan, const BufferReader &read, const std::string &folder) {
  std::vector<Item> items;
  for (const plan::Tensor &tensor : plan.tensors())
    if (tensor.role() == plan::Tensor::GRADIENT)
      items.push_back({tensor.key(), &tensor, tensor.dtype()});
  if (items.empty())
    return badInput(
        fmt::format("plan \"{}\" has no gradient tensors to dump; it was compiled without training or keeps "
                    "no gradient past its update",
                    plan.name()));
  return writeTensors(plan, items, read, folder, "gradients.safetensors", {{"format", "pt"}}, systemFiles()).status();
}

} // namespace ft::rt
