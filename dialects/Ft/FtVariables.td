// Variables: what outlives a segment.
#ifndef FT_VARIABLES_TD
#define FT_VARIABLES_TD

include "dialects/Ft/FtBase.td"

def Ft_VariableOp : Ft_Op<"variable", [Symbol, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "declare a tensor that outlives a segment";
  let description = [{
    A parameter, gradient, moment, its scales, remainder, working copy, constant table, batch input or output: one buffer of the plan. Created
    by compiler/Import (parameters, tables, inputs, LOSS, LOGITS) and by the pass of compiler/Model that needs it.
    Planning turns it into a buffer and, where it has a key, a row of the plan's parameter map.

    `key` is the checkpoint's key (Hugging Face's, PEFT's for an adapter); what belongs to a parameter and is saved has that one's.
    `of` names the parameter that a gradient, moment, remainder or working copy belongs to. A remainder is what the f32 master
    of a bf16 parameter is more than that, scales are those of a moment in codes, one for each block (plan.proto, Tensor). Row numbers are a bucket's that rounds: the number, among all
    rows of the model's trained parameters, of the first row of each of its equal parts. What is kept a segment
    leaves for a later one of its step. `init` says what fills it when no file
    does: {kind = "zeros" | "ones"}, {kind = "normal" | "uniform", scale = s} (standard deviation, half width),
    {kind = "rope_cos" | "rope_sin", frequencies = f, amplitude = a} (element (p, i) is a times the cosine or sine of p * f[i]; one frequency for each column of the logical shape; a is 1 where absent),
    {kind = "random_keys", names = [...], stream = s} (element i is the Philox key of stream s, "dropout" where absent, and names[i]),
    {kind = "numbers", numbers = [...]} (those, one for each element).
    `io` is the kind of the plan's BatchInput or Output. `gradient_type` is the element type that a trained parameter's
    gradient is summed in. `gguf_key` and `gguf_rope_heads` say where a GGUF file has the parameter, and that it stores
    the rows of that many heads with rope pairs interleaved. `padding` says which elements of the type are not the
    checkpoint's: files, initial values and exports have the tensor without them, its logical shape. `place` says that
    the variable lies in a bucket: it is then a row of the parameter map and nothing else. A `bucket` is a flat variable
    that other variables lie in; it has no key, its members have. `quantization` says that memory holds the elements in a
    few bits each. Of `shares` that ranks have of a bucket, or of its row numbers, the type is one, behind Sharding; members have their places in
    all of it. A bucket on the `host` lies in its memory, and its update runs there; gradients lie there where a
    step's only micro-batch sends them.

    Example:
    ```mlir
    ft.variable trainable @model.norm.weight : tensor<8xf32> {key = "model.norm.weight", init = {kind = "ones"}}
    ft.variable gradient @model.norm.weight.gradient : tensor<8xf32> {key = "model.norm.weight", of = @model.norm.weight}
    ft.variable input @tokens : tensor<16xi32> {io = "TOKENS"}
    ```

    - (C1) the type is a ranked tensor of static shape with at least one element.
    - (C2) `of` is given exactly for the roles gradient, exp_avg, exp_avg_sq, both scales, remainder and working_copy, and names a
      trained parameter; that of a working copy may be a weight in FP8, whose codes are transposed there.
    - (C3) `key` is given exactly for parameters (frozen, trainable, adapter), gradients, moments, their scales and remainders
      that are no bucket.
    - (C4) `init.kind` is one of those above, with its own fields and no other's; `names` has one name per element, and
      `numbers` one number.
    - (C5) `io` is given exactly for the roles input and output, and is a kind of BatchInput or Output.
    - (C6) `gradient_type` is f64, f32 or bf16, and given only for the roles trainable and adapter.
    - (C7) `padding.dim` is a dimension whose size is a multiple of `padding.block`, and 0 < used < block.
    - (C8) `place` names a bucket of the variable's element type, and lies inside it and all other shares of it.
    - (C9) a bucket has rank 1.
    - (C10) `quantization` is given only for the role frozen, and rank 2.
    - (C11) `host` is given only for a bucket of trained parameters, of their gradients, moments, scales or
      remainders, or for row numbers.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttrOf<AnyRankedTensor>:$type, Ft_Role:$role,
                       OptionalAttr<StrAttr>:$key, OptionalAttr<FlatSymbolRefAttr>:$of, OptionalAttr<DictionaryAttr>:$init,
                       OptionalAttr<StrAttr>:$io, OptionalAttr<TypeAttr>:$gradient_type,
                       OptionalAttr<StrAttr>:$gguf_key, OptionalAttr<I64Attr>:$gguf_rope_heads,
                       OptionalAttr<Ft_PaddingAttr>:$padding, OptionalAttr<Ft_PlaceAttr>:$place, UnitAttr:$bucket,
                       OptionalAttr<AnyAttrOf<[Ft_Nf4Attr, Ft_Fp8Attr]>>:$quantization, DefaultValuedAttr<I64Attr, "1">:$shares,
                       UnitAttr:$host);
  let assemblyFormat = "$role $sym_name `:` $type attr-dict";
  let builders = [OpBuilder<(ins "::llvm::StringRef":$name, "::mlir::RankedTensorType":$type, "::ft::model::Role":$role)>];
  let extraClassDeclaration = [{
    ::mlir::RankedTensorType getTensorType() { return ::llvm::cast<::mlir::RankedTensorType>(getType()); }
    /// The shape without padding: the checkpoint's.
    ::llvm::SmallVector<int64_t> getLogicalShape();
    /// A parameter that training changes.
    bool isTrained() { return getRole() == Role::Trainable || getRole() == Role::Adapter; }
    /// The form of a weight in codes of 4 bits; null of all others.
    Nf4Attr getNf4() { return ::llvm::dyn_cast_if_present<Nf4Attr>(getQuantizationAttr()); }
    bool isFp8() { return ::llvm::isa_and_present<Fp8Attr>(getQuantizationAttr()); }
  }];
}

def Ft_ReadOp : Ft_Op<"read", [MemoryEffects<[MemRead]>, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "read a variable";
  let description = [{
    The variable's value, or its first rows: @generate works on one row of a micro-batch's inputs. Removed by Planning:
    the value is the variable's buffer.

    Example:
    ```mlir
    ft.variable input @tokens : tensor<16xi32> {io = "TOKENS"}
    func.func @segment() {
      %ids = ft.read @tokens : tensor<16xi32>
      %first_row = ft.read @tokens : tensor<8xi32>
      return
    }
    ```

    - (C1) the name is that of an ft.variable.
    - (C2) the result has the variable's type, or fewer of its leading rows.
  }];
  let arguments = (ins FlatSymbolRefAttr:$variable);
  let results = (outs AnyRankedTensor:$value);
  let assemblyFormat = "$variable attr-dict `:` type($value)";
  let hasVerifier = 0;
}

def Ft_WriteOp : Ft_Op<"write", [MemoryEffects<[MemWrite]>, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "replace a variable's value";
  let description = [{
    Once per segment and variable, after the segment's reads of it. Removed by Planning: the op that makes the value
    writes the variable's buffer.

    Example:
    ```mlir
    ft.variable output @loss : tensor<1xf64> {io = "LOSS"}
    func.func @segment() {
      %loss = ft.read @loss : tensor<1xf64>
      ft.write @loss, %loss : tensor<1xf64>
      return
    }
    ```

    - (C1) the name is that of an ft.variable.
    - (C2) the value has the variable's type.
    - (C3) the variable's role is not frozen, constant_table, random_keys, row_numbers or input.
  }];
  let arguments = (ins FlatSymbolRefAttr:$variable, AnyRankedTensor:$value);
  let assemblyFormat = "$variable `,` $value attr-dict `:` type($value)";
  let hasVerifier = 0;
}

#endif // FT_VARIABLES_TD
