// The ft dialect itself, its types and enumerations.
#ifndef FT_BASE_TD
#define FT_BASE_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "dialects/Ft/FtInterfaces.td"

def Ft_Dialect : Dialect {
  let name = "ft";
  let cppNamespace = "::ft::model";
  let summary = "A language model and its training step as pure tensor operations";
  let useDefaultAttributePrinterParser = 1;
  let hasOperationAttrVerify = 1;
}

def Ft_Matrix : 2DTensorOf<[F64, F32, BF16, F16]>; // [rows, columns]
def Ft_Codes : 2DTensorOf<[F8E4M3FN]>;             // of numbers that a scale belongs to
def Ft_Scales : 1DTensorOf<[F32]>;
def Ft_Vector : 1DTensorOf<[F64, F32, BF16, F16]>;
def Ft_Tensor : RankedTensorOf<[F64, F32, BF16, F16]>;
def Ft_Remainder : RankedTensorOf<[I16]>;          // of f32 masters whose bf16 is another tensor
def Ft_Moment : RankedTensorOf<[F64, F32, BF16, F16, I8]>; // I8: codes, with scales (plan.proto, Tensor::EXP_AVG_SCALES)
def Ft_Rest : AnyTypeOf<[Ft_Remainder, Ft_Scales]>; // of what an update leaves beside a parameter and its moments
def Ft_Bucket : 1DTensorOf<[F64, F32, BF16, F16, I16, I8]>;
def Ft_Member : RankedTensorOf<[F64, F32, BF16, F16, I16, I8]>;
def Ft_Ids : 1DTensorOf<[I32]>;
def Ft_Statistic : RankedTensorOf<[F64, F32]>;
def Ft_Scalars : 1DTensorOf<[F64]>;                // plan.proto, enum Scalar
def Ft_Scalar : TensorOf<[F64]>;                   // tensor<1xf64>
def Ft_Status : TensorOf<[I32]>;                   // tensor<4xi32>, plan.proto Output::STATUS
def Ft_LossScale : 1DTensorOf<[F64]>;              // plan.proto, enum LossScale
def Ft_Key : 1DTensorOf<[I64]>;                    // tensor<1xi64>, of a Philox stream
def Ft_Rows : 1DTensorOf<[I64]>;

class Ft_Op<string mnemonic, list<Trait> traits = []> : Op<Ft_Dialect, mnemonic, traits> {
  let hasVerifier = 1;
}

def Ft_Role : I32EnumAttr<"Role", "what a variable is for", [
  I32EnumAttrCase<"Frozen", 0, "frozen">, I32EnumAttrCase<"Trainable", 1, "trainable">,
  I32EnumAttrCase<"Adapter", 2, "adapter">, I32EnumAttrCase<"Gradient", 3, "gradient">,
  I32EnumAttrCase<"ExpAvg", 4, "exp_avg">, I32EnumAttrCase<"ExpAvgSq", 5, "exp_avg_sq">,
  I32EnumAttrCase<"WorkingCopy", 6, "working_copy">, I32EnumAttrCase<"ConstantTable", 7, "constant_table">,
  I32EnumAttrCase<"RandomKeys", 8, "random_keys">, I32EnumAttrCase<"Input", 9, "input">,
  I32EnumAttrCase<"Output", 10, "output">, I32EnumAttrCase<"Remainder", 11, "remainder">,
  I32EnumAttrCase<"RowNumbers", 12, "row_numbers">, I32EnumAttrCase<"LossScale", 13, "loss_scale">,
  I32EnumAttrCase<"Kept", 14, "kept">, I32EnumAttrCase<"ExpAvgScales", 15, "exp_avg_scales">,
  I32EnumAttrCase<"ExpAvgSqScales", 16, "exp_avg_sq_scales">]> {
  let cppNamespace = "::ft::model";
}

// What the verifier takes for `io`: the kinds of plan.proto, which dialects/ must not include. compiler/Export's test
// compares them with it.
def Ft_InputKind : I32EnumAttr<"InputKind", "a kind of plan.proto's BatchInput", [
  I32EnumAttrCase<"Tokens", 1, "TOKENS">,
  I32EnumAttrCase<"Labels", 2, "LABELS">,
  I32EnumAttrCase<"Positions", 3, "POSITIONS">,
  I32EnumAttrCase<"DocumentStart", 4, "DOCUMENT_START">,
  I32EnumAttrCase<"DocumentOffsets", 5, "DOCUMENT_OFFSETS">,
  I32EnumAttrCase<"DocumentLens", 6, "DOCUMENT_LENS">,
  I32EnumAttrCase<"SortedPositions", 7, "SORTED_POSITIONS">,
  I32EnumAttrCase<"SegmentStarts", 8, "SEGMENT_STARTS">,
  I32EnumAttrCase<"SegmentIds", 9, "SEGMENT_IDS">,
  I32EnumAttrCase<"Scalars", 10, "SCALARS">,
  I32EnumAttrCase<"RowIndex", 11, "ROW_INDEX">,
  I32EnumAttrCase<"TargetRows", 12, "TARGET_ROWS">,
  I32EnumAttrCase<"TargetLabels", 13, "TARGET_LABELS">,
  I32EnumAttrCase<"TargetSlots", 14, "TARGET_SLOTS">]> {
  let cppNamespace = "::ft::model";
}

