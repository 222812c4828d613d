// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa rows=2 sequence-len=8 documents=6 generate" | FileCheck %s
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-tied" | FileCheck %s --check-prefix=TIED
// RUN: not ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa sequence-len=129" 2>&1 | FileCheck %s --check-prefix=LONG
// RUN: not ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa rows=4 documents=3" 2>&1 | FileCheck %s --check-prefix=DOCUMENTS
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa head-lanes=24" | FileCheck %s --check-prefix=PADDED
// RUN: not ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa head-lanes=12" 2>&1 | FileCheck %s --check-prefix=LANES
// RUN: not ft-opt %s --ft-build-model="config=%source_root/recipes/models/no-such-model" 2>&1 | FileCheck %s --check-prefix=MISSING

// LONG: sequence_len is 129; must be at most 128, the model's max_position_embeddings
// DOCUMENTS: the cap on documents of a micro-batch is 3; must be at least micro_batch_size, which is 4
// MISSING: no-such-model: cannot open

// LANES: a head is stored in 12 lanes; must be a multiple of 4 and at least head_dim, which is 16

module {}

// CHECK-DAG: ft.variable input @tokens : tensor<16xi32> {io = "TOKENS"}
// CHECK-DAG: ft.variable input @document_offsets : tensor<7xi32> {io = "DOCUMENT_OFFSETS"}
// CHECK-DAG: ft.variable input @segment_starts : tensor<17xi32> {io = "SEGMENT_STARTS"}
// CHECK-DAG: ft.variable output @logits : tensor<1x72xf32> {io = "LOGITS"}
// CHECK-DAG: ft.variable constant_table @rope.cos : tensor<8x8xf32> {init = {frequencies = array<f64: 1.000000e+00, 0.31622776601683{{[0-9]+}}, 1.000000e-01, {{.*}}>, kind = "rope_cos"}}
// CHECK: ft.variable trainable @model.embed_tokens.weight : tensor<72x32xf32>
// CHECK-SAME: gguf_key = "token_embd.weight"
// CHECK: ft.variable trainable @model.layers.0.self_attn.k_proj.weight : tensor<32x32xf32>
// CHECK-SAME: gguf_key = "blk.0.attn_k.weight", gguf_rope_heads = 2 : i64, init = {kind = "normal", scale = 2.000000e-02 : f64}, key = "model.layers.0.self_attn.k_proj.weight"
// CHECK: ft.variable trainable @model.norm.weight : tensor<32xf32>
// CHECK-SAME: init = {kind = "ones"}
// CHECK: ft.variable trainable @lm_head.weight : tensor<72x32xf32>

// CHECK-LABEL: func.func @forward()
// CHECK: %[[EMBEDDED:.+]] = ft.embedding
// CHECK: %[[NORMED:.+]], %{{.+}} = ft.rms_norm %[[EMBEDDED]]
// CHECK: %[[QKV:.+]]:3 = ft.linear %[[NORMED]], [%{{.+}}, %{{.+}}, %{{.+}}]
// CHECK: %[[Q:.+]], %[[K:.+]] = ft.rope %[[QKV]]#0, %[[QKV]]#1
// CHECK: %[[O:.+]], %{{.+}} = ft.attention %[[Q]], %[[K]], %[[QKV]]#2
// CHECK-SAME: {head_dim = 16 : i64, heads = 4 : i64, kv_heads = 2 : i64, scale = 2.500000e-01 : f64, sequence_len = 8 : i64}
// CHECK: %[[PROJECTED:.+]] = ft.linear %[[O]]
// CHECK: %[[RESIDUAL:.+]] = ft.add %[[EMBEDDED]], %[[PROJECTED]]
// CHECK: %[[NORMED2:.+]], %{{.+}} = ft.rms_norm %[[RESIDUAL]]
// CHECK: %[[GATE_UP:.+]]:2 = ft.linear %[[NORMED2]]
// CHECK: %[[PRODUCT:.+]] = ft.swiglu %[[GATE_UP]]#0, %[[GATE_UP]]#1
// CHECK: %[[DOWN:.+]] = ft.linear %[[PRODUCT]]
// CHECK: ft.add %[[RESIDUAL]], %[[DOWN]]
// CHECK: %[[LOSS:.+]] = ft.head_loss
// CHECK: ft.write @loss, %[[LOSS]]

// CHECK-LABEL: func.func @evaluate()
// CHECK: ft.head_loss

// CHECK-LABEL: func.func @generate()
// CHECK: ft.read @tokens : tensor<8xi32>
// CHECK: %[[ROW:.+]] = ft.gather_row
// CHECK: %[[LAST:.+]], %{{.+}} = ft.rms_norm %[[ROW]]
// CHECK: %[[LOGITS:.+]] = ft.linear %[[LAST]]
// CHECK: ft.write @logits, %[[LOGITS]]

// TIED-NOT: lm_head
// TIED-LABEL: func.func @forward()
// TIED: %[[TABLE:.+]] = ft.read @model.embed_tokens.weight
// TIED: ft.embedding %[[TABLE]]
// TIED: ft.head_loss %{{.+}}, %[[TABLE]]
// TIED-NOT: func.func @generate

// Heads of 16 in 24 lanes: rope pairs halves of 8 in 12. The scale and the initial values are those of 16.
// PADDED-DAG: ft.variable constant_table @rope.cos : tensor<8x12xf32> {init = {{.*}}, padding = #ft.padding<dim = 1, used = 8, block = 12>}
// PADDED: @model.layers.0.self_attn.q_proj.weight : tensor<96x32xf32> {{.*}}padding = #ft.padding<dim = 0, used = 8, block = 12>}
// PADDED: @model.layers.0.self_attn.k_proj.weight : tensor<48x32xf32> {{.*}}padding = #ft.padding<dim = 0, used = 8, block = 12>}
// PADDED: @model.layers.0.self_attn.v_proj.weight : tensor<48x32xf32> {{.*}}padding = #ft.padding<dim = 0, used = 16, block = 24>}
// PADDED: @model.layers.0.self_attn.o_proj.weight : tensor<32x96xf32> {{.*}}padding = #ft.padding<dim = 1, used = 16, block = 24>}
// PADDED: ft.attention {{.*}} {head_dim = 24 : i64, heads = 4 : i64, kv_heads = 2 : i64, scale = 2.500000e-01 : f64, sequence_len = 8 : i64}
