// Each named pipeline stops at its border, in the language of that border.
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa" --ftc-to-model | FileCheck %s --check-prefix=MODEL
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa" --ftc-to-sharded | FileCheck %s --check-prefix=MODEL
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa" --ftc-to-kernel | FileCheck %s --check-prefix=KERNEL
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa" --ftc-to-plan | FileCheck %s --check-prefix=PLAN
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa" --ftc-to-plan="precision=BF16_TRUE targets=all-linear fold-adapters library-attention" | FileCheck %s --check-prefix=FOLDED
// RUN: not ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa" --ftc-to-sharded="dp=2" 2>&1 | FileCheck %s --check-prefix=ROWS
// RUN: not ft-opt %s --ftc-to-model 2>&1 | FileCheck %s --check-prefix=EMPTY

module {}

// One rank is the same module behind Sharding.
// MODEL-NOT: dist.
// MODEL: ft.variable
// MODEL: func.func @accumulate_first
// MODEL: ft.rms_norm
// MODEL-NOT: {{dist\.|kernel\.|plan\.}}

// KERNEL: func.func @accumulate_first
// KERNEL: kernel.fused
// KERNEL-NOT: plan.

// PLAN-NOT: {{ft\.|dist\.|func\.func}}
// PLAN: plan.buffer @{{.*}} {{.*}}offset
// PLAN-NOT: {{ft\.|dist\.|func\.func}}
// PLAN: plan.segment @accumulate_first
// PLAN-NOT: plan.attention

// FOLDED: plan.gemm "{{.*}}folded" bf16
// FOLDED: plan.attention

// ROWS: @document_offsets: dimension 0 has 1 elements
// EMPTY: error
