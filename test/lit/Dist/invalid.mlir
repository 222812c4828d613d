// RUN: ft-opt %s --split-input-file --verify-diagnostics

// expected-error@+1 {{(C1) has no axis; must have at least one}}
dist.mesh @mesh axes [] sizes []

// -----

// expected-error@+1 {{(C1) axis "dp" is empty or occurs twice; names must differ}}
dist.mesh @mesh axes ["dp", "dp"] sizes [2, 2]

// -----

// expected-error@+1 {{(C2) has 1 sizes; must have one for each of the 2 axes}}
dist.mesh @mesh axes ["dp", "tp"] sizes [2]

// -----

// expected-error@+1 {{(C2) axis "dp" has size 0; must be at least 1}}
dist.mesh @mesh axes ["dp"] sizes [0]

// -----

// expected-error@+1 {{(C1) axis "dp" occurs twice; a sharding may use it once}}
func.func private @f() attributes {a = #dist.sharding<@mesh, [["dp"], ["dp"]]>}

// -----

// expected-error@+1 {{(C1) axis "dp" occurs twice; a sharding may use it once}}
func.func private @f() attributes {a = #dist.sharding<@mesh, [["dp"], []], partial sum ["dp"]>}

// -----

// expected-error@+1 {{reduction is mean; must be sum, max or norm2}}
func.func private @f() attributes {a = #dist.sharding<@mesh, [[]], partial mean ["dp"]>}

// -----

// expected-error@+1 {{(C2) own is -1; must be at least 0}}
func.func private @f() attributes {a = #dist.sharding<@mesh, [["dp"] own -1]>}

// -----

// expected-error@+1 {{(C1) a pending value has type 'i32'; must be a ranked tensor of static shape}}
func.func private @f(!dist.pending<i32>)

// -----

// expected-error@+1 {{dist.sharding has 2 dimensions for 'tensor<8xf32>'; must have one list of axes per dimension}}
ft.variable frozen @w : tensor<8xf32> {key = "w", dist.sharding = #dist.sharding<@mesh, [[], []]>}

// -----

// expected-error@+1 {{dist.sharding holds 1 : i64; must be #dist.sharding}}
ft.variable frozen @w : tensor<8xf32> {key = "w", dist.sharding = 1 : i64}

// -----

// expected-error@+1 {{has the unknown attribute "dist.shardings"; dist has dist.sharding and dist.global}}
ft.variable frozen @w : tensor<8xf32> {key = "w", dist.shardings = 1 : i64}

// -----

// expected-error@+1 {{dist.global is 1 : i64; must be a ranked tensor type}}
ft.variable frozen @w : tensor<8xf32> {key = "w", dist.global = 1 : i64}

// -----

func.func @f(%x: tensor<8xf32>) {
  // expected-error@+1 {{dist.sharding must be an array of 1 shardings, one per result}}
  %y = ft.cast %x {dist.sharding = #dist.sharding<@mesh, [[]]>} : tensor<8xf32> to tensor<8xbf16>
  return
}

// -----

func.func @f(%x: tensor<8xf32>) {
  // expected-error@+1 {{(C1) sharding has 2 lists of axes; must have 1, one per dimension}}
  %y = dist.constraint %x <@mesh, [[], []]> : tensor<8xf32>
  return
}

// -----

func.func @f(%x: tensor<8xf32>) {
  // expected-error@+1 {{(C2) asks for a partial value; only operations make those}}
  %y = dist.constraint %x <@mesh, [[]], partial sum ["dp"]> : tensor<8xf32>
  return
}

// -----

func.func @f(%x: tensor<8xf32>) {
  // expected-error@+1 {{(C1) to has 0 lists of axes; must have 1, one per dimension}}
  %y = dist.reshard %x <@mesh, [[]]> to <@mesh, []> : tensor<8xf32>
  return
}

// -----

func.func @f(%x: tensor<8xf32>) {
  // expected-error@+1 {{(C2) goes from @mesh to @other; must be one mesh}}
  %y = dist.reshard %x <@mesh, [[]]> to <@other, [[]]> : tensor<8xf32>
  return
}

// -----

dist.mesh @mesh axes ["dp"] sizes [2]
func.func @f(%x: tensor<8xf32>, %y: tensor<8xbf16>) {
  // expected-error@+1 {{(C1) moves values of different element types; must be one}}
  %p = dist.start_all_reduce sum %x, %y over ["dp"] on @mesh : (tensor<8xf32>, tensor<8xbf16>) -> !dist.pending<tensor<8xf32>, tensor<8xbf16>>
  %r:2 = dist.done %p : (!dist.pending<tensor<8xf32>, tensor<8xbf16>>) -> (tensor<8xf32>, tensor<8xbf16>)
  return
}

// -----

dist.mesh @mesh axes ["dp"] sizes [2]
func.func @f(%x: tensor<8xf32>) {
  // expected-error@+1 {{(C1) has 2 pending types; must have one for each of the 1 values}}
  %p = dist.start_all_reduce sum %x over ["dp"] on @mesh : (tensor<8xf32>) -> !dist.pending<tensor<8xf32>, tensor<8xf32>>
  %r:2 = dist.done %p : (!dist.pending<tensor<8xf32>, tensor<8xf32>>) -> (tensor<8xf32>, tensor<8xf32>)
  return
}

// -----

func.func @f(%x: tensor<8xf32>) {
  // expected-error@+1 {{(C2) no dist.mesh named @mesh}}
  %p = dist.start_all_reduce sum %x over ["dp"] on @mesh : (tensor<8xf32>) -> !dist.pending<tensor<8xf32>>
  %r = dist.done %p : (!dist.pending<tensor<8xf32>>) -> tensor<8xf32>
  return
}

// -----

dist.mesh @mesh axes ["dp"] sizes [2]
func.func @f(%x: tensor<8xf32>) {
  // expected-error@+1 {{(C2) @mesh has no axis "tp"; it has ["dp"]}}
  %p = dist.start_all_reduce sum %x over ["tp"] on @mesh : (tensor<8xf32>) -> !dist.pending<tensor<8xf32>>
  %r = dist.done %p : (!dist.pending<tensor<8xf32>>) -> tensor<8xf32>
  return
}

// -----

dist.mesh @mesh axes ["dp"] sizes [2]
func.func @f(%x: tensor<8xf32>) {
  // expected-error@+1 {{(C3) dim is 1; must be in [0, 1)}}
  %p = dist.start_all_gather %x dim 1 over ["dp"] on @mesh : (tensor<8xf32>) -> !dist.pending<tensor<16xf32>>
  %r = dist.done %p : (!dist.pending<tensor<16xf32>>) -> tensor<16xf32>
  return
}

// -----

dist.mesh @mesh axes ["dp"] sizes [2]
func.func @f(%x: tensor<8xf32>) {
  // expected-error@+1 {{(C4) gives 'tensor<8xf32>'; must be 'tensor<16xf32>'}}
  %p = dist.start_all_gather %x dim 0 over ["dp"] on @mesh : (tensor<8xf32>) -> !dist.pending<tensor<8xf32>>
  %r = dist.done %p : (!dist.pending<tensor<8xf32>>) -> tensor<8xf32>
  return
}

// -----

dist.mesh @mesh axes ["dp"] sizes [3]
func.func @f(%x: tensor<8xf32>) {
  // expected-error@+1 {{(C4) dimension 0 has 8 elements; must be a multiple of the 3 ranks}}
  %p = dist.start_reduce_scatter sum %x dim 0 over ["dp"] on @mesh : (tensor<8xf32>) -> !dist.pending<tensor<2xf32>>
  %r = dist.done %p : (!dist.pending<tensor<2xf32>>) -> tensor<2xf32>
  return
}

// -----

dist.mesh @mesh axes ["dp"] sizes [2]
func.func @f(%x: tensor<8xf32>) {
  // expected-error@+1 {{(C4) gives 'tensor<4xf32>'; must be 'tensor<8xf32>'}}
  %p = dist.start_all_reduce sum %x over ["dp"] on @mesh : (tensor<8xf32>) -> !dist.pending<tensor<4xf32>>
  %r = dist.done %p : (!dist.pending<tensor<4xf32>>) -> tensor<4xf32>
  return
}

// -----

dist.mesh @mesh axes ["dp"] sizes [2]
func.func @f(%x: tensor<8xf32>) {
  // expected-error@+1 {{(C5) must be waited for by exactly one dist.done of the same block}}
  %p = dist.start_all_reduce sum %x over ["dp"] on @mesh : (tensor<8xf32>) -> !dist.pending<tensor<8xf32>>
  return
}

// -----

dist.mesh @mesh axes ["dp"] sizes [2]
func.func @f(%x: tensor<8xf32>) {
  // expected-error@+1 {{(C6) reduces by norm2; must be sum or max}}
  %p = dist.start_reduce_scatter norm2 %x dim 0 over ["dp"] on @mesh : (tensor<8xf32>) -> !dist.pending<tensor<4xf32>>
  %r = dist.done %p : (!dist.pending<tensor<4xf32>>) -> tensor<4xf32>
  return
}

// -----

dist.mesh @mesh axes ["dp"] sizes [2]
func.func @f(%x: tensor<8xf32>) {
  %p = dist.start_all_reduce sum %x over ["dp"] on @mesh : (tensor<8xf32>) -> !dist.pending<tensor<8xf32>>
  // expected-error@+1 {{(C1) gives 'tensor<4xf32>'; must be 'tensor<8xf32>'}}
  %r = dist.done %p : (!dist.pending<tensor<8xf32>>) -> tensor<4xf32>
  return
}

// -----

func.func @f(%p: !dist.pending<tensor<8xf32>>) {
  // expected-error@+1 {{(C2) must wait for a dist.start of the same block}}
  %r = dist.done %p : (!dist.pending<tensor<8xf32>>) -> tensor<8xf32>
  return
}

// -----

dist.mesh @mesh axes ["dp"] sizes [2]
func.func @f(%x: tensor<7xf32>) {
  // expected-error@+1 {{(C4) dimension 0 has 7 elements; must be a multiple of the 2 ranks}}
  %r = dist.slice %x dim 0 over ["dp"] on @mesh : (tensor<7xf32>) -> tensor<3xf32>
  return
}
