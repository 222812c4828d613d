// LoRA on two ranks: only adapters have gradients, and stay whole; the frozen base may be split.
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa rows=4 generate" --ftc-to-sharded="targets=all-linear dropout=0.1 dp=2" | FileCheck %s --check-prefixes=CHECK,DDP
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa rows=4 generate" --ftc-to-sharded="targets=all-linear dropout=0.1 strategy=FSDP split-frozen dp=2" | FileCheck %s --check-prefixes=CHECK,FSDP
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa rows=4 generate" --ftc-to-sharded="targets=all-linear strategy=FSDP split-frozen fold-adapters dp=2" | FileCheck %s --check-prefix=FOLD

module {}

// DDP: ft.variable frozen @model.layers.0.self_attn.q_proj.weight : tensor<64x32xf32>
// A bucket a block: embedding, two blocks, norm and head.
// FSDP: ft.variable frozen @bucket1.parameter : tensor<6144xf32> {bucket, dist.global = tensor<12288xf32>
// FSDP: ft.variable frozen @model.layers.0.self_attn.q_proj.weight : tensor<64x32xf32> {{.*}}place = #ft.place<bucket = @bucket1.parameter, offset = 64>
// FSDP: ft.variable adapter @[[A:bucket[0-9]+]].parameter : tensor<10240xf32> {bucket}
// FSDP: ft.variable gradient @[[A]].gradient : tensor<5120xf32> {bucket, dist.global = tensor<10240xf32>
// DDP: ft.variable adapter @bucket0.parameter : tensor<10240xf32> {bucket}
// DDP: ft.variable adapter @model.layers.0.self_attn.q_proj.lora_A.weight : tensor<8x32xf32>
// The keys of dropout are everywhere the same.
// CHECK: ft.variable random_keys @{{.*}} : tensor<1xi64> {init

// CHECK-LABEL: func.func @accumulate_first
// CHECK: ft.dropout {{.*}} -> tensor<16x32xf32>
// FSDP: ft.linear %{{.*}}, [%{{.*}}, %{{.*}}, %{{.*}}] low_rank{{.*}} : (tensor<16x32xf32>, tensor<64x32xf32>, tensor<32x32xf32>, tensor<32x32xf32>, tensor<16x8xf32>, tensor<16x8xf32>, tensor<16x8xf32>, tensor<64x8xf32>
// DDP: %[[ALL:.*]] = ft.assemble
// DDP: %[[P:.*]] = dist.start_all_reduce sum %[[ALL]]
// DDP-NOT: dist.start
// DDP: %[[D:.*]] = dist.done %[[P]]
// DDP: ft.write @bucket0.gradient, %[[D]]
// FSDP: dist.start_reduce_scatter sum
// FSDP: ft.write @[[A]].gradient, %{{.*}} : tensor<5120xf32>
// What is updated is gathered, and no base weight is.
// FSDP-LABEL: func.func @update
// FSDP: %[[MINE:.*]] = dist.slice
// FSDP: %[[NEW:.*]], %{{.*}}, %{{.*}} = ft.adamw %[[MINE]]
// FSDP: %[[G:.*]] = dist.start_all_gather %[[NEW]]
// FSDP-NOT: dist.start
// FSDP: %[[ALL:.*]] = dist.done %[[G]]
// FSDP: ft.write @[[A]].parameter, %[[ALL]] : tensor<10240xf32>

// Weights lie in shares as at the pitch of their borders; adapters, A below and B beside, are put into what was
// gathered: for both blocks, and in backward for the one that is gathered again.
// FOLD: ft.variable frozen @model.layers.0.self_attn.q_proj.weight : tensor<64x32xf32> {{.*}}place = #ft.place<bucket = @bucket1.parameter, offset = 64, pitch = 56>
// FOLD-LABEL: func.func @accumulate_first
// FOLD: %[[P:.*]] = dist.start_all_gather {{.*}} : (tensor<10240xf32>) -> !dist.pending<tensor<20480xf32>>
// FOLD: %[[W:.*]] = dist.done %[[P]]
// FOLD: %[[ALL:.*]] = ft.insert{{.*}} into %[[W]] at [7232, 7680, 8128, 96, 3688, 5488, {{.*}}] pitches [56, 56, 56, 56, 56, 56, {{.*}}]
// FOLD: %[[A:.*]] = ft.view %[[ALL]] at 7232 {pitch = 56 : i64} : tensor<20480xf32> -> tensor<8x32xf32>
// FOLD: %[[Q:.*]] = ft.view %[[ALL]] at 64 {pitch = 56 : i64} : tensor<20480xf32> -> tensor<64x32xf32>
// FOLD: %[[B:.*]] = ft.view %[[ALL]] at 96 {pitch = 56 : i64} : tensor<20480xf32> -> tensor<64x8xf32>
// FOLD: ft.linear %{{.*}}, [%[[Q]], %{{.*}}, %{{.*}}] low_rank{{.*}} [%[[B]], %{{.*}}, %{{.*}}]
// FOLD: %[[ALL1:.*]] = ft.insert
// FOLD: ft.linear_bwd_input{{.*}}
// FOLD: ft.insert
// FOLD-NOT: ft.insert
// FOLD-LABEL: func.func @evaluate
// FOLD-COUNT-2: ft.insert
// FOLD-NOT: ft.insert
// FOLD-LABEL: func.func @generate
// FOLD-COUNT-2: ft.insert
// FOLD-NOT: ft.insert
// FOLD-LABEL: func.func @update
// FOLD-NOT: ft.insert
