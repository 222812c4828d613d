#include "compiler/Planning/NearCompute.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/STLExtras.h"

#include <algorithm>
#include <limits>

using namespace llvm;
using namespace ft;

namespace {

class Nearness {
public:
  Nearness(MutableArrayRef<Task> t, int64_t d) : tasks(t), depth(d), begins(t.size()) {
    double now = 0;
    for (auto [i, task] : enumerate(tasks)) {
      begins[i] = now;
      if (task.stream != 0)
        continue;
      computing.push_back(i);
      now += task.us;
    }
    for (auto [i, task] : enumerate(tasks))
      if (task.stream == 0)
        for (int64_t input : task.inputs)
          firstReader.try_emplace(input, i);
  }

  /// From the last to the first, so that each knows when the one behind it on its stream must start.
  void placeFetches(ArrayRef<int64_t> fetches) {
    SmallVector<int64_t> read;
    copy_if(fetches, std::back_inserter(read), [&](int64_t i) { return firstReader.contains(i); });
    stable_sort(read, [&](int64_t a, int64_t b) { return firstReader[a] > firstReader[b]; });
    DenseMap<unsigned, double> next;
    for (int64_t i : read) {
      double start = begins[firstReader[i]];
      if (auto behind = next.find(tasks[i].stream); behind != next.end())
        start = std::min(start, behind->second);
      start -= tasks[i].us;
      next[tasks[i].stream] = start;
      if (const int64_t before = lastEndingBy(start - tasks[i].us, i); before >= 0)
        tasks[i].after.push_back(before);
    }
    std::reverse(read.begin(), read.end()); // now in the order in which they are read
    for (size_t number = depth; number < read.size(); ++number)
      if (const int64_t earlier = firstReader[read[number - depth]]; earlier < read[number])
        tasks[read[number]].after.push_back(earlier);
  }

  void placeLeaves(ArrayRef<int64_t> leaves) {
    double free = 0;
    for (auto [number, i] : enumerate(leaves)) {
      free = std::max(free, madeAt(i)) + tasks[i].us;
      double latest = free + tasks[i].us;
      if (number + depth < leaves.size())
        latest = std::min(latest, madeAt(leaves[number + depth]));
      auto waiter = find_if(computing, [&, i = i](int64_t step) { return step > i && begins[step] >= latest; });
      if (waiter != computing.end())
        tasks[*waiter].after.push_back(i);
    }
  }

private:
  double madeAt(int64_t i) const {
    double made = 0;
    for (int64_t input : tasks[i].inputs)
      made = std::max(made, begins[input] + tasks[input].us);
    return made;
  }

  /// The last of stream 0 in front of task `i` that has ended at that time; −1 where none has.
  int64_t lastEndingBy(double us, int64_t i) const {
    auto behind =
        partition_point(computing, [&](int64_t step) { return step < i && begins[step] + tasks[step].us <= us; });
    return behind == computing.begin() ? -1 : *std::prev(behind);
  }

  MutableArrayRef<Task> tasks;
  const int64_t depth;
  SmallVector<double> begins;     ///< of stream 0, and what it has done in front of others
  SmallVector<int64_t> computing; ///< tasks of stream 0
  DenseMap<int64_t, int64_t> firstReader;
};

} // namespace

void ft::keepNearCompute(MutableArrayRef<Task> tasks, const Movements &movements, int64_t depth) {
  Nearness nearness(tasks, depth);
  nearness.placeFetches(movements.fetches);
  nearness.placeLeaves(movements.leaves);
}
