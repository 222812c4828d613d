// What backward makes again, by policy: clones stand before their first reader of backward, and what leaves a block is
// kept. The forward part does not change.
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa" --ftc-to-model="recompute=nothing" | FileCheck %s --check-prefixes=CHECK,NOTHING
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa" --ftc-to-model="recompute=products" | FileCheck %s --check-prefixes=CHECK,PRODUCTS
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa" --ftc-to-model="recompute=blocks" | FileCheck %s --check-prefixes=CHECK,BLOCKS
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa" --ftc-to-model="recompute=nothing recompute-early=blocks early-layers=1" | FileCheck %s --check-prefixes=CHECK,EARLY
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa" --ftc-to-model="recompute=blocks park=inputs" | FileCheck %s --check-prefixes=CHECK,INPUTS
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa" --ftc-to-model="recompute=products park=stream" | FileCheck %s --check-prefixes=STREAM
// RUN: not ft-opt %s --ft-recompute 2>&1 | FileCheck %s --check-prefix=EMPTY

// EMPTY: what backward makes again needs @accumulate_first, which differentiation makes

// CHECK-LABEL: func.func @accumulate_first()
// CHECK: %[[X0:.+]] = ft.embedding
// CHECK: ft.attention %
// CHECK: %[[H0:.+]] = ft.add %[[X0]]
// CHECK: %[[X1:.+]] = ft.add %[[H0]]
// CHECK: %[[Y1:.+]], %[[RSTD1:.+]] = ft.rms_norm %[[X1]]
// CHECK: %[[QKV1:.+]]:3 = ft.linear %[[Y1]]
// CHECK: %[[O1:.+]], %[[LSE1:.+]] = ft.attention %
// CHECK: %[[H1:.+]] = ft.add %[[X1]]
// CHECK: ft.head_loss_grad

// NOTHING-NOT: ft.rms_norm_apply
// NOTHING-NOT: ft.swiglu %
// NOTHING-NOT: ft.linear %
// NOTHING: return

// Gate and up from the sum behind attention, which is kept; then q, k and v from the block's input.
// PRODUCTS: %[[Y:.+]] = ft.rms_norm_apply %[[H1]]
// PRODUCTS: %[[GU:.+]]:2 = ft.linear %[[Y]]
// PRODUCTS: ft.swiglu_bwd %{{.+}}, %[[GU]]#0, %[[GU]]#1
// PRODUCTS-NEXT: ft.swiglu %[[GU]]#0, %[[GU]]#1
// PRODUCTS: %[[YA:.+]] = ft.rms_norm_apply %[[X1]], %[[RSTD1]]
// PRODUCTS: %[[QKV:.+]]:3 = ft.linear %[[YA]]
// PRODUCTS: %[[Q:.+]], %[[K:.+]] = ft.rope %[[QKV]]#0, %[[QKV]]#1
// PRODUCTS: ft.attention_bwd %{{.+}}, %[[Q]], %[[K]], %[[QKV]]#2, %[[O1]], %[[LSE1]]
// PRODUCTS-NOT: ft.attention %
// PRODUCTS: return

// All of a block from its input, once.
// BLOCKS: %[[YA:.+]] = ft.rms_norm_apply %[[X1]], %[[RSTD1]]
// BLOCKS: %[[QKV:.+]]:3 = ft.linear %[[YA]]
// BLOCKS: %[[Q:.+]], %[[K:.+]] = ft.rope %[[QKV]]#0, %[[QKV]]#1
// BLOCKS: %[[O:.+]], %[[LSE:.+]] = ft.attention %[[Q]], %[[K]], %[[QKV]]#2
// BLOCKS: %[[OUT:.+]] = ft.linear %[[O]]
// BLOCKS: %[[H:.+]] = ft.add %[[X1]], %[[OUT]]
// BLOCKS: %[[Y:.+]] = ft.rms_norm_apply %[[H]]
// BLOCKS: %[[GU:.+]]:2 = ft.linear %[[Y]]
// BLOCKS: ft.swiglu_bwd %{{.+}}, %[[GU]]#0, %[[GU]]#1
// BLOCKS: ft.attention_bwd %{{.+}}, %[[Q]], %[[K]], %[[QKV]]#2, %[[O]], %[[LSE]]
// BLOCKS: ft.rms_norm_apply %[[X0]]
// BLOCKS: ft.attention %
// BLOCKS: ft.attention_bwd

// The last layer keeps all, the first nothing but its input.
// EARLY-NOT: ft.rms_norm_apply
// EARLY: ft.attention_bwd %{{.+}}, %[[O1]], %[[LSE1]]
// EARLY: ft.rms_norm_apply %[[X0]]
// EARLY: ft.attention %
// EARLY: ft.attention_bwd

// Of two layers the first block's input alone is parked; it comes back where the block is made again.
// INPUTS-NOT: ft.transfer
// INPUTS: %[[BACK:.+]] = ft.transfer %[[THERE:[^ ]+]] : tensor
// INPUTS-NEXT: ft.rms_norm_apply %[[BACK]]
// INPUTS: ft.add %[[BACK]]
// INPUTS-NOT: ft.transfer
// INPUTS: return

// With attention's output and the sum behind it, each behind its last reader, in front of a product; not the last layer's.
// STREAM-LABEL: func.func @accumulate_first()
// STREAM: %[[SX0:.+]] = ft.embedding
// STREAM: %[[SO0:.+]], %{{.+}} = ft.attention %
// STREAM-NEXT: ft.linear %[[SO0]]
// STREAM-NEXT: %[[SH0:.+]] = ft.add %[[SX0]]
// STREAM-NEXT: ft.rms_norm %[[SH0]]
// STREAM-DAG: %[[OTHERE:.+]] = ft.transfer %[[SO0]] to_host
// STREAM-DAG: %[[XTHERE:.+]] = ft.transfer %[[SX0]] to_host
// STREAM: ft.add %[[SH0]]
// STREAM-NEXT: ft.rms_norm
// STREAM-NEXT: %[[HTHERE:.+]] = ft.transfer %[[SH0]] to_host
// STREAM-NEXT: ft.linear
// STREAM-NOT: ft.transfer
// STREAM: ft.head_loss_grad
// STREAM: ft.transfer %[[HTHERE]] :
// STREAM-NEXT: ft.rms_norm_apply
// STREAM: ft.transfer %[[OTHERE]] :
// STREAM: ft.transfer %[[XTHERE]] :
// STREAM-NOT: ft.transfer
// STREAM: return
