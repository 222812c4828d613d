// LoRA on two ranks: only adapters have gradients; FSDP splits the frozen base as well.
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa rows=4 generate" --ftc-to-sharded="targets=all-linear dropout=0.1 dp=2" | FileCheck %s --check-prefixes=CHECK,DDP
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa rows=4 generate" --ftc-to-sharded="targets=all-linear dropout=0.1 strategy=FSDP dp=2" | FileCheck %s --check-prefixes=CHECK,FSDP

module {}

// DDP: ft.variable frozen @model.layers.0.self_attn.q_proj.weight : tensor<64x32xf32>
// FSDP: ft.variable frozen @model.layers.0.self_attn.q_proj.weight : tensor<32x32xf32> {dist.global = tensor<64x32xf32>
// DDP: ft.variable adapter @bucket0.parameter : tensor<10240xf32> {bucket}
// DDP: ft.variable adapter @model.layers.0.self_attn.q_proj.lora_A.weight : tensor<8x32xf32>
// FSDP: ft.variable adapter @model.layers.0.self_attn.q_proj.lora_A.weight : tensor<4x32xf32>
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
// FSDP: ft.write @model.layers.1.mlp.down_proj.lora_
