// One rank of two in Fusion and in Planning. Collectives end a group: they are in none, and what is fused on one rank
// is fused on two.
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa rows=4" --ftc-to-kernel="dp=2" | FileCheck %s --check-prefixes=CHECK,DDP
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa rows=4" --ftc-to-kernel="dp=2 steps=2" | FileCheck %s --check-prefix=STEPS
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa rows=4" --ftc-to-kernel="dp=2 strategy=FSDP" | FileCheck %s --check-prefixes=CHECK,FSDP
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa rows=2" --ftc-to-kernel | grep -o 'kernel.fused "[a-z_]*"' > %t.one
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa rows=4" --ftc-to-kernel="dp=2" | grep -o 'kernel.fused "[a-z_]*"' | diff %t.one -
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-gqa rows=4" --ftc-to-kernel="dp=2 strategy=FSDP" | grep -o 'kernel.fused "[a-z_]*"' | diff %t.one -

module {}

// CHECK: dist.mesh @mesh
// CHECK-LABEL: func.func @accumulate_first
// FSDP: %[[PW:.*]] = dist.start_all_gather
// CHECK: kernel.fused "add_rms_norm"
// FSDP: dist.start_all_gather
// FSDP: dist.done
// CHECK: ft.head_loss_grad
// The loss is reduced beside backward, gradients when the last is there.
// DDP-NEXT: %[[LOSS:.*]] = dist.start_all_reduce sum %{{.*}} : (tensor<1xf64>)
// CHECK: kernel.fused
// CHECK: ft.embedding_grad
// DDP: %[[P:.*]] = dist.start_all_reduce sum %{{.*}} : (tensor<28672xf32>)
// DDP: %[[D:.*]] = dist.done %[[P]]
// DDP: ft.write @bucket0.gradient, %[[D]]
// FSDP: dist.start_reduce_scatter sum

// Over micro-batches gradients stay partial until the last. Nothing is fused in the update.
// STEPS-LABEL: func.func @accumulate_last
// STEPS: kernel.fused "add_rms_norm"
// STEPS: dist.start_all_reduce sum %{{.*}} : (tensor<28672xf32>)
// STEPS-LABEL: func.func @update
// STEPS-NOT: kernel.fused
