// The two-layer model on two replicas: every rank half of the batch and all parameters.
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa rows=4 generate" --ftc-to-sharded="dp=2" | FileCheck %s
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa rows=4 generate" --ftc-to-sharded="steps=2 dp=2" | FileCheck %s --check-prefix=STEPS

module {}

// CHECK: ft.variable input @tokens : tensor<16xi32> {dist.global = tensor<32xi32>
// CHECK: ft.variable input @document_offsets : tensor<3xi32> {dist.global = tensor<5xi32>
// CHECK: ft.variable input @segment_starts : tensor<17xi32> {dist.global = tensor<33xi32>
// CHECK: ft.variable trainable @bucket0.parameter : tensor<28672xf32> {bucket}
// CHECK: ft.variable gradient @bucket0.gradient : tensor<28672xf32> {bucket, of = @bucket0.parameter}
// CHECK: ft.variable trainable @model.layers.0.self_attn.q_proj.weight : tensor<64x32xf32> {gguf_key
// CHECK: ft.variable gradient @model.layers.0.self_attn.q_proj.weight.gradient : tensor<64x32xf32> {key

// CHECK-LABEL: func.func @accumulate_first
// CHECK: %[[LOSS:.*]], %[[DX:.*]], %[[HEAD:.*]] = ft.head_loss_grad {{.*}} -> (tensor<1xf64>, tensor<16x32xf32>, tensor<72x32xf32>)
// The loss begins to be reduced at once, and is waited for at the end.
// CHECK-NEXT: %[[PL:.*]] = dist.start_all_reduce sum %[[LOSS]] over ["dp"] on @mesh : (tensor<1xf64>)
// CHECK: %[[EMBED:.*]] = ft.embedding_grad
// CHECK: %[[ALL:.*]] = ft.assemble[%[[EMBED]], {{.*}}, %[[HEAD]]]
// CHECK: %[[P:.*]] = dist.start_all_reduce sum %[[ALL]] over ["dp"] on @mesh
// CHECK-NOT: dist.start
// CHECK: %[[L:.*]] = dist.done %[[PL]]
// CHECK: ft.check_finite %[[L]]
// CHECK: ft.write @loss, %[[L]]
// CHECK: %[[D:.*]] = dist.done %[[P]]
// CHECK: ft.write @bucket0.gradient, %[[D]]
// The norm is computed where the gradients arrive.
// CHECK-NEXT: %[[NORM:.*]] = ft.grad_norm %[[D]]
// CHECK-NEXT: ft.write @grad_norm, %[[NORM]]
// CHECK-LABEL: func.func @evaluate
// CHECK: ft.head_loss
// CHECK: dist.start_all_reduce sum
// One row is the same on all ranks.
// CHECK-LABEL: func.func @generate
// CHECK: ft.read @tokens : tensor<8xi32>
// CHECK-NOT: dist.
// CHECK-LABEL: func.func @update
// CHECK-NOT: dist.
// CHECK-NOT: ft.grad_norm
// CHECK: %[[NORM:.*]] = ft.read @grad_norm
// CHECK: ft.check_finite %[[NORM]]
// CHECK-NOT: ft.write @grad_norm

// Over micro-batches the bucket is a rank's own sum; behind the last it is reduced, at the same place, and that is what
// the update reads.
// STEPS: ft.variable gradient @bucket0.gradient : tensor<28672xf32> {bucket, dist.sharding = #dist.sharding<@mesh, {{\[\[}}]], partial sum ["dp"]>
// STEPS: ft.variable gradient @bucket0.gradient.reduced : tensor<28672xf32> {bucket, of = @bucket0.parameter, place = #ft.place<bucket = @bucket0.gradient, offset = 0>}
// STEPS-LABEL: func.func @accumulate_first
// STEPS: %[[ALL:.*]] = ft.assemble
// STEPS-NEXT: ft.write @bucket0.gradient, %[[ALL]]
// STEPS-LABEL: func.func @accumulate_next
// STEPS: ft.read @bucket0.gradient
// STEPS: %{{.*}}, %[[DX:.*]], %[[HEAD:.*]] = ft.head_loss_grad {{.*}} accumulate
// STEPS: %[[ALL:.*]] = ft.assemble
// STEPS-NEXT: ft.write @bucket0.gradient, %[[ALL]]
// STEPS-NOT: ft.grad_norm
// STEPS-LABEL: func.func @accumulate_last
// STEPS: ft.read @bucket0.gradient
// STEPS: %[[ALL:.*]] = ft.assemble
// STEPS-NEXT: %[[P:.*]] = dist.start_all_reduce sum %[[ALL]]
// STEPS: %[[D:.*]] = dist.done %[[P]]
// STEPS: ft.write @bucket0.gradient.reduced, %[[D]]
// STEPS-NEXT: %[[NORM:.*]] = ft.grad_norm %[[D]]
// STEPS-NEXT: ft.write @grad_norm, %[[NORM]]
// STEPS-LABEL: func.func @update
// STEPS-NOT: dist.
// STEPS: %[[G:.*]] = ft.read @bucket0.gradient.reduced
// STEPS-NOT: ft.grad_norm
// STEPS: ft.adamw %{{.*}}, %[[G]],
// STEPS-NOT: dist.
