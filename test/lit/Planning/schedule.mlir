// RUN: ft-opt %s --split-input-file --plan-schedule --plan-assign-memory | FileCheck %s
// RUN: ft-opt %s --split-input-file --plan-schedule=prefetch-depth=1 | FileCheck %s --check-prefix=ONE

// Two fetches from pinned memory run on the copy stream, the second while the first is read. Events: the fetches start
// behind the first computation, their readers wait for them, and nothing else does. What is fetched ahead shares no
// memory with what is read meanwhile.

// CHECK: module attributes {plan.streams = ["compute", "copy"]}
// CHECK: plan.buffer @w1 in @activations activation 1024 {offset = [[W1:[0-9]+]] : i64}
// CHECK-NOT: plan.buffer @w2 in @activations activation 1024 {offset = [[W1]] : i64}
// CHECK: plan.segment @evaluate
// CHECK-NEXT: plan.receive "batch"
// CHECK-NEXT: plan.launch "zero"
// CHECK-SAME: record = [[START:[0-9]+]] : i64
// CHECK-NEXT: plan.copy "fetch1"
// CHECK-SAME: record = [[FIRST:[0-9]+]] : i64, stream = 1 : i64, wait = array<i64: [[START]]>
// CHECK-NEXT: plan.launch "use1"
// CHECK-SAME: wait = array<i64: [[FIRST]]>
// CHECK-NEXT: plan.copy "fetch2"
// CHECK-SAME: record = [[SECOND:[0-9]+]] : i64, stream = 1 : i64
// CHECK-NOT: wait = array<i64: {{[0-9]}}
// CHECK-SAME: }
// CHECK-NEXT: plan.launch "use2"
// CHECK-SAME: wait = array<i64: [[SECOND]]>
// CHECK-NEXT: plan.emit "loss"
// CHECK-NOT: stream = 1

// With room for one value, the second fetch waits for the first value's reader.
// ONE: plan.launch "use1"
// ONE-SAME: record = [[READ:[0-9]+]] : i64
// ONE: plan.copy "fetch2"
// ONE-SAME: wait = array<i64: [[READ]]>

plan.arena device @io
plan.arena device @activations {transient}
plan.arena pinned @host
plan.buffer @tokens in @io input 64
plan.buffer @loss in @io output 8
plan.buffer @h1 in @host weight 1024 {initial_version = 1 : i64}
plan.buffer @h2 in @host weight 1024 {initial_version = 1 : i64}
plan.buffer @w1 in @activations activation 1024
plan.buffer @w2 in @activations activation 1024

