// RUN: ft-opt %s --plan-schedule=prefetch-depth=1 | FileCheck %s

// A layer's norm lies beside its matrix and is read for longer. It is not counted where there is room for one value: the
// next matrix is fetched while the norm is still read.

// CHECK-LABEL: plan.segment @evaluate
// CHECK: plan.launch "multiply1"
// CHECK-SAME: record = [[READ:[0-9]+]] : i64
// CHECK: plan.copy "matrix2"
// CHECK-SAME: wait = array<i64: [[READ]]>

plan.arena device @io
plan.arena device @activations {transient}
plan.arena pinned @host
plan.buffer @sum in @io output 8
plan.buffer @n in @host weight 16 {initial_version = 1 : i64}
plan.buffer @a in @host weight 1024 {initial_version = 1 : i64}
plan.buffer @b in @host weight 1024 {initial_version = 1 : i64}
plan.buffer @norm in @activations activation 16
plan.buffer @first in @activations activation 1024
plan.buffer @second in @activations activation 1024

plan.segment @evaluate {
  plan.launch "zero" @k items 1 [#plan.operand<buffer = @sum, offset = 0, rows = 1, rowBytes = 8, pitch = 8, write = 1>]
    {predicted_us = 1.0 : f64}
  plan.copy "norm1" <buffer = @n, offset = 0, rows = 1, rowBytes = 16, pitch = 16, read = 1>
              to <buffer = @norm, offset = 0, rows = 1, rowBytes = 16, pitch = 16, write = 1>
    {predicted_us = 1.0 : f64}
  plan.copy "matrix1" <buffer = @a, offset = 0, rows = 1, rowBytes = 1024, pitch = 1024, read = 1>
              to <buffer = @first, offset = 0, rows = 1, rowBytes = 1024, pitch = 1024, write = 1>
    {predicted_us = 5.0 : f64}
  plan.launch "normalise1" @k items 1 [#plan.operand<buffer = @norm, offset = 0, rows = 1, rowBytes = 16, pitch = 16, read = 1>,
                                       #plan.operand<buffer = @sum, offset = 0, rows = 1, rowBytes = 8, pitch = 8, read = 1, write = 5>]
    {predicted_us = 20.0 : f64}
  plan.launch "multiply1" @k items 1 [#plan.operand<buffer = @first, offset = 0, rows = 1, rowBytes = 1024, pitch = 1024, read = 1>,
                                      #plan.operand<buffer = @sum, offset = 0, rows = 1, rowBytes = 8, pitch = 8, read = 5, write = 2>]
    {predicted_us = 20.0 : f64}
  plan.launch "normalise2" @k items 1 [#plan.operand<buffer = @norm, offset = 0, rows = 1, rowBytes = 16, pitch = 16, read = 1>,
                                       #plan.operand<buffer = @sum, offset = 0, rows = 1, rowBytes = 8, pitch = 8, read = 2, write = 3>]
    {predicted_us = 20.0 : f64}
  plan.copy "matrix2" <buffer = @b, offset = 0, rows = 1, rowBytes = 1024, pitch = 1024, read = 1>
              to <buffer = @second, offset = 0, rows = 1, rowBytes = 1024, pitch = 1024, write = 1>
    {predicted_us = 5.0 : f64}
  plan.launch "multiply2" @k items 1 [#plan.operand<buffer = @second, offset = 0, rows = 1, rowBytes = 1024, pitch = 1024, read = 1>,
                                      #plan.operand<buffer = @sum, offset = 0, rows = 1, rowBytes = 8, pitch = 8, read = 3, write = 4>]
    {predicted_us = 20.0 : f64}
}
