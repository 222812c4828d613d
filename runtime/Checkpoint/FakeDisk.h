// A disk in memory whose power can be cut, or which can be full, at any operation. For tests.
#pragma once

#include "runtime/Support/Files.h"

#include <map>
#include <memory>
#include <random>

namespace ft::rt {

/// Knows for each file and folder what it holds now and what it held when it was last synced. Paths are absolute; the
/// folder "/run" is there from the start, on the disk.
class FakeDisk final : public Files {
public:
  FakeDisk();

  /// Operations that change something, so far.
  uint64_t operations() const { return count; }
  /// Operation number `first`, counted from 0, and the `number` behind it fail with ENOSPC; removing never does.
  void fill(uint64_t first, uint64_t number) { fullFrom = first, fullNumber = number; }
  /// From operation `at` on nothing happens any more, and all fail. `halfRenames`: where that is the renaming of a
  /// folder, a part of its files have moved, as on a network file system without such an operation.
  void cutPower(uint64_t at, bool halfRenames = false) { cutAt = at, cutHalf = halfRenames; }

  /// What is there after a power cut: what was synced; each thing that was not is there as it was, as it is, or (a
  /// file) in part, as `draw` says.
  enum class Survivors { Synced, Everything, Drawn };
  /// Writes that into a real folder, in place of "/run".
  void recover(const std::string &folder, Survivors survivors, uint32_t draw = 0) const;

  std::error_code create(const std::string &path, int &file) override;
  std::error_code write(int file, uint64_t offset, std::span<const std::byte> bytes) override;
  std::error_code sync(int file) override;
  void close(int) override {}
  std::error_code makeFolder(const std::string &path) override;
  std::error_code syncFolder(const std::string &path) override;
  std::error_code rename(const std::string &from, const std::string &to) override;
  std::error_code remove(const std::string &path) override;
  std::vector<std::string> list(const std::string &path) override;

private:
  struct Node;
  using Entries = std::map<std::string, std::shared_ptr<Node>>;
  struct Node {
    bool folder = false;
    std::vector<std::byte> content, syncedContent;
    Entries entries, syncedEntries;
  };
  std::shared_ptr<Node> find(const std::string &path) const;
  /// Counts an operation; what it fails with.
  std::error_code begin(bool takesRoom);
  /// Puts the node at a path that is free, as one operation.
  std::error_code make(const std::string &path, std::shared_ptr<Node> node);
  static void recover(const Node &node, const std::string &path, Survivors survivors, std::mt19937 &random);

  std::shared_ptr<Node> root = std::make_shared<Node>();
  std::vector<std::shared_ptr<Node>> open;
  uint64_t count = 0, fullFrom = UINT64_MAX, fullNumber = 0, cutAt = UINT64_MAX;
  bool cutHalf = false;
};

} // namespace ft::rt
