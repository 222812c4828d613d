// The passes in order on each tiny model and mode: what comes out passes the phase check.
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa rows=2 generate" --ftc-to-model="steps=2" | FileCheck %s
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-tied rows=2" --ftc-to-model="precision=BF16_MIXED" | FileCheck %s --check-prefix=MIXED
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-head-dim-100 rows=2 generate" --ftc-to-model="precision=BF16_TRUE steps=2 targets=all-linear dropout=0.1" | FileCheck %s --check-prefix=LORA

module {}

// CHECK-LABEL: func.func @accumulate_first
// CHECK-LABEL: func.func @accumulate_next
// CHECK-LABEL: func.func @evaluate
// CHECK-LABEL: func.func @generate
// CHECK-LABEL: func.func @update
// CHECK-NOT: @initialize

// MIXED-LABEL: func.func @accumulate_first
// MIXED-NOT: @accumulate_next
// MIXED-LABEL: func.func @evaluate
// MIXED-LABEL: func.func @update
// MIXED-LABEL: func.func @initialize

// LORA-NOT: SORTED_POSITIONS
// LORA-NOT: role gradient
// LORA-LABEL: func.func @accumulate_first
// LORA: ft.dropout
// LORA-LABEL: func.func @evaluate
// LORA-NOT: ft.dropout
// LORA-LABEL: func.func @update
// LORA-LABEL: func.func @initialize