plan.segment @evaluate {
  plan.receive "batch" [#plan.operand<buffer = @tokens, offset = 0, rows = 1, rowBytes = 64, pitch = 64, write = 1>]
  plan.launch "zero" @k items 1 [#plan.operand<buffer = @loss, offset = 0, rows = 1, rowBytes = 8, pitch = 8, write = 1>]
    {predicted_us = 1.0 : f64}
  plan.copy "fetch1" <buffer = @h1, offset = 0, rows = 1, rowBytes = 1024, pitch = 1024, read = 1>
              to <buffer = @w1, offset = 0, rows = 1, rowBytes = 1024, pitch = 1024, write = 1>
    {predicted_us = 5.0 : f64}
  plan.launch "use1" @k items 1 [#plan.operand<buffer = @w1, offset = 0, rows = 1, rowBytes = 1024, pitch = 1024, read = 1>,
                                 #plan.operand<buffer = @loss, offset = 0, rows = 1, rowBytes = 8, pitch = 8, read = 1, write = 2>]
    {predicted_us = 20.0 : f64}
  plan.copy "fetch2" <buffer = @h2, offset = 0, rows = 1, rowBytes = 1024, pitch = 1024, read = 1>
              to <buffer = @w2, offset = 0, rows = 1, rowBytes = 1024, pitch = 1024, write = 1>
    {predicted_us = 5.0 : f64}
  plan.launch "use2" @k items 1 [#plan.operand<buffer = @w2, offset = 0, rows = 1, rowBytes = 1024, pitch = 1024, read = 1>,
                                 #plan.operand<buffer = @loss, offset = 0, rows = 1, rowBytes = 8, pitch = 8, read = 2, write = 3>]
    {predicted_us = 20.0 : f64}
  plan.emit "loss" [#plan.operand<buffer = @loss, offset = 0, rows = 1, rowBytes = 8, pitch = 8, read = 3>]
}

// -----

// A segment that only computes stays as it is, copies inside device memory included. A transfer with no computation
// behind it stays on the compute stream.

// CHECK: module attributes {plan.streams = ["compute"]}
// CHECK: plan.segment @update
// CHECK-NEXT: plan.launch "short"
// CHECK-NEXT: plan.copy "inside"
// CHECK-NEXT: plan.launch "long"
// CHECK-NEXT: plan.copy "save"
// CHECK-NOT: stream = 1
// CHECK-NOT: wait = array<i64: {{[0-9]}}

plan.arena device @weights
plan.arena pinned @host
plan.buffer @a in @weights weight 64
plan.buffer @b in @weights weight 64
plan.buffer @h in @host weight 64

plan.segment @update {
  plan.launch "short" @k items 1 [#plan.operand<buffer = @a, offset = 0, rows = 1, rowBytes = 64, pitch = 64, write = 1>]
    {predicted_us = 1.0 : f64}
  plan.copy "inside" <buffer = @a, offset = 0, rows = 1, rowBytes = 64, pitch = 64, read = 1>
              to <buffer = @b, offset = 0, rows = 1, rowBytes = 64, pitch = 64, write = 1>
    {predicted_us = 1.0 : f64}
  plan.launch "long" @k items 1 [#plan.operand<buffer = @b, offset = 0, rows = 1, rowBytes = 64, pitch = 64, read = 1, write = 2>]
    {predicted_us = 9.0 : f64}
  plan.copy "save" <buffer = @b, offset = 0, rows = 1, rowBytes = 64, pitch = 64, read = 2>
              to <buffer = @h, offset = 0, rows = 1, rowBytes = 64, pitch = 64, write = 1>
    {predicted_us = 9.0 : f64}
}

// -----

// Transposes of codes run beside computation, and so does a value that leaves and comes back in one segment: both near
// what reads them, at twice their time. Where twice the time of the leave is over, computation waits for it.

// CHECK: module attributes {plan.streams = ["compute", "copy", "ranks", "host", "leave", "ahead"]}
// CHECK: plan.launch "make"
// CHECK-SAME: record = [[MADE:[0-9]+]] : i64
// CHECK: plan.copy "leave"
// CHECK-SAME: record = [[LEFT:[0-9]+]] : i64, stream = 4 : i64, wait = array<i64: [[MADE]]>
// CHECK: plan.launch "more1"
// CHECK: plan.launch "more2"
// CHECK-SAME: record = [[NEAR:[0-9]+]] : i64{{.*}}wait = array<i64: [[LEFT]]>
// CHECK: plan.launch "more3"
// CHECK-DAG: plan.transpose "turn"{{.*}}record = [[TURNED:[0-9]+]] : i64, stream = 5 : i64, wait = array<i64: [[NEAR]]>
// CHECK-DAG: plan.copy "fetch"{{.*}}record = [[BACK:[0-9]+]] : i64, stream = 1 : i64, wait = array<i64: [[NEAR]]>
// CHECK: plan.launch "use"
// CHECK-SAME: wait = array<i64: {{([[TURNED]], [[BACK]]|[[BACK]], [[TURNED]])}}>

plan.arena device @weights
plan.arena device @activations {transient}
plan.arena pinned @host {transient}
plan.buffer @codes in @weights weight 8192 {initial_version = 1 : i64}
plan.buffer @turned in @activations activation 8192
plan.buffer @x in @activations activation 8192
plan.buffer @parked in @host activation 8192
plan.buffer @back in @activations activation 8192
plan.buffer @y in @activations activation 64

plan.segment @accumulate_first {
  plan.launch "make" @k items 1 [#plan.operand<buffer = @x, offset = 0, rows = 1, rowBytes = 8192, pitch = 8192, write = 1>]
    {predicted_us = 10.0 : f64}
  plan.copy "leave" <buffer = @x, offset = 0, rows = 1, rowBytes = 8192, pitch = 8192, read = 1>
              to <buffer = @parked, offset = 0, rows = 1, rowBytes = 8192, pitch = 8192, write = 2>
    {predicted_us = 5.0 : f64}
  plan.launch "more1" @k items 1 [#plan.operand<buffer = @y, offset = 0, rows = 1, rowBytes = 64, pitch = 64, write = 3>]
    {predicted_us = 10.0 : f64}
  plan.launch "more2" @k items 1 [#plan.operand<buffer = @y, offset = 0, rows = 1, rowBytes = 64, pitch = 64, write = 4>]
    {predicted_us = 10.0 : f64}
  plan.launch "more3" @k items 1 [#plan.operand<buffer = @y, offset = 0, rows = 1, rowBytes = 64, pitch = 64, write = 5>]
    {predicted_us = 10.0 : f64}
  plan.transpose "turn" <buffer = @codes, offset = 0, rows = 64, rowBytes = 128, pitch = 128, read = 1>
              to <buffer = @turned, offset = 0, rows = 128, rowBytes = 64, pitch = 64, write = 6>
    {predicted_us = 5.0 : f64}
  plan.copy "fetch" <buffer = @parked, offset = 0, rows = 1, rowBytes = 8192, pitch = 8192, read = 2>
              to <buffer = @back, offset = 0, rows = 1, rowBytes = 8192, pitch = 8192, write = 7>
    {predicted_us = 5.0 : f64}
  plan.launch "use" @k items 1 [#plan.operand<buffer = @back, offset = 0, rows = 1, rowBytes = 8192, pitch = 8192, read = 7>,
                                #plan.operand<buffer = @turned, offset = 0, rows = 128, rowBytes = 64, pitch = 64, read = 6>,
                                #plan.operand<buffer = @y, offset = 0, rows = 1, rowBytes = 64, pitch = 64, read = 5, write = 8>]
    {predicted_us = 10.0 : f64}
  plan.launch "last" @k items 1 [#plan.operand<buffer = @y, offset = 0, rows = 1, rowBytes = 64, pitch = 64, read = 8, write = 9>]
    {predicted_us = 10.0 : f64}
}
