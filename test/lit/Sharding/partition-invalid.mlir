// RUN: ft-opt %s --split-input-file --verify-diagnostics --dist-partition

// expected-error@+1 {{has no dist.mesh; dist-annotate must run first}}
module {}

// -----

dist.mesh @mesh axes ["dp"] sizes [2]
// expected-error@+1 {{has no dist.sharding; dist-annotate must run first}}
ft.variable frozen @v : tensor<8xf32> {key = "v"}

// -----

dist.mesh @mesh axes ["dp"] sizes [2]
ft.variable frozen @v : tensor<8xf32> {key = "v", dist.sharding = #dist.sharding<@mesh, [[]]>}
func.func @unpropagated() {
  // expected-error@+1 {{has no dist.sharding; dist-propagate must run first}}
  %v = ft.read @v : tensor<8xf32>
  return
}

// -----

dist.mesh @mesh axes ["dp"] sizes [2]
ft.variable frozen @v : tensor<8xf32> {key = "v", dist.sharding = #dist.sharding<@mesh, [[]]>}
func.func @counts_twice() {
  %v = ft.read @v {dist.sharding = [#dist.sharding<@mesh, [[]]>]} : tensor<8xf32>
  // expected-error@+1 {{a value that is not partial over axis "dp" cannot become}}
  %p = dist.reshard %v <@mesh, [[]]> to <@mesh, [[]], partial sum ["dp"]> : tensor<8xf32>
  return
}

// -----

// One row for everyone must fit into what a rank holds of the batch.
dist.mesh @mesh axes ["dp"] sizes [4]
ft.variable input @tokens : tensor<16xi32> {io = "TOKENS", dist.sharding = #dist.sharding<@mesh, [["dp"]]>}
func.func @generate() {
  // expected-error@+1 {{reads 8 rows of @tokens on every rank; a rank's part has only 4}}
  %row = ft.read @tokens {dist.sharding = [#dist.sharding<@mesh, [[]]>]} : tensor<8xi32>
  return
}
