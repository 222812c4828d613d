// rope_scaling and rope_parameters of config.json.
#include "runtime/Config/ModelFields.h"

#include <fmt/format.h>

namespace ft::rt {

namespace {

constexpr Field common[] = {
    readField("rope_theta"), readField("rope_type"),
    readField("type"),       only("partial_rotary_factor", "[1]", "heads are rotated whole"),
    harmless("finetuned"), // tells where the weights come from
};
constexpr Field ofDefault[] = {
    only("factor", "[1]", "rope_type \"default\" does not scale"),
    harmless("original_max_position_embeddings"), // of the types that scale
};
constexpr Field ofLinear[] = {
    readField("factor"),
    harmless("original_max_position_embeddings"),
};
constexpr Field ofLlama3[] = {
    readField("factor"),
    readField("high_freq_factor"),
    readField("low_freq_factor"),
    readField("original_max_position_embeddings"),
};
constexpr Field ofYarn[] = {
    readField("attention_factor"),
    readField("beta_fast"),
    readField("beta_slow"),
    readField("factor"),
    readField("mscale"),
    readField("mscale_all_dim"),
    readField("original_max_position_embeddings"),
    readField("truncate"),
};

constexpr double maxFactor = 1e6;

std::span<const Field> fieldsOf(Rope::Type type) {
  switch (type) {
  case Rope::Type::Linear:
    return ofLinear;
  case Rope::Type::Llama3:
    return ofLlama3;
  case Rope::Type::Yarn:
    return ofYarn;
  default:
    return ofDefault;
  }
}

std::optional<Rope::Type> typeOf(const Json &object) {
  const Json *name = findMember(object, "rope_type");
  name = name ? name : findMember(object, "type"); // as older files have it
  if (!name)
    return Rope::Type::Default;
  for (Rope::Type type : {Rope::Type::Default, Rope::Type::Linear, Rope::Type::Llama3, Rope::Type::Yarn})
    if (*name == ropeTypeName(type))
      return type;
  return std::nullopt;
}

void readLlama3(FieldReader &fields, Rope &rope) {
  rope.lowFrequency = fields.positive("low_freq_factor", std::nullopt, maxFactor);
  rope.highFrequency = fields.positive("high_freq_factor", std::nullopt, maxFactor);
  if (rope.highFrequency <= rope.lowFrequency)
    fields.refuse("high_freq_factor", fmt::format("{}", rope.highFrequency),
                  fmt::format("above low_freq_factor, which is {}", rope.lowFrequency));
}

void readYarn(FieldReader &fields, Rope &rope) {
  rope.fastTurns = fields.positive("beta_fast", 32, maxFactor);
  rope.slowTurns = fields.positive("beta_slow", 1, maxFactor);
  rope.wholePairs = fields.flag("truncate", true);
  rope.amplitude = yarnAmplitude(rope.factor);
  if (fields.find("mscale") && fields.find("mscale_all_dim"))
    rope.amplitude = yarnAmplitude(rope.factor, fields.positive("mscale", 1, maxFactor)) /
                     yarnAmplitude(rope.factor, fields.positive("mscale_all_dim", 1, maxFactor));
  if (fields.find("attention_factor"))
    rope.amplitude = fields.positive("attention_factor", std::nullopt, maxFactor);
}

void readScaling(FieldReader &fields, int64_t maxPositions, Rope &rope) {
  if (rope.type == Rope::Type::Default)
    return;
  rope.factor = fields.positive("factor", std::nullopt, maxFactor);
  if (rope.factor < 1)
    fields.refuse("factor", fmt::format("{}", rope.factor), "at least 1");
  if (rope.type == Rope::Type::Linear)
    return;
  rope.originalPositions = fields.size("original_max_position_embeddings", maxPositions, maxSize);
  if (rope.type == Rope::Type::Llama3)
    readLlama3(fields, rope);
  else
    readYarn(fields, rope);
}

} // namespace

void readRope(const std::string &place, const std::string &name, const Json &object, std::optional<double> &theta,
              int64_t maxPositions, Rope &rope, std::vector<std::string> &problems) {
  FieldReader outer(place, object, problems);
  const std::optional<Rope::Type> type = typeOf(object);
  if (!type)
    return outer.refuse(
        name, shownJson(object),
        "of rope_type \"default\", \"linear\", \"llama3\" or \"yarn\": others depend on the length of the "
        "text at hand, or are not there");
  rope.type = *type;
  judgeFields(place, object, joinFields(fieldsOf(*type), common), problems, name + ".");
  FieldReader fields(fmt::format("{}: {}", place, name), object, problems);
  readScaling(fields, maxPositions, rope);
  if (rope.type == Rope::Type::Linear && rope.factor == 1)
    rope.type = Rope::Type::Default;
  if (!findMember(object, "rope_theta"))
    return;
  const double own = fields.positive("rope_theta", std::nullopt, maxTheta);
  if (theta && *theta != own)
    fields.refuse("rope_theta", fmt::format("{}", own), fmt::format("{}, as the file says elsewhere", *theta));
  theta = own;
}

} // namespace ft::rt
