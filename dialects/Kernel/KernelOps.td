// The kernel dialect: fused kernels as row programs.
//
// A kernel.func handles one item (a row of tokens × features, a segment of an embedding gradient, a stripe of a
// parameter). Whole rows are one-dimensional vectors of any static length; scalars are scalars. Fusion emits
// kernel.func; code generation (compiler/Codegen) turns it into machine code, and nothing of this dialect remains.
#ifndef KERNEL_OPS_TD
#define KERNEL_OPS_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/RegionKindInterface.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Kernel_Dialect : Dialect {
  let name = "kernel";
  let cppNamespace = "::ft::kernel";
  let summary = "Fused kernels over one space of rows";
}

class Kernel_Op<string mnemonic, list<Trait> traits = []> : Op<Kernel_Dialect, mnemonic, traits>;

def Kernel_FuncOp : Kernel_Op<"func", [IsolatedFromAbove, Symbol, SingleBlock]> {
  let summary = "Compute one item of a fused kernel";
  let description = [{
    The body handles the item whose number is the last block argument; items may run in any order and at the same time.
    The other block arguments are the operands. `items`, where it is given, is the number of items that the operands'
    shapes are for: whoever builds a kernel for a plan says it, and every launch has as many. A `host` kernel is for the
    processors of the host, whatever the target is.

    The body is straight-line code, `scf.for` (bounds static or computed, values carried of scalars or rows) and
    `scf.if` on scalars, over `arith`, `math`, `vector` (`load`, `store`, `reduction`, `broadcast`, `step`), `memref`
    (`load`, `store` of scalars) and this dialect's helpers. A row is a one-dimensional vector of any static length;
    rows of several lengths may occur. `vector.load` and `vector.store` take a row at any scalar indices.

    Operands do not overlap, except the pairs listed in `inplace`: `[r, w]` says that operands r and w are the same
    memory. Code generation claims no-alias and read-only loads on that ground, and refuses a body that would have to
    read a row again after its memory was overwritten.

    Lives from fusion to code generation; `kernel-strip-mine` replaces it.

    Constraints:
    - (C1) each operand is a memref of static shape and strides in the default memory space, its last stride 1, of
      rank 1 or more, of f64, f32, bf16, f16, i64, i32, i16 or i8;
    - (C2) the item is of type index;
    - (C3) an in-place pair names two different operands of the same type, and no operand is in two pairs;
    - (C4) the body ends with `kernel.return`;
    - (C5) items is positive.

    Example:
    ```mlir
    kernel.func @scale(%x: memref<1024x576xf32, strided<[624, 1]>>, %s: memref<1024xf32>,
                       %y: memref<1024x576xf32, strided<[624, 1]>>) attributes {inplace = [[0, 2]]} item %i {
      %c0 = arith.constant 0 : index
      %row = vector.load %x[%i, %c0] : memref<1024x576xf32, strided<[624, 1]>>, vector<576xf32>
      %k = memref.load %s[%i] : memref<1024xf32>
      %ks = vector.broadcast %k : f32 to vector<576xf32>
      %out = arith.mulf %row, %ks : vector<576xf32>
      vector.store %out, %y[%i, %c0] : memref<1024x576xf32, strided<[624, 1]>>, vector<576xf32>
      kernel.return
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, OptionalAttr<ArrayAttr>:$inplace, OptionalAttr<I64Attr>:$items,
                       UnitAttr:$host);
  let regions = (region SizedRegion<1>:$body);
  let builders = [
    /// A kernel with an empty body block of `operands` and the item; `inplace` as pairs of operand numbers.
    OpBuilder<(ins "::llvm::StringRef":$name, "::mlir::TypeRange":$operands,
                   CArg<"::llvm::ArrayRef<std::pair<int64_t, int64_t>>", "{}">:$inplace)>
  ];
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let skipDefaultBuilders = 1;
  let extraClassDeclaration = [{
    /// The operands, without the item.
    ::llvm::ArrayRef<::mlir::BlockArgument> getOperandArguments() { return getBody().getArguments().drop_back(); }
    /// The number of the item, an index.
    ::mlir::BlockArgument getItem() { return getBody().getArguments().back(); }
    /// The in-place pairs as operand numbers (read, written).
    ::llvm::SmallVector<std::pair<int64_t, int64_t>> getInplacePairs();
  }];
}

def Kernel_ReturnOp : Kernel_Op<"return", [Pure, Terminator, HasParent<"FuncOp">]> {
  let summary = "End the body of a kernel";
  let description = [{
    Ends the body of `kernel.func`; kernels return nothing, results are stored.

    Example:
    ```mlir
    kernel.return
    ```
  }];
  let assemblyFormat = "attr-dict";
}

def Kernel_Words : AnyTypeOf<[I32, VectorOfRankAndType<[1], [I32]>], "i32 or a row of i32">;

def Kernel_PhiloxOp : Kernel_Op<"philox", [Pure, AllTypesMatch<["counter0", "counter1", "counter2", "counter3",
                                                               "word0", "word1", "word2", "word3"]>]> {
  let summary = "Draw four random 32-bit words per element with Philox4x32-10";
  let description = [{
    Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011): element by element the four
    words that belong to a counter of four words (least significant first) under a key of two words. The bits are those
    of `runtime/Support/Philox.h`.

    Lives from fusion to code generation; `kernel-lower-math` expands it into integer arithmetic.

    Constraints:
    - (C1) counters and results have one type: i32, or rows of i32 of one length.

    Example:
    ```mlir
    %w:4 = kernel.philox counter(%c0, %c1, %c2, %c3) key(%k0, %k1) : vector<144xi32>
    ```
  }];
  let arguments = (ins Kernel_Words:$counter0, Kernel_Words:$counter1, Kernel_Words:$counter2, Kernel_Words:$counter3,
                       I32:$key0, I32:$key1);
  let results = (outs Kernel_Words:$word0, Kernel_Words:$word1, Kernel_Words:$word2, Kernel_Words:$word3);
  let assemblyFormat = [{
    `counter` `(` $counter0 `,` $counter1 `,` $counter2 `,` $counter3 `)` `key` `(` $key0 `,` $key1 `)` attr-dict
    `:` type($counter0)
  }];
}

def Kernel_LoadCodesOp : Kernel_Op<"load_codes", [MemoryEffects<[MemRead]>]> {
  let summary = "Load a row of codes of 4 bits";
  let description = [{
    Two codes lie in a byte, the first in its high half: element i of the row is a half of byte i / 2 from `indices` on,
    as a number in [0, 16).

    Lives from fusion to code generation; `kernel-strip-mine` turns it into loads of bytes, shifts and a shuffle.

    Constraints:
    - (C1) there is an index for each dimension of the memory;
    - (C2) the row has an even number of elements.

    Example:
    ```mlir
    %codes = kernel.load_codes %bytes[%i, %c0] : memref<9x32xi8>, vector<64xi32>
    ```
  }];
  let arguments = (ins MemRefOf<[I8]>:$base, Variadic<Index>:$indices);
  let results = (outs VectorOfRankAndType<[1], [I32]>:$result);
  let assemblyFormat = "$base `[` $indices `]` attr-dict `:` type($base) `,` type($result)";
  let hasVerifier = 1;
}

include "dialects/Kernel/KernelFusedOps.td"

#endif // KERNEL_OPS_TD
