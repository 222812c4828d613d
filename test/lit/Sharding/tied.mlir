// A table that is embedding and head: its gradient is the sum of two products, partial until one reduction.
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-tied rows=4 generate" --ftc-to-sharded="steps=2 dp=2" | FileCheck %s --check-prefix=DDP
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-tied rows=4 generate" --ftc-to-sharded="steps=2 strategy=FSDP dp=2" | FileCheck %s --check-prefix=FSDP

module {}

// DDP-LABEL: func.func @accumulate_last
// DDP: %[[BUCKET:.*]] = ft.read @bucket0.gradient
// DDP: %[[BEFORE:.*]] = ft.view %[[BUCKET]] at 0 : tensor<{{[0-9]+}}xf32> -> tensor<64x24xf32>
// DDP: %{{.*}}, %{{.*}}, %[[HEAD:.*]] = ft.head_loss_grad {{.*}} accumulate %[[BEFORE]]
// DDP: %[[BOTH:.*]] = ft.embedding_grad {{.*}} accumulate %[[HEAD]]
// DDP: %[[ALL:.*]] = ft.assemble[%[[BOTH]],
// DDP: dist.start_all_reduce sum %[[ALL]] over

// The whole of what a micro-batch adds is reduced to the rank's share, and added there.
// FSDP: ft.variable gradient @bucket0.gradient : tensor<1024xf32> {bucket, dist.global = tensor<2048xf32>
// FSDP-LABEL: func.func @accumulate_next
// FSDP: %[[BEFORE:.*]] = ft.read @bucket0.gradient : tensor<1024xf32>
// FSDP: %{{.*}}, %{{.*}}, %[[HEAD:.*]] = ft.head_loss_grad {{.*}} : (tensor<16x24xf32>, tensor<64x24xf32>, tensor<16xi32>, tensor<8xf64>) ->
// FSDP: %[[BOTH:.*]] = ft.embedding_grad {{.*}} accumulate %[[HEAD]]
// FSDP: %[[ALL:.*]] = ft.assemble[%[[BOTH]]] at [0]
// FSDP: %[[P:.*]] = dist.start_reduce_scatter sum %[[ALL]] dim 0
// FSDP: %[[D:.*]] = dist.done %[[P]]
// FSDP: %[[SUM:.*]] = ft.accumulate %[[BEFORE]], %[[D]] : tensor<1024xf32>
// FSDP: ft.write @bucket0.gradient, %[[SUM]]
