// Small text helpers of messages and tables.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace ft::rt {

/// "0 B", "512 B", "1.50 KiB", "1.23 GiB": binary units, two decimals.
std::string formatBytes(uint64_t bytes);

/// Levenshtein distance in bytes.
size_t editDistance(std::string_view a, std::string_view b);

/// `text` with control characters other than newlines and tabs as "\x1b", with bytes that are not UTF-8 as "\xff", and
/// with characters that change the direction of text as "\u202e": what a file says must not drive a terminal.
std::string printable(std::string_view text);
/// A name or value of a file inside a message: as printable(), on one line, and cut behind about `most` bytes.
std::string shown(std::string_view text, size_t most = 160);

bool isUtf8(std::string_view text);
/// Whether a file of ours may have this name: UTF-8 of at most 200 of the 255 bytes that file systems take, as what is
/// written aside has a longer one; no '/', nothing that drives a terminal, and no '.' in front.
bool isFileName(std::string_view text);

/// "layers.3.mlp" → "layers.*.mlp": the same place of all layers.
std::string ofAllLayers(std::string_view name);

/// The candidate nearest to `name`, the first among equals; empty where none is within a third of the name's length
/// (at least 1, at most 4 edits), because a far suggestion misleads. Names beyond 512 bytes are near nothing.
std::string nearestName(std::string_view name, std::span<const std::string> candidates);
std::string nearestName(std::string_view name, std::span<const std::string_view> candidates);

/// "; did you mean \"x\"?", or nothing where no candidate is near.
std::string suggestion(std::string_view name, std::span<const std::string> candidates);
std::string suggestion(std::string_view name, std::span<const std::string_view> candidates);

} // namespace ft::rt
