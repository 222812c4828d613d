// The two-layer model, everything that is trained split over two ranks: a bucket a block (embedding, two blocks, norm,
// head), gathered where it is used.
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa rows=4 generate" --ftc-to-sharded="strategy=FSDP dp=2" | FileCheck %s
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa rows=4 generate" --ftc-to-sharded="steps=2 strategy=FSDP dp=2" | FileCheck %s --check-prefix=STEPS
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa rows=4 generate" --ftc-to-sharded="strategy=FSDP dp=4 shard=2" | FileCheck %s --check-prefix=HYBRID

module {}

// CHECK: ft.variable input @tokens : tensor<16xi32>
// CHECK: ft.variable trainable @bucket1.parameter : tensor<6144xf32> {bucket, dist.global = tensor<12288xf32>, dist.sharding = #dist.sharding<@mesh, {{\[\[}}"dp"]]>, shares = 2 : i64}
// CHECK: ft.variable gradient @bucket1.gradient : tensor<6144xf32>
// CHECK: ft.variable exp_avg @bucket1.exp_avg : tensor<6144xf32>

// The gather after next begins when a block does.
// CHECK-LABEL: func.func @accumulate_first
// CHECK: %[[EMBED:.*]] = dist.start_all_gather
// CHECK: %[[BLOCK0:.*]] = ft.read @bucket1.parameter
// CHECK-NEXT: %[[P0:.*]] = dist.start_all_gather %[[BLOCK0]] dim 0 over ["dp"] on @mesh : (tensor<6144xf32>) -> !dist.pending<tensor<12288xf32>>
// CHECK: dist.done %[[EMBED]]
// CHECK: %[[P1:.*]] = dist.start_all_gather
// CHECK: %[[W0:.*]] = dist.done %[[P0]]
// CHECK: ft.view %[[W0]] at 64 : tensor<12288xf32> -> tensor<64x32xf32>
// CHECK: ft.linear
// CHECK: %[[W1:.*]] = dist.done %[[P1]]
// CHECK: %[[DOWN1:.*]] = ft.view %[[W1]] at 9856
// Backward still has the last block, and gathers the first again.
// CHECK: dist.start_all_gather %[[BLOCK0]]
// CHECK: ft.head_loss_grad
// CHECK-NOT: dist.start_all_gather
// CHECK: ft.linear_bwd_input[%{{.*}}], [%[[DOWN1]]]
// CHECK: dist.start_reduce_scatter sum %{{.*}} dim 0 over ["dp"] on @mesh : (tensor<12288xf32>) -> !dist.pending<tensor<6144xf32>>
// CHECK-NOT: dist.start_all_gather
// CHECK: ft.write @bucket1.gradient, %{{.*}} : tensor<6144xf32>
// CHECK-LABEL: func.func @evaluate
// CHECK-COUNT-5: dist.start_all_gather
// CHECK-NOT: dist.start_all_gather
// CHECK-LABEL: func.func @generate
// CHECK-COUNT-5: dist.start_all_gather
// CHECK-LABEL: func.func @update
// CHECK: %[[N:.*]] = ft.grad_norm {{.*}} : (tensor<2048xf32>, tensor<6144xf32>
// CHECK: %[[PN:.*]] = dist.start_all_reduce norm2 %[[N]] over ["dp"] on @mesh : (tensor<1xf64>)
// CHECK: dist.done %[[PN]]
// CHECK: ft.adamw {{.*}} : (tensor<2048xf32>
// CHECK-NOT: dist.start

// What a rank has accumulated of its share gets what the reduction leaves of the micro-batch.
// STEPS-LABEL: func.func @accumulate_next
// STEPS: %[[BEFORE:.*]] = ft.read @bucket4.gradient : tensor<2048xf32>
// STEPS: %[[P:.*]] = dist.start_reduce_scatter sum %{{.*}} : (tensor<4096xf32>)
// STEPS: %[[D:.*]] = dist.done %[[P]]
// STEPS: %[[SUM:.*]] = ft.accumulate %[[BEFORE]], %[[D]]
// STEPS: ft.write @bucket4.gradient, %[[SUM]] : tensor<2048xf32>
// STEPS-NOT: @accumulate_last

// Two copies of what two ranks split: tokens are split over all four, and shares of gradients are reduced over the copies.
// HYBRID: dist.mesh @mesh axes ["dp_replicate", "dp_shard"] sizes [2, 2]
// HYBRID: ft.variable input @tokens : tensor<8xi32>
// HYBRID: ft.variable trainable @bucket1.parameter : tensor<6144xf32> {bucket, dist.global = tensor<12288xf32>, dist.sharding = #dist.sharding<@mesh, {{\[\[}}"dp_shard"]]>
// HYBRID-LABEL: func.func @accumulate_first
// HYBRID: dist.start_all_gather %{{.*}} dim 0 over ["dp_shard"]
// HYBRID: %[[S:.*]] = dist.start_reduce_scatter sum %{{.*}} dim 0 over ["dp_shard"]
// HYBRID: %[[SHARE:.*]] = dist.done %[[S]]
// HYBRID: dist.start_all_reduce sum %[[SHARE]] over ["dp_replicate"]
// HYBRID-LABEL: func.func @update
// HYBRID: dist.start_all_reduce norm2 %{{.*}} over ["dp_shard"]
// HYBRID-NOT: dist.start