def Ft_OutputKind : I32EnumAttr<"OutputKind", "a kind of plan.proto's Output", [
  I32EnumAttrCase<"Loss", 1, "LOSS">,
  I32EnumAttrCase<"GradNorm", 2, "GRAD_NORM">,
  I32EnumAttrCase<"Status", 3, "STATUS">,
  I32EnumAttrCase<"Logits", 4, "LOGITS">,
  I32EnumAttrCase<"LossScales", 5, "LOSS_SCALES">]> {
  let cppNamespace = "::ft::model";
}

def Ft_Activation : I32EnumAttr<"Activation", "what the gate of a gated projection goes through", [
  I32EnumAttrCase<"Silu", 0, "silu">, I32EnumAttrCase<"GeluTanh", 1, "gelu_tanh">]> {
  let cppNamespace = "::ft::model";
  let genSpecializedAttr = 0;
}
def Ft_ActivationAttr : EnumAttr<Ft_Dialect, Ft_Activation, "activation"> {
  let assemblyFormat = "`<` $value `>`";
}

/// Lanes of one dimension that a tensor has in memory only: heads that the library's attention takes at another width.
def Ft_PaddingAttr : AttrDef<Ft_Dialect, "Padding"> {
  let mnemonic = "padding";
  let summary = "which elements of a dimension are padding";
  let description = [{
    Dimension `dim` consists of blocks of `block` elements, of which the first `used` are those of the tensor that
    checkpoints know; the others are zero and stay zero. Query and key heads have a block for each half, because rope
    pairs the halves: #ft.padding<dim = 0, used = 50, block = 64> for heads of 100 in 128 lanes.
  }];
  let parameters = (ins "int64_t":$dim, "int64_t":$used, "int64_t":$block);
  let assemblyFormat = "`<` struct(params) `>`";
  let extraClassDeclaration = [{
    /// Elements without padding of a dimension of `size` elements.
    int64_t usedOf(int64_t size) const { return size / getBlock() * getUsed(); }
    /// True for a dimension of the shape that is a multiple of the block, with 0 < used < block.
    bool fits(::llvm::ArrayRef<int64_t> shape) const;
  }];
}

/// A frozen weight that lies in memory as codes of 4 bits and scales (plan.proto, Quantization).
def Ft_Nf4Attr : AttrDef<Ft_Dialect, "Nf4"> {
  let mnemonic = "nf4";
  let summary = "the variable is stored in NF4";
  let description = [{
    Blocks of 64 elements of the tensor that checkpoints know, in its order, have a scale each; with `double_quant` the
    scales are quantised as well, in blocks of 256. The variable's type says what its elements become where they are
    read, and what every operation computes with.
  }];
  let parameters = (ins "bool":$double_quant);
  let assemblyFormat = "`<` struct(params) `>`";
}

/// A frozen weight that lies in memory as codes of 8 bits and a scale for each row (plan.proto, Quantization).
def Ft_Fp8Attr : AttrDef<Ft_Dialect, "Fp8"> {
  let mnemonic = "fp8";
  let summary = "the variable is stored in FP8";
  let description = [{
    Each row of the tensor in memory has E4M3 codes and an f32 scale. The variable's type says what its elements become
    where they are read as numbers; ft.stored gives the codes and scales themselves.
  }];
}

/// Where a variable lies whose elements are another's.
def Ft_PlaceAttr : AttrDef<Ft_Dialect, "Place"> {
  let mnemonic = "place";
  let summary = "the run of a bucket's elements that a variable is";
  let description = [{
    The variable is a row-major tensor from element `offset` of the variable `bucket` on, its rows `pitch` elements
    from each other, or dense where that is 0. It has no memory of its own, and segments read it through ft.view of the
    bucket alone.
  }];
  let parameters = (ins "::mlir::FlatSymbolRefAttr":$bucket, "int64_t":$offset,
                        DefaultValuedParameter<"int64_t", "0">:$pitch);
  let assemblyFormat = "`<` struct(params) `>`";
}

#endif // FT_BASE_TD
