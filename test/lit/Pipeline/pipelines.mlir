// Each named pipeline stops at its border, in the language of that border.
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa" --ftc-to-model | FileCheck %s --check-prefix=MODEL
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa" --ftc-to-sharded | FileCheck %s --check-prefix=MODEL
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa" --ftc-to-kernel | FileCheck %s --check-prefix=KERNEL
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa" --ftc-to-plan | FileCheck %s --check-prefix=PLAN
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa" --ftc-to-plan="precision=BF16_TRUE targets=all-linear fold-adapters library-attention" | FileCheck %s --check-prefix=FOLDED
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa" --ftc-to-plan="precision=FP16_MIXED" | FileCheck %s --check-prefix=F16
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

// An update that may be skipped reads the run's status and leaves it; the host reads it there all the same.
// F16: plan.tensor "loss_scale" f64 in @loss_scale
// F16: plan.segment @update
// F16: plan.launch "adjust_scale" @adjust_scale {{.*}}@loss_scale, {{[^>]*}}read = [[V:[0-9]+]], write = [[V]]>{{.*}}@io.status, {{[^>]*}}read = [[S:[0-9]+]]>
// F16: plan.emit "metrics" {{.*}}@io.status, {{[^>]*}}read = [[S]]>
