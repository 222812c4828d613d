// An update on the host: @update leaves what it needs, @finish does it alone, @finish_first in front of the first micro-batch.
// What it reads goes there, its copies and mirrors come back, each on the stream of what it occupies.
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-tied rows=2" --ftc-to-plan="precision=BF16_MIXED host=1" | FileCheck %s
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-tied rows=2" --ftc-to-plan="precision=BF16_MIXED" | FileCheck %s --check-prefix=NONE

module {}

// NONE: module {{.*}}plan.streams = ["compute"]
// NONE-NOT: host
// NONE-NOT: @finish

// CHECK: plan.streams = ["compute", "copy", "ranks", "host", "leave"]
// CHECK: plan.arena pinned @host_masters
// CHECK: plan.arena pinned @host_moments
// CHECK: plan.arena pinned @host_transfers {{.*}}transient
// CHECK: plan.buffer @bucket0.parameter in @host_masters weight 8192
// CHECK: plan.buffer @bucket0.gradient in @gradients
// CHECK: plan.buffer @bucket0.exp_avg in @host_moments optimizer_state 8192
// CHECK: plan.buffer @kept0 in @gradients gradient 64

// CHECK: plan.segment @accumulate_first {
// CHECK-NOT: plan.host_launch

// What @finish makes is stale: masters, moments, copies and mirrors.
// CHECK: plan.segment @update attributes {renames = [{{.*}}#plan.rename<buffer = @bucket0.parameter, from = [[P:[0-9]+]], to = [[OLD:[0-9]+]]>
// CHECK-SAME: #plan.rename<buffer = @bucket0.mirror, from = [[M:[0-9]+]], to
// The next record's scalars will take the place of this step's.
// CHECK: plan.copy "kept0.write" <buffer = @io.scalars,{{.*}} to <buffer = @kept0,{{.*}} write = [[K:[0-9]+]]>
// CHECK-NOT: host
// CHECK: plan.emit

// The copies of the start are made on the device, of masters that were brought there.
// CHECK: plan.segment @initialize
// CHECK: plan.copy "bucket2.parameter.from_host" {{.*}} to <buffer = @[[S:[^,]*]],
// CHECK: plan.launch {{.*}}buffer = @[[S]],{{.*}}buffer = @bucket2.copy

// CHECK: plan.segment @finish {
// Scalars are not worth a stream, and stand in front.
// CHECK-NEXT: plan.copy "grad_norm.to_host" {{.*}}{record = 1 : i64}
// CHECK-NEXT: plan.copy "check_grad_norm.to_host"
// CHECK-NEXT: plan.copy "scalars.to_host" {{.*}}{record = {{[0-9]+}} : i64}
// CHECK-NEXT: plan.copy "bucket0.gradient.to_host" {{.*}}stream = 4 : i64
// CHECK: plan.host_launch "update.model.embed_tokens.weight" @host_adamw items 2 [#plan.operand<buffer = @bucket0.parameter,{{.*}} read = [[OLD]], write = [[P]]>
// CHECK: plan.copy "update.model.embed_tokens.weight.from_host" {{.*}} to <buffer = @bucket0.mirror,{{.*}} write = [[M]]>
// CHECK-NOT: plan.gemm
// CHECK: kernel.func @host_adamw({{.*}} attributes {host, items = 2

// CHECK: plan.segment @finish_first {
// CHECK-NEXT: plan.receive
// CHECK-NEXT: plan.copy "grad_norm.to_host"
// CHECK-DAG: plan.copy "scalars.to_host" <buffer = @kept0,{{.*}} read = [[K]]>
// CHECK-DAG: plan.copy "bucket0.gradient.to_host" <buffer = @bucket0.gradient{{.*}} to <buffer = @[[G:[^,]*]],{{.*}} write = [[GV:[0-9]+]]> {{.*}}stream = 4
// CHECK: plan.host_launch "update.model.embed_tokens.weight" @host_adamw items 2
// CHECK-SAME: #plan.operand<buffer = @[[G]],{{.*}} read = [[GV]]>, #plan.operand<buffer = @bucket0.exp_avg,
// CHECK-SAME: stream = 3
// CHECK: plan.copy "update.model.embed_tokens.weight.from_host" <buffer = @bucket0.parameter{{.*}} to <buffer = @bucket0.mirror{{.*}} write = [[M]]> {{.*}}stream = 1
// CHECK: plan.launch "layers.0.input_layernorm" {{.*}}<buffer = @bucket0.mirror,{{.*}} read = [[M]]>{{.*}}wait = array
