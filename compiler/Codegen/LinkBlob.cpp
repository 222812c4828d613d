#include "compiler/Codegen/LinkBlob.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/BinaryFormat/ELF.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/Alignment.h"
#include "llvm/Support/Endian.h"

using namespace llvm;
using namespace llvm::object;

namespace ft {
namespace {

Error refuse(const Twine &message) { return createStringError("kernel blob: " + message); }

class Linker {
public:
  explicit Linker(const ELF64LEObjectFile &object) : object(object) {}

  Error run() {
    for (bool code : {true, false})
      for (ELFSectionRef section : object.sections())
        if (bool(section.getFlags() & ELF::SHF_EXECINSTR) == code)
          if (Error error = place(section))
            return error;
    for (ELFSectionRef section : object.sections())
      for (const RelocationRef &relocation : section.relocations())
        if (Error error = relocate(section, relocation))
          return error;
    return Error::success();
  }

  /// Offset of a symbol in the blob.
  Expected<int64_t> addressOf(const SymbolRef &symbol) {
    Expected<section_iterator> section = symbol.getSection();
    Expected<uint64_t> value = symbol.getValue();
    Expected<StringRef> name = symbol.getName();
    if (!section || !value || !name)
      return joinErrors(joinErrors(section.takeError(), value.takeError()), name.takeError());
    auto place = *section == object.section_end() ? places.end() : places.find((*section)->getIndex());
    if (place == places.end())
      return refuse("undefined symbol '" + *name + "': kernels may call nothing");
    return int64_t(place->second + *value);
  }

  std::string bytes;

private:
  Error place(const ELFSectionRef &section) {
    if (!(section.getFlags() & ELF::SHF_ALLOC) || section.getSize() == 0 || section.getType() == ELF::SHT_X86_64_UNWIND)
      return Error::success();
    Expected<StringRef> name = section.getName(), contents = section.getContents();
    if (!name || !contents)
      return joinErrors(name.takeError(), contents.takeError());
    if (*name == ".eh_frame")
      return Error::success();
    if (section.getFlags() & ELF::SHF_WRITE || section.isBSS())
      return refuse("writable section '" + *name + "'");
    bytes.resize(alignTo(bytes.size(), section.getAlignment()));
    places[section.getIndex()] = bytes.size();
    bytes += *contents;
    return Error::success();
  }

  Error relocate(const ELFSectionRef &section, const ELFRelocationRef &relocation) {
    Expected<section_iterator> patched = section.getRelocatedSection();
    if (!patched)
      return patched.takeError();
    auto place = places.find((*patched)->getIndex());
    if (place == places.end())
      return Error::success();
    symbol_iterator symbol = relocation.getSymbol();
    if (symbol == object.symbol_end())
      return refuse("relocation without a symbol");
    Expected<int64_t> target = addressOf(*symbol);
    Expected<int64_t> addend = relocation.getAddend();
    if (!target || !addend)
      return joinErrors(target.takeError(), addend.takeError());
    uint64_t at = place->second + relocation.getOffset();
    int64_t distance = *target + *addend - int64_t(at);
    switch (relocation.getType()) {
    case ELF::R_X86_64_PC32:
    case ELF::R_X86_64_PLT32:
      if (!isInt<32>(distance))
        return refuse("larger than 2 GiB");
      support::endian::write32le(bytes.data() + at, uint32_t(distance));
      return Error::success();
    case ELF::R_X86_64_PC64:
      support::endian::write64le(bytes.data() + at, uint64_t(distance));
      return Error::success();
    }
    SmallString<32> type;
    relocation.getTypeName(type);
    return refuse("relocation " + type + " depends on the load address");
  }

  const ELF64LEObjectFile &object;
  DenseMap<uint64_t, uint64_t> places; // section index → offset in the blob
};

} // namespace

Expected<Blob> linkBlob(StringRef object, const std::vector<std::string> &names) {
  Expected<std::unique_ptr<ObjectFile>> file = ObjectFile::createELFObjectFile(MemoryBufferRef(object, "kernels"));
  if (!file)
    return file.takeError();
  auto *elf = dyn_cast<ELF64LEObjectFile>(file->get());
  if (!elf)
    return refuse("not a 64-bit little-endian ELF object");
  Linker linker(*elf);
  if (Error error = linker.run())
    return error;
  StringMap<uint64_t> functions;
  for (const ELFSymbolRef &symbol : elf->symbols())
    if (symbol.getELFType() == ELF::STT_FUNC) {
      Expected<StringRef> name = symbol.getName();
      Expected<int64_t> address = linker.addressOf(symbol);
      if (!name || !address)
        return joinErrors(name.takeError(), address.takeError());
      functions[*name] = *address;
    }
  Blob blob{std::move(linker.bytes), {}};
  for (const std::string &name : names) {
    auto found = functions.find(name);
    if (found == functions.end())
      return refuse("no function '" + name + "'");
    blob.entries.push_back(found->second);
  }
  return blob;
}

} // namespace ft
