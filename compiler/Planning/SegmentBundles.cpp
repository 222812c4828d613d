// Which values lie side by side in one buffer, and which have columns behind their rows: what operations ask for, as
// far as values still may lie there. Then each has its buffer.
#include "compiler/Planning/PlaceRequests.h"
#include "compiler/Planning/SegmentLayout.h"
#include "compiler/Planning/ValuePlaces.h"

#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace ft;

void SegmentLayout::grantRequests(const PlanningOptions &options) {
  PlaceRequests requests{*this, options};
  for (Operation &op : segment.getBody().front())
    if (auto placement = dyn_cast<model::Placement>(op))
      placement.requestPlaces(requests);
  auto storage = [&](Value v) -> Storage & { return storages[storageOf.lookup(v)]; };
  // Also of a value whose place another takes behind it: a product made again lies as its original, which nothing
  // overwrites, and so has its bits.
  for (auto [value, columns] : requests.borders)
    if (!storage(value).persistent && (storage(value).border == 0 || storage(value).chain.back() == value))
      storage(value).border = columns;
  for (auto [value, like] : requests.alike)
    if (!storage(value).persistent)
      storage(value).border = storage(like).border;
  // A value in place of one of a group is of the group.
  auto groupOf = [&](Value v) {
    const auto it = requests.groupOf.find(storage(v).chain.front());
    return it == requests.groupOf.end() ? std::pair<int64_t, size_t>(-1, 0) : it->second;
  };
  for (ValueRange values : requests.bundles)
    for (size_t begin = 0, end; begin < values.size(); begin = end) {
      const auto [group, size] = groupOf(values[begin]);
      for (end = begin + 1; end < values.size() && groupOf(values[end]).first == group; ++end)
        ;
      if (group < 0 || end - begin == size)
        bundle(values.slice(begin, end - begin));
    }
  for (const auto &[values, onePitch] : requests.ifFree)
    onePitch ? bundleAtOnePitch(values) : bundle(values);
  level(requests.levels);
}

std::optional<Place> SegmentLayout::border(Value value) const {
  const Storage &storage = storages[storageOf.lookup(value)];
  if (storage.border == 0)
    return std::nullopt;
  Place p = storage.place;
  p.offsetBytes += p.columns * p.elementBytes();
  p.columns = storage.border;
  return p;
}

/// True if `value` can lie beside others of so many rows and that type.
bool SegmentLayout::fits(Value value, ArrayRef<Value> others, const Place &like) const {
  const Storage &storage = storages[storageOf.lookup(value)];
  auto sharesStorage = [&](Value other) { return storageOf.lookup(other) == storageOf.lookup(value); };
  return !storage.persistent && storage.bundle < 0 && storage.border == 0 && llvm::none_of(others, sharesStorage) &&
         storage.place.rows == like.rows && storage.place.elementType == like.elementType &&
         storage.place.columns * elementBytes(getElementTypeOrSelf(value)) % 16 == 0;
}

/// Where the first values took the places of all that a bundle holds, those that fit come behind them, if they are
/// little beside it: it lives as long as its first member. Returns how many values lie there; 0: the first do not.
size_t SegmentLayout::extendBundle(ValueRange values) {
  constexpr int64_t littleShare = 64;
  const int64_t number = storages[storageOf.lookup(values[0])].bundle;
  if (number < 0 || bundles[number].second != 0 || bundles[number].first.size() > values.size())
    return 0;
  SmallVector<int64_t> &members = bundles[number].first;
  int64_t columns = 0, more = 0;
  auto isWritten = [&](Value value) { // with others, which have its version
    return llvm::any_of(tuples, [&](ArrayRef<Value> tuple) { return llvm::is_contained(tuple, value); });
  };
  for (auto [member, value] : llvm::zip(members, values)) {
    if (storageOf.lookup(value) != member || isWritten(value))
      return 0;
    columns += storages[member].place.columns;
  }
  SmallVector<Value> tuple = llvm::to_vector(values.take_front(members.size()));
  for (Value value : values.drop_front(members.size())) {
    more += storages[storageOf.lookup(value)].place.columns;
    if (!fits(value, tuple, placeOfType(values[0])) || more * littleShare > columns)
      break;
    tuple.push_back(value);
    storages[storageOf.lookup(value)].bundle = number;
    members.push_back(storageOf.lookup(value));
  }
  if (tuple.size() > 1)
    tuples.push_back(tuple);
  return tuple.size();
}

