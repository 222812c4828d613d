// Rows of targets alone: the head's rows, and the last block's from its attention on, are gathered once for what each
// operation reads of others; the layer below, attention and the block's input have all rows.
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa rows=2 target-rows=6" --ft-select-targets="training=6 evaluation=4" | FileCheck %s
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa rows=2 target-rows=6" --ftc-to-model="max-targets=6 steps=2 targets=o_proj dropout=0.25" | FileCheck %s --check-prefix=TRAINED

module {}

// CHECK-LABEL: func.func @forward()
// CHECK-NOT: ft.gather_rows
// CHECK-LABEL: func.func @forward_targets()
// CHECK-DAG: %[[LABELS:.+]] = ft.read @target_labels : tensor<6xi32>
// CHECK-DAG: %[[ROWS:.+]] = ft.read @target_rows : tensor<6xi32>
// CHECK-NOT: ft.gather_rows
// CHECK: %[[X1:.+]] = ft.add %{{.+}} -> tensor<16x[[D:[0-9]+]]xf32>
// CHECK-NOT: ft.gather_rows
// CHECK: %[[X:.+]] = ft.add %{{.+}} -> tensor<16x[[D]]xf32>
// CHECK: ft.linear %{{.+}} -> (tensor<16x
// CHECK: %[[O:.+]], %{{.+}} = ft.attention
// CHECK: %[[FEWO:.+]] = ft.gather_rows %[[O]], %[[ROWS]] : {{.+}} -> tensor<6x
// CHECK: %[[OUT:.+]] = ft.linear %[[FEWO]]
// CHECK: %[[FEWX:.+]] = ft.gather_rows %[[X]], %[[ROWS]] : {{.+}} -> tensor<6x
// CHECK: %[[H:.+]] = ft.add %[[FEWX]], %[[OUT]] : {{.+}} -> tensor<6x
// CHECK: %[[Y:.+]], %{{.+}} = ft.rms_norm %[[H]], {{.+}} -> (tensor<6x{{.+}}>, tensor<6xf32>)
// CHECK: ft.linear %[[Y]]
// CHECK: ft.swiglu {{.+}} -> tensor<6x
// CHECK: %[[Z:.+]] = ft.add %[[H]]
// CHECK: %[[LAST:.+]], %{{.+}} = ft.rms_norm %[[Z]]
// CHECK-NOT: ft.gather_rows
// CHECK: ft.head_loss %[[LAST]], %{{.+}}, %[[LABELS]], %{{.+}} : (tensor<6x
// CHECK-LABEL: func.func @evaluate()
// CHECK-NOT: ft.gather_rows
// CHECK-LABEL: func.func @evaluate_targets()
// CHECK: ft.read @target_rows : tensor<4xi32>
// CHECK: ft.head_loss {{.+}} : (tensor<4x

// Backward of the last block is of targets alone as well, until what comes for attention and for the block's input is
// put back. The mask is the one of all rows, there and where the input is made again.
// TRAINED-LABEL: func.func @accumulate_first_targets()
// TRAINED: %[[ROWS:.+]] = ft.read @target_rows : tensor<6xi32>
// TRAINED: %[[O:.+]], %{{.+}} = ft.attention
// TRAINED: ft.attention
// TRAINED: %[[FEWO:.+]] = ft.gather_rows %{{.+}}, %[[ROWS]]
// TRAINED: ft.dropout %[[FEWO]], %[[KEY:.+]], %[[SCALARS:.+]] rows %[[ROWS]] {
// TRAINED: ft.head_loss_grad
// TRAINED: ft.swiglu_bwd {{.+}} -> (tensor<6x
// TRAINED: %[[DH:.+]] = ft.add {{.+}} -> tensor<6x
// TRAINED: %[[AGAIN:.+]] = ft.gather_rows %{{.+}}, %[[ROWS]]
// TRAINED: ft.dropout %[[AGAIN]], %[[KEY]], %[[SCALARS]] rows %[[ROWS]] {
// TRAINED: ft.scatter_rows {{.+}} -> tensor<16x
// TRAINED: ft.attention_bwd
// TRAINED-LABEL: func.func @accumulate_next_targets()
// TRAINED-LABEL: func.func @evaluate_targets()
// TRAINED-LABEL: func.func @update
