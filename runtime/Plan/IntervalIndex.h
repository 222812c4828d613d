// Which of many intervals touch a given one.
#pragma once

#include <algorithm>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

namespace ft::rt {

/// A set of (start, end, id), start < end, ids unique: insert, erase and the start of a visit in O(log n) expected,
/// each found interval in O(1) to O(log n). A treap ordered by start, with the furthest end of each subtree. Priorities
/// are a hash of the id and a number that no file can know: none can make the tree, and the recursion on it, deep.
class IntervalIndex {
public:
  void insert(int64_t start, int64_t end, uint32_t id) {
    int32_t fresh = int32_t(nodes.size());
    if (spare.empty())
      nodes.emplace_back();
    else
      fresh = spare.back(), spare.pop_back();
    nodes[fresh] = {start, end, end, id, hash(id ^ salt), -1, -1};
    auto [before, after] = split(root, start, id);
    root = merge(merge(before, fresh), after);
  }

  void erase(int64_t start, uint32_t id) {
    auto [before, rest] = split(root, start, id);
    auto [found, after] = split(rest, start, id + 1);
    spare.push_back(found);
    root = merge(before, after);
  }

  /// Calls visit(id) for each interval that shares a point with [start, end). The set must not change meanwhile.
  template <typename Visit> void visit(int64_t start, int64_t end, Visit &&visit) const {
    visitNode(root, start, end, visit);
  }

  /// Calls visit(id) for each interval that begins in [start, end). The set must not change meanwhile.
  template <typename Visit> void visitBegun(int64_t start, int64_t end, Visit &&visit) const {
    visitBegunNode(root, start, end, visit);
  }

  void clear() {
    nodes.clear();
    spare.clear();
    root = -1;
  }

private:
  struct Node {
    int64_t start, end, furthestEnd;
    uint32_t id, priority;
    int32_t left, right;
  };

  static uint32_t hash(uint32_t x) {
    x = (x ^ (x >> 16)) * 0x7feb352du;
    x = (x ^ (x >> 15)) * 0x846ca68bu;
    return x ^ (x >> 16);
  }

  int32_t updated(int32_t n) {
    Node &node = nodes[n];
    node.furthestEnd = node.end;
    for (int32_t child : {node.left, node.right})
      if (child >= 0)
        node.furthestEnd = std::max(node.furthestEnd, nodes[child].furthestEnd);
    return n;
  }

  /// Nodes before (start, id), and the others.
  std::pair<int32_t, int32_t> split(int32_t n, int64_t start, uint32_t id) {
    if (n < 0)
      return {-1, -1};
    Node &node = nodes[n];
    if (std::pair(node.start, node.id) < std::pair(start, id)) {
      auto [before, after] = split(node.right, start, id);
      node.right = before;
      return {updated(n), after};
    }
    auto [before, after] = split(node.left, start, id);
    node.left = after;
    return {before, updated(n)};
  }

  int32_t merge(int32_t a, int32_t b) {
    if (a < 0 || b < 0)
      return a < 0 ? b : a;
    if (nodes[a].priority > nodes[b].priority) {
      nodes[a].right = merge(nodes[a].right, b);
      return updated(a);
    }
    nodes[b].left = merge(a, nodes[b].left);
    return updated(b);
  }

  template <typename Visit> void visitNode(int32_t n, int64_t start, int64_t end, Visit &visit) const {
    while (n >= 0 && nodes[n].furthestEnd > start) {
      const Node &node = nodes[n];
      visitNode(node.left, start, end, visit);
      if (node.start >= end)
        return;
      if (node.end > start)
        visit(node.id);
      n = node.right;
    }
  }

  template <typename Visit> void visitBegunNode(int32_t n, int64_t start, int64_t end, Visit &visit) const {
    while (n >= 0) {
      const Node &node = nodes[n];
      if (node.start >= start)
        visitBegunNode(node.left, start, end, visit);
      if (node.start >= end)
        return;
      if (node.start >= start)
        visit(node.id);
      n = node.right;
    }
  }

  std::vector<Node> nodes;
  std::vector<int32_t> spare;
  int32_t root = -1;
  uint32_t salt = std::random_device()();
};

} // namespace ft::rt
