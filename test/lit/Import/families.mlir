// What each family's blocks have that a Llama's have not.
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-qwen2 sequence-len=16" | FileCheck %s --check-prefix=QWEN2
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-qwen3 sequence-len=16" | FileCheck %s --check-prefix=QWEN3
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-qwen3 sequence-len=16 head-lanes=16" | FileCheck %s --check-prefix=PADDED
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-mistral sequence-len=16" | FileCheck %s --check-prefix=MISTRAL
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-mistral sequence-len=5" | FileCheck %s --check-prefix=SHORT
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-smollm3 sequence-len=16" | FileCheck %s --check-prefix=SMOLLM3
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gemma3 sequence-len=16" | FileCheck %s --check-prefix=GEMMA3
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-yarn sequence-len=16" | FileCheck %s --check-prefix=YARN

module {}

// Biases of q, k and v; the second layer has a window. GGUF files of this family do not interleave the halves of heads.
// QWEN2-NOT: gguf_rope_heads
// QWEN2: ft.variable trainable @model.layers.0.self_attn.q_proj.bias : tensor<16xf32>
// QWEN2-SAME: gguf_key = "blk.0.attn_q.bias"
// QWEN2-LABEL: func.func @forward()
// QWEN2: %[[QKV:.+]]:3 = ft.linear
// QWEN2: %[[Q:.+]] = ft.add_bias %[[QKV]]#0
// QWEN2: %[[K:.+]] = ft.add_bias %[[QKV]]#1
// QWEN2: %[[V:.+]] = ft.add_bias %[[QKV]]#2
// QWEN2: %[[ROPE:.+]], %[[ROPE2:.+]] = ft.rope %[[Q]], %[[K]]
// QWEN2: ft.attention %[[ROPE]], %[[ROPE2]], %[[V]]
// QWEN2-NOT: window
// QWEN2: ft.attention
// QWEN2-SAME: window = 8

// Heads of q and k are normalised before they are rotated.
// QWEN3: ft.variable trainable @model.layers.0.self_attn.q_norm.weight : tensor<8xf32>
// QWEN3-SAME: gguf_key = "blk.0.attn_q_norm.weight", init = {kind = "ones"}
// QWEN3-LABEL: func.func @forward()
// QWEN3: %[[QKV:.+]]:3 = ft.linear
// QWEN3: %[[Q:.+]], %{{.+}} = ft.rms_norm %[[QKV]]#0, %{{.+}} {eps = 1.000000e-05 : f64} : (tensor<16x32xf32>, tensor<8xf32>) -> (tensor<16x32xf32>, tensor<16x4xf32>)
// QWEN3: %[[K:.+]], %{{.+}} = ft.rms_norm %[[QKV]]#1
// QWEN3: ft.rope %[[Q]], %[[K]]

// The mean of a head is over the features that it has, not over its lanes.
// PADDED: ft.variable trainable @model.layers.0.self_attn.q_norm.weight : tensor<16xf32>
// PADDED-SAME: padding = #ft.padding<dim = 0, used = 4, block = 8>
// PADDED: ft.rms_norm {{.*}} {eps = 1.000000e-05 : f64, features = 8 : i64} : (tensor<16x64xf32>, tensor<16xf32>)

// In GGUF a Mistral is a Llama. A row that is no longer than the window needs no mask.
// MISTRAL: @model.layers.0.self_attn.q_proj.weight
// MISTRAL-SAME: gguf_rope_heads = 4
// MISTRAL: ft.attention
// MISTRAL-SAME: window = 5
// SHORT: ft.attention
// SHORT-NOT: window

// The second layer is not rotated.
// SMOLLM3-LABEL: func.func @forward()
// SMOLLM3: ft.rope
// SMOLLM3: ft.attention
// SMOLLM3: %[[QKV:.+]]:3 = ft.linear
// SMOLLM3-NOT: ft.rope
// SMOLLM3: ft.attention %[[QKV]]#0, %[[QKV]]#1, %[[QKV]]#2

// Two ropes, norms on both sides with an offset, another activation, scaled embeddings, scores by query_pre_attn_scalar.
// GEMMA3: ft.variable constant_table @rope.cos
// GEMMA3: ft.variable constant_table @rope_local.cos
// GEMMA3: @model.layers.0.input_layernorm.weight : tensor<16xf32>
// GEMMA3-SAME: init = {kind = "normal"
// GEMMA3-LABEL: func.func @forward()
// GEMMA3: %[[EMBEDDED:.+]] = ft.embedding
// GEMMA3: %[[X:.+]] = ft.scale %[[EMBEDDED]] {factor = 4.000000e+00 : f64}
// GEMMA3: ft.rms_norm %[[X]], %{{.+}} {eps = 1.000000e-05 : f64, offset = 1.000000e+00 : f64}
// GEMMA3: %[[LOCAL:.+]] = ft.read @rope_local.cos
// GEMMA3: ft.rope %{{.+}}, %{{.+}}, %{{.+}}, %[[LOCAL]]
// GEMMA3: %[[O:.+]], %{{.+}} = ft.attention
// GEMMA3-SAME: scale = 0.288675{{.*}}, sequence_len = 16 : i64, window = 5 : i64
// GEMMA3: %[[PROJECTED:.+]] = ft.linear %[[O]]
// GEMMA3: %[[NORMED:.+]], %{{.+}} = ft.rms_norm %[[PROJECTED]]
// GEMMA3: %[[Y:.+]] = ft.add %[[X]], %[[NORMED]]
// GEMMA3: ft.rms_norm %[[Y]]
// GEMMA3: ft.swiglu {{.*}} {activation = #ft.activation<gelu_tanh>}
// GEMMA3: %[[DOWN:.+]] = ft.linear
// GEMMA3: %[[NORMED2:.+]], %{{.+}} = ft.rms_norm %[[DOWN]]
// GEMMA3: ft.add %[[Y]], %[[NORMED2]]
// GEMMA3: ft.read @rope.cos

// YARN: ft.variable constant_table @rope.cos : tensor<16x4xf32> {init = {amplitude = 1.138{{.*}}, frequencies = array<f64: 1.000000e+00, {{.*}}>, kind = "rope_cos"}}
