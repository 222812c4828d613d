// The two-layer model, everything that is trained split over two ranks.
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa rows=4 generate" --ftc-to-sharded="strategy=FSDP dp=2" | FileCheck %s
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa rows=4 generate" --ftc-to-sharded="steps=2 strategy=FSDP dp=2" | FileCheck %s --check-prefix=STEPS

module {}

// CHECK: ft.variable input @tokens : tensor<16xi32>
// CHECK: ft.variable trainable @model.layers.0.self_attn.q_proj.weight : tensor<32x32xf32> {dist.global = tensor<64x32xf32>, dist.sharding = #dist.sharding<@mesh, {{\[\[}}"dp"], []]>
// CHECK: ft.variable gradient @model.layers.0.self_attn.q_proj.weight.gradient : tensor<32x32xf32>
// CHECK: ft.variable exp_avg @model.layers.0.self_attn.q_proj.weight.exp_avg : tensor<32x32xf32>

// CHECK-LABEL: func.func @accumulate_first
// CHECK: %[[O:.*]] = ft.read @model.layers.0.self_attn.o_proj.weight : tensor<16x64xf32>
// CHECK-NEXT: %[[PO:.*]] = dist.start_all_gather %[[O]] dim 0 over ["dp"] on @mesh : (tensor<16x64xf32>) -> !dist.pending<tensor<32x64xf32>>
// CHECK: ft.attention
// CHECK: %[[WO:.*]] = dist.done %[[PO]]
// CHECK: ft.linear %{{.*}}, [%[[WO]]] : (tensor<16x64xf32>, tensor<32x64xf32>)
// Backward gathers the weight again.
// CHECK: ft.head_loss_grad
// CHECK: %[[PO2:.*]] = dist.start_all_gather %[[O]]
// CHECK: %[[WO2:.*]] = dist.done %[[PO2]]
// CHECK: ft.linear_bwd_input[%{{.*}}], [%[[WO2]]]
// CHECK: %[[P:.*]] = dist.start_reduce_scatter sum %{{.*}} dim 0 over ["dp"] on @mesh : (tensor<72x32xf32>)
// CHECK: dist.done %[[P]] {{.*}} -> tensor<36x32xf32>
// CHECK: ft.write @model.embed_tokens.weight.gradient, %{{.*}} : tensor<36x32xf32>
// CHECK-LABEL: func.func @update
// CHECK: %[[N:.*]] = ft.grad_norm {{.*}} : (tensor<36x32xf32>, tensor<16xf32>
// CHECK: %[[PN:.*]] = dist.start_all_reduce norm2 %[[N]] over ["dp"] on @mesh : (tensor<1xf64>)
// CHECK: dist.done %[[PN]]
// CHECK: ft.adamw {{.*}} : (tensor<36x32xf32>
// CHECK-NOT: dist.start

// What was accumulated is added to the part that the reduction leaves.
// STEPS-LABEL: func.func @accumulate_next
// STEPS: %[[BEFORE:.*]] = ft.read @lm_head.weight.gradient : tensor<36x32xf32>
// STEPS: %[[P:.*]] = dist.start_reduce_scatter sum %{{.*}} : (tensor<72x32xf32>)
// STEPS: %[[D:.*]] = dist.done %[[P]]
// STEPS: %[[SUM:.*]] = ft.add %[[BEFORE]], %[[D]]
// STEPS: ft.write @lm_head.weight.gradient, %[[SUM]] : tensor<36x32xf32>
