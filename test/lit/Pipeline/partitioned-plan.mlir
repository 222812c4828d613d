// One rank of two as steps: the loss and one bucket of adapters are what is exchanged, once a step, on a stream of
// their own.
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa rows=4" --ftc-to-plan="targets=all-linear dp=2" | FileCheck %s
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa rows=4" --ftc-to-plan="targets=all-linear dp=2 steps=3" | FileCheck %s --check-prefix=STEPS
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa rows=4" --ftc-to-plan="dp=2 strategy=FSDP" | FileCheck %s --check-prefix=FSDP

module {}

// CHECK-LABEL: plan.segment @accumulate_first
// CHECK: plan.collective {{.*}}all_reduce
// CHECK-SAME: @io.loss,
// CHECK: plan.collective {{.*}}all_reduce
// CHECK-SAME: @bucket0.gradient,
// CHECK-NOT: plan.collective
// CHECK-LABEL: plan.segment @evaluate
// CHECK: plan.collective
// CHECK-LABEL: plan.segment @update
// CHECK-NOT: plan.collective

// STEPS-LABEL: plan.segment @accumulate_first
// STEPS: plan.collective {{.*}}@io.loss,
// STEPS-NOT: plan.collective
// STEPS-LABEL: plan.segment @accumulate_next
// STEPS: plan.collective
// STEPS-NOT: plan.collective
// STEPS-LABEL: plan.segment @accumulate_last
// STEPS: plan.collective
// STEPS: plan.collective {{.*}}@bucket0.gradient,
// STEPS-NOT: plan.collective
// STEPS-LABEL: plan.segment @evaluate
// STEPS-LABEL: plan.segment @update
// STEPS-NOT: plan.collective

// FSDP: plan.buffer @bucket0.parameter {{.*}}shares = #plan.shares<axes = [0]
// FSDP-LABEL: plan.segment @accumulate_first
// FSDP: plan.collective {{.*}}all_gather
// FSDP: plan.collective {{.*}}reduce_scatter
// FSDP-LABEL: plan.segment @update
// FSDP-NOT: plan.collective {{.*}}all_gather
