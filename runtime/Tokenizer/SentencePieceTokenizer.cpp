// SentencePiece's tokenizer.model.

#include "runtime/Support/MappedFile.h"
#include "runtime/Tokenizer/JsonMembers.h"
#include "runtime/Tokenizer/TokenizerConfig.h"
#include "runtime/Tokenizer/sentencepiece.pb.h"

#include <filesystem>
#include <fmt/format.h>

namespace ft::rt {

namespace {
namespace fs = std::filesystem;
namespace sp = sentencepiece;

Status readPieces(const sp::ModelProto &model, TokenizerSpec &spec) {
  PieceSpec pieces;
  pieces.byteFallback = model.trainer_spec().byte_fallback();
  const auto type = model.trainer_spec().model_type();
  if (type != sp::TrainerSpec::BPE && type != sp::TrainerSpec::UNIGRAM)
    return badInput(fmt::format("model_type is {}; must be UNIGRAM or BPE", sp::TrainerSpec::ModelType_Name(type)));
  pieces.kind = type == sp::TrainerSpec::BPE ? PieceSpec::Kind::BytePair : PieceSpec::Kind::Unigram;
  for (const auto &piece : model.pieces()) {
    const auto id = uint32_t(spec.tokens.size());
    if (piece.type() < 1 || piece.type() > 6)
      return badInput(fmt::format("piece {} has type {}; must be 1 to 6", id, piece.type()));
    const auto kind = PieceType(piece.type());
    spec.tokens.push_back(piece.piece());
    pieces.types.push_back(kind);
    pieces.scores.push_back(piece.score());
    if (kind == PieceType::Control || kind == PieceType::Unknown)
      spec.added.push_back({piece.piece(), id, /*special=*/true});
  }
  spec.model = std::move(pieces);
  return {};
}

Status readModel(const sp::ModelProto &model, TokenizerSpec &spec) {
  FT_RETURN_IF_ERROR(readPieces(model, spec));
  const sp::NormalizerSpec &rules = model.normalizer_spec();
  if (!model.denormalizer_spec().precompiled_charsmap().empty())
    return badInput("denormalizer_spec has rules, which are not supported");
  SentencePieceStep step;
  step.charsMap = rules.precompiled_charsmap();
  step.addDummyPrefix = rules.add_dummy_prefix();
  step.removeExtraSpaces = rules.remove_extra_whitespaces();
  step.escapeSpaces = rules.escape_whitespaces();
  step.spaceAsSuffix = model.trainer_spec().treat_whitespace_as_suffix();
  const PieceSpec &pieces = std::get<PieceSpec>(spec.model);
  for (uint32_t id = 0; id < spec.tokens.size(); ++id)
    if (pieces.types[id] == PieceType::UserDefined)
      step.fixed.push_back(spec.tokens[id]);
  spec.decoder = sentencePieceDecoder(step.addDummyPrefix && !step.spaceAsSuffix);
  spec.normalizer.push_back(std::move(step));
  auto control = [&](const std::string &piece) -> std::optional<uint32_t> {
    const auto id = idOfToken(spec, piece);
    return id && pieces.types[*id] == PieceType::Control ? id : std::nullopt;
  };
  spec.bos = control(model.trainer_spec().bos_piece());
  spec.eos = control(model.trainer_spec().eos_piece());
  return {};
}
} // namespace

std::vector<DecoderStep> sentencePieceDecoder(bool dummyPrefix) {
  std::vector<DecoderStep> steps = {ReplaceStep{{"\u2581", false}, " "}, ByteFallbackDecoding(), FuseDecoding()};
  if (dummyPrefix)
    steps.push_back(StripDecoding{" ", 1, 0});
  return steps;
}

Expected<TokenizerSpec> readSentencePieceTokenizer(const std::string &folder) {
  TokenizerSpec spec;
  spec.source = (fs::path(folder) / "tokenizer.model").string();
  FT_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::open(spec.source));
  sp::ModelProto model;
  if (file.size() > INT32_MAX || !model.ParseFromArray(file.bytes().data(), int(file.size())) || model.pieces().empty())
    return badInput(fmt::format("{}: is no model of SentencePiece, or damaged", spec.source));
  if (Status status = readModel(model, spec); !status.ok())
    return badInput(fmt::format("{}: {}", spec.source, status.message()));
  // What LlamaTokenizer does where its configuration does not say.
  FT_RETURN_IF_ERROR(readTokenizerConfig(folder, spec.bos ? std::optional(true) : std::nullopt, spec));
  return spec;
}

} // namespace ft::rt
