// The two-layer model on two replicas: every rank half of the batch and all parameters.
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa rows=4 generate" --ftc-to-sharded="dp=2" | FileCheck %s
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa rows=4 generate" --ftc-to-sharded="steps=2 dp=2" | FileCheck %s --check-prefix=STEPS

module {}

// CHECK: dist.bucket @gradients.0 [@lm_head.weight.gradient, @model.norm.weight.gradient, @model.layers.1.mlp.down_proj.weight.gradient,
// CHECK-SAME: @model.layers.0.input_layernorm.weight.gradient, @model.embed_tokens.weight.gradient] elements [2304, 32, 1792,
// CHECK-SAME: of f32 over ["dp"] on @mesh
// CHECK: ft.variable input @tokens : tensor<16xi32> {dist.global = tensor<32xi32>
// CHECK: ft.variable input @document_offsets : tensor<3xi32> {dist.global = tensor<5xi32>
// CHECK: ft.variable input @segment_starts : tensor<17xi32> {dist.global = tensor<33xi32>
// CHECK: ft.variable trainable @model.layers.0.self_attn.q_proj.weight : tensor<64x32xf32> {gguf_key
// CHECK: ft.variable gradient @model.layers.0.self_attn.q_proj.weight.gradient : tensor<64x32xf32> {key

// CHECK-LABEL: func.func @accumulate_first
// CHECK: %[[LOSS:.*]], %[[DX:.*]], %[[HEAD:.*]] = ft.head_loss_grad {{.*}} -> (tensor<1xf64>, tensor<16x32xf32>, tensor<72x32xf32>)
// The loss begins to be reduced at once, and is waited for at the end.
// CHECK-NEXT: %[[PL:.*]] = dist.start_all_reduce sum %[[LOSS]] over ["dp"] on @mesh : (tensor<1xf64>)
// CHECK: %[[EMBED:.*]] = ft.embedding_grad
// CHECK: %[[P:.*]] = dist.start_all_reduce sum %[[HEAD]], {{.*}}, %[[EMBED]] over ["dp"] on @mesh bucket @gradients.0
// CHECK: %[[L:.*]] = dist.done %[[PL]]
// CHECK: ft.check_finite %[[L]]
// CHECK: ft.write @loss, %[[L]]
// CHECK: %[[D:.*]]:21 = dist.done %[[P]]
// CHECK: ft.write @lm_head.weight.gradient, %[[D]]#0
// CHECK-LABEL: func.func @evaluate
// CHECK: ft.head_loss
// CHECK: dist.start_all_reduce sum
// One row is the same on all ranks.
// CHECK-LABEL: func.func @generate
// CHECK: ft.read @tokens : tensor<8xi32>
// CHECK-NOT: dist.
// CHECK-LABEL: func.func @update
// CHECK-NOT: dist.

// Over micro-batches gradients stay partial; the update reduces them, once for norm and optimizer.
// STEPS: ft.variable gradient @lm_head.weight.gradient : tensor<72x32xf32> {dist.sharding = #dist.sharding<@mesh, {{\[\[}}], []], partial sum ["dp"]>
// STEPS-LABEL: func.func @accumulate_first
// STEPS-NOT: bucket
// STEPS: %{{.*}}, %[[DX:.*]], %[[HEAD:.*]] = ft.head_loss_grad
// STEPS: ft.write @lm_head.weight.gradient, %[[HEAD]]
// STEPS-LABEL: func.func @accumulate_next
// STEPS: %[[BEFORE:.*]] = ft.read @lm_head.weight.gradient
// STEPS: %{{.*}}, %[[DX:.*]], %[[HEAD:.*]] = ft.head_loss_grad {{.*}} accumulate %[[BEFORE]]
// STEPS: ft.write @lm_head.weight.gradient, %[[HEAD]]
// STEPS-LABEL: func.func @update
// STEPS: %[[P:.*]] = dist.start_all_reduce sum {{.*}} bucket @gradients.0
// STEPS: %[[D:.*]]:21 = dist.done %[[P]]
// STEPS-NEXT: ft.grad_norm %[[D]]#0, %[[D]]#1,
// STEPS: ft.adamw %{{.*}}, %[[D]]#0,
