// What products of one matrix share, they share: gradients of weights of one x are one product, and what takes the
// places of neighbours lies side by side as they do, with the little that goes with it behind them.
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa rows=4" --ftc-to-plan="targets=all-linear fold-adapters" | FileCheck %s
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-llama-1.1b rows=1" --ftc-to-plan="targets=all-linear fold-adapters" | FileCheck %s --check-prefix=WIDE

module {}

// CHECK-LABEL: plan.segment @accumulate_first
// dx is a product of [d_gate | d_up], in the place of what forward left.
// CHECK: plan.gemm "layers.1.mlp.gate_up_proj.backward" {{.*}} m 32 n 32 k 112 a <buffer = @{{[^,]*}}.layers.1.mlp.gate_up_proj, offset = 0, rows = 32, rowBytes = 448, pitch = 448,
// Gradients of A of gate and up: x is read once.
// CHECK: plan.gemm "layers.1.mlp.gate_up_proj.backward" {{.*}} m 16 n 32 k 32 a {{.*}} rowBytes = 64, pitch = 64,
// CHECK-NOT: plan.gemm "layers.1.mlp.gate_up_proj.backward"
// CHECK: plan.gemm "layers.1.self_attn.qkv_proj.backward" {{.*}} m 24 n 32 k 32 a {{.*}} offset = 512, rows = 32, rowBytes = 96, pitch = 608,
// CHECK-NOT: plan.gemm "layers.1.self_attn.qkv_proj.backward"

// What adapters bring is little beside it, and lies behind it: all of dx is one product.
// WIDE-LABEL: plan.segment @accumulate_first
// WIDE: plan.gemm "layers.20.mlp.gate_up_proj.backward" {{.*}} n 2048 k 11280 a <buffer = @{{[^,]*}}.layers.20.mlp.gate_up_proj, offset = 0, rows = 8, rowBytes = 45120, pitch = 45120,
// WIDE-NEXT: plan.launch
// WIDE-NEXT: plan.gemm "layers.20.mlp.gate_up_proj.backward" {{.*}} m 16 n 2048 k 8 a {{.*}} offset = 45056, {{.*}}rowBytes = 64, pitch = 45120,
// WIDE-NOT: plan.gemm "layers.20.mlp.gate_up_proj.backward"
