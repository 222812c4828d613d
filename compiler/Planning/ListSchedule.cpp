#include "compiler/Planning/ListSchedule.h"

#include "compiler/Planning/HappensBefore.h"

#include "llvm/ADT/STLExtras.h"

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

using namespace llvm;
using namespace ft;

namespace {

constexpr int64_t nobody = -1;

class Scheduler {
public:
  Scheduler(ArrayRef<Task> t, unsigned s, int64_t depth)
      : tasks(t), states(t.size()), freeAt(s, 0.0), ready(s), happens(s) {
    for (const Task &task : tasks)
      rooms.try_emplace({task.stream, task.room}, std::deque<int64_t>(depth, nobody));
  }

  TaskOrder run() {
    linkTasks();
    findPriorities();
    result.waits.resize(tasks.size());
    while (result.order.size() < tasks.size())
      issue(choose());
    return std::move(result);
  }

private:
  struct State {
    SmallVector<int64_t, 4> followers;
    int64_t missing = 0, readers = 0; ///< tasks before it, readers on other streams, that are not issued yet
    double priority = 0, end = 0;
    int64_t place = 0; ///< in the order
    bool takesRoom = false;
  };

  void linkTasks() {
    for (auto [i, task] : enumerate(tasks)) {
      if (task.stream == 0)
        computing.push_back(i);
      for (int64_t before : concat<const int64_t>(task.inputs, task.after)) {
        states[before].followers.push_back(i);
        ++states[i].missing;
      }
      for (int64_t input : task.inputs)
        states[input].readers += tasks[input].stream != task.stream;
      if (states[i].missing == 0)
        ready[task.stream].insert(i);
    }
  }

  /// The longest path from a task's start to the end, along dependences and along stream 0.
  void findPriorities() {
    double behindOnStream0 = 0;
    for (int64_t i = tasks.size() - 1; i >= 0; --i) {
      double behind = tasks[i].stream == 0 ? behindOnStream0 : 0;
      for (int64_t follower : states[i].followers)
        behind = std::max(behind, states[follower].priority);
      states[i].priority = behind + tasks[i].us;
      if (tasks[i].stream == 0)
        behindOnStream0 = states[i].priority;
    }
  }

  bool fetches(int64_t i) const { return tasks[i].stream != 0 && tasks[i].takesRoom && states[i].readers > 0; }
  const std::deque<int64_t> &roomOf(int64_t i) const { return rooms.at({tasks[i].stream, tasks[i].room}); }
  std::deque<int64_t> &roomOf(int64_t i) { return rooms.at({tasks[i].stream, tasks[i].room}); }
  bool hasRoom(int64_t i) const { return !fetches(i) || !roomOf(i).empty(); }

  double startOf(int64_t i) const {
    double start = freeAt[tasks[i].stream];
    for (int64_t before : concat<const int64_t>(tasks[i].inputs, tasks[i].after))
      start = std::max(start, states[before].end);
    if (fetches(i) && hasRoom(i) && roomOf(i).front() != nobody)
      start = std::max(start, states[roomOf(i).front()].end);
    return start;
  }

  /// What lacks room is issued only where nothing else can be: stream 0 may need it for what would make room.
  int64_t choose() const {
    std::optional<std::tuple<bool, double, double, int64_t>> best;
    for (auto [stream, its] : enumerate(ready))
      for (int64_t i : its)
        if (stream != 0 || i == computing[computed]) {
          std::tuple candidate(!hasRoom(i), startOf(i), -states[i].priority, i);
          best = best ? std::min(*best, candidate) : candidate;
        }
    return std::get<3>(*best);
  }

  void issue(int64_t i) {
    const Task &task = tasks[i];
    State &state = states[i];
    SmallVector<int64_t> before;
    for (int64_t earlier : concat<const int64_t>(task.inputs, task.after))
      before.push_back(states[earlier].place);
    state.end = startOf(i) + task.us;
    if (fetches(i) && hasRoom(i)) {
      if (int64_t lastReader = roomOf(i).front(); lastReader != nobody)
        before.push_back(states[lastReader].place);
      roomOf(i).pop_front();
      state.takesRoom = true;
    }
    SmallVector<int64_t, 2> waits = happens.waitsFor(task.stream, before);
    happens.append(task.stream, waits);
    for (int64_t place : waits)
      result.waits[i].push_back(result.order[place]);
    state.place = result.order.size();
    result.order.push_back(i);
    result.us = std::max(result.us, state.end);
    freeAt[task.stream] = state.end;
    ready[task.stream].erase(i);
    computed += task.stream == 0;
    for (int64_t follower : state.followers)
      if (--states[follower].missing == 0)
        ready[tasks[follower].stream].insert(follower);
    for (int64_t input : task.inputs)
      if (tasks[input].stream != task.stream && --states[input].readers == 0 && states[input].takesRoom)
        roomOf(input).push_back(i);
  }

  ArrayRef<Task> tasks;
  SmallVector<State, 0> states;
  SmallVector<double> freeAt;
  SmallVector<std::set<int64_t>, 3> ready; // by stream
  /// By stream and number: who has read what was there, for each free place.
  std::map<std::pair<unsigned, unsigned>, std::deque<int64_t>> rooms;
  SmallVector<int64_t> computing; // tasks of stream 0
  size_t computed = 0;
  HappensBefore happens;
  TaskOrder result;
};

} // namespace

TaskOrder ft::listSchedule(ArrayRef<Task> tasks, unsigned streams, int64_t depth) {
  return Scheduler(tasks, streams, depth).run();
}
