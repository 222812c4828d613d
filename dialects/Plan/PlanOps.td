// The plan dialect: where every byte lies and when every step runs. One operation for one message of plan.proto.
//
// Created by plan-bufferize, with steps on no particular stream and buffers without offsets; plan-schedule gives the
// ones, plan-assign-memory the others; compiler/Export writes the module as plan.bin. Steps have no SSA operands: they
// name buffers, and value versions tell what each reads and writes.
#ifndef PLAN_OPS_TD
#define PLAN_OPS_TD

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"
include "mlir/IR/SymbolInterfaces.td"
include "dialects/Plan/PlanInterfaces.td"

def Plan_Dialect : Dialect {
  let name = "plan";
  let cppNamespace = "::ft::plan";
  let summary = "A static execution plan: arenas, buffers, segments, steps";
  let useDefaultAttributePrinterParser = 1;
}

class Plan_Op<string mnemonic, list<Trait> traits = []> : Op<Plan_Dialect, mnemonic, traits>;

//===-- attributes -----------------------------------------------------------------------------------------------===//

def Plan_OperandAttr : AttrDef<Plan_Dialect, "Operand"> {
  let mnemonic = "operand";
  let summary = "the strided region of a buffer that a step touches, with the value versions it reads and writes";
  let description = [{
    batch × rows rows of row_bytes bytes; row r of batch b starts at offset + b · batch_pitch + r · pitch. All in bytes.
    `read` and `write` are value versions, 0 for none: every byte must hold `read` before the step and holds `write`
    after it. With `rankPitch`, one entry for each axis of the mesh, the region starts so many bytes further for each step
    along the axis.

    (C1) sizes are positive and the offset is not negative. (C2) rows do not overlap: pitch ≥ row_bytes where rows > 1.
    (C3) it reads or writes.
  }];
  let parameters = (ins "::mlir::FlatSymbolRefAttr":$buffer, "int64_t":$offset, "int64_t":$rows, "int64_t":$rowBytes,
                        "int64_t":$pitch, DefaultValuedParameter<"int64_t", "1">:$batch,
                        DefaultValuedParameter<"int64_t", "0">:$batchPitch, DefaultValuedParameter<"int64_t", "0">:$read,
                        DefaultValuedParameter<"int64_t", "0">:$write,
                        OptionalParameter<"::mlir::DenseI64ArrayAttr">:$rankPitch);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

def Plan_SharesAttr : AttrDef<Plan_Dialect, "Shares"> {
  let mnemonic = "shares";
  let summary = "a buffer's tensors are spread over ranks, as equal shares of a whole of so many bytes";
  let parameters = (ins "::mlir::DenseI64ArrayAttr":$axes, "int64_t":$bytes);
  let assemblyFormat = "`<` struct(params) `>`";
}

def Plan_RenameAttr : AttrDef<Plan_Dialect, "Rename"> {
  let mnemonic = "rename";
  let summary = "what a buffer holds as version `from` when the segment begins is version `to` from then on";
  let parameters = (ins "::mlir::FlatSymbolRefAttr":$buffer, "int64_t":$from, "int64_t":$to);
  let assemblyFormat = "`<` struct(params) `>`";
}
def Plan_RenameArray : TypedArrayAttrBase<Plan_RenameAttr, "renames of a segment">;

def Plan_OperandArray : TypedArrayAttrBase<Plan_OperandAttr, "operands of a step">;

def Plan_Space : I32EnumAttr<"Space", "where an arena lies", [
  I32EnumAttrCase<"Device", 1, "device">, I32EnumAttrCase<"Pinned", 2, "pinned">, I32EnumAttrCase<"Host", 3, "host">]> {
  let cppNamespace = "::ft::plan";
}

def Plan_Class : I32EnumAttr<"BufferClass", "what a buffer is for", [
  I32EnumAttrCase<"Weight", 1, "weight">, I32EnumAttrCase<"OptimizerState", 2, "optimizer_state">,
  I32EnumAttrCase<"Gradient", 3, "gradient">, I32EnumAttrCase<"Activation", 4, "activation">,
  I32EnumAttrCase<"Workspace", 5, "workspace">, I32EnumAttrCase<"Input", 6, "input">,
  I32EnumAttrCase<"Output", 7, "output">, I32EnumAttrCase<"Constant", 8, "constant">]> {
  let cppNamespace = "::ft::plan";
}

// The kinds of plan.proto, which dialects/ must not include. compiler/Export's test compares them with it, and so the
// two enumerations above.
def Plan_SegmentKind : I32EnumAttr<"SegmentKind", "a kind of plan.proto's Segment", [
  I32EnumAttrCase<"Initialize", 1, "initialize">, I32EnumAttrCase<"AccumulateFirst", 2, "accumulate_first">,
  I32EnumAttrCase<"AccumulateNext", 3, "accumulate_next">, I32EnumAttrCase<"Update", 4, "update">,
  I32EnumAttrCase<"Evaluate", 5, "evaluate">, I32EnumAttrCase<"Generate", 6, "generate">,
  I32EnumAttrCase<"Save", 7, "save">, I32EnumAttrCase<"AccumulateLast", 8, "accumulate_last">,
  I32EnumAttrCase<"AccumulateFirstTargets", 9, "accumulate_first_targets">,
  I32EnumAttrCase<"AccumulateNextTargets", 10, "accumulate_next_targets">,
  I32EnumAttrCase<"AccumulateLastTargets", 11, "accumulate_last_targets">,
  I32EnumAttrCase<"EvaluateTargets", 12, "evaluate_targets">, I32EnumAttrCase<"Finish", 13, "finish">,
  I32EnumAttrCase<"FinishFirst", 14, "finish_first">,
  I32EnumAttrCase<"FinishFirstTargets", 15, "finish_first_targets">]> {
  let cppNamespace = "::ft::plan";
}
def Plan_CollectiveKind : I32EnumAttr<"CollectiveKind", "a kind of plan.proto's Collective", [
  I32EnumAttrCase<"AllReduce", 1, "all_reduce">, I32EnumAttrCase<"ReduceScatter", 2, "reduce_scatter">,
  I32EnumAttrCase<"AllGather", 3, "all_gather">, I32EnumAttrCase<"Broadcast", 4, "broadcast">]> {
  let cppNamespace = "::ft::plan";
}
def Plan_Reduction : I32EnumAttr<"Reduction", "a reduction of plan.proto's Collective", [
  I32EnumAttrCase<"Sum", 1, "sum">, I32EnumAttrCase<"Max", 2, "max">, I32EnumAttrCase<"Norm2", 3, "norm2">]> {
  let cppNamespace = "::ft::plan";
}

//===-- memory ---------------------------------------------------------------------------------------------------===//

def Plan_ArenaOp : Plan_Op<"arena", [Symbol]> {
  let summary = "reserve one contiguous region for the whole run";
  let description = [{
    Bytes. `size` is 0 until plan-assign-memory has packed the arena; `largest_live` is then the bytes of its largest
    live set, the packing's lower bound. A `transient` arena's buffers may share bytes.

    (C1) sizes are not negative. (C2) the alignment is a power of two.

    Example:
    ```mlir
    plan.arena device @activations {alignment = 256 : i64, largest_live = 0 : i64, size = 0 : i64, transient}
    ```
  }];
  let arguments = (ins Plan_Space:$space, SymbolNameAttr:$sym_name, DefaultValuedAttr<I64Attr, "0">:$size,
                       DefaultValuedAttr<I64Attr, "256">:$alignment, DefaultValuedAttr<I64Attr, "0">:$largest_live,
                       UnitAttr:$transient);
  let assemblyFormat = "$space $sym_name attr-dict";
  let hasVerifier = 1;
}

def Plan_BufferOp : Plan_Op<"buffer", [Symbol, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "name a piece of an arena";
  let description = [{
    Bytes. plan-bufferize creates buffers without `offset`; plan-assign-memory gives every one its place.
    `initial_version` is the version it holds before the first segment: filled by loading, by zeroing or from a
    constant; 0 where a step must write it first. With `shares`, places of its tensors are those in the whole.

    (C1) the arena exists. (C2) size is positive. (C3) an offset is aligned to 256 bytes and inside the arena.

    Example:
    ```mlir
    plan.arena device @io {size = 4096 : i64}
    plan.buffer @tokens in @io input 4096 {offset = 0 : i64}
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, FlatSymbolRefAttr:$arena, Plan_Class:$buffer_class, I64Attr:$size,
                       OptionalAttr<I64Attr>:$offset, DefaultValuedAttr<I64Attr, "0">:$initial_version,
                       OptionalAttr<Plan_SharesAttr>:$shares);
  let assemblyFormat = "$sym_name `in` $arena $buffer_class $size attr-dict";
  let hasVerifier = 1;
}

def Plan_TensorOp : Plan_Op<"tensor", [DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "map a named tensor onto a buffer";
  let description = [{
    One row of the parameter map (plan.proto, Tensor): the dense row-major tensor of `shape` read as an array of
    `sizes`, element (i0, i1, …) at `offset` bytes plus Σ i_k · strides[k] elements.

    A tensor of i4 is quantised: `quantization` is then {double_quant = …}, and it fills the buffer. So is one of
    f8E4M3FN, with {scales_offset = …, row_pitch = …}: bytes of the buffer, and elements from row to row.

    (C1) sizes and strides have one length, and Π sizes = Π shape. (C2) the last element lies inside the buffer.
    (C3) `quantization` is given exactly for i4 and f8E4M3FN.

    Example:
    ```mlir
    plan.arena device @weights {size = 256 : i64}
    plan.buffer @w in @weights weight 64
    plan.tensor "model.norm.weight" f32 in @w {offset = 0 : i64, role = "frozen", shape = array<i64: 16>,
                                               sizes = array<i64: 16>, strides = array<i64: 1>}
    ```
  }];
  let arguments = (ins StrAttr:$key, TypeAttr:$type, FlatSymbolRefAttr:$buffer, StrAttr:$role, I64Attr:$offset,
                       DenseI64ArrayAttr:$shape, DenseI64ArrayAttr:$sizes, DenseI64ArrayAttr:$strides,
                       OptionalAttr<DictionaryAttr>:$init, OptionalAttr<StrAttr>:$gguf_key,
                       OptionalAttr<I64Attr>:$gguf_rope_heads, OptionalAttr<DictionaryAttr>:$quantization);
  let assemblyFormat = "$key $type `in` $buffer attr-dict";
  let hasVerifier = 1;
}

//===-- segments -------------------------------------------------------------------------------------------------===//

def Plan_SegmentOp : Plan_Op<"segment", [Symbol, NoTerminator, SingleBlock]> {
  let summary = "a straight line of steps that the executor runs as one";
  let description = [{
    Its name is its kind. Segments communicate through persistent buffers alone: a transient buffer's content does not
    outlive its segment.

    (C1) the name is a SegmentKind.

    Example:
    ```mlir
    plan.segment @update {
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, OptionalAttr<Plan_RenameArray>:$renames);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name attr-dict-with-keyword $body";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// The kind that the name says; verified.
    SegmentKind getKind() { return *symbolizeSegmentKind(getSymName()); }
  }];
}

//===-- steps ----------------------------------------------------------------------------------------------------===//

/// `operands`: each an operand or an array of operands, called by its role, in the order of the step's message.
class Plan_Step<string mnemonic, dag fields, dag operands>
    : Plan_Op<mnemonic, [HasParent<"SegmentOp">, Plan_StepOpInterface]> {
  let arguments = !con((ins StrAttr:$name), fields, operands,
                       (ins DefaultValuedAttr<I64Attr, "0">:$stream, DefaultValuedAttr<DenseI64ArrayAttr, "{}">:$wait,
                            DefaultValuedAttr<I64Attr, "0">:$record, DefaultValuedAttr<F64Attr, "0.0">:$flops,
                            DefaultValuedAttr<F64Attr, "0.0">:$predicted_us));
  let hasVerifier = 1;
  let extraClassDeclaration = "void visitOperands(::ft::plan::OperandVisitor visit);";
  let extraClassDefinition = "void $cppClass::visitOperands(::ft::plan::OperandVisitor visit) {\n" #
    !interleave(!foreach(i, !range(!size(operands)),
                         "  ::ft::plan::visitRole(visit, \"" # !getdagname(operands, i) # "\", getProperties()." #
                         !getdagname(operands, i) # ");\n"), "") # "}\n";
}

def Plan_LaunchOp : Plan_Step<"launch", (ins FlatSymbolRefAttr:$kernel, I64Attr:$items),
                              (ins Plan_OperandArray:$args)> {
  let summary = "run a row kernel over its items";
  let description = [{
    Operands in the kernel's argument order.

    (C1) items is positive.

    Example:
    ```mlir
    plan.arena device @a {size = 256 : i64}
    plan.buffer @x in @a activation 64
    plan.segment @update {
      plan.launch "scale" @scale items 4 [#plan.operand<buffer = @x, offset = 0, rows = 4, rowBytes = 16, pitch = 16, write = 1>]
    }
    ```
  }];
  let assemblyFormat = "$name $kernel `items` $items $args attr-dict";
}

def Plan_HostLaunchOp : Plan_Step<"host_launch", (ins FlatSymbolRefAttr:$kernel, I64Attr:$items),
                                  (ins Plan_OperandArray:$args)> {
  let summary = "run a row kernel on the processors of the host";
  let description = [{
    As plan.launch, of a kernel for the host. Operands lie in arenas that are not on the device.

    (C1) items is positive.

    Example:
    ```mlir
    plan.arena pinned @host_masters {size = 256 : i64}
    plan.buffer @x in @host_masters weight 64
    plan.segment @update {
      plan.host_launch "scale" @scale items 4 [#plan.operand<buffer = @x, offset = 0, rows = 4, rowBytes = 16, pitch = 16, write = 1>]
    }
    ```
  }];
  let assemblyFormat = "$name $kernel `items` $items $args attr-dict";
}

def Plan_GemmOp : Plan_Step<"gemm",
    (ins TypeAttr:$a_type, TypeAttr:$b_type, TypeAttr:$d_type, TypeAttr:$compute_type, I64Attr:$m, I64Attr:$n,
         I64Attr:$k, I64Attr:$lda, I64Attr:$ldb, I64Attr:$ldd, UnitAttr:$trans_a, UnitAttr:$trans_b,
         UnitAttr:$allow_tf32, DefaultValuedAttr<F64Attr, "1.0">:$alpha, DefaultValuedAttr<F64Attr, "0.0">:$beta,
         DefaultValuedAttr<I64Attr, "1">:$batch, DefaultValuedAttr<I64Attr, "0">:$stride_a,
         DefaultValuedAttr<I64Attr, "0">:$stride_b, DefaultValuedAttr<I64Attr, "0">:$stride_d,
         UnitAttr:$fast_accumulation),
    (ins Plan_OperandAttr:$a, Plan_OperandAttr:$b, Plan_OperandAttr:$d, OptionalAttr<Plan_OperandAttr>:$workspace,
         OptionalAttr<Plan_OperandAttr>:$scale_a, OptionalAttr<Plan_OperandAttr>:$scale_b)> {
  let summary = "D = alpha · op(A) · op(B) + beta · D";
  let description = [{
    Row-major. Leading dimensions and batch strides count elements. A and B of f8E4M3FN have scales: row i of the sum is
    multiplied by element i of scale_a, column j by element j of scale_b, both f32.

    (C1) beta is 0 or 1, and d is read exactly where beta is 1. (C2) each operand's region is what shape and leading
    dimension imply. (C3) scales are given exactly for f8E4M3FN, of one run each, and only read.

    Example:
    ```mlir
    plan.arena device @a {size = 1024 : i64}
    plan.buffer @x in @a activation 64
    plan.buffer @w in @a weight 64
    plan.buffer @y in @a activation 64
    plan.segment @update {
      plan.gemm "head" f32, f32, f32 accumulate f32 m 4 n 4 k 4
        a <buffer = @x, offset = 0, rows = 4, rowBytes = 16, pitch = 16, read = 1>
        b <buffer = @w, offset = 0, rows = 4, rowBytes = 16, pitch = 16, read = 2>
        d <buffer = @y, offset = 0, rows = 4, rowBytes = 16, pitch = 16, write = 3>
        {lda = 4 : i64, ldb = 4 : i64, ldd = 4 : i64}
    }
    ```
  }];
  let assemblyFormat = [{
    $name $a_type `,` $b_type `,` $d_type `accumulate` $compute_type `m` $m `n` $n `k` $k `a` $a `b` $b `d` $d
    (`workspace` $workspace^)? (`scale_a` $scale_a^)? (`scale_b` $scale_b^)? attr-dict
  }];
}

def Plan_TransposeOp : Plan_Step<"transpose", (ins), (ins Plan_OperandAttr:$src, Plan_OperandAttr:$dst)> {
  let summary = "transpose a matrix of bytes";
  let description = [{
    Byte r of row c of dst is byte c of row r of src.

    (C1) dst has a row for each byte of src's rows, of as many bytes as src has rows; src is read, dst written.

    Example:
    ```mlir
    plan.arena device @a {size = 1024 : i64}
    plan.buffer @w in @a weight 64
    plan.buffer @t in @a activation 64
    plan.segment @update {
      plan.transpose "codes" <buffer = @w, offset = 0, rows = 4, rowBytes = 16, pitch = 16, read = 1>
                          to <buffer = @t, offset = 0, rows = 16, rowBytes = 4, pitch = 4, write = 2>
    }
    ```
  }];
  let assemblyFormat = "$name $src `to` $dst attr-dict";
}

def Plan_AttentionOp : Plan_Step<"attention",
    (ins TypeAttr:$type, UnitAttr:$backward, UnitAttr:$ragged, UnitAttr:$deterministic, I64Attr:$batch,
         I64Attr:$sequence_len, I64Attr:$heads, I64Attr:$kv_heads, I64Attr:$head_dim, F64Attr:$scale,
         I64Attr:$max_documents, I64Attr:$max_document_len, I64Attr:$qkv_pitch, I64Attr:$o_pitch,
         I64Attr:$d_qkv_pitch),
    (ins Plan_OperandAttr:$q, Plan_OperandAttr:$k, Plan_OperandAttr:$v, Plan_OperandAttr:$o, Plan_OperandAttr:$lse,
         OptionalAttr<Plan_OperandAttr>:$d_o, OptionalAttr<Plan_OperandAttr>:$d_q, OptionalAttr<Plan_OperandAttr>:$d_k,
         OptionalAttr<Plan_OperandAttr>:$d_v, OptionalAttr<Plan_OperandAttr>:$document_offsets,
         OptionalAttr<Plan_OperandAttr>:$document_lens, OptionalAttr<Plan_OperandAttr>:$workspace)> {
  let summary = "causal attention by a library, over packed documents";
  let description = [{
    Pitches count elements between tokens.

    (C1) d_o, d_q, d_k and d_v are given exactly where `backward`, document_offsets and document_lens where `ragged`.
    (C2) heads is a multiple of kv_heads.

    Example: see test/lit/Plan/ops.mlir.
  }];
  let assemblyFormat = [{
    $name $type `q` $q `k` $k `v` $v `o` $o `lse` $lse (`d_o` $d_o^)? (`d_q` $d_q^)? (`d_k` $d_k^)? (`d_v` $d_v^)?
    (`document_offsets` $document_offsets^)? (`document_lens` $document_lens^)? (`workspace` $workspace^)? attr-dict
  }];
}

def Plan_CollectiveOp : Plan_Step<"collective",
    (ins Plan_CollectiveKind:$kind, OptionalAttr<Plan_Reduction>:$reduction, TypeAttr:$type, DenseI64ArrayAttr:$axes,
         DefaultValuedAttr<TypedArrayAttrBase<FlatSymbolRefAttr, "kernels">, "{}">:$kernels),
    (ins Plan_OperandArray:$whole, OptionalAttr<Plan_OperandArray>:$part, OptionalAttr<Plan_OperandAttr>:$workspace)> {
  let summary = "exchange contiguous runs between ranks";
  let description = [{
    `axes` are indices into the mesh. `kernels`, by member of the group, are what ranks reduce with that read each
    other's memory; others reduce by themselves. A `workspace` takes what the peers' copies bring ahead of the kernel.

    (C1) a reduction is given exactly for all_reduce and reduce_scatter. (C2) an all_reduce updates each run of whole
    in place. (C3) a run is contiguous. (C4) there are as many parts as wholes for all_gather and reduce_scatter, else
    none.

    Example:
    ```mlir
    plan.arena device @a {size = 1024 : i64}
    plan.buffer @g in @a gradient 64
    plan.segment @accumulate_first {
      plan.collective "gradients" all_reduce sum f32 over [0]
        [#plan.operand<buffer = @g, offset = 0, rows = 1, rowBytes = 64, pitch = 64, read = 1, write = 2>]
    }
    ```
  }];
  let assemblyFormat = "$name $kind ($reduction^)? $type `over` $axes $whole (`part` $part^)? (`workspace` $workspace^)? attr-dict";
}

def Plan_CopyOp : Plan_Step<"copy", (ins), (ins Plan_OperandAttr:$src, Plan_OperandAttr:$dst)> {
  let summary = "copy a region to another of the same shape";
  let description = [{
    (C1) both operands have one shape; src is read, dst written.

    Example:
    ```mlir
    plan.arena device @a {size = 1024 : i64}
    plan.buffer @x in @a activation 64
    plan.buffer @y in @a activation 64
    plan.segment @update {
      plan.copy "keep" <buffer = @x, offset = 0, rows = 4, rowBytes = 16, pitch = 16, read = 1>
                    to <buffer = @y, offset = 0, rows = 4, rowBytes = 16, pitch = 16, write = 2>
    }
    ```
  }];
  let assemblyFormat = "$name $src `to` $dst attr-dict";
}

def Plan_MemsetOp : Plan_Step<"memset", (ins I64Attr:$value), (ins Plan_OperandAttr:$dst)> {
  let summary = "set every byte of a region";
  let description = [{
    (C1) dst is written and not read. (C2) value in [0, 255].

    Example:
    ```mlir
    plan.arena device @a {size = 1024 : i64}
    plan.buffer @x in @a gradient 64
    plan.segment @update {
      plan.memset "clear" 0 <buffer = @x, offset = 0, rows = 1, rowBytes = 64, pitch = 64, write = 2>
    }
    ```
  }];
  let assemblyFormat = "$name $value $dst attr-dict";
}

def Plan_ReceiveOp : Plan_Step<"receive", (ins), (ins Plan_OperandArray:$dst)> {
  let summary = "the batch record that the host staged arrives in the input buffers";
  let description = [{
    (C1) every operand is written and none read.

    Example:
    ```mlir
    plan.arena device @a {size = 1024 : i64}
    plan.buffer @tokens in @a input 64
    plan.segment @evaluate {
      plan.receive "batch" [#plan.operand<buffer = @tokens, offset = 0, rows = 1, rowBytes = 64, pitch = 64, write = 2>]
    }
    ```
  }];
  let assemblyFormat = "$name $dst attr-dict";
}

def Plan_EmitOp : Plan_Step<"emit", (ins), (ins Plan_OperandArray:$src)> {
  let summary = "outputs leave for the host's ring";
  let description = [{
    (C1) every operand is read and none written.

    Example:
    ```mlir
    plan.arena device @a {size = 1024 : i64}
    plan.buffer @loss in @a output 8
    plan.segment @evaluate {
      plan.emit "metrics" [#plan.operand<buffer = @loss, offset = 0, rows = 1, rowBytes = 8, pitch = 8, read = 2>]
    }
    ```
  }];
  let assemblyFormat = "$name $src attr-dict";
}

#endif // PLAN_OPS_TD
