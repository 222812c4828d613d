// RUN: ft-opt %s --split-input-file --ftc-check-plan --verify-diagnostics

module attributes {plan.streams = ["compute"]} {
  plan.arena device @a {size = 256 : i64}
  plan.buffer @x in @a gradient 64 {offset = 0 : i64}
  plan.segment @update {
    plan.memset "clear" 0 <buffer = @x, offset = 0, rows = 1, rowBytes = 64, pitch = 64, write = 2>
  }
}

// -----

module attributes {plan.streams = ["compute"]} {
  plan.arena device @a {size = 256 : i64}
  // expected-error @+1 {{has no offset behind Planning}}
  plan.buffer @x in @a gradient 64
}

// -----

module attributes {plan.streams = ["compute"]} {
  // expected-error @+1 {{'ft.variable' op is left in the module behind Planning}}
  ft.variable output @loss : tensor<1xf64> {io = "LOSS"}
}

// -----

module attributes {plan.streams = ["compute"]} {
  // expected-error @+1 {{'func.func' op is left in the module behind Planning}}
  func.func @evaluate() {
    return
  }
}

// -----

module attributes {plan.streams = ["compute"]} {
  plan.segment @update {
    // expected-error @+1 {{'arith.constant' op is left in a segment behind Planning}}
    %x = arith.constant 1 : i32
  }
}

// -----

// expected-error @+1 {{has no plan.streams behind Planning}}
module {
}
