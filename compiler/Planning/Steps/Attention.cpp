// Attention, in the library's form (one step) or tiled.
//
// Tiled: for each row of the batch and each tile of query rows, scores of all heads over the keys up to the tile's
// end, a row kernel that masks and normalises them in place, and products with V. Heads that share a key head are
// `group` batched GEMMs over the key heads. Scratch is one tile, whatever the sequence. Backward makes the scores
// again; tiles run from the last to the first, because the last one reaches every key: it writes dK and dV and the
// others add. Where storage is bf16, scores and sums over tiles are f32 and the row kernels round what a GEMM reads.
#include "compiler/Fusion/Programs/Programs.h"
#include "compiler/Planning/Steps/Steps.h"

using namespace mlir;
using namespace ft;
using namespace ft::model;

namespace {

/// Shapes that forward and backward share, and the steps on one tile.
class Tiles {
public:
  template <typename Op>
  Tiles(StepEmitter &o, Op op)
      : out(o), values(o.values), heads(op.getHeads()), keyHeads(op.getKvHeads()), headDim(op.getHeadDim()),
        sequence(op.getSequenceLen()), scale(op.getScale().convertToDouble()), q(values.place(op.getQ())),
        k(values.place(op.getK())), v(values.place(op.getV())), starts(out.reading(op.getDocumentStart())),
        window(op.getWindow().value_or(0)), tileRows(std::min<int64_t>(o.options.attentionTileRows, sequence)),
        batch(q.rows / sequence), group(heads / keyHeads), storage(q.elementType), statistic(getComputeType(storage)) {
    qVersion = values.version(op.getQ());
    kVersion = values.version(op.getK());
    vVersion = values.version(op.getV());
  }

  /// True where what GEMMs read is of the statistics' type.
  bool wide() const { return storage == statistic; }
  int64_t tileCount() const { return (sequence + tileRows - 1) / tileRows; }

  /// Points at tile `t` of row `b`.
  void select(int64_t b, int64_t t) {
    tile = t;
    firstKey = b * sequence;
    firstRow = firstKey + t * tileRows;
    rows = std::min(tileRows, sequence - t * tileRows);
    keys = t * tileRows + rows;
  }

  Place scoresScratch(StringRef name, Type type) { return values.scratch(name, heads * tileRows, sequence, type); }

  /// One head's matrix of the tile, for head `j` of each group: batched over the key heads.
  PlaceUse headMatrix(const Place &scores, int64_t j, int64_t read, int64_t write) const {
    return {scores.slice(j * rows, rows, 0, keys), read, write};
  }
  int64_t headStride(const Place &scores) const { return group * rows * scores.pitch; }
  /// All heads of the tile.
  PlaceUse tileUse(const Place &scores, int64_t read, int64_t write) const {
    return {scores.slice(0, heads * rows, 0, keys), read, write};
  }
  /// Query rows of the tile of an activation [tokens, heads · headDim], head `j` of each group.
  PlaceUse queries(const Place &p, int64_t j, int64_t read, int64_t write) const {
    return {p.slice(firstRow, rows, j * headDim, headDim), read, write};
  }
  PlaceUse keyRows(const Place &p, int64_t first, int64_t read, int64_t write) const {
    return {p.slice(first, keys, 0, headDim), read, write};
  }

  /// scores = alpha · X · Yᵀ for every head, X of the queries' shape and Y of the keys'.
  void scoresGemm(StringRef what, const Place &x, int64_t xVersion, const Place &y, int64_t yVersion,
                  const Place &scores, int64_t version, double alpha) {
    for (int64_t j = 0; j < group; ++j) {
      GemmSpec spec{queries(x, j, xVersion, 0), keyRows(y, firstKey, yVersion, 0), headMatrix(scores, j, 0, version)};
      spec.transB = true;
      spec.alpha = alpha;
      spec.batch = keyHeads;
      spec.strideA = group * headDim;
      spec.strideB = headDim;
      spec.strideD = headStride(scores);
      out.gemm(what, spec);
    }
  }

