// Models of the Hugging Face Hub that its own tools have fetched: where their cache holds them. Opens no connection.
#pragma once

#include "runtime/Support/Status.h"

#include <optional>
#include <string>
#include <string_view>

namespace ft::rt {

/// "owner/name", or "owner/name@revision".
struct HubName {
  std::string id;                ///< "owner/name"
  std::string revision = "main"; ///< a branch, a tag, "refs/pr/1" or a commit of 40 digits
};

/// Nothing where `text` cannot be one by the Hub's rules, as most paths cannot.
std::optional<HubName> parseHubName(std::string_view text);

/// The folder of the model's files: snapshots/<commit> of HF_HUB_CACHE, else of HF_HOME/hub, else of
/// ~/.cache/huggingface/hub. BadInput naming folder and way out where the revision is not there.
Expected<std::string> findSnapshot(const HubName &name);

/// The command that fetches it; only `file` of it, where that is not empty.
std::string downloadLine(const HubName &name, std::string_view file = "");

} // namespace ft::rt
