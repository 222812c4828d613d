// RUN: ft-opt %s --ft-insert-adapters="r=4 alpha=8 targets=q_proj,v_proj,down_proj dropout=0.25" | FileCheck %s
// RUN: ft-opt %s --ft-insert-adapters="r=2 alpha=1 targets=all-linear" | FileCheck %s --check-prefix=ALL
// RUN: not ft-opt %s --ft-insert-adapters="targets=w_proj" 2>&1 | FileCheck %s --check-prefix=TARGET
// RUN: not ft-opt %s --ft-insert-adapters="r=0" 2>&1 | FileCheck %s --check-prefix=RANK
// RUN: not ft-opt %s --ft-insert-adapters="dropout=1" 2>&1 | FileCheck %s --check-prefix=DROPOUT
// RUN: not ft-opt %s --ft-insert-adapters="alpha=0" 2>&1 | FileCheck %s --check-prefix=ALPHA

// TARGET: lora.target_modules names "w_proj"; must be all-linear or among down_proj, k_proj, q_proj, v_proj
// RANK: lora.r is 0; must be in [1, 65536]
// DROPOUT: lora.lora_dropout is 1.000000e+00; must be in [0, 1)
// ALPHA: lora.lora_alpha is 0.000000e+00; must be above 0

// CHECK: ft.variable frozen @layers.0.attn.q_proj.weight
// CHECK: ft.variable frozen @layers.0.attn.k_proj.weight
// CHECK: ft.variable adapter @layers.0.attn.q_proj.lora_A.weight : tensor<4x16xf32> {init = {kind = "uniform", scale = 2.500000e-01 : f64}, key = "base_model.model.layers.0.attn.q_proj.lora_A.weight"}
// CHECK: ft.variable adapter @layers.0.attn.q_proj.lora_B.weight : tensor<16x4xf32> {init = {kind = "zeros"}, key = "base_model.model.layers.0.attn.q_proj.lora_B.weight", padding = #ft.padding<dim = 0, used = 2, block = 4>}
// CHECK-NOT: k_proj.lora
// CHECK: ft.variable adapter @layers.0.mlp.down_proj.lora_A.weight : tensor<4x16xf32> {init = {kind = "uniform", scale = 0.35355339059327373 : f64}, key = "base_model.model.layers.0.mlp.down_proj.lora_A.weight", padding = #ft.padding<dim = 1, used = 4, block = 8>}
// CHECK: ft.variable adapter @layers.0.mlp.down_proj.lora_B.weight
// CHECK: ft.variable random_keys @dropout_key.layers.0.attn.input : tensor<1xi64> {init = {kind = "random_keys", names = ["layers.0.attn.input"]}}
// CHECK: ft.variable random_keys @dropout_key.layers.0.mlp.down_proj.input : tensor<1xi64>

// CHECK-LABEL: func.func @forward()
// CHECK-DAG: %[[X:.+]] = ft.read @x
// CHECK-DAG: %[[KEY:.+]] = ft.read @dropout_key.layers.0.attn.input
// CHECK-DAG: %[[KEY2:.+]] = ft.read @dropout_key.layers.0.mlp.down_proj.input
// CHECK: %[[MASKED:.+]] = ft.dropout %[[X]], %[[KEY]], %{{.+}} {p = 2.500000e-01 : f64} :
// CHECK: %[[S:.+]]:2 = ft.linear %[[MASKED]], [%[[AQ:.+]], %[[AV:.+]]] {alpha = 2.000000e+00 : f64}
// CHECK: %[[QKV:.+]]:3 = ft.linear %[[X]], [%{{.+}}, %{{.+}}, %{{.+}}] low_rank[%[[S]]#0, %[[S]]#1] [%{{.+}}, %{{.+}}] {low_rank_of = array<i64: 0, 2>}
// The input of down_proj has four lanes of padding in eight: A has it too, and dropout does not count them.
// CHECK: %[[MASKED2:.+]] = ft.dropout %[[QKV]]#0, %[[KEY2]], %{{.+}} {p = 2.500000e-01 : f64, padding = #ft.padding<dim = 1, used = 4, block = 8>} :
// CHECK: ft.linear %[[MASKED2]]

// CHECK-LABEL: func.func @evaluate()
// CHECK-NOT: ft.dropout
// CHECK: %[[S2:.+]]:2 = ft.linear %[[X2:.+]], [%{{.+}}, %{{.+}}] {alpha = 2.000000e+00 : f64}
// CHECK: ft.linear %[[X2]], [%{{.+}}, %{{.+}}, %{{.+}}] low_rank[%[[S2]]#0, %[[S2]]#1]

// ALL-NOT: dropout
// ALL: ft.variable adapter @layers.0.attn.k_proj.lora_A.weight : tensor<2x16xf32>
// ALL: ft.linear %{{.+}}, [%{{.+}}, %{{.+}}, %{{.+}}] {alpha = 5.000000e-01 : f64}
// ALL: low_rank_of = array<i64: 0, 1, 2>

ft.variable input @scalars : tensor<8xf64> {io = "SCALARS"}
ft.variable output @x : tensor<6x16xf32> {io = "LOGITS"}
ft.variable trainable @layers.0.attn.q_proj.weight : tensor<16x16xf32> {key = "layers.0.attn.q_proj.weight", padding = #ft.padding<dim = 0, used = 2, block = 4>}
ft.variable trainable @layers.0.attn.k_proj.weight : tensor<8x16xf32> {key = "layers.0.attn.k_proj.weight"}
ft.variable trainable @layers.0.attn.v_proj.weight : tensor<8x16xf32> {key = "layers.0.attn.v_proj.weight"}
ft.variable trainable @layers.0.mlp.down_proj.weight : tensor<16x16xf32> {key = "layers.0.mlp.down_proj.weight", padding = #ft.padding<dim = 1, used = 4, block = 8>}

func.func @forward() {
  %x = ft.read @x : tensor<6x16xf32>
  %q = ft.read @layers.0.attn.q_proj.weight : tensor<16x16xf32>
  %k = ft.read @layers.0.attn.k_proj.weight : tensor<8x16xf32>
  %v = ft.read @layers.0.attn.v_proj.weight : tensor<8x16xf32>
  %qkv:3 = ft.linear %x, [%q, %k, %v] : (tensor<6x16xf32>, tensor<16x16xf32>, tensor<8x16xf32>, tensor<8x16xf32>) -> (tensor<6x16xf32>, tensor<6x8xf32>, tensor<6x8xf32>)
  %d = ft.read @layers.0.mlp.down_proj.weight : tensor<16x16xf32>
  %y = ft.linear %qkv#0, [%d] : (tensor<6x16xf32>, tensor<16x16xf32>) -> tensor<6x16xf32>
  ft.write @x, %y : tensor<6x16xf32>
  return
}

func.func @evaluate() {
  %x = ft.read @x : tensor<6x16xf32>
  %q = ft.read @layers.0.attn.q_proj.weight : tensor<16x16xf32>
  %k = ft.read @layers.0.attn.k_proj.weight : tensor<8x16xf32>
  %v = ft.read @layers.0.attn.v_proj.weight : tensor<8x16xf32>
  %qkv:3 = ft.linear %x, [%q, %k, %v] : (tensor<6x16xf32>, tensor<16x16xf32>, tensor<8x16xf32>, tensor<8x16xf32>) -> (tensor<6x16xf32>, tensor<6x8xf32>, tensor<6x8xf32>)
  ft.write @x, %qkv#0 : tensor<6x16xf32>
  return
}