/// Of these a buffer, with so many columns behind each row.
void SegmentLayout::addBundle(ArrayRef<Value> values, int64_t spare) {
  SmallVector<int64_t> members = llvm::map_to_vector(values, [&](Value v) { return storageOf.lookup(v); });
  for (int64_t m : members)
    storages[m].bundle = bundles.size();
  bundles.push_back({members, spare});
  if (values.size() > 1)
    tuples.push_back(llvm::to_vector(values));
}

/// Neighbours that fit share a buffer; a value that lies elsewhere already parts those before it from those behind it.
void SegmentLayout::bundle(ValueRange values) {
  values = values.drop_front(extendBundle(values));
  SmallVector<Value> tuple;
  auto close = [&] {
    if (tuple.size() > 1)
      addBundle(tuple, 0);
    tuple.clear();
  };
  for (Value v : values) {
    if (fits(v, tuple, placeOfType(values[0])))
      tuple.push_back(v);
    else
      close();
  }
  close();
}

int64_t SegmentLayout::columnsOf(int64_t number) const {
  const auto &[members, spare] = bundles[number];
  int64_t columns = spare;
  for (int64_t m : members)
    columns += storages[m].place.columns;
  return columns;
}

/// Example: q and k of normalised heads beside v, which a product of q, k and v has written. q and k lie in one buffer
/// that has v's columns behind each row; where only q's heads had to go elsewhere, q lies in a buffer that has k's as
/// well. A value that is wider than what others lie in gets a buffer of its own, and level() those their columns.
void SegmentLayout::bundleAtOnePitch(ValueRange values) {
  int64_t pitch = 0, widest = 0;
  for (Value v : values) {
    if (const int64_t number = storages[storageOf.lookup(v)].bundle; number >= 0)
      pitch = std::max(pitch, columnsOf(number));
    widest = std::max(widest, placeOfType(v).columns);
  }
  if (pitch == 0)
    return bundle(values);
  pitch = std::max(pitch, widest);
  SmallVector<Value> tuple;
  int64_t columns = 0;
  auto close = [&] {
    if (!tuple.empty())
      addBundle(tuple, pitch - columns);
    tuple.clear();
    columns = 0;
  };
  for (Value v : values) {
    const int64_t own = placeOfType(v).columns;
    if (!fits(v, tuple, placeOfType(values[0]))) {
      close();
      continue;
    }
    if (columns + own > pitch)
      close();
    tuple.push_back(v);
    columns += own;
  }
  close();
}

/// Example: moments of q's weights are in codes, those of k's and v's, which are smaller, are not. So they lie in two
/// buckets, and are two products. [k v] gets columns behind each row until its pitch is q's, or q's that of [k v].
void SegmentLayout::level(ArrayRef<SmallVector<Value>> groups) {
  for (bool even = false; !even;) { // a bundle may be in several groups, of forward and of backward
    even = true;
    for (ArrayRef<Value> group : groups) {
      llvm::SmallSetVector<int64_t, 6> numbers;
      for (Value v : group)
        if (const int64_t number = storages[storageOf.lookup(v)].bundle; number >= 0)
          numbers.insert(number);
      int64_t pitch = 0;
      for (int64_t number : numbers)
        pitch = std::max(pitch, columnsOf(number));
      for (int64_t number : numbers) {
        const int64_t missing = pitch - columnsOf(number);
        bundles[number].second += missing;
        even = even && missing == 0;
      }
    }
  }
}

void SegmentLayout::createBuffers() {
  for (const auto &[number, made] : llvm::enumerate(bundles)) {
    const SmallVector<int64_t> &members = made.first;
    const int64_t columns = columnsOf(number);
    const Storage &first = storages[members[0]];
    Place whole = scratch(placeName(first.chain.front()), first.place.rows, columns, first.place.elementType);
    int64_t column = 0;
    for (int64_t m : members) {
      int64_t width = storages[m].place.columns;
      storages[m].place = whole.slice(0, whole.rows, column, width);
      column += width;
    }
  }
  for (Storage &storage : storages)
    if (!storage.place.buffer) {
      int64_t columns = storage.place.columns;
      storage.place = scratch(placeName(storage.chain.front()), storage.place.rows, columns + storage.border,
                              storage.place.elementType, storage.place.host);
      storage.place.columns = columns;
    }
}
