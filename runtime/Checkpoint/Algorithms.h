// algorithms.json: in which way a GPU's library computed each product of a plan, or shall.
#pragma once

#include "runtime/Device/Device.h"

#include <string>
#include <string_view>
#include <vector>

namespace ft::rt {

constexpr const char *algorithmsFile = "algorithms.json";

struct Algorithms {
  std::string device;                 ///< "NVIDIA H200"
  std::vector<std::string> libraries; ///< "cuBLASLt 13.1.0"
  std::vector<std::string> products;  ///< as Device::products(): of other plans, what is described alike counts
};

/// "cuBLASLt 13.1.0" of "cuBLASLt 13.1.0 (path)" and so on, as DeviceInfo has them: paths differ from host to host.
std::vector<std::string> withoutPaths(std::vector<std::string> libraries);

Algorithms algorithmsOf(const Device &device);
std::string toJson(const Algorithms &algorithms);
/// Fails with BadInput naming `place` and the member.
Expected<Algorithms> parseAlgorithms(std::string_view text, const std::string &place);
/// At most 100 MB.
Expected<Algorithms> readAlgorithms(const std::string &path);

} // namespace ft::rt
