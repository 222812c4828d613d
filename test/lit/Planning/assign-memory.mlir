// RUN: ft-opt %s --split-input-file --plan-assign-memory | FileCheck %s

// Persistent buffers lie one behind the other, inputs first; a transient buffer takes the place of one that has died.

// CHECK: plan.arena device @weights {largest_live = 768 : i64, size = 768 : i64}
plan.arena device @weights
// CHECK: plan.arena device @activations {largest_live = 1280 : i64, size = 1280 : i64, transient}
plan.arena device @activations {transient}
// CHECK: plan.buffer @w in @weights weight 300 {offset = 0 : i64}
plan.buffer @w in @weights weight 300
// CHECK: plan.buffer @v in @weights weight 200 {offset = 512 : i64}
plan.buffer @v in @weights weight 200
// CHECK: plan.arena device @io {largest_live = 768 : i64, size = 768 : i64}
plan.arena device @io
// CHECK: plan.buffer @loss in @io output 8 {offset = 512 : i64}
plan.buffer @loss in @io output 8
// CHECK: plan.buffer @tokens in @io input 64 {offset = 0 : i64}
plan.buffer @tokens in @io input 64
// CHECK: plan.buffer @labels in @io input 64 {offset = 256 : i64}
plan.buffer @labels in @io input 64
// CHECK: plan.buffer @a in @activations activation 1024 {offset = [[A:.*]] : i64}
plan.buffer @a in @activations activation 1024
// CHECK: plan.buffer @b in @activations activation 256
plan.buffer @b in @activations activation 256
// CHECK: plan.buffer @c in @activations activation 1024 {offset = [[A]] : i64}
plan.buffer @c in @activations activation 1024

plan.segment @evaluate {
  plan.memset "a" 0 <buffer = @a, offset = 0, rows = 1, rowBytes = 1024, pitch = 1024, write = 1>
  plan.launch "ab" @k items 1 [#plan.operand<buffer = @a, offset = 0, rows = 1, rowBytes = 1024, pitch = 1024, read = 1>,
                               #plan.operand<buffer = @b, offset = 0, rows = 1, rowBytes = 256, pitch = 256, write = 2>]
  plan.launch "bc" @k items 1 [#plan.operand<buffer = @b, offset = 0, rows = 1, rowBytes = 256, pitch = 256, read = 2>,
                               #plan.operand<buffer = @c, offset = 0, rows = 1, rowBytes = 1024, pitch = 1024, write = 3>]
}

// -----

// Each transient arena is packed by itself: its size is that of its own values, which begin at its start.

// CHECK: plan.arena device @activations {largest_live = 1024 : i64, size = 1024 : i64, transient}
plan.arena device @activations {transient}
// CHECK: plan.arena pinned @landing {largest_live = 512 : i64, size = 512 : i64, transient}
plan.arena pinned @landing {transient}
// CHECK: plan.buffer @a in @activations activation 1024 {offset = 0 : i64}
plan.buffer @a in @activations activation 1024
// CHECK: plan.buffer @h in @landing activation 512 {offset = 0 : i64}
plan.buffer @h in @landing activation 512
// CHECK: plan.buffer @b in @activations activation 512 {offset = 0 : i64}
plan.buffer @b in @activations activation 512

plan.segment @evaluate {
  plan.memset "a" 0 <buffer = @a, offset = 0, rows = 1, rowBytes = 1024, pitch = 1024, write = 1>
  plan.copy "down" <buffer = @a, offset = 0, rows = 1, rowBytes = 512, pitch = 512, read = 1>
              to <buffer = @h, offset = 0, rows = 1, rowBytes = 512, pitch = 512, write = 2>
  plan.copy "up" <buffer = @h, offset = 0, rows = 1, rowBytes = 512, pitch = 512, read = 2>
              to <buffer = @b, offset = 0, rows = 1, rowBytes = 512, pitch = 512, write = 3>
}
