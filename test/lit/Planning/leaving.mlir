// Gradients of what the host updates, of one micro-batch: they leave as soon as they are final, and lie there until the
// update has read them.
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-tied rows=2" --ftc-to-plan="precision=BF16_MIXED host=1 gradients-leave" | FileCheck %s
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-tied rows=2" --ftc-to-plan="precision=BF16_MIXED host=1 gradients-leave steps=2" | FileCheck %s --check-prefix=SUM

module {}

// A sum of several micro-batches stays.
// SUM-NOT: host_gradients
// SUM: plan.buffer @bucket0.gradient in @gradients
// SUM-NOT: leaving_norm

// CHECK: plan.arena pinned @host_gradients
// CHECK: plan.buffer @bucket0.gradient in @host_gradients gradient 8192
// CHECK: plan.buffer @bucket2.gradient in @host_gradients gradient 36864
// CHECK: plan.buffer @leaving_norm in @gradients gradient 8

// What is assembled of it is a value of the backward pass, written in whole. Its squares are summed there, into its part of
// what the norm adds up.
// CHECK: plan.segment @accumulate_first {
// CHECK: plan.memset "bucket2.gradient.zeros" 0 <buffer = @[[D:accumulate_first[^,]*]], offset = 35328,{{.*}} write = [[DV:[0-9]+]]>
// CHECK-DAG: plan.launch "bucket2.gradient.squares" {{.*}}<buffer = @[[D]],{{.*}} read = [[DV]]>, #plan.operand<buffer = @[[N:[^,]*]], offset = 512,{{.*}} write = [[NV:[0-9]+]]>
// CHECK-DAG: plan.copy "bucket2.gradient.to_host" <buffer = @[[D]],{{.*}} read = [[DV]]> to <buffer = @bucket2.gradient,{{.*}} write = [[G:[0-9]+]]> {{.*}}stream = 4
// CHECK: plan.launch "grad_norm" @norm items 1 [#plan.operand<buffer = @[[N]],{{.*}} read = [[NV]]>, #plan.operand<buffer = @leaving_norm,{{.*}} write = [[K:[0-9]+]]>]
// CHECK-NOT: plan.copy {{.*}}.gradient

// The gradient that @update has seen is the one that @finish reads: what the next micro-batch sends is another.
// CHECK: plan.segment @update attributes {renames = [{{.*}}#plan.rename<buffer = @bucket2.gradient, from = [[G]], to = [[LAST:[0-9]+]]>
// CHECK-NOT: squares
// CHECK: plan.copy "grad_norm.write" <buffer = @leaving_norm,{{.*}} read = [[K]]>

// CHECK: plan.segment @finish {
// CHECK-NOT: plan.copy "bucket{{[0-9]}}.gradient.to_host"
// CHECK: plan.host_launch "update.model.layers.0.self_attn.q_proj.weight" {{.*}}#plan.operand<buffer = @bucket2.gradient,{{.*}} read = [[LAST]]>

// CHECK: plan.segment @finish_first {
// CHECK: plan.host_launch "update.model.layers.0.self_attn.q_proj.weight" {{.*}}#plan.operand<buffer = @bucket2.gradient,{{.*}} read = [[LAST]]>
// CHECK: plan.copy "bucket2.gradient.to_host" {{.*}} to <buffer = @bucket2.gradient,{{.*}} write = [[G]]> {{.*}}stream = 4
// CHECK: plan.launch "grad_norm"
