// A product in 16 bits leaves as f32 and is rounded once, with its bias. Its gradient is of its operands' type.
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-qwen2 sequence-len=16" --ft-apply-precision=mode=BF16_MIXED | FileCheck %s
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-qwen2 sequence-len=16" --ft-apply-precision=mode=BF16_TRUE | FileCheck %s
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-qwen2 sequence-len=16" --ft-apply-precision=mode=FP32_TRUE | FileCheck %s --check-prefix=FP32
// RUN: ft-opt %s --ft-build-model="config=%source_root/recipes/models/tiny-qwen2 sequence-len=16" --ft-apply-precision=mode=BF16_MIXED --ft-differentiate --ft-recompute | FileCheck %s --check-prefix=GRADIENT

module {}

// CHECK-LABEL: func.func @forward()
// CHECK: %[[QKV:.+]]:3 = ft.linear {{.*}} -> (tensor<16x16xf32>, tensor<16x8xf32>, tensor<16x8xf32>)
// CHECK: %[[SUM:.+]] = ft.add_bias %[[QKV]]#0, {{.*}} -> tensor<16x16xf32>
// CHECK: %[[Q:.+]] = ft.cast %[[SUM]] : tensor<16x16xf32> to tensor<16x16xbf16>
// CHECK: %[[SUMV:.+]] = ft.add_bias %[[QKV]]#2
// CHECK: %[[V:.+]] = ft.cast %[[SUMV]] : tensor<16x8xf32> to tensor<16x8xbf16>
// CHECK: ft.rope %[[Q]], {{.*}} -> (tensor<16x16xbf16>, tensor<16x8xbf16>)
// CHECK: ft.attention {{.*}}, %[[V]]
// CHECK: ft.linear {{.*}} -> tensor<16x16xbf16>

// FP32-LABEL: func.func @forward()
// FP32-NOT: ft.cast
// FP32: ft.add_bias {{.*}} -> tensor<16x16xf32>

// GRADIENT-LABEL: func.func @accumulate_first()
// GRADIENT: ft.attention_bwd
// GRADIENT-NOT: ft.cast {{.*}}xbf16> to tensor<16x{{8|16}}xf32>
// GRADIENT: ft.bias_grad {{.*}}xbf16>
// GRADIENT: ft.linear_bwd_weight {{.*}}tensor<16x8xbf16>
