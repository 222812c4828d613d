#include "test/plans/MutatePlan.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/dynamic_message.h>

#include <cstdlib>
#include <limits>
#include <memory>
#include <string>
#include <vector>

namespace ft::rt::test {

namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

/// plan.proto, as protoc describes it.
constexpr unsigned char planSchema[] = {
#include "plan.schema.inc"
};

/// A field of one message of the tree.
struct Place {
  Message *message;
  const FieldDescriptor *field;
};

void collect(Message &message, std::vector<Place> &places) {
  const Reflection &reflection = *message.GetReflection();
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor *field = message.GetDescriptor()->field(i);
    places.push_back({&message, field});
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE)
      continue;
    if (field->is_repeated())
      for (int k = 0; k < reflection.FieldSize(message, field); ++k)
        collect(*reflection.MutableRepeatedMessage(&message, field, k), places);
    else if (reflection.HasField(message, field))
      collect(*reflection.MutableMessage(&message, field), places);
  }
}

template <typename Number> Number number(Number old, const Choose &choose) {
  using Limits = std::numeric_limits<Number>;
  switch (choose(9)) {
  case 0:
    return 0;
  case 1:
    return 1;
  case 2:
    return Limits::max();
  case 3:
    return Limits::lowest();
  case 4:
    return old > Limits::lowest() ? Number(old - 1) : old;
  case 5:
    return old < Limits::max() ? Number(old + 1) : old;
  case 6:
    return Number(old / 2);
  case 7:
    return old < Limits::max() / 2 && old > Limits::lowest() / 2 ? Number(old * 2) : old;
  default:
    return Number(choose(uint64_t(1) << 31));
  }
}

double realNumber(double old, const Choose &choose) {
  const double values[] = {0,
                           -1,
                           1,
                           old * 2,
                           -old,
                           1e308,
                           1e-320,
                           std::numeric_limits<double>::infinity(),
                           std::numeric_limits<double>::quiet_NaN()};
  return values[choose(std::size(values))];
}

std::string text(std::string old, const Choose &choose) {
  switch (choose(5)) {
  case 0:
    return "";
  case 1:
    return old + old;
  case 2:
    return std::string(5000, 'x');
  case 3:
    return "../" + old;
  default:
    if (!old.empty())
      old[choose(old.size())] = char(choose(128));
    return old;
  }
}

/// One value of a field: its only one, or that at `index`, where that is not negative.
template <typename Get, typename Set, typename GetAt, typename SetAt, typename Change>
void change(Message &message, const FieldDescriptor *field, int index, Get get, Set set, GetAt getAt, SetAt setAt,
            Change to) {
  const Reflection &reflection = *message.GetReflection();
  if (index < 0)
    (reflection.*set)(&message, field, to((reflection.*get)(message, field)));
  else
    (reflection.*setAt)(&message, field, index, to((reflection.*getAt)(message, field, index)));
}

