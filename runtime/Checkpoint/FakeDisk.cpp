#include "runtime/Checkpoint/FakeDisk.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

using namespace ft::rt;
namespace fs = std::filesystem;

namespace {
std::error_code errorOf(int number) { return {number, std::generic_category()}; }
std::string nameOf(const std::string &path) { return path.substr(path.rfind('/') + 1); }
} // namespace

FakeDisk::FakeDisk() {
  auto run = std::make_shared<Node>();
  root->folder = run->folder = true;
  root->entries["run"] = root->syncedEntries["run"] = run;
}

std::shared_ptr<FakeDisk::Node> FakeDisk::find(const std::string &path) const {
  std::shared_ptr<Node> node = root;
  for (const fs::path &part : fs::path(path).relative_path()) {
    const auto entry = node->entries.find(part.string());
    if (entry == node->entries.end())
      return nullptr;
    node = entry->second;
  }
  return node;
}

std::error_code FakeDisk::begin(bool takesRoom) {
  const uint64_t operation = count++;
  if (operation >= cutAt)
    return errorOf(EIO);
  return takesRoom && operation >= fullFrom && operation - fullFrom < fullNumber ? errorOf(ENOSPC) : std::error_code();
}

std::error_code FakeDisk::make(const std::string &path, std::shared_ptr<Node> node) {
  if (std::error_code error = begin(true))
    return error;
  const std::shared_ptr<Node> folder = find(folderOf(path));
  if (!folder)
    return errorOf(ENOENT);
  return folder->entries.try_emplace(nameOf(path), std::move(node)).second ? std::error_code() : errorOf(EEXIST);
}

std::error_code FakeDisk::create(const std::string &path, int &file) {
  const auto node = std::make_shared<Node>();
  if (std::error_code error = make(path, node))
    return error;
  open.push_back(node);
  file = int(open.size() - 1);
  return {};
}

std::error_code FakeDisk::write(int file, uint64_t offset, std::span<const std::byte> bytes) {
  if (std::error_code error = begin(true))
    return error;
  std::vector<std::byte> &content = open[size_t(file)]->content;
  content.resize(std::max<size_t>(content.size(), offset + bytes.size()));
  std::copy(bytes.begin(), bytes.end(), content.begin() + long(offset));
  return {};
}

std::error_code FakeDisk::sync(int file) {
  if (std::error_code error = begin(true))
    return error;
  open[size_t(file)]->syncedContent = open[size_t(file)]->content;
  return {};
}

std::error_code FakeDisk::makeFolder(const std::string &path) {
  const auto node = std::make_shared<Node>();
  node->folder = true;
  return make(path, node);
}

std::error_code FakeDisk::syncFolder(const std::string &path) {
  if (std::error_code error = begin(true))
    return error;
  const std::shared_ptr<Node> folder = find(path);
  if (!folder)
    return errorOf(ENOENT);
  folder->syncedEntries = folder->entries;
  return {};
}

std::error_code FakeDisk::rename(const std::string &from, const std::string &to) {
  const std::shared_ptr<Node> node = find(from), source = find(folderOf(from)), target = find(folderOf(to));
  if (node && node->folder && cutHalf && count == cutAt) {
    // The other side of the network has moved every second file, and made it last.
    auto half = std::make_shared<Node>();
    half->folder = true;
    bool moves = false;
    for (const auto &[name, file] : Entries(node->entries))
      if ((moves = !moves)) {
        half->entries[name] = half->syncedEntries[name] = file;
        node->entries.erase(name), node->syncedEntries.erase(name);
      }
    target->entries[nameOf(to)] = target->syncedEntries[nameOf(to)] = half;
  }
  if (std::error_code error = begin(true))
    return error;
  if (!node || !target)
    return errorOf(ENOENT);
  const auto there = target->entries.find(nameOf(to));
  if (there != target->entries.end() && there->second->folder && !there->second->entries.empty())
    return errorOf(ENOTEMPTY);
  target->entries[nameOf(to)] = node;
  source->entries.erase(nameOf(from));
  return {};
}

std::error_code FakeDisk::remove(const std::string &path) {
  if (std::error_code error = begin(false))
    return error;
  const std::shared_ptr<Node> folder = find(folderOf(path)), node = find(path);
  if (!folder || !node)
    return errorOf(ENOENT);
  if (node->folder && !node->entries.empty())
    return errorOf(ENOTEMPTY);
  folder->entries.erase(nameOf(path));
  return {};
}

std::vector<std::string> FakeDisk::list(const std::string &path) {
  std::vector<std::string> names;
  if (const std::shared_ptr<Node> folder = find(path))
    for (const auto &[name, node] : folder->entries)
      names.push_back(name);
  return names;
}

void FakeDisk::recover(const std::string &folder, Survivors survivors, uint32_t draw) const {
  std::mt19937 random(draw);
  fs::remove_all(folder);
  recover(*root->syncedEntries.at("run"), folder, survivors, random);
}

void FakeDisk::recover(const Node &node, const std::string &path, Survivors survivors, std::mt19937 &random) {
  // 0: as synced, 1: as it is, 2: a part of a file.
  auto choose = [&](uint32_t most) {
    return survivors == Survivors::Synced ? 0 : survivors == Survivors::Everything ? 1 : random() % (most + 1);
  };
  if (!node.folder) {
    const uint32_t chosen = choose(2);
    const std::vector<std::byte> &content = chosen == 0 ? node.syncedContent : node.content;
    const size_t size = chosen == 2 && node.content != node.syncedContent ? content.size() / 2 : content.size();
    std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char *>(content.data()), long(size));
    return;
  }
  fs::create_directory(path);
  Entries all = node.syncedEntries;
  all.insert(node.entries.begin(), node.entries.end());
  for (const auto &[name, either] : all) {
    const auto synced = node.syncedEntries.find(name), now = node.entries.find(name);
    const bool isSynced = synced != node.syncedEntries.end(), isNow = now != node.entries.end();
    const bool same = isSynced && isNow && synced->second == now->second;
    const bool takesNow = same || choose(1) == 1;
    if (takesNow ? isNow : isSynced)
      recover(*(takesNow ? now : synced)->second, path + "/" + name, survivors, random);
  }
}
