// RUN: ft-opt %s --split-input-file --ftc-check-sharded --verify-diagnostics

dist.mesh @mesh axes ["dp"] sizes [2]
ft.variable output @logits : tensor<8x4xf32> {io = "LOGITS", dist.global = tensor<16x4xf32>, dist.sharding = #dist.sharding<@mesh, [["dp"], []]>}
func.func @evaluate() {
  %x = ft.read @logits : tensor<8x4xf32>
  ft.write @logits, %x : tensor<8x4xf32>
  return
}

// -----

// A variable whose type is still the global one.
dist.mesh @mesh axes ["dp"] sizes [2]
// expected-error @+1 {{is 'tensor<16x4xf32>' behind Sharding; one rank's part is 'tensor<8x4xf32>'}}
ft.variable output @logits : tensor<16x4xf32> {io = "LOGITS", dist.global = tensor<16x4xf32>, dist.sharding = #dist.sharding<@mesh, [["dp"], []]>}

// -----

dist.mesh @mesh axes ["dp"] sizes [2]
// expected-error @+1 {{has a global type behind Sharding, and no sharding that says which part it is}}
ft.variable output @logits : tensor<8x4xf32> {io = "LOGITS", dist.global = tensor<16x4xf32>}

// -----

// expected-error @+1 {{has a sharding behind Sharding, and the module no dist.mesh}}
ft.variable output @logits : tensor<8x4xf32> {io = "LOGITS", dist.sharding = #dist.sharding<@mesh, [["dp"], []]>}

// -----

dist.mesh @mesh axes ["dp"] sizes [2]
ft.variable output @logits : tensor<8x4xf32> {io = "LOGITS"}
func.func @evaluate() {
  %x = ft.read @logits : tensor<8x4xf32>
  // expected-error @+1 {{'dist.reshard' op is left behind Sharding; its shape is global}}
  %y = dist.reshard %x <@mesh, [["dp"], []]> to <@mesh, [[], []]> : tensor<8x4xf32>
  ft.write @logits, %y : tensor<8x4xf32>
  return
}

// -----

dist.mesh @mesh axes ["dp"] sizes [2]
ft.variable output @logits : tensor<8x4xf32> {io = "LOGITS"}
func.func @evaluate() {
  %x = ft.read @logits : tensor<8x4xf32>
  // expected-error @+1 {{'dist.constraint' op is left behind Sharding; its shape is global}}
  %y = dist.constraint %x <@mesh, [[], []]> : tensor<8x4xf32>
  ft.write @logits, %y : tensor<8x4xf32>
  return
}

// -----

dist.mesh @mesh axes ["dp"] sizes [2]
ft.variable output @logits : tensor<8x4xf32> {io = "LOGITS"}
func.func @evaluate() {
  // expected-error @+1 {{has a sharding behind Sharding; its shape should be one rank's}}
  %x = ft.read @logits {dist.sharding = [#dist.sharding<@mesh, [["dp"], []]>]} : tensor<8x4xf32>
  ft.write @logits, %x : tensor<8x4xf32>
  return
}

// -----

// What Model has promised holds behind Sharding as well.
ft.variable output @logits : tensor<8x4xf32> {io = "LOGITS"}
func.func @evaluate() {
  %x = ft.read @logits : tensor<8x4xf32>
  ft.write @logits, %x : tensor<8x4xf32>
  // expected-error @+1 {{writes @logits a second time in this segment}}
  ft.write @logits, %x : tensor<8x4xf32>
  return
}