void changeScalar(Message &message, const FieldDescriptor *field, int index, const Choose &choose) {
  const auto numeric = [&](auto old) { return number(old, choose); };
  const auto real = [&](auto old) { return decltype(old)(realNumber(double(old), choose)); };
#define FT_CHANGE(TYPE, HOW)                                                                                           \
  change(message, field, index, &Reflection::Get##TYPE, &Reflection::Set##TYPE, &Reflection::GetRepeated##TYPE,        \
         &Reflection::SetRepeated##TYPE, HOW)
  switch (field->cpp_type()) {
  case FieldDescriptor::CPPTYPE_INT32:
    return FT_CHANGE(Int32, numeric);
  case FieldDescriptor::CPPTYPE_INT64:
    return FT_CHANGE(Int64, numeric);
  case FieldDescriptor::CPPTYPE_UINT32:
    return FT_CHANGE(UInt32, numeric);
  case FieldDescriptor::CPPTYPE_UINT64:
    return FT_CHANGE(UInt64, numeric);
  case FieldDescriptor::CPPTYPE_DOUBLE:
    return FT_CHANGE(Double, real);
  case FieldDescriptor::CPPTYPE_FLOAT:
    return FT_CHANGE(Float, real);
  case FieldDescriptor::CPPTYPE_BOOL:
    return FT_CHANGE(Bool, [](bool old) { return !old; });
  case FieldDescriptor::CPPTYPE_ENUM:
    return FT_CHANGE(EnumValue, [&](int) { return int(choose(uint64_t(field->enum_type()->value_count()) + 2)); });
  case FieldDescriptor::CPPTYPE_STRING:
    return FT_CHANGE(String, [&](const std::string &old) { return text(old, choose); });
  case FieldDescriptor::CPPTYPE_MESSAGE:
    return;
  }
#undef FT_CHANGE
}

/// A copy of the message at `from` becomes a further element.
void append(Message &message, const FieldDescriptor *field, int from) {
  const Reflection &reflection = *message.GetReflection();
  const std::unique_ptr<Message> copy(reflection.GetRepeatedMessage(message, field, from).New());
  copy->CopyFrom(reflection.GetRepeatedMessage(message, field, from));
  reflection.AddMessage(&message, field)->CopyFrom(*copy);
}

void changeRepeated(Message &message, const FieldDescriptor *field, const Choose &choose) {
  const Reflection &reflection = *message.GetReflection();
  const int size = reflection.FieldSize(message, field);
  const bool isMessage = field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
  if (size == 0) {
    if (isMessage)
      reflection.AddMessage(&message, field);
    return;
  }
  const int at = int(choose(uint64_t(size))), other = int(choose(uint64_t(size)));
  switch (choose(isMessage ? 4 : 5)) {
  case 0:
    reflection.SwapElements(&message, field, at, size - 1);
    return reflection.RemoveLast(&message, field);
  case 1:
    return reflection.SwapElements(&message, field, at, other);
  case 2:
    if (isMessage)
      return append(message, field, at);
    return reflection.RemoveLast(&message, field);
  case 3:
    if (isMessage)
      return reflection.MutableRepeatedMessage(&message, field, at)
          ->CopyFrom(reflection.GetRepeatedMessage(message, field, other));
    return reflection.ClearField(&message, field);
  default:
    return changeScalar(message, field, at, choose);
  }
}

void mutate(Message &root, const Choose &choose) {
  std::vector<Place> places;
  collect(root, places);
  const Place place = places[choose(places.size())];
  const Reflection &reflection = *place.message->GetReflection();
  if (place.field->is_repeated())
    return changeRepeated(*place.message, place.field, choose);
  if (place.field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE)
    return changeScalar(*place.message, place.field, -1, choose);
  if (reflection.HasField(*place.message, place.field))
    return reflection.ClearField(place.message, place.field);
  reflection.MutableMessage(place.message, place.field);
}

} // namespace

struct PlanMutator::Schema {
  google::protobuf::DescriptorPool pool;
  google::protobuf::DynamicMessageFactory factory;
  const Message *prototype = nullptr;
};

PlanMutator::PlanMutator() : schema(std::make_unique<Schema>()) {
  google::protobuf::FileDescriptorSet files;
  if (!files.ParseFromArray(planSchema, sizeof planSchema) || files.file_size() != 1)
    std::abort();
  const google::protobuf::FileDescriptor *file = schema->pool.BuildFile(files.file(0));
  if (!file)
    std::abort();
  schema->prototype = schema->factory.GetPrototype(file->FindMessageTypeByName("Plan"));
}

PlanMutator::~PlanMutator() = default;

plan::Plan PlanMutator::mutated(const plan::Plan &plan, uint64_t changes, const Choose &choose) const {
  const std::unique_ptr<Message> message(schema->prototype->New());
  if (!message->ParseFromString(plan.SerializeAsString()))
    std::abort();
  for (; changes > 0; --changes)
    mutate(*message, choose);
  plan::Plan result;
  return result.ParseFromString(message->SerializeAsString()) ? result : plan;
}

} // namespace ft::rt::test
