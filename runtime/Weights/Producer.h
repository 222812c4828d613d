// What makes the elements of a tensor of a plan.
#pragma once

#include "runtime/Plan/plan.pb.h"
#include "runtime/Weights/TensorView.h"

#include <concepts>
#include <functional>
#include <span>
#include <type_traits>

namespace ft::rt {

/// Writes dense elements [first, first + count) of a tensor, in its stored dtype, at `out`. Called from several threads
/// at once. An empty one makes nothing: the tensor stays zero.
class Producer {
public:
  using Make = std::function<void(uint64_t first, uint64_t count, std::byte *out)>;

  Producer() = default;
  template <typename Function>
  requires std::invocable<const Function &, uint64_t, uint64_t, std::byte *> &&
      (!std::same_as<std::remove_cvref_t<Function>, Producer>)Producer(Function function)
      : make(std::move(function)) {}
  /// Of the elements of `view`, one from one, near the same place in their order; it must outlive the producer.
  /// `isStored`: its bytes are what is made.
  Producer(Make function, const TensorView &view, bool isStored)
      : make(std::move(function)), view(&view), isStored(isStored) {}

  explicit operator bool() const { return bool(make); }
  void operator()(uint64_t first, uint64_t count, std::byte *out) const { make(first, count, out); }

  /// The same elements made into others, one from one.
  Producer madeInto(Make function) const;
  /// The bytes of a file that these elements are made from; empty where they come from none.
  std::span<const std::byte> fileBytes(uint64_t first, uint64_t count) const;
  /// Where a file holds element `first`, and those behind it, as they are made; null where it does not.
  const std::byte *stored(uint64_t first) const;

private:
  Make make;
  const TensorView *view = nullptr;
  bool isStored = false;
};

/// Converts from a file. `ropeHeads` > 0: the file's rows (first dimension) are those of this many heads with the two
/// halves of each head interleaved, as llama.cpp stores q and k: row h·D + 2j + p of the file is row h·D + p·D/2 + j.
/// `view` must outlive the producer.
Producer fileProducer(const TensorView &view, plan::DType dtype, uint32_t ropeHeads);

/// The same with `offset` added to each number, in double.
Producer shiftedProducer(const TensorView &view, plan::DType dtype, double offset);

} // namespace ft::rt