  /// X = P · Y: `target` of the queries' shape.
  void queryGemm(StringRef what, const Place &p, int64_t pVersion, const Place &y, int64_t yVersion,
                 const Place &target, int64_t version) {
    for (int64_t j = 0; j < group; ++j) {
      GemmSpec spec{headMatrix(p, j, pVersion, 0), keyRows(y, firstKey, yVersion, 0), queries(target, j, 0, version)};
      spec.batch = keyHeads;
      spec.strideA = headStride(p);
      spec.strideB = headDim;
      spec.strideD = group * headDim;
      out.gemm(what, spec);
    }
  }

  /// Y (+)= Pᵀ · X: `target` of the keys' shape, its rows starting at `first`.
  void keyGemm(StringRef what, const Place &p, int64_t pVersion, const Place &x, int64_t xVersion, const Place &target,
               int64_t first, int64_t version, bool accumulate) {
    for (int64_t j = 0; j < group; ++j) {
      int64_t read = accumulate || j > 0 ? version : 0;
      GemmSpec spec{headMatrix(p, j, pVersion, 0), queries(x, j, xVersion, 0), keyRows(target, first, read, version)};
      spec.transA = true;
      spec.batch = keyHeads;
      spec.strideA = headStride(p);
      spec.strideB = group * headDim;
      spec.strideD = headDim;
      out.gemm(what, spec);
    }
  }

  /// `result`: where the row kernels leave what GEMMs read; the scores themselves, or their like in the storage type.
  AttentionTile description(const Place &scores, const Place &lse, const Place &result) const {
    AttentionTile tile{scores.elementType, heads, rows, keys, scores.pitch, rows * scores.pitch, lse.pitch, window};
    if (!wide())
      tile.resultType = storage, tile.resultPitch = result.pitch, tile.resultHeadPitch = rows * result.pitch;
    return tile;
  }
  PlaceUse tokensOfTile(const PlaceUse &use) const { return {use.place.slice(0, 1, firstRow, rows), use.read, 0}; }
  PlaceUse statisticOfTile(const Place &p, int64_t read, int64_t write) const {
    return {p.slice(firstRow, rows, 0, heads), read, write};
  }
  PlaceUse base() const {
    const Place &table = values.variableLayout().place(tileBases);
    return {table.slice(0, 1, tile, 1), values.variableLayout().version(tileBases), 0};
  }

