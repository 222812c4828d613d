// adapter_config.json of PEFT: what its fields mean for the tensors beside it.
#pragma once

#include "runtime/Config/Fields.h"

namespace ft::rt {

/// Every field of PEFT's LoraConfig. Read: must say the same in a plan and in an adapter that it starts from.
std::span<const Field> adapterFields();

/// Adds a problem for each field in which `has`, the file at `place`, means other tensors than `expected`, the plan's
/// own adapter_config.json, and for each that is not known.
void compareAdapterConfigs(const std::string &place, const Json &has, const Json &expected,
                           std::vector<std::string> &problems);
/// The same for the fields that say which modules have adapters. The tensors say it themselves, and PEFT spells it in
/// several ways (last parts of names, whole names, an expression): of use only to explain tensors that differ.
void compareAdapterPlaces(const std::string &place, const Json &has, const Json &expected,
                          std::vector<std::string> &problems);

} // namespace ft::rt
