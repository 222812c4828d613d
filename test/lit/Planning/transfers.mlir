// An update on the host: what it reads goes there, its copies and mirrors come back, each on the stream of what it occupies,
// and the last step of all on stream 0.
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-tied rows=2" --ftc-to-plan="precision=BF16_MIXED host=1" | FileCheck %s
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-tied rows=2" --ftc-to-plan="precision=BF16_MIXED" | FileCheck %s --check-prefix=NONE

module {}

// NONE: module {{.*}}plan.streams = ["compute"]
// NONE-NOT: host

// CHECK: plan.streams = ["compute", "copy", "ranks", "host", "leave"]
// CHECK: plan.arena pinned @host_masters
// CHECK: plan.arena pinned @host_moments
// CHECK: plan.arena pinned @host_transfers {{.*}}transient
// CHECK: plan.buffer @bucket0.parameter in @host_masters weight 8192
// CHECK: plan.buffer @bucket0.gradient in @gradients
// CHECK: plan.buffer @bucket0.exp_avg in @host_moments optimizer_state 8192

// What the last step has brought back is stale.
// CHECK: plan.segment @update attributes {renames = [#plan.rename<buffer = @bucket0.mirror, from = [[M:[0-9]+]], to
// CHECK: plan.copy "bucket0.gradient.to_host" <buffer = @bucket0.gradient{{.*}} to <buffer = @[[G:[^,]*]],{{.*}} write = [[GV:[0-9]+]]> {record = {{.*}}stream = 4
// Scalars are not worth a stream.
// CHECK: plan.copy "grad_norm.to_host"
// CHECK-NOT: stream
// CHECK: plan.copy "check_grad_norm.to_host"
// CHECK: plan.host_launch "update.model.embed_tokens.weight" @host_adamw items 2
// CHECK-SAME: buffer = @bucket0.parameter, {{.*}}, #plan.operand<buffer = @[[G]],{{.*}} read = [[GV]]>, #plan.operand<buffer = @bucket0.exp_avg,
// CHECK-SAME: stream = 3
// CHECK: plan.copy "update.model.embed_tokens.weight.from_host" <buffer = @bucket0.parameter{{.*}} to <buffer = @bucket0.mirror{{.*}} write = [[M]]> {{.*}}stream = 1
// CHECK: plan.copy "update.model.layers.0.input_layernorm.weight.from_host" <buffer = @bucket1.parameter
// CHECK-NOT: stream
// CHECK: plan.emit
// CHECK: kernel.func @host_adamw({{.*}} attributes {host, items = 2

// The copies of the start are made on the device, of masters that were brought there.
// CHECK: plan.segment @initialize
// CHECK: plan.copy "bucket2.parameter.from_host" {{.*}} to <buffer = @[[S:[^,]*]],
// CHECK: plan.launch {{.*}}buffer = @[[S]],{{.*}}buffer = @bucket2.copy
