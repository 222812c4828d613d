// RUN: ft-opt %s --split-input-file --verify-diagnostics --dist-annotate="strategy=FSDP dp=2"
// RUN: not ft-opt %s --dist-annotate="dp=0" 2>&1 | FileCheck %s --check-prefix=RANKS
// RUN: not ft-opt %s --dist-annotate="strategy=ZERO4" 2>&1 | FileCheck %s --check-prefix=STRATEGY

// RANKS: the mesh has 0 data-parallel ranks; must have at least 1
// STRATEGY: strategy is "ZERO4"; must be DDP, ZERO1, ZERO2 or FSDP

// expected-error@+1 {{@w: dimension 0 has 33 elements; must be a multiple of 2, the size of mesh axis "dp"}}
ft.variable trainable @w : tensor<33x8xf32> {key = "w"}

// -----

// expected-error@+1 {{@tokens: dimension 0 has 9 elements; must be a multiple of 2, the size of mesh axis "dp"}}
ft.variable input @tokens : tensor<9xi32> {io = "TOKENS"}

// -----

// expected-error@+1 {{@document_lens: dimension 0 has 3 elements; must be a multiple of 2}}
ft.variable input @document_lens : tensor<3xi32> {io = "DOCUMENT_LENS"}

// -----

// expected-error@+1 {{has a symbol @mesh already; dist-annotate must run once}}
module {
  dist.mesh @mesh axes ["dp"] sizes [2]
}
