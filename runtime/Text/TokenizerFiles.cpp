#include "runtime/Text/TokenizerFiles.h"

#include "runtime/Support/AtomicFile.h"
#include "runtime/Support/MappedFile.h"

#include <filesystem>

namespace ft::rt {

namespace fs = std::filesystem;

Status copyTokenizerFiles(const std::string &base, const std::string &folder) {
  std::error_code ignored;
  if (fs::equivalent(base, folder, ignored))
    return {};
  for (const char *name :
       {"tokenizer.json", "tokenizer_config.json", "tokenizer.model", "special_tokens_map.json", "added_tokens.json",
        "vocab.json", "merges.txt", "chat_template.jinja", "generation_config.json"}) {
    const fs::path source = fs::path(base) / name;
    if (!fs::is_regular_file(source, ignored))
      continue;
    FT_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::open(source.string()));
    FT_RETURN_IF_ERROR(writeFileAtomically((fs::path(folder) / name).string(), file.bytes()));
  }
  return {};
}

} // namespace ft::rt
