// RUN: ft-opt %s --split-input-file --verify-diagnostics --dist-propagate

// expected-error@+1 {{has no dist.mesh; dist-annotate must run first}}
module {}

// -----

dist.mesh @mesh axes ["dp"] sizes [2]
ft.variable input @labels : tensor<16x8xf32> {io = "LABELS"}
func.func @unannotated() {
  // expected-error@+1 {{uses @labels, which has no dist.sharding; dist-annotate must run first}}
  %x = ft.read @labels : tensor<16x8xf32>
  return
}

// -----

dist.mesh @mesh axes ["dp"] sizes [2]
func.func @no_rule() {
  // expected-error@+1 {{'arith.constant' op has no sharding rule; an operation between dist-annotate and dist-partition must implement the Factors interface}}
  %x = arith.constant dense<0.0> : tensor<4xf32>
  return
}

// -----

dist.mesh @mesh axes ["dp"] sizes [2]
func.func @argument(%x: tensor<4xf32>) {
  // expected-error@+1 {{operand 0 has no sharding; segments work on variables alone}}
  %y = ft.cast %x : tensor<4xf32> to tensor<4xbf16>
  return
}

// -----

// Three rows of eight tokens cannot be shared by two ranks, though 24 tokens could.
dist.mesh @mesh axes ["dp"] sizes [2]
ft.variable input @labels : tensor<24x4xf32> {io = "LABELS", dist.sharding = #dist.sharding<@mesh, [["dp"], []]>}
ft.variable input @start : tensor<24xi32> {io = "DOCUMENT_START", dist.sharding = #dist.sharding<@mesh, [["dp"]]>}
ft.variable input @offsets : tensor<5xi32> {io = "DOCUMENT_OFFSETS", dist.sharding = #dist.sharding<@mesh, [["dp"] own 3]>}
ft.variable input @lens : tensor<4xi32> {io = "DOCUMENT_LENS", dist.sharding = #dist.sharding<@mesh, [["dp"] own 2]>}
func.func @half_rows() {
  %x = ft.read @labels : tensor<24x4xf32>
  %start = ft.read @start : tensor<24xi32>
  %offsets = ft.read @offsets : tensor<5xi32>
  %lens = ft.read @lens : tensor<4xi32>
  // expected-error@+1 {{dimension 0 of operand 0, tokens, has 24 elements; must be a multiple of 16 to be split over 2 ranks in units of 8}}
  %o, %lse = ft.attention %x, %x, %x, %start, %offsets, %lens {heads = 1 : i64, kv_heads = 1 : i64, head_dim = 4 : i64, sequence_len = 8 : i64, scale = 0.5 : f64} : (tensor<24x4xf32>, tensor<24x4xf32>, tensor<24x4xf32>, tensor<24xi32>, tensor<5xi32>, tensor<4xi32>) -> (tensor<24x4xf32>, tensor<24x1xf32>)
  return
}

// -----

// Tokens are split, but the table is for all of them.
dist.mesh @mesh axes ["dp"] sizes [2]
ft.variable input @labels : tensor<16x4xf32> {io = "LABELS", dist.sharding = #dist.sharding<@mesh, [["dp"], []]>}
ft.variable input @sorted : tensor<16xi32> {io = "SORTED_POSITIONS", dist.sharding = #dist.sharding<@mesh, [[]]>}
ft.variable input @starts : tensor<5xi32> {io = "SEGMENT_STARTS", dist.sharding = #dist.sharding<@mesh, [[]]>}
ft.variable input @ids : tensor<4xi32> {io = "SEGMENT_IDS", dist.sharding = #dist.sharding<@mesh, [[]]>}
func.func @whole_table() {
  %x = ft.read @labels : tensor<16x4xf32>
  %sorted = ft.read @sorted : tensor<16xi32>
  %starts = ft.read @starts : tensor<5xi32>
  %ids = ft.read @ids : tensor<4xi32>
  // expected-error@+1 {{must be made for the same share of tokens as the other operands have}}
  %dw = ft.embedding_grad %x, %sorted, %starts, %ids : (tensor<16x4xf32>, tensor<16xi32>, tensor<5xi32>, tensor<4xi32>) -> tensor<8x4xf32>
  return
}