  StepEmitter &out;
  SegmentLayout &values;
  int64_t heads, keyHeads, headDim, sequence;
  double scale;
  Place q, k, v;
  PlaceUse starts;
  int64_t window, tileRows, batch, group;
  Type storage, statistic;
  int64_t qVersion, kVersion, vVersion;
  int64_t tile = 0, firstKey = 0, firstRow = 0, rows = 0, keys = 0;
};

/// The library's step; forward where there are no `gradients`.
template <typename Op>
void emitLibraryStep(StepEmitter &out, Op op, PlaceUse o, PlaceUse lse,
                     std::optional<AttentionSpec::Gradients> gradients) {
  AttentionSpec spec{out.reading(op.getQ()), out.reading(op.getK()), out.reading(op.getV()), o, lse};
  spec.gradients = gradients;
  if (out.options.raggedAttention) {
    spec.documentOffsets = out.reading(op.getDocumentOffsets());
    spec.documentLens = out.reading(op.getDocumentLens());
  }
  spec.sequenceLen = op.getSequenceLen(), spec.heads = op.getHeads(), spec.kvHeads = op.getKvHeads();
  spec.headDim = op.getHeadDim(), spec.scale = op.getScale().convertToDouble();
  spec.workspaceVersion = out.options.attentionWorkspaceBytes ? out.values.freshVersion() : 0;
  out.attention("", spec);
}

/// The library's engines for windows are not measured: Options.cpp chooses tiles where a model has one.
LogicalResult checkNoWindow(Operation *op, bool hasWindow) {
  return hasWindow ? op->emitOpError("has a window, which library attention does not take; must be tiled") : success();
}

/// cuDNN reads q, k and v at one token pitch, writes dq, dk and dv at one, and of documents all six.
LogicalResult checkOnePitch(Operation *op, const SegmentLayout &values, ValueRange matrices) {
  const auto pitches = llvm::map_to_vector(matrices, [&](Value v) { return values.place(v).pitch; });
  if (llvm::all_equal(pitches))
    return success();
  auto error = op->emitOpError("library attention takes q, k and v (and their gradients) at one pitch; they lie at ");
  llvm::interleaveComma(pitches, error);
  return error;
}

LogicalResult emitAttention(model::AttentionOp op, StepEmitter &out) {
  SegmentLayout &values = out.values;
  if (out.options.libraryAttention) {
    if (failed(checkNoWindow(op, op.getWindow().has_value())) ||
        failed(checkOnePitch(op, values, {op.getQ(), op.getK(), op.getV()})))
      return failure();
    emitLibraryStep(out, op, out.writing(op.getO()), out.writing(op.getLse()), {});
    return success();
  }
  Tiles tiles(out, op);
  const Place &o = values.place(op.getO()), &lse = values.place(op.getLse());
  Place scores = tiles.scoresScratch("scores", tiles.statistic);
  Place p = tiles.wide() ? scores : tiles.scoresScratch("probabilities", tiles.storage);
  for (int64_t b = 0; b < tiles.batch; ++b)
    for (int64_t t = 0; t < tiles.tileCount(); ++t) {
      tiles.select(b, t);
      int64_t raw = values.freshVersion(), version = values.freshVersion();
      tiles.scoresGemm("scores", tiles.q, tiles.qVersion, tiles.k, tiles.kVersion, scores, raw, tiles.scale);
      AttentionTile tile = tiles.description(scores, lse, p);
      const RowProgram &softmax = out.kernels.get("attention_softmax", buildAttentionSoftmax, tile);
      SmallVector<PlaceUse> uses{tiles.tileUse(scores, raw, version), tiles.tokensOfTile(tiles.starts), tiles.base(),
                                 tiles.statisticOfTile(lse, 0, values.version(op.getLse()))};
      if (!tiles.wide())
        uses.push_back(tiles.tileUse(p, 0, version));
      out.launch("softmax", softmax, uses);
      tiles.queryGemm("output", p, version, tiles.v, tiles.vVersion, o, values.version(op.getO()));
    }
  return success();
}

LogicalResult emitAttentionBackward(AttentionBwdOp op, StepEmitter &out) {
  SegmentLayout &values = out.values;
  const Place &dq = values.place(op.getDQ()), &dk = values.place(op.getDK()), &dv = values.place(op.getDV());
  if (out.options.libraryAttention) {
    const Value read[] = {op.getQ(), op.getK(), op.getV()};
    if (failed(checkOnePitch(op, values, read)) || failed(checkOnePitch(op, values, op->getResults())) ||
        (out.options.raggedAttention && failed(checkOnePitch(op, values, {read[0], op.getDQ()}))))
      return failure();
    emitLibraryStep(out, op, out.reading(op.getO()), out.reading(op.getLse()),
                    AttentionSpec::Gradients{out.reading(op.getDO()), out.writing(op.getDQ()), out.writing(op.getDK()),
                                             out.writing(op.getDV())});
    return success();
  }
  Tiles tiles(out, op);
  const Place &lse = values.place(op.getLse()), &o = values.place(op.getO()), &gradient = values.place(op.getDO());
  int64_t lseVersion = values.version(op.getLse()), gradientVersion = values.version(op.getDO());
  const bool wide = tiles.wide();

  Place delta = values.scratch("delta", o.rows, tiles.heads, tiles.statistic);
  int64_t deltaVersion = values.freshVersion();
  const RowProgram &deltaProgram =
      out.kernels.get("attention_delta", buildAttentionDelta, matrixOf(gradient), matrixOf(o), tiles.headDim);
  out.launch("delta", deltaProgram, {out.reading(op.getDO()), out.reading(op.getO()), {delta, 0, deltaVersion}});

  Place scores = tiles.scoresScratch("scores", tiles.statistic), dP = tiles.scoresScratch("dp", tiles.statistic);
  Place p = scores, s = dP, keySum, valueSum;
  if (!wide) {
    p = tiles.scoresScratch("probabilities", tiles.storage);
    s = tiles.scoresScratch("ds", tiles.storage);
    keySum = values.scratch("dk", tiles.sequence, dk.columns, tiles.statistic);
    valueSum = values.scratch("dv", tiles.sequence, dv.columns, tiles.statistic);
  }
  for (int64_t b = 0; b < tiles.batch; ++b) {
    int64_t dkVersion = wide ? values.version(op.getDK()) : values.freshVersion();
    int64_t dvVersion = wide ? values.version(op.getDV()) : values.freshVersion();
    for (int64_t t = tiles.tileCount() - 1; t >= 0; --t) {
      tiles.select(b, t);
      int64_t raw = values.freshVersion(), rawD = values.freshVersion();
      int64_t pVersion = values.freshVersion(), sVersion = values.freshVersion();
      tiles.scoresGemm("scores", tiles.q, tiles.qVersion, tiles.k, tiles.kVersion, scores, raw, tiles.scale);
      tiles.scoresGemm("dp", gradient, gradientVersion, tiles.v, tiles.vVersion, dP, rawD, 1.0);
      AttentionTile tile = tiles.description(scores, lse, p);
      const RowProgram &softmax =
          out.kernels.get("attention_softmax_backward", buildAttentionSoftmaxBackward, tile, tiles.scale);
      SmallVector<PlaceUse> uses{
          tiles.tileUse(scores, raw, pVersion),      tiles.tileUse(dP, rawD, sVersion),
          tiles.tokensOfTile(tiles.starts),          tiles.base(),
          tiles.statisticOfTile(lse, lseVersion, 0), tiles.statisticOfTile(delta, deltaVersion, 0)};
      if (!wide)
        uses.append({tiles.tileUse(p, 0, pVersion), tiles.tileUse(s, 0, sVersion)});
      out.launch("softmax", softmax, uses);
      bool accumulate = t != tiles.tileCount() - 1;
      int64_t first = wide ? tiles.firstKey : 0;
      tiles.keyGemm("dv", p, pVersion, gradient, gradientVersion, wide ? dv : valueSum, first, dvVersion, accumulate);
      tiles.keyGemm("dk", s, sVersion, tiles.q, tiles.qVersion, wide ? dk : keySum, first, dkVersion, accumulate);
      tiles.queryGemm("dq", s, sVersion, tiles.k, tiles.kVersion, dq, values.version(op.getDQ()));
    }
    if (wide)
      continue;
    auto round = [&](StringRef what, const Place &sum, int64_t version, const Place &target, int64_t targetVersion) {
      out.convert(what, {sum, version, 0},
                  {target.slice(tiles.firstKey, tiles.sequence, 0, target.columns), 0, targetVersion});
    };
    round("round_dk", keySum, dkVersion, dk, values.version(op.getDK()));
    round("round_dv", valueSum, dvVersion, dv, values.version(op.getDV()));
  }
  return success();
}

/// The library reads q, k and v at one pitch, and q and k may be no product's any more (their heads were normalised).
/// Backward reads others where they were made again.
template <typename Op> void placeHeads(Op op, PlaceRequests &requests) {
  if (requests.options.libraryAttention)
    requests.atOnePitch({op.getQ(), op.getK(), op.getV()});
}

/// Of documents the library writes dq, dk and dv into one buffer, whatever products read them, at the pitch of q, k and
/// v. Of whole rows it may write them apart at one pitch, where no one product reads them. It takes one pitch for the
/// output and its gradient.
void placeAttentionBackward(AttentionBwdOp op, PlaceRequests &requests) {
  placeHeads(op, requests);
  requests.borderLike(op.getDO(), op.getO());
  if (requests.options.raggedAttention) {
    requests.sideBySideIfFree(op->getResults());
    requests.together(op->getResults());
    requests.level({op.getQ(), op.getDQ()});
  } else if (requests.options.libraryAttention) {
    requests.atOnePitch(op->getResults());
  } else {
    requests.sideBySideIfFree(op->getResults());
  }
}

} // namespace

void ft::attachAttentionSteps(MLIRContext &context) {
  attachSteps<model::AttentionOp, emitAttention>(context);
  attachPlacement<model::AttentionOp, placeHeads<model::AttentionOp>>(context);
  attachSteps<AttentionBwdOp, emitAttentionBackward>(context);
  attachPlacement<AttentionBwdOp, placeAttentionBackward>(context);
}
